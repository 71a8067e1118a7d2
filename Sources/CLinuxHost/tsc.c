#define _GNU_SOURCE
#include "tsc.h"

#include <time.h>

#if defined(__x86_64__)
#include <x86intrin.h>

struct sample {
    uint64_t nanoseconds, ticks;
};

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// Both clocks at one moment: the tightest of several tries, so that a preemption between the two does not count.
static struct sample take(void) {
    struct sample best = {0, 0};
    uint64_t width = UINT64_MAX;
    for (int i = 0; i < 32; i++) {
        uint64_t before = now();
        uint64_t ticks = __rdtsc();
        uint64_t after = now();
        if (after - before < width) {
            width = after - before;
            best.nanoseconds = before + width / 2;
            best.ticks = ticks;
        }
    }
    return best;
}

uint64_t lh_tsc_kilohertz(int milliseconds) {
    struct sample first = take();
    struct timespec pause = {0, milliseconds * 1000000L};
    nanosleep(&pause, NULL);
    struct sample last = take();
    uint64_t elapsed = last.nanoseconds - first.nanoseconds;
    return elapsed == 0 ? 0 : (uint64_t)((unsigned __int128)(last.ticks - first.ticks) * 1000000u / elapsed);
}
#else
uint64_t lh_tsc_kilohertz(int milliseconds) {
    (void)milliseconds;
    return 0;
}
#endif
