#include "tcp.h"
#include "net.h"

#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16
#define WINDOW 64240
#define BUCKETS 1024
#define NONE 0xffff
#define HEADERS sizeof(struct frame)

static struct connection connections[TCP_LIMIT];
static u8 frames[TCP_LIMIT][1536] __attribute__((aligned(64)));
static u8 carries[TCP_LIMIT][TCP_CARRY];
static u16 buckets[BUCKETS], free_list;
static u32 opened_count;
static struct {
    u16 port;
    const struct service *service;
} listeners[4];

static u16 index_of(const struct connection *connection) {
    return (u16)(connection - connections);
}

static struct frame *frame_of(const struct connection *connection) {
    return (struct frame *)frames[index_of(connection)];
}

u8 *tcp_carry(const struct connection *connection) {
    return carries[index_of(connection)];
}

static u32 bucket_of(u32 address, u16 port, u16 own_port) {
    return (swap16(port) ^ address ^ swap16(own_port)) % BUCKETS;
}

void tcp_start(void) {
    for (u32 i = 0; i < BUCKETS; i++) {
        buckets[i] = NONE;
    }
    for (u32 i = 0; i < TCP_LIMIT; i++) {
        connections[i].next = (u16)(i + 1 < TCP_LIMIT ? i + 1 : NONE);
    }
}

void tcp_listen(u16 port, const struct service *service) {
    for (u32 i = 0; i < ARRAY_COUNT(listeners); i++) {
        if (!listeners[i].service) {
            listeners[i].port = swap16(port);
            listeners[i].service = service;
            return;
        }
    }
}

static const struct service *service_of(u16 port) {
    for (u32 i = 0; i < ARRAY_COUNT(listeners); i++) {
        if (listeners[i].service && listeners[i].port == port) {
            return listeners[i].service;
        }
    }
    return 0;
}

static struct connection *find(const struct frame *frame) {
    u16 at = buckets[bucket_of(frame->ip.from, frame->tcp.from, frame->tcp.to)];
    while (at != NONE) {
        struct connection *connection = &connections[at];
        if (connection->peer_address == frame->ip.from && connection->peer_port == frame->tcp.from &&
            connection->port == frame->tcp.to) {
            return connection;
        }
        at = connection->next;
    }
    return 0;
}

static void release(struct connection *connection) {
    u16 index = index_of(connection);
    u16 *link = &buckets[bucket_of(connection->peer_address, connection->peer_port, connection->port)];
    while (*link != index) {
        link = &connections[*link].next;
    }
    *link = connection->next;
    connection->state = closed;
    connection->next = free_list;
    free_list = index;
}

// What stays the same for all segments to one host, and the sums over it.
static struct {
    struct frame frame;
    u32 ip_sum, tcp_sum;
} common;

static void prepare_common(const struct frame *from) {
    struct frame *frame = &common.frame;
    memset(frame, 0, HEADERS);
    frame->virtio.flags = 1;
    frame->virtio.checksum_start = 34;
    frame->virtio.checksum_offset = 16;
    memcpy(frame->ethernet.to, from->ethernet.from, 6);
    memcpy(frame->ethernet.from, net_address(), 6);
    frame->ethernet.kind = swap16(0x0800);
    frame->ip.version = 0x45;
    frame->ip.fragment = swap16(0x4000);
    frame->ip.hops = 64;
    frame->ip.protocol = 6;
    frame->ip.from = swap32(GUEST_ADDRESS);
    frame->ip.to = from->ip.from;
    frame->tcp.offset = 0x50;
    struct {
        u32 from, to;
        u16 zero, protocol;
    } pseudo = {frame->ip.from, frame->ip.to, 0, swap16(6)};
    common.ip_sum = checksum(&frame->ip, 20);
    common.tcp_sum = checksum(&pseudo, sizeof(pseudo));
}

static int differs(const u8 *left, const u8 *right) {
    u32 a, b;
    u16 c, d;
    __builtin_memcpy(&a, left, 4), __builtin_memcpy(&b, right, 4);
    __builtin_memcpy(&c, left + 4, 2), __builtin_memcpy(&d, right + 4, 2);
    return a != b || c != d;
}

static inline __attribute__((always_inline)) void copy_headers(struct frame *to, const struct frame *from) {
#pragma GCC unroll 8
    for (u32 at = 0; at < 64; at += 8) {
        __builtin_memcpy((u8 *)to + at, (const u8 *)from + at, 8);
    }
    __builtin_memcpy((u8 *)to + 64, (const u8 *)from + 64, 2);
}

// Headers that stay the same for all segments of one connection, and the sums over them.
static void prepare(struct frame *frame, struct connection *connection, const struct frame *from) {
    if (common.frame.ip.to != from->ip.from || differs(common.frame.ethernet.to, from->ethernet.from)) {
        prepare_common(from);
    }
    copy_headers(frame, &common.frame);
    frame->tcp.from = from->tcp.to;
    frame->tcp.to = from->tcp.from;
    connection->ip_sum = common.ip_sum;
    connection->tcp_sum = common.tcp_sum;
}

