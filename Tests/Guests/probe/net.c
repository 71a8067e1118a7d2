#include "net.h"

#define QUEUE 256
#define RX_BUFFER 2048  // the device delivers nothing before it sees 64 KiB of room, so all 256 are posted
#define FEATURES 0x120000023UL  // VERSION_1, EVENT_IDX, MAC, GUEST_CSUM, CSUM; no offload that makes frames long
#define WRITABLE 2
#define NEVER 0x4000

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

struct available {
    u16 flags;
    volatile u16 index;
    u16 ring[QUEUE];
    volatile u16 used_event;
};

struct used {
    u16 flags;
    volatile u16 index;
    struct {
        u32 id, length;
    } ring[QUEUE];
    volatile u16 available_event;
};

struct queue {
    struct descriptor descriptors[QUEUE] __attribute__((aligned(16)));
    struct available available __attribute__((aligned(4)));
    struct used used __attribute__((aligned(4)));
};

static struct queue receive_queue, transmit_queue;
static u8 receive_buffers[QUEUE][RX_BUFFER] __attribute__((aligned(4096)));
static u8 short_frames[QUEUE][128] __attribute__((aligned(64)));
static volatile u32 *device;
static u8 address[6];
static u16 received;         // of receive_queue.used that were handled
static u64 queued, completed; // frames of transmit_queue, never wrapping
static u16 kicked;

static u32 read(u32 offset) {
    return device[offset / 4];
}

static void write(u32 offset, u32 value) {
    device[offset / 4] = value;
}

static void write_address(u32 offset, const volatile void *where) {
    write(offset, (u32)(u64)where);
    write(offset + 4, (u32)((u64)where >> 32));
}

static void start_queue(u32 number, struct queue *queue) {
    write(0x30, number);
    write(0x38, QUEUE);
    write_address(0x80, queue->descriptors);
    write_address(0x90, &queue->available);
    write_address(0xa0, &queue->used);
    write(0x44, 1);
}

static int start_device(void) {
    write(0x70, 0);
    write(0x70, 1);
    write(0x70, 3);
    for (u32 half = 0; half < 2; half++) {
        write(0x24, half);
        write(0x20, (u32)(FEATURES >> 32 * half));
    }
    write(0x70, 11);
    if (read(0x70) != 11) {
        return 0;
    }
    for (u32 i = 0; i < 6; i++) {
        address[i] = (u8)(read(0x100 + i / 4 * 4) >> i % 4 * 8);
    }
    for (u16 i = 0; i < QUEUE; i++) {
        receive_queue.descriptors[i] = (struct descriptor){(u64)receive_buffers[i], RX_BUFFER, WRITABLE, 0};
        receive_queue.available.ring[i] = i;
    }
    receive_queue.available.index = QUEUE;
    transmit_queue.available.used_event = NEVER;
    start_queue(0, &receive_queue);
    start_queue(1, &transmit_queue);
    write(0x70, 15);
    write(0x50, 0);
    return 1;
}

// Words look like virtio_mmio.device=4K@0xd0000000:5; drives and network interfaces have one each.
int net_start(void) {
    const char *word = 0;
    while ((word = boot_word("virtio_mmio.device=", word))) {
        while (*word && *word != '@') {
            word++;
        }
        if (*word != '@') {
            return 0;
        }
        device = (volatile u32 *)parse_number(word + 1, &word);
        u32 line = *word == ':' ? (u32)parse_number(word + 1, &word) : 0;
        if (read(0) == 0x74726976 && read(4) == 2 && read(8) == 1) {
            machine_unmask(line);
            return start_device();
        }
    }
    return 0;
}

const u8 *net_address(void) {
    return address;
}

int net_poll(void (*receive)(u8 *frame, u32 length)) {
    u16 until = receive_queue.used.index;
    if (received == until) {
        return 0;
    }
    do {
        u32 slot = received % QUEUE;
        u16 id = (u16)receive_queue.used.ring[slot].id;
        receive(receive_buffers[id], receive_queue.used.ring[slot].length);
        received++;
        u16 next = receive_queue.available.index;
        receive_queue.available.ring[next % QUEUE] = id;
        __asm__ volatile("" ::: "memory");
        receive_queue.available.index = (u16)(next + 1);
    } while (received != until);
    // The device waits for this only after it ran out of buffers, and says so in available_event.
    barrier();
    u16 now = receive_queue.available.index;
    static u16 told = QUEUE;
    if ((u16)(now - receive_queue.used.available_event - 1) < (u16)(now - told)) {
        write(0x50, 0);
    }
    told = now;
    return 1;
}

static void count_completed(void) {
    completed += (u16)(transmit_queue.used.index - (u16)completed);
}

int net_sent(u64 ticket) {
    count_completed();
    return completed >= ticket;
}

void net_wait(u64 ticket) {
    if (net_sent(ticket)) {
        return;
    }
    net_kick();
    while (!net_sent(ticket)) {
        __asm__ volatile("pause");
    }
}

void net_drain(void) {
    net_wait(queued);
}

u8 *net_short_frame(void) {
    if (queued >= QUEUE) {
        net_wait(queued - QUEUE + 1);
    }
    return short_frames[queued % QUEUE];
}

u64 net_send(const u8 *frame, u32 length) {
    if (queued >= QUEUE) {
        net_wait(queued - QUEUE + 1);
    }
    u16 slot = (u16)(queued % QUEUE);
    transmit_queue.descriptors[slot] = (struct descriptor){(u64)frame, length, 0, 0};
    transmit_queue.available.ring[slot] = slot;
    __asm__ volatile("" ::: "memory");
    queued++;
    transmit_queue.available.index = (u16)queued;
    return queued;
}

void net_kick(void) {
    u16 now = (u16)queued;
    if (now == kicked) {
        return;
    }
    transmit_queue.available.used_event = (u16)(now + NEVER);
    barrier();
    if ((u16)(now - transmit_queue.used.available_event - 1) < (u16)(now - kicked)) {
        write(0x50, 1);
    }
    kicked = now;
}

void net_idle(void) {
    receive_queue.available.used_event = received;
    barrier();
    __asm__ volatile("cli");
    if (receive_queue.used.index == received) {
        __asm__ volatile("sti; hlt" ::: "memory");
    } else {
        __asm__ volatile("sti" ::: "memory");
    }
}
