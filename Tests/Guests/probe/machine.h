// The machine below the guest: ports, interrupts, page tables, the boot command line.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

void machine_start(void);

// Lets one interrupt line wake the processor.
void machine_unmask(u32 line);

// Wakes the processor once, after so many milliseconds; 50 at most.
void machine_wake_in(u64 milliseconds);

// How far the processor's counter goes in a millisecond. Measured when it is first asked for.
u64 machine_millisecond(void);

// Ends the VM: Firecracker exits with status 0, as after a guest's reboot.
_Noreturn void machine_exit(void);

// Writes to the serial port. Each character costs a trip to the VMM: keep it for what must be seen.
void machine_print(const char *text);
void machine_print_hex(u64 value);

// The value after `name` in the boot command line, or NULL; `from` continues a search.
const char *boot_word(const char *name, const char *from);

u64 parse_number(const char *text, const char **end);

// 64 random bits of the processor; the counter stands in when it refuses.
u64 machine_random(void);

u64 machine_counter(void);

// The 16 bytes that Firecracker renews on each snapshot load, as two words.
const volatile u64 *machine_generation(void);

void *memcpy(void *to, const void *from, u64 length);
void *memset(void *to, int value, u64 length);
int memcmp(const void *left, const void *right, u64 length);

static inline void barrier(void) {
    __asm__ volatile("lock; orl $0, (%%rsp)" ::: "memory", "cc");
}

static inline u16 swap16(u16 value) {
    return __builtin_bswap16(value);
}

static inline u32 swap32(u32 value) {
    return __builtin_bswap32(value);
}
