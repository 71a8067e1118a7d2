#include "agent.h"
#include "http.h"

#define VERSION 1
#define HEADER 9
#define REPORT_LIMIT 64

enum request { hello = 0x01, set_clock, logs, stop, status, reseed, ping, quiesce, renew };
enum report { hello_report = 0x81, state_report, log_report, done_report, failed_report };

int agent_stopping;
static u16 app_port;
static u64 listening_at;

// The uptime of this boot; the counter's rate is unknown, so that its nanoseconds are only an order of magnitude.
static u64 uptime(void) {
    static u64 first;
    first = first ? first : machine_counter();
    return (machine_counter() - first) / 3 + 1;
}

void agent_listening(u16 port) {
    app_port = port;
    listening_at = uptime();
}

struct report_frame {
    u32 length;
    u8 bytes[HEADER + REPORT_LIMIT];
};

static inline __attribute__((always_inline)) void add(struct report_frame *frame, u64 value, u32 width) {
    __builtin_memcpy(frame->bytes + frame->length, &value, width);
    frame->length += width;
}

static void begin(struct report_frame *frame, u8 type, u32 id) {
    frame->length = 4;
    add(frame, type, 1);
    add(frame, id, 4);
}

static void send(struct connection *connection, struct report_frame *frame) {
    u32 length = frame->length - 4;
    __builtin_memcpy(frame->bytes, &length, 4);
    tcp_write(connection, frame->bytes, frame->length);
}

static void send_empty(struct connection *connection, u8 type, u32 id) {
    struct report_frame frame;
    begin(&frame, type, id);
    send(connection, &frame);
}

static void send_text(struct connection *connection, u8 type, u32 id, const char *text, u32 length) {
    struct report_frame frame;
    begin(&frame, type, id);
    if (type == log_report) {
        add(&frame, 1, 1);
        add(&frame, 0, 8);
    }
    memcpy(frame.bytes + frame.length, text, length);
    frame.length += length;
    send(connection, &frame);
}

static void send_hello(struct connection *connection, u32 id) {
    struct report_frame frame;
    begin(&frame, hello_report, id);
    add(&frame, VERSION, 2);
    add(&frame, uptime(), 8);
    send(connection, &frame);
}

static void send_state(struct connection *connection, u32 id) {
    struct report_frame frame;
    begin(&frame, state_report, id);
    add(&frame, agent_stopping ? 3 : 1, 1);
    add(&frame, app_port, 2);
    add(&frame, listening_at, 8);
    add(&frame, listening_at, 8);
    add(&frame, 0, 1);  // exit code
    add(&frame, 0, 1);  // signal
    add(&frame, 0, 2);  // message
    add(&frame, 0, 2);  // other ports
    send(connection, &frame);
}

static void send_logs(struct connection *connection, u32 id) {
    static const char line[] = "probe: ready\n";
    send_empty(connection, done_report, id);
    send_text(connection, log_report, id, line, sizeof(line) - 1);
}

// 0 when the frame breaks the protocol, which ends the connection.
static int take_frame(struct connection *connection, u8 type, u32 id, const u8 *body, u32 length) {
    static const char old[] = "the probe speaks version 1 of the agent protocol";
    if (!connection->agent.greeted) {
        if (type != hello || length != 7 || memcmp(body + 2, "fcctl", 5)) {
            return 0;
        }
        if (body[0] != VERSION || body[1]) {
            send_text(connection, failed_report, id, old, sizeof(old) - 1);
            return 0;
        }
        connection->agent.greeted = 1;
        send_hello(connection, id);
        send_state(connection, 0);
        return 1;
    }
    static const u8 lengths[] = {[hello] = 7, [set_clock] = 8, [logs] = 5, [stop] = 4, [reseed] = 32, [ping] = 0, [quiesce] = 0, [renew] = 40};
    // A host name may follow the fixed part of a renewal; the probe has none.
    if (type < set_clock || type > renew || (type == renew ? length < 40 || length > 104 : length != lengths[type])) {
        return 0;
    }
    switch (type) {
    case renew:
    case set_clock:
        __builtin_memcpy(&probe.clock, body, 8);
        probe.clock_set = machine_counter();
        break;
    case logs: send_logs(connection, id); return 1;
    case status: send_state(connection, id); return 1;
    case stop: agent_stopping = 1; break;
    default: break;
    }
    send_empty(connection, done_report, id);
    if (agent_stopping) {
        send_state(connection, 0);
    }
    return 1;
}

static u32 input(struct connection *connection, u8 *bytes, u32 length) {
    u8 *carry = tcp_carry(connection);
    if (tcp_room(connection) < 4 * sizeof(struct report_frame) || connection->carried + length > TCP_CARRY) {
        return 0;
    }
    // A message that came whole is read where it is.
    const u8 *at = bytes;
    u32 left = length;
    if (connection->carried) {
        memcpy(carry + connection->carried, bytes, length);
        at = carry;
        left = connection->carried + length;
        connection->carried = 0;
    }
    while (left >= 4) {
        u32 size, id;
        __builtin_memcpy(&size, at, 4);
        if (size < 5 || size > TCP_CARRY - 2 * TCP_PAYLOAD) {
            tcp_finish(connection);
            return length;
        }
        if (left < 4 + size) {
            break;
        }
        __builtin_memcpy(&id, at + 5, 4);
        if (!take_frame(connection, at[4], id, at + HEADER, size - 5)) {
            tcp_finish(connection);
            return length;
        }
        at += 4 + size;
        left -= 4 + size;
    }
    connection->carried = left;
    for (u32 i = 0; i < left; i++) {
        carry[i] = at[i];
    }
    return length;
}

static void greet(struct connection *connection) {
    connection->agent.greeted = 0;
}

static void resume(struct connection *connection) {
    connection->blocked = 0;
}

const struct service agent_service = {greet, input, resume};
