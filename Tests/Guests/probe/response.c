#include "http.h"

struct probe probe;

static void add_status(struct text *text, int status) {
    switch (status) {
    case 200: text_literal(text, "HTTP/1.1 200 OK\r\n"); break;
    case 400: text_literal(text, "HTTP/1.1 400 Bad Request\r\n"); break;
    case 404: text_literal(text, "HTTP/1.1 404 Not Found\r\n"); break;
    default: text_literal(text, "HTTP/1.1 431 Request Header Fields Too Large\r\n"); break;
    }
}

static void end_head(struct text *text, const struct http *http) {
    if (http->keep) {
        text_literal(text, "\r\n");
    } else {
        text_literal(text, "Connection: close\r\n\r\n");
    }
}

// The part of the document that changes only with a snapshot load or a new clock: digits are dear under emulation.
static const struct text *beginning(void) {
    static struct text cached;
    static u64 known[3];
    const volatile u64 *generation = machine_generation();
    u64 low = generation[0], high = generation[1], clock = probe.clock;
    if (cached.length && known[0] == low && known[1] == high && known[2] == clock) {
        return &cached;
    }
    known[0] = low;
    known[1] = high;
    known[2] = clock;
    cached.length = 0;
    text_literal(&cached, "{\"guest\":\"probe\",\"boot\":\"");
    text_hex(&cached, probe.boot);
    text_literal(&cached, "\",\"generation\":\"");
    text_hex(&cached, __builtin_bswap64(low));
    text_hex(&cached, __builtin_bswap64(high));
    text_literal(&cached, "\",\"clock\":");
    if (clock) {
        text_number(&cached, clock);
    } else {
        text_literal(&cached, "null");
    }
    text_literal(&cached, ",\"requests\":");
    return &cached;
}

void response_build(struct text *text, const struct connection *connection, int status) {
    static struct text rest;
    const struct http *http = &connection->http;
    const struct text *begin = beginning();
    rest.length = 0;
    text_number(&rest, probe.requests);
    text_literal(&rest, ",\"connection\":");
    text_number(&rest, http->number);
    text_literal(&rest, ",\"body\":");
    text_number(&rest, http->body_total);
    text_literal(&rest, ",\"path\":\"");
    text_quoted(&rest, http->path, http->path_length);
    if (http->route == self_route) {
        text_literal(&rest, "\",\"draw\":\"");
        text_hex(&rest, machine_random());
        text_literal(&rest, "\",\"elapsed\":\"");
        text_hex(&rest, machine_counter() - probe.clock_set);
    }
    text_literal(&rest, "\"}\n");
    add_status(text, status);
    text_literal(text, "Content-Type: application/json\r\nContent-Length: ");
    text_number(text, begin->length + rest.length);
    text_literal(text, "\r\n");
    end_head(text, http);
    if (http->method != head) {
        text_add(text, begin->bytes, begin->length);
        text_add(text, rest.bytes, rest.length);
    }
}

void response_head(struct text *text, const struct connection *connection, u64 length, int chunked) {
    text_literal(text, "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n");
    if (chunked) {
        text_literal(text, "Transfer-Encoding: chunked\r\n");
    } else {
        text_literal(text, "Content-Length: ");
        text_number(text, length);
        text_literal(text, "\r\n");
    }
    end_head(text, &connection->http);
}
