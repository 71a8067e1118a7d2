#define _GNU_SOURCE
#include "sparse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int lh_punch_hole(int fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0 ? -errno : 0;
}

enum { page = 4096, window = 1 << 20 };

static int is_zero(const char *bytes, size_t count) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0;
}

static int write_all(int fd, const char *bytes, size_t count, off_t offset) {
    while (count > 0) {
        ssize_t written = pwrite(fd, bytes, count, offset);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -errno;
        }
        bytes += written;
        count -= (size_t)written;
        offset += written;
    }
    return 0;
}

// Writes the runs of pages that are not all zero.
static int copy_window(int target, const char *bytes, size_t count, off_t offset) {
    size_t start = 0;
    while (start < count) {
        size_t end = start;
        while (end < count) {
            size_t size = count - end < page ? count - end : page;
            if (is_zero(bytes + end, size)) {
                break;
            }
            end += size;
        }
        if (end > start) {
            int error = write_all(target, bytes + start, end - start, offset + (off_t)start);
            if (error < 0) {
                return error;
            }
        }
        start = end + page;
    }
    return 0;
}

static int copy_data(int source, int target, off_t size, char *buffer) {
    off_t offset = 0;
    while (offset < size) {
        off_t data = lseek(source, offset, SEEK_DATA);
        if (data < 0) {
            return errno == ENXIO ? 0 : -errno;
        }
        off_t end = lseek(source, data, SEEK_HOLE);
        if (end < 0) {
            return -errno;
        }
        // Windows begin at whole pages, so that a page of zeros is seen as one.
        for (offset = data / page * page; offset < end;) {
            ssize_t count = pread(source, buffer, end - offset < window ? (size_t)(end - offset) : window, offset);
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count <= 0) {
                return count < 0 ? -errno : -EIO;
            }
            int error = copy_window(target, buffer, (size_t)count, offset);
            if (error < 0) {
                return error;
            }
            offset += count;
        }
    }
    return 0;
}

int lh_copy_sparse(int source, int target) {
    struct stat status;
    if (fstat(source, &status) < 0 || ftruncate(target, status.st_size) < 0) {
        return -errno;
    }
    char *buffer = malloc(window);
    if (!buffer) {
        return -ENOMEM;
    }
    int result = copy_data(source, target, status.st_size, buffer);
    free(buffer);
    return result;
}

int lh_seal_memory_file(int fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ? -errno : 0;
}
