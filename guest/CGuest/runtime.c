// What the Embedded Swift runtime expects of a C library and musl lacks.
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/random.h>

void arc4random_buf(void *bytes, size_t count);

// Seeds hash tables. Never blocks: PID 1 runs before the kernel has collected entropy.
void arc4random_buf(void *bytes, size_t count) {
    (void)!getrandom(bytes, count, 4 /* GRND_INSECURE */);
}
