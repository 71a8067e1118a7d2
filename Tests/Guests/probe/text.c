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
    for (; value >= 100; value /= 100) {
        u32 pair = (u32)(value % 100);
        digits[--first] = (char)('0' + pair % 10);
        digits[--first] = (char)('0' + pair / 10);
    }
    if (value >= 10) {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    }
    digits[--first] = (char)('0' + value);
    text_add(text, digits + first, sizeof(digits) - first);
}

// All digits at once: a nibble a byte, then from nibbles to letters.
static u64 hex_of(u32 value) {
    u64 spread = value;
    spread = (spread | spread << 16) & 0x0000ffff0000ffffUL;
    spread = (spread | spread << 8) & 0x00ff00ff00ff00ffUL;
    spread = (spread | spread << 4) & 0x0f0f0f0f0f0f0f0fUL;
    u64 letters = (spread + 0x0606060606060606UL) >> 4 & 0x0101010101010101UL;
    return __builtin_bswap64(spread + 0x3030303030303030UL + letters * ('a' - '9' - 1));
}

void text_hex(struct text *text, u64 value) {
    u64 digits[2] = {hex_of((u32)(value >> 32)), hex_of((u32)value)};
    text_add(text, (const char *)digits, sizeof(digits));
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
