#define _GNU_SOURCE
#include "guest.h"

#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/syscall.h>

int g_open(const char *path, int flags, unsigned int mode) {
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int g_set_clock(uint64_t nanoseconds) {
    struct timespec time = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    return clock_settime(CLOCK_REALTIME, &time) < 0 ? -errno : 0;
}

int g_load_module(const char *path) {
    int fd = g_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    long result = syscall(SYS_finit_module, fd, "", 0);
    int error = errno;
    close(fd);
    return result < 0 && error != EEXIST ? -error : 0;
}

int g_restart(void) {
    return reboot(RB_AUTOBOOT) < 0 ? -errno : 0;
}

void g_catch_ctrl_alt_del(void) {
    reboot(RB_DISABLE_CAD);
}

int g_add_entropy(const uint8_t *bytes, size_t count, int reseed) {
    struct {
        int bits, size;
        uint8_t bytes[64];
    } pool = {(int)count * 8, (int)count, {0}};
    if (count > sizeof pool.bytes) {
        return -EINVAL;
    }
    memcpy(pool.bytes, bytes, count);
    int fd = g_open("/dev/urandom", O_RDWR, 0);
    if (fd < 0) {
        return fd;
    }
    int result = ioctl(fd, _IOW('R', 3, int[2]), &pool) < 0 ? -errno : 0;
    if (result == 0 && reseed) {
        result = ioctl(fd, _IO('R', 7)) < 0 ? -errno : 0;
    }
    close(fd);
    return result;
}

int g_quiesce(void) {
    sync();
    int fd = g_open("/proc/sys/vm/drop_caches", O_WRONLY, 0);
    if (fd < 0) {
        return fd;
    }
    int result = write(fd, "3", 1) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int g_random(uint8_t *bytes, size_t count) {
    // Not getrandom(2): before the generator is seeded that would wait, and a boot must not.
    int fd = g_open("/dev/urandom", O_RDONLY, 0);
    if (fd < 0) {
        return fd;
    }
    ssize_t got = read(fd, bytes, count);
    int result = got < 0 ? -errno : (size_t)got < count ? -EIO : 0;
    close(fd);
    return result;
}
