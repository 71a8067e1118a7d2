// HTTP/1.1 requests in, one JSON document out.
//
//     /, /healthz     200
//     /echo           200 with the request's body, streamed
//     /bytes/N        200 with N bytes
//     /self           200; the document also has a number drawn now and the time passed since the clock was given
//     /until/N        200 while the clock that the host gave last is before N, then 404
//     /slow/N         200 after N milliseconds, in which the processor sleeps
//     /hang           no answer; the connection stays open
//     /reset          the connection is reset
//     /exit           the VM ends
//     anything else   404
#pragma once
#include "tcp.h"

enum method { other_method, get, head };
enum step { request_line, header_line, body, chunk_size, chunk_data, chunk_end, trailer_line };
enum route { no_route, hello_route, self_route, echo_route, bytes_route, slow_route, hang_route, reset_route, exit_route };
enum output { no_output, answer, bytes, later, nothing };

extern const struct service http_service;

// Gives the answers whose time has come, and has the processor woken for the next. Call it before each sleep.
void http_tick(void);

// What every answer shows, besides the request.
struct probe {
    u64 boot;         // drawn at the start of this boot: the same in all its clones
    u64 clock;        // nanoseconds since 1970 that the host gave, 0 before it did
    u64 clock_set;    // the processor's counter at that moment
    u64 requests;
};
extern struct probe probe;

// Writes a whole answer without a streamed body; returns its end.
u8 *response_write(u8 *to, const struct connection *connection, int status);

// The head of an answer whose body follows; `chunked` when its length is not known.
void response_head(struct text *text, const struct connection *connection, u64 length, int chunked);
