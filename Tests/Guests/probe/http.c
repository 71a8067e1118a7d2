#include "http.h"
#include "net.h"

#define ANSWER_ROOM 640  // no answer without a streamed body is longer
#define CHUNK_ROOM 16    // the frame of one chunk

static void begin_request(struct connection *connection) {
    struct http *http = &connection->http;
    http->step = request_line;
    http->output = no_output;
    http->method = other_method;
    http->route = no_route;
    http->keep = http->chunked = http->expects = http->length_given = http->bad = 0;
    http->body_left = http->body_total = http->output_left = 0;
    http->path_length = 0;
}

static void opened(struct connection *connection) {
    connection->http.number = tcp_connections();
    begin_request(connection);
}

// Compared once a request: each of these comparisons costs a dozen instructions.
static u8 find_route(const struct http *http) {
    const char *path = http->path;
    u32 length = http->path_length;
    if (length > 7 && !memcmp(path, "/bytes/", 7)) {
        return bytes_route;
    }
    if (length > 7 && !memcmp(path, "/until/", 7)) {
        return probe.clock < parse_number(path + 7, 0) ? hello_route : no_route;
    }
    if (length > 6 && !memcmp(path, "/slow/", 6)) {
        return slow_route;
    }
    switch (length) {
    case 1: return hello_route;  // a path begins with a slash
    case 5: return !memcmp(path, "/echo", 5)   ? echo_route
                   : !memcmp(path, "/hang", 5) ? hang_route
                   : !memcmp(path, "/exit", 5) ? exit_route
                   : !memcmp(path, "/self", 5) ? self_route
                                               : no_route;
    case 6: return !memcmp(path, "/reset", 6) ? reset_route : no_route;
    case 8: return !memcmp(path, "/healthz", 8) ? hello_route : no_route;
    default: return no_route;
    }
}

static int echoes(const struct http *http) {
    return http->route == echo_route && http->method != head;
}

static void write_text(struct connection *connection, const struct text *text) {
    tcp_write(connection, text->bytes, text->length);
}

static void end_answer(struct connection *connection) {
    if (!connection->http.keep) {
        tcp_finish(connection);
    }
    begin_request(connection);
}

// Writes what is due as far as the peer has room, and marks the connection as blocked for the rest.
static void write_output(struct connection *connection) {
    static struct text text;
    struct http *http = &connection->http;
    text.length = 0;
    if (http->output == later) {
        if (machine_counter() < http->due) {
            connection->blocked = 1;
            return;
        }
        http->output = answer;
    }
    if (http->output == answer) {
        if (tcp_room(connection) < ANSWER_ROOM) {
            connection->blocked = 1;
            return;
        }
        int status = http->bad == 2 ? 431 : http->bad ? 400 : http->route == no_route ? 404 : 200;
        if (http->route == bytes_route && !http->bad) {
            http->output_left = parse_number(http->path + 7, 0);
            response_head(&text, connection, http->output_left, 0);
            http->output = bytes;
            http->output_left = http->method == head ? 0 : http->output_left;
            write_text(connection, &text);
        } else {
            tcp_end(connection, response_write(tcp_begin(connection, ANSWER_ROOM), connection, status));
        }
    }
    if (http->output == bytes) {
        static const char pattern[512] = {[0 ... 510] = 'x', [511] = '\n'};
        while (http->output_left) {
            u64 part = http->output_left < sizeof(pattern) ? http->output_left : sizeof(pattern);
            if (tcp_room(connection) < part) {
                connection->blocked = 1;
                return;
            }
            tcp_write(connection, pattern, (u32)part);
            http->output_left -= part;
        }
    }
    if (http->output == nothing) {
        connection->blocked = 1;
        return;
    }
    end_answer(connection);
}

// Connections whose answer has to wait. One that ended meanwhile is found out when its time has come.
static struct connection *sleepers[64];
static u32 sleeper_count;

static int sleeps(const struct connection *connection) {
    return connection->state == established && connection->http.output == later;
}