// Fills in what depends on the segment's length: the sums over the rest were made once by prepare().
static void seal(struct frame *frame, const struct connection *connection, u32 length) {
    u16 total = swap16((u16)(20 + length));
    frame->ip.length = total;
    u32 sum = connection->ip_sum + total;
    frame->ip.checksum = (u16)~(sum + (sum >> 16));
    // The device completes this sum over the segment: it wants the folded pseudo-header sum, not complemented.
    sum = connection->tcp_sum + swap16((u16)length);
    frame->tcp.checksum = (u16)(sum + (sum >> 16));
}

static void fill_tcp(struct frame *frame, const struct connection *connection, u8 flags, u32 sequence) {
    frame->tcp.flags = flags;
    frame->tcp.sequence = swap32(sequence);
    frame->tcp.acknowledged = swap32(connection->received);
    frame->tcp.window = connection->blocked ? 0 : swap16(WINDOW);
}

static void send_control(struct connection *connection, u8 flags, u32 sequence) {
    struct frame *frame = (struct frame *)net_short_frame();
    copy_headers(frame, frame_of(connection));
    fill_tcp(frame, connection, flags, sequence);
    u32 options = 0;
    if (flags & SYN) {
        static const u8 segment_size[] = {2, 4, TCP_PAYLOAD >> 8, TCP_PAYLOAD & 0xff};
        __builtin_memcpy(frame->payload, segment_size, sizeof(segment_size));
        options = sizeof(segment_size);
        frame->tcp.offset = 0x60;
    }
    seal(frame, connection, 20 + options);
    net_send((u8 *)frame, (u32)HEADERS + options);
}

static void send_frame(struct connection *connection, u8 flags) {
    struct frame *frame = frame_of(connection);
    net_wait(connection->ticket);
    fill_tcp(frame, connection, flags, connection->last_sequence);
    seal(frame, connection, 20 + connection->last_length);
    connection->ticket = net_send((u8 *)frame, (u32)HEADERS + connection->last_length);
}

static void send_written(struct connection *connection, u8 flags) {
    connection->last_sequence = connection->sent;
    connection->last_length = connection->fill;
    connection->sent += connection->fill;
    connection->fill = 0;
    send_frame(connection, flags);
}

u32 tcp_room(const struct connection *connection) {
    u32 used = connection->sent - connection->acknowledged + connection->fill;
    return connection->state != established || used >= connection->window ? 0 : connection->window - used;
}

void tcp_write(struct connection *connection, const void *bytes, u32 length) {
    const u8 *from = bytes;
    while (length) {
        if (connection->fill == TCP_PAYLOAD) {
            send_written(connection, ACK);
        }
        if (!connection->fill) {
            net_wait(connection->ticket);
        }
        u32 part = TCP_PAYLOAD - connection->fill;
        part = part < length ? part : length;
        memcpy(frame_of(connection)->payload + connection->fill, from, part);
        connection->fill += part;
        from += part;
        length -= part;
    }
}

u8 *tcp_begin(struct connection *connection, u32 most) {
    if (connection->fill + most > TCP_PAYLOAD) {
        send_written(connection, ACK);
    }
    if (!connection->fill) {
        net_wait(connection->ticket);
    }
    return frame_of(connection)->payload + connection->fill;
}

void tcp_end(struct connection *connection, const u8 *end) {
    connection->fill = (u32)(end - frame_of(connection)->payload);
}

void tcp_finish(struct connection *connection) {
    connection->want_finish = 1;
}

void tcp_reset(struct connection *connection) {
    send_control(connection, RST | ACK, connection->sent);
    release(connection);
}

// Sends what was written, with the acknowledgement; alone when `acknowledge` asks for one.
static void flush(struct connection *connection, int acknowledge) {
    int finish = connection->want_finish && !connection->blocked && connection->state == established;
    if (connection->fill) {
        send_written(connection, finish ? FIN | PSH | ACK : PSH | ACK);
    } else if (finish || acknowledge) {
        send_control(connection, finish ? FIN | ACK : ACK, connection->sent);
    }
    if (finish) {
        connection->sent++;
        connection->state = finishing;
    }
}

void tcp_push(struct connection *connection) {
    flush(connection, 0);
}

static u32 payload_length(const struct frame *frame, u32 end) {
    u32 start = (u32)HEADERS - 20 + (frame->tcp.offset >> 4) * 4u;
    return start < end ? end - start : 0;
}

// A reset for a segment that no connection expects.
static void reject(const struct frame *from, u32 end) {
    struct connection stranger = {.received = swap32(from->tcp.sequence) + payload_length(from, end)};
    stranger.received += from->tcp.flags & (SYN | FIN) ? 1 : 0;
    struct frame *frame = (struct frame *)net_short_frame();
    prepare(frame, &stranger, from);
    int acknowledges = from->tcp.flags & ACK;
    fill_tcp(frame, &stranger, acknowledges ? RST : RST | ACK, acknowledges ? swap32(from->tcp.acknowledged) : 0);
    seal(frame, &stranger, 20);
    net_send((u8 *)frame, HEADERS);
}

