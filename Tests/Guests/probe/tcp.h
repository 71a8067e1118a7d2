// As much TCP as a server on a short, loss-free link needs: no timers, segments in order, one frame a connection.
#pragma once
#include "link.h"
#include "text.h"

#define TCP_LIMIT 2048    // connections at once
#define TCP_PAYLOAD 1460
#define TCP_CARRY 4096    // bytes of a line or message that came in pieces

enum state { closed, opening, established, finishing };

struct connection {
    u16 next;  // in its bucket or in the free list
    u8 state;
    u8 peer_finished, want_finish, blocked;
    u32 peer_address;
    u16 peer_port, port;  // network byte order
    u32 received, sent, acknowledged, window;
    u32 last_sequence, last_length;  // what the frame holds, for a repetition
    u32 fill;                        // payload bytes in the frame that were not sent yet
    u64 ticket;                      // the frame belongs to the device until this is done
    u32 carried;
    u32 ip_sum, tcp_sum;  // over the headers that do not change
    const struct service *service;
    union {
        struct http {
            u32 number;  // of this connection since the boot; what follows is cleared for each request
            u8 step, output, method, route, keep, chunked, expects, length_given, bad;
            u64 body_left, body_total, output_left, due;
            u32 path_length;
            char path[120];
        } http;
        struct agent {
            u8 greeted;
        } agent;
    };
};

// What a port does. `input` returns how many bytes it took: fewer when output has to go out first, and then
// `resume` is called once the peer has made room. Both may write with tcp_room() and tcp_write().
struct service {
    void (*opened)(struct connection *);
    u32 (*input)(struct connection *, u8 *bytes, u32 length);
    void (*resume)(struct connection *);
};

void tcp_start(void);
void tcp_listen(u16 port, const struct service *service);
void tcp_receive(struct frame *frame, u32 end);

// Bytes that may be written now without overrunning the peer.
u32 tcp_room(const struct connection *connection);

// At most tcp_room() bytes; sent with the next flush.
void tcp_write(struct connection *connection, const void *bytes, u32 length);

// The place for at most `most` bytes, a frame's payload at the utmost, which tcp_end() takes up to their end.
u8 *tcp_begin(struct connection *connection, u32 most);
void tcp_end(struct connection *connection, const u8 *end);
// Sends what was written outside `input` and `resume`.
void tcp_push(struct connection *connection);

// Closes after what was written; tcp_reset() drops the connection at once.
void tcp_finish(struct connection *connection);
void tcp_reset(struct connection *connection);

// The connection's own buffer of TCP_CARRY bytes.
u8 *tcp_carry(const struct connection *connection);

u32 tcp_connections(void);