static void put_to_sleep(struct connection *connection) {
    struct http *http = &connection->http;
    http->due = machine_counter() + parse_number(http->path + 6, 0) * machine_millisecond();
    http->output = later;
    for (u32 at = 0; at < sleeper_count; at++) {
        if (sleepers[at] == connection) {
            return;
        }
    }
    if (sleeper_count == ARRAY_COUNT(sleepers)) {
        http->output = answer;
        return;
    }
    sleepers[sleeper_count++] = connection;
}

void http_tick(void) {
    u64 next = 50;
    for (u32 at = 0; at < sleeper_count;) {
        struct connection *connection = sleepers[at];
        u64 now = machine_counter();
        if (sleeps(connection) && connection->http.due > now) {
            u64 left = (connection->http.due - now) / machine_millisecond() + 1;
            next = left < next ? left : next;
            at++;
            continue;
        }
        sleepers[at] = sleepers[--sleeper_count];
        if (sleeps(connection)) {
            connection->blocked = 0;
            write_output(connection);
            tcp_push(connection);
            net_kick();
        }
    }
    if (sleeper_count) {
        machine_wake_in(next);
    }
}

// The request is complete: its answer is due, unless the path asks for something rude.
static void answer_request(struct connection *connection) {
    struct http *http = &connection->http;
    probe.requests++;
    if (http->bad) {
        http->keep = 0;
    } else if (http->route == exit_route) {
        machine_exit();
    } else if (http->route == reset_route) {
        tcp_reset(connection);
        return;
    } else if (echoes(http)) {
        if (http->chunked) {
            tcp_write(connection, "0\r\n\r\n", 5);
        }
        end_answer(connection);
        return;
    }
    http->output = http->route == hang_route && !http->bad ? nothing : answer;
    if (http->route == slow_route && !http->bad) {
        put_to_sleep(connection);
    }
    write_output(connection);
}

static void refuse(struct connection *connection, u8 why) {
    connection->http.bad = why;
    connection->http.step = request_line;
    answer_request(connection);
}

static void parse_request_line(struct connection *connection, const u8 *line, u32 length) {
    struct http *http = &connection->http;
    if (!length) {
        return;
    }
    u32 space = 0;
    while (space < length && line[space] != ' ') {
        space++;
    }
    if (length < space + 11 || line[length - 9] != ' ' || line[space + 1] != '/' ||
        memcmp(line + length - 8, "HTTP/1.", 7)) {
        refuse(connection, 1);
        return;
    }
    http->method = space == 3 && line[0] == 'G' ? get : space == 4 && line[0] == 'H' ? head : other_method;
    http->keep = line[length - 1] != '0';
    const u8 *path = line + space + 1;
    u32 path_length = 0, limit = length - 9 - (space + 1);
    while (path_length < limit && path_length < sizeof(http->path) - 1 && path[path_length] != '?') {
        http->path[path_length] = (char)path[path_length];
        path_length++;
    }
    http->path[path_length] = 0;
    http->path_length = path_length;
    http->route = find_route(http);
    http->step = header_line;
}

// 1 when the digits fill the line; they may be followed by an extension where `stop` begins one.
static int parse_digits(const u8 *bytes, u32 length, u64 base, u8 stop, u64 *value) {
    u32 at = 0;
    *value = 0;
    for (; at < length && bytes[at] != stop && bytes[at] != ' '; at++) {
        u32 byte = bytes[at], letter = byte | 32;
        u64 digit = byte >= '0' && byte <= '9' ? byte - '0' : letter >= 'a' ? letter - 'a' + 10 : 99;
        if (digit >= base || at >= 15) {
            return 0;
        }
        *value = *value * base + digit;
    }
    return at > 0;
}

