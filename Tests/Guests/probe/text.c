#include "text.h"

void text_add(struct text *text, const char *bytes, u32 length) {
    u32 room = sizeof(text->bytes) - text->length;
    length = length < room ? length : room;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

void text_number(struct text *text, u64 value) {
    char digits[20];
    u32 first = sizeof(digits);
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_add(text, digits + first, sizeof(digits) - first);
}

void text_hex(struct text *text, u64 value) {
    char digits[16];
    for (int i = 15; i >= 0; i--, value >>= 4) {
        digits[i] = "0123456789abcdef"[value & 15];
    }
    text_add(text, digits, sizeof(digits));
}

void text_quoted(struct text *text, const char *bytes, u32 length) {
    u32 room = sizeof(text->bytes) - text->length;
    for (u32 i = 0; i < length && i < room; i++) {
        char byte = bytes[i];
        text->bytes[text->length++] = byte < ' ' || byte == '"' || byte == '\\' || byte == 127 ? '?' : byte;
    }
}

int text_same(const u8 *bytes, u32 length, const char *word) {
    for (u32 i = 0; i < length; i++, word++) {
        u8 byte = bytes[i] >= 'A' && bytes[i] <= 'Z' ? bytes[i] | 32 : bytes[i];
        if (!*word || byte != (u8)*word) {
            return 0;
        }
    }
    return !*word;
}
