#include "machine.h"

#define COMMAND_LINE ((const char *)0x20000)
#define COMMAND_LINE_LIMIT 2048
#define GENERATION ((const volatile u64 *)0xdfff0)
#define SERIAL 0x3f8
#define KEYBOARD 0x64
#define RESET 0xfe
#define FIRST_VECTOR 0x20
#define TIMER_RATE 1193  // counts in a millisecond

struct gate {
    u16 low, selector;
    u8 stack, kind;
    u16 middle;
    u32 high, zero;
};

struct __attribute__((packed)) table {
    u16 limit;
    u64 address;
};

extern char wake[], exception_stubs[];
void exception(u64 number, u64 code, u64 address);

static struct gate gates[48] __attribute__((aligned(16)));
static u64 device_map[512] __attribute__((aligned(4096)));

static void out(u16 port, u8 value) {
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static u8 in(u16 port) {
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

_Noreturn void machine_exit(void) {
    out(KEYBOARD, RESET);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

void machine_print(const char *text) {
    for (; *text; text++) {
        out(SERIAL, (u8)*text);
    }
}

void machine_print_hex(u64 value) {
    for (int shift = 60; shift >= 0; shift -= 4) {
        out(SERIAL, (u8)"0123456789abcdef"[value >> shift & 15]);
    }
}

void exception(u64 number, u64 code, u64 address) {
    u64 fault;
    __asm__ volatile("movq %%cr2, %0" : "=r"(fault));
    machine_print("probe: exception ");
    machine_print_hex(number);
    machine_print(" code ");
    machine_print_hex(code);
    machine_print(" at ");
    machine_print_hex(address);
    machine_print(" for ");
    machine_print_hex(fault);
    machine_print("\n");
    machine_exit();
}

// The devices lie between 3 and 4 GiB, which the VMM's page tables leave out.
static void map_devices(void) {
    for (u64 page = 0; page < 512; page++) {
        device_map[page] = (0xc0000000 + page * 0x200000) | 0x9b;
    }
    u64 root;
    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    u64 *top = (u64 *)(root & ~0xfffUL);
    u64 *directories = (u64 *)(top[0] & 0xffffffffff000);
    directories[3] = (u64)device_map | 3;
    __asm__ volatile("movq %0, %%cr3" ::"r"(root) : "memory");
}

static void set_gates(void) {
    u16 selector;
    __asm__ volatile("movw %%cs, %0" : "=r"(selector));
    for (u64 vector = 0; vector < ARRAY_COUNT(gates); vector++) {
        u64 entry = vector < 32 ? (u64)exception_stubs + 16 * vector : (u64)wake;
        gates[vector] = (struct gate){
            .low = (u16)entry,
            .selector = selector,
            .kind = 0x8e,
            .middle = (u16)(entry >> 16),
            .high = (u32)(entry >> 32),
        };
    }
    struct table table = {sizeof(gates) - 1, (u64)gates};
    __asm__ volatile("lidt %0" ::"m"(table));
}

// Both controllers end interrupts by themselves (mode 3), so that the handler is one instruction.
static void start_controllers(void) {
    out(0x20, 0x11), out(0x21, FIRST_VECTOR), out(0x21, 4), out(0x21, 3), out(0x21, 0xff);
    out(0xa0, 0x11), out(0xa1, FIRST_VECTOR + 8), out(0xa1, 2), out(0xa1, 3), out(0xa1, 0xff);
}

void machine_unmask(u32 line) {
    if (line < 8) {
        out(0x21, (u8)(in(0x21) & ~(1u << line)));
    } else {
        out(0x21, in(0x21) & 0xfb);
        out(0xa1, (u8)(in(0xa1) & ~(1u << (line - 8))));
    }
}

// Channel 0 of the timer in mode 0: one interrupt on line 0 when the count has run out. It is held back until the processor
// sleeps: taken before, while the host lets others run, it would wake nobody.
void machine_wake_in(u64 milliseconds) {
    u64 count = milliseconds * TIMER_RATE;
    __asm__ volatile("cli");
    machine_unmask(0);
    out(0x43, 0x30), out(0x40, (u8)count), out(0x40, (u8)(count >> 8));
}

u64 machine_millisecond(void) {
    static int known;
    static u64 ticks;
    // A look that was held up by others on the host finds too many: the fewest of three are right.
    for (int look = 0; !known && look < 3; look++) {
        machine_wake_in(2);
        u64 begin = machine_counter();
        do {
            out(0x43, 0xe2);  // the next read of channel 0 is its status: bit 7 is its output
        } while (!(in(0x40) & 0x80));
        u64 seen = (machine_counter() - begin) / 2;
        ticks = !look || seen < ticks ? seen : ticks;
    }
    known = 1;
    return ticks;
}

void machine_start(void) {
    set_gates();
    map_devices();
    start_controllers();
}

const char *boot_word(const char *name, const char *from) {
    const char *end = COMMAND_LINE + COMMAND_LINE_LIMIT;
    for (const char *at = from ? from : COMMAND_LINE; at < end && *at; at++) {
        if (at != COMMAND_LINE && at[-1] != ' ') {
            continue;
        }
        u64 match = 0;
        while (name[match] && at[match] == name[match]) {
            match++;
        }
        if (!name[match]) {
            return at + match;
        }
    }
    return 0;
}

u64 parse_number(const char *text, const char **end) {
    u64 base = 10, value = 0;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    for (;; text++) {
        u64 digit = *text >= '0' && *text <= '9' ? (u64)(*text - '0') : (u64)((*text | 32) - 'a') + 10;
        if (digit >= base) {
            break;
        }
        value = value * base + digit;
    }
    if (end) {
        *end = text;
    }
    return value;
}

u64 machine_counter(void) {
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}

u64 machine_random(void) {
    for (int attempt = 0; attempt < 10; attempt++) {
        u64 value;
        u8 good;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(value), "=qm"(good)::"cc");
        if (good) {
            return value;
        }
    }
    return machine_counter() * 0x9e3779b97f4a7c15;
}

const volatile u64 *machine_generation(void) {
    return GENERATION;
}

// Words instead of bytes and no loop for the rest, because under emulation each instruction costs a microsecond,
// and each round of a `rep` as much: the last word overlaps the one before it.
void *memcpy(void *to, const void *from, u64 length) {
    u8 *target = to;
    const u8 *source = from;
    if (length >= 8) {
        u64 last;
        __builtin_memcpy(&last, source + length - 8, 8);
        u8 *end = target + length - 8;
        for (; target + 32 <= end; target += 32, source += 32) {
            u64 words[4];
            __builtin_memcpy(words, source, 32);
            __builtin_memcpy(target, words, 32);
        }
        for (; target < end; target += 8, source += 8) {
            __builtin_memcpy(target, source, 8);
        }
        __builtin_memcpy(end, &last, 8);
        return to;
    }
    if (length & 4) {
        __builtin_memcpy(target, source, 4);
        target += 4;
        source += 4;
    }
    if (length & 2) {
        __builtin_memcpy(target, source, 2);
        target += 2;
        source += 2;
    }
    if (length & 1) {
        *target = *source;
    }
    return to;
}

void *memset(void *to, int value, u64 length) {
    u8 *target = to;
    u64 word = (u8)value * 0x0101010101010101UL;
    for (; length >= 8; length -= 8, target += 8) {
        __builtin_memcpy(target, &word, 8);
    }
    for (; length; length--) {
        *target++ = (u8)value;
    }
    return to;
}

int memcmp(const void *left, const void *right, u64 length) {
    const u8 *a = left, *b = right;
    for (; length; length--, a++, b++) {
        if (*a != *b) {
            return *a - *b;
        }
    }
    return 0;
}