static void parse_header(struct connection *connection, const u8 *line, u32 length) {
    struct http *http = &connection->http;
    u8 first = line[0] | 32;
    if (first != 'c' && first != 't' && first != 'e') {
        return;
    }
    u32 colon = 0;
    while (colon < length && line[colon] != ':') {
        colon++;
    }
    u32 start = colon + 1;
    while (start < length && (line[start] == ' ' || line[start] == '\t')) {
        start++;
    }
    while (length > start && (line[length - 1] == ' ' || line[length - 1] == '\t')) {
        length--;
    }
    const u8 *value = line + start;
    u32 value_length = length > start ? length - start : 0;
    if (text_same(line, colon, "content-length")) {
        u64 before = http->body_left;
        int good = parse_digits(value, value_length, 10, 0, &http->body_left);
        if (!good || (http->length_given && before != http->body_left)) {
            http->bad = 1;
        }
        http->length_given = 1;
    } else if (text_same(line, colon, "transfer-encoding")) {
        http->chunked = 1;
        http->bad |= !text_same(value, value_length, "chunked");
    } else if (text_same(line, colon, "connection")) {
        if (text_same(value, value_length, "close")) {
            http->keep = 0;
        } else if (text_same(value, value_length, "keep-alive")) {
            http->keep = 1;
        }
    } else if (text_same(line, colon, "expect")) {
        http->expects = text_same(value, value_length, "100-continue");
    }
}