// A connection whose first packet says something (RFC 7413): it is heard at once, and its answer follows the handshake's.
static void begin_with(struct connection *connection, u8 *bytes, u32 length) {
    connection->state = established;
    if (connection->service->opened) {
        connection->service->opened(connection);
    }
    connection->received += connection->service->input(connection, bytes, length);
    if (connection->state == closed) {
        return;
    }
    send_control(connection, SYN | ACK, connection->sent);
    connection->sent++;
    flush(connection, 0);
}

static void open(struct frame *frame, u32 end) {
    const struct service *service = service_of(frame->tcp.to);
    if (!service || free_list == NONE) {
        reject(frame, end);
        return;
    }
    struct connection *connection = &connections[free_list];
    u16 index = free_list;
    free_list = connection->next;
    net_wait(connection->ticket);
    connection->service = service;
    connection->state = opening;
    connection->peer_finished = connection->want_finish = connection->blocked = 0;
    connection->last_length = connection->fill = connection->carried = 0;
    connection->peer_address = frame->ip.from;
    connection->peer_port = frame->tcp.from;
    connection->port = frame->tcp.to;
    connection->received = swap32(frame->tcp.sequence) + 1;
    connection->sent = (u32)(machine_counter() >> 6);
    connection->acknowledged = connection->sent;
    connection->window = swap16(frame->tcp.window);
    u16 *bucket = &buckets[bucket_of(frame->ip.from, frame->tcp.from, frame->tcp.to)];
    connection->next = *bucket;
    *bucket = index;
    opened_count++;
    prepare(frame_of(connection), connection, frame);
    u32 length = payload_length(frame, end);
    if (length) {
        begin_with(connection, (u8 *)frame + end - length, length);
        return;
    }
    send_control(connection, SYN | ACK, connection->sent);
    connection->sent++;
}

// Takes the acknowledgement in; 0 when the connection ended with it.
static int acknowledge(struct connection *connection, const struct service *service, const struct frame *frame) {
    u32 acknowledged = swap32(frame->tcp.acknowledged);
    if (acknowledged - connection->acknowledged <= connection->sent - connection->acknowledged) {
        connection->acknowledged = acknowledged;
        connection->window = swap16(frame->tcp.window);
    }
    if (connection->acknowledged != connection->sent && connection->state != established) {
        return 1;
    }
    if (connection->state == opening) {
        connection->state = established;
        if (service->opened) {
            service->opened(connection);
        }
    } else if (connection->state == finishing && connection->peer_finished) {
        release(connection);
        return 0;
    } else if (connection->blocked) {
        connection->blocked = 0;
        service->resume(connection);
        if (connection->state == closed) {
            return 0;
        }
        flush(connection, !connection->blocked);
    }
    return 1;
}

// Says where we are to a peer that repeats itself: our answer was lost, or what it sent before was.
static void repeat(struct connection *connection, u32 behind) {
    int unanswered = behind <= WINDOW && connection->sent != connection->acknowledged && !connection->fill;
    if (unanswered && connection->state == finishing) {
        send_control(connection, FIN | ACK, connection->sent - 1);
    } else if (unanswered && connection->last_length) {
        send_frame(connection, PSH | ACK);
    } else {
        flush(connection, 1);
    }
}

static void take(struct connection *connection, const struct service *service, struct frame *frame, u32 end) {
    u32 length = payload_length(frame, end);
    u32 finished = frame->tcp.flags & FIN ? 1 : 0;
    u32 behind = connection->received - swap32(frame->tcp.sequence);
    if (!length && !finished && !behind) {
        flush(connection, 0);
        return;
    }
    if (behind >= length + finished) {
        repeat(connection, behind);
        return;
    }
    u32 fresh = length - behind, taken = fresh;
    if (fresh && connection->state == established && !connection->want_finish) {
        taken = service->input(connection, (u8 *)frame + end - fresh, fresh);
        if (connection->state == closed) {
            return;
        }
    }
    connection->received += taken;
    if (finished && taken == fresh) {
        connection->received++;
        connection->peer_finished = 1;
        connection->want_finish = 1;
    }
    int over = connection->state == finishing && connection->peer_finished;
    flush(connection, 1);
    if (over && connection->acknowledged == connection->sent) {
        release(connection);
    }
}

void tcp_receive(struct frame *frame, u32 end) {
    struct connection *connection = find(frame);
    if (frame->tcp.flags & RST) {
        if (connection) {
            release(connection);
        }
        return;
    }
    if (frame->tcp.flags & SYN) {
        if (connection) {
            release(connection);
        }
        open(frame, end);
        return;
    }
    if (!connection) {
        reject(frame, end);
        return;
    }
    if (frame->tcp.flags & ACK && acknowledge(connection, connection->service, frame) && connection->state != opening) {
        take(connection, connection->service, frame, end);
    }
}

u32 tcp_connections(void) {
    return opened_count;
}
