#include "http.h"

struct probe probe;

static void end_head(struct text *text, const struct http *http) {
    if (http->keep) {
        text_literal(text, "\r\n");
    } else {
        text_literal(text, "Connection: close\r\n\r\n");
    }
}

// For literals: the compiler stores them word by word.
#define put(to, literal) (__builtin_memcpy(to, literal, sizeof(literal) - 1), (to) + sizeof(literal) - 1)

static u8 *put_text(u8 *to, const struct text *text) {
    memcpy(to, text->bytes, text->length);
    return to + text->length;
}

static u8 *put_number(u8 *to, u64 value) {
    if (value < 10) {
        *to = (u8)('0' + value);
        return to + 1;
    }
    struct text text;
    text.length = 0;
    text_number(&text, value);
    return put_text(to, &text);
}

static u8 *put_status(u8 *to, int status) {
    switch (status) {
    case 200: return put(to, "HTTP/1.1 200 OK\r\n");
    case 400: return put(to, "HTTP/1.1 400 Bad Request\r\n");
    case 404: return put(to, "HTTP/1.1 404 Not Found\r\n");
    default: return put(to, "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    }
}

// The parts of the document that change only with a snapshot load and with a new clock: digits are dear under emulation.
static const struct text *identity(void) {
    static struct text cached;
    static u64 known[2];
    const volatile u64 *generation = machine_generation();
    u64 low = generation[0], high = generation[1];
    if (!cached.length || known[0] != low || known[1] != high) {
        known[0] = low;
        known[1] = high;
        cached.length = 0;
        text_literal(&cached, "{\"guest\":\"probe\",\"boot\":\"");
        text_hex(&cached, probe.boot);
        text_literal(&cached, "\",\"generation\":\"");
        text_hex(&cached, __builtin_bswap64(low));
        text_hex(&cached, __builtin_bswap64(high));
        text_literal(&cached, "\",\"clock\":");
    }
    return &cached;
}

static const struct text *clock(void) {
    static struct text cached;
    static u64 known;
    if (!cached.length || known != probe.clock) {
        known = probe.clock;
        cached.length = 0;
        if (known) {
            text_number(&cached, known);
        } else {
            text_literal(&cached, "null");
        }
    }
    return &cached;
}

static u8 *put_end(u8 *to, const struct http *http) {
    to = put(to, ",\"body\":");
    to = put_number(to, http->body_total);
    to = put(to, ",\"path\":\"");
    if (http->path_length == 1) {
        *to++ = '/';
    } else {
        struct text text;
        text.length = 0;
        text_quoted(&text, http->path, http->path_length);
        to = put_text(to, &text);
    }
    if (http->route == self_route) {
        struct text text;
        text.length = 0;
        text_literal(&text, "\",\"draw\":\"");
        text_hex(&text, machine_random());
        text_literal(&text, "\",\"elapsed\":\"");
        text_hex(&text, machine_counter() - probe.clock_set);
        to = put_text(to, &text);
    }
    return put(to, "\"}\n");
}

// The length has three digits in any case: they are filled in when the body is there.
u8 *response_write(u8 *to, const struct connection *connection, int status) {
    const struct http *http = &connection->http;
    to = put_status(to, status);
    to = put(to, "Content-Type: application/json\r\nContent-Length: ");
    u8 *digits = to;
    to += 3;
    to = http->keep ? put(to, "\r\n\r\n") : put(to, "\r\nConnection: close\r\n\r\n");
    u8 *body = to;
    to = put_text(to, identity());
    to = put_text(to, clock());
    to = put(to, ",\"requests\":");
    to = put_number(to, probe.requests);
    to = put(to, ",\"connection\":");
    to = put_number(to, http->number);
    to = put_end(to, http);
    u32 length = (u32)(to - body), tens = length / 10;
    digits[0] = (u8)('0' + tens / 10);
    digits[1] = (u8)('0' + tens % 10);
    digits[2] = (u8)('0' + length % 10);
    return http->method == head ? body : to;
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