static void end_head(struct connection *connection) {
    static struct text text;
    struct http *http = &connection->http;
    if (http->bad || (http->chunked && http->length_given)) {
        refuse(connection, 1);
        return;
    }
    if (http->expects && (http->chunked || http->body_left)) {
        tcp_write(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    }
    if (echoes(http)) {
        text.length = 0;
        response_head(&text, connection, http->body_left, http->chunked);
        write_text(connection, &text);
    }
    http->step = http->chunked ? chunk_size : body;
    if (!http->chunked && !http->body_left) {
        answer_request(connection);
    }
}

static void parse_chunk_size(struct connection *connection, const u8 *line, u32 length) {
    struct http *http = &connection->http;
    if (!parse_digits(line, length, 16, ';', &http->body_left)) {
        refuse(connection, 1);
        return;
    }
    http->step = http->body_left ? chunk_data : trailer_line;
}

static void take_line(struct connection *connection, const u8 *line, u32 length) {
    if (length && line[length - 1] == '\r') {
        length--;
    }
    switch (connection->http.step) {
    case request_line: parse_request_line(connection, line, length); break;
    case header_line: length ? parse_header(connection, line, length) : end_head(connection); break;
    case chunk_size: parse_chunk_size(connection, line, length); break;
    case chunk_end: connection->http.step = chunk_size; break;
    default:
        if (!length) {
            answer_request(connection);
        }
    }
}

// The end of the first line, or `length`. Eight bytes a step: a look beyond the end stays within the receive buffer.
static u32 find_newline(const u8 *bytes, u32 length) {
    for (u32 at = 0; at < length; at += 8) {
        u64 word;
        __builtin_memcpy(&word, bytes + at, 8);
        word ^= 0x0a0a0a0a0a0a0a0aUL;
        u64 hit = (word - 0x0101010101010101UL) & ~word & 0x8080808080808080UL;
        if (hit) {
            u32 end = at + (u32)(__builtin_ctzl(hit) / 8);
            return end < length ? end : length;
        }
    }
    return length;
}

static u32 take_lines(struct connection *connection, const u8 *bytes, u32 length) {
    u32 end = find_newline(bytes, length);
    u32 taken = end < length ? end + 1 : end;
    if (!connection->carried && end < length) {
        take_line(connection, bytes, end);
        return taken;
    }
    u8 *carry = tcp_carry(connection);
    if (connection->carried + taken > TCP_CARRY) {
        connection->carried = 0;
        refuse(connection, 2);
        return length;
    }
    memcpy(carry + connection->carried, bytes, taken);
    connection->carried += taken;
    if (end < length) {
        u32 line = connection->carried - 1;
        connection->carried = 0;
        take_line(connection, carry, line);
    }
    return taken;
}

static u32 take_body(struct connection *connection, const u8 *bytes, u32 length) {
    static struct text text;
    struct http *http = &connection->http;
    u32 part = http->body_left < length ? (u32)http->body_left : length;
    if (echoes(http)) {
        u32 room = tcp_room(connection);
        room = room > CHUNK_ROOM ? room - CHUNK_ROOM : 0;
        part = part < room ? part : room;
        if (!part) {
            return 0;
        }
        if (http->chunked) {
            text.length = 0;
            text_hex(&text, part);
            text_literal(&text, "\r\n");
            write_text(connection, &text);
        }
        tcp_write(connection, bytes, part);
        if (http->chunked) {
            tcp_write(connection, "\r\n", 2);
        }
    }
    http->body_left -= part;
    http->body_total += part;
    if (!http->body_left) {
        if (http->step == chunk_data) {
            http->step = chunk_end;
        } else {
            answer_request(connection);
        }
    }
    return part;
}

static u64 word_at(const u8 *bytes) {
    u64 word;
    __builtin_memcpy(&word, bytes, 8);
    return word;
}

// The first byte below a space. Only for text that is known to end with one; bytes above 127 may be taken for it.
static const u8 *find_control(const u8 *at) {
    const u64 spaces = 0x2020202020202020UL, signs = 0x8080808080808080UL;
    u64 first = word_at(at) - spaces, second = word_at(at + 8) - spaces;
    while (!((first | second) & signs)) {
        at += 16;
        first = word_at(at) - spaces;
        second = word_at(at + 8) - spaces;
    }
    if (!(first & signs)) {
        at += 8;
        first = second;
    }
    return at + __builtin_ctzl(first & signs) / 8;
}

static int is_connection_close(const u8 *line, u32 length) {
    return length == 17 && line[16] == 'e' && word_at(line) == 0x697463656e6e6f43UL &&
           word_at(line + 8) == 0x736f6c63203a6e6fUL;
}

// A whole head of GET / with nothing that needs a closer look, which nearly all are: a quarter of the instructions that its
// lines take one by one. The number of bytes taken; 0 leaves the head to the long way.
static u32 take_simple_head(struct connection *connection, u8 *bytes, u32 length) {
    struct http *http = &connection->http;
    bytes[length] = 0;  // the buffer is longer than any frame
    // GET / HTTP/1.1
    if (word_at(bytes) != 0x5448202f20544547UL || word_at(bytes + 8) != 0x0a0d312e312f5054UL) {
        return 0;
    }
    const u8 *at = bytes + 16;
    u8 keep = 1;
    for (;;) {
        const u8 *stop = find_control(at);
        // Those that begin with c, e or t matter or might, all of these but traceparent.
        if (0x00100028u >> (*at & 31) & 1) {
            if (is_connection_close(at, (u32)(stop - at))) {
                keep = 0;
            } else if ((*at | 32) != 't' || (at[1] | 32) != 'r' || (at[4] | 32) != 'e') {
                return 0;
            }
        }
        // At the latest it is the zero behind the end, which is no end of a line.
        u32 four;
        __builtin_memcpy(&four, stop, 4);
        at = stop + 2;
        if (four == 0x0a0d0a0d) {
            break;
        }
        if ((u16)four != 0x0a0d) {
            return 0;
        }
    }
    at += 2;
    http->method = get;
    http->keep = keep;
    http->path[0] = '/';
    http->path[1] = 0;
    http->path_length = 1;
    http->route = hello_route;
    answer_request(connection);
    return (u32)(at - bytes);
}

static u32 input(struct connection *connection, u8 *bytes, u32 length) {
    u32 taken = 0;
    if (connection->http.step == request_line && !connection->carried && length > 16 && !connection->blocked &&
        tcp_room(connection) >= ANSWER_ROOM) {
        taken = take_simple_head(connection, bytes, length);
        if (taken == length || connection->state == closed) {
            return length;
        }
    }
    while (taken < length && !connection->blocked && !connection->want_finish) {
        u8 step = connection->http.step;
        if (step == request_line && tcp_room(connection) < ANSWER_ROOM) {
            break;
        }
        int in_body = step == body || step == chunk_data;
        u32 part = in_body ? take_body(connection, bytes + taken, length - taken)
                           : take_lines(connection, bytes + taken, length - taken);
        if (!part || connection->state == closed) {
            break;
        }
        taken += part;
    }
    // What follows a request that closes the connection is thrown away, as after any `Connection: close`.
    return connection->want_finish ? length : taken;
}

const struct service http_service = {opened, input, write_output};
