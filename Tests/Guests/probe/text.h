// Text put together in a fixed buffer; what does not fit is cut off.
#pragma once
#include "machine.h"

struct text {
    u32 length;
    char bytes[1024];
};

void text_add(struct text *text, const char *bytes, u32 length);
void text_number(struct text *text, u64 value);
void text_hex(struct text *text, u64 value);

// Adds bytes of a stranger, so that they can stand inside a JSON string.
void text_quoted(struct text *text, const char *bytes, u32 length);

// For literals: the length is known to the compiler, which stores them word by word.
#define text_literal(text, literal) text_constant(text, literal, sizeof(literal) - 1)

static inline __attribute__((always_inline)) void text_constant(struct text *text, const char *bytes, u32 length) {
    if (length <= sizeof(text->bytes) - text->length) {
        __builtin_memcpy(text->bytes + text->length, bytes, length);
        text->length += length;
    }
}

// Whether `bytes` are `word`, given in lower case; letters match in either case.
int text_same(const u8 *bytes, u32 length, const char *word);
