// What Swift cannot call by itself: variadic functions, ioctls, macros, and the moment between fork and exec.
// Functions of our own begin with g_; they return a value >= 0 or -errno.
#ifndef GUEST_H
#define GUEST_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline int g_errno(void) { return errno; }
static inline uint64_t g_uptime(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
/// Milliseconds since 1970, by the guest's wall clock.
static inline uint64_t g_wall_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/// The next name of a folder, or null.
static inline const char *g_next_name(DIR *folder) {
    struct dirent *entry = readdir(folder);
    return entry ? entry->d_name : 0;
}

int g_open(const char *path, int flags, unsigned int mode);
int g_set_clock(uint64_t nanoseconds_since_epoch);
/// Loads one module file. A module that is already there is no error.
int g_load_module(const char *path);
/// Ends the kernel by a restart, which both VMMs turn into the end of their process. Returns only on failure.
int g_restart(void);
/// Ctrl-Alt-Del shall send SIGINT to PID 1 instead of restarting at once.
void g_catch_ctrl_alt_del(void);
/// Credits `count` bytes (at most 64) to the kernel's random number generator; with `reseed` it also uses them at once.
int g_add_entropy(const uint8_t *bytes, size_t count, int reseed);
/// Writes dirty pages back and gives up cached ones, so that a snapshot holds what is used and no more.
int g_quiesce(void);
/// Random bytes of the kernel, at most 256. Never waits.
int g_random(uint8_t *bytes, size_t count);

// Network. Addresses are four bytes as written.
int g_interface_up(const char *name, const uint8_t *address, int prefix);
int g_default_route(const uint8_t *gateway);
int g_permanent_neighbour(const char *interface, const uint8_t *address, const uint8_t *mac);
/// A non-blocking listener on every address.
int g_listen(uint16_t port);
/// Accepts without blocking; `peer` receives four bytes.
int g_accept(int listener, uint8_t *peer);
/// Ends a connection whose peer vanished without a word, within seconds.
void g_notice_dead_peer(int socket);
/// Bytes that were written to `socket` and not yet acknowledged by its peer.
int g_unacknowledged(int socket);

// Signals and children.
/// Blocks every signal and returns a descriptor that reads them; SIGPIPE is ignored.
int g_signal_descriptor(void);
/// The number of the next pending signal, or 0.
int g_next_signal(int descriptor);
/// Reaps one child: its pid, or 0 when there is none to reap. `signal` is 0 for a child that exited.
int g_reap(int *code, int *signal);
int g_pipe(int ends[2]);
void g_set_nonblocking(int file);

struct g_app {
    char *const *arguments;
    char *const *environment;
    /// Paths to try in order, ended by a null pointer.
    char *const *candidates;
    const char *directory;
    uint32_t user, group;
    const gid_t *groups;
    size_t group_count;
    int output, errors;
    /// Receives `struct g_failure` when nothing could be executed; closed by a successful exec.
    int report;
};
enum { g_stage_groups, g_stage_group, g_stage_user, g_stage_directory, g_stage_exec };
struct g_failure {
    int stage, error;
};
/// Starts the app in a session of its own; returns its pid.
int g_spawn(const struct g_app *app);

#endif
