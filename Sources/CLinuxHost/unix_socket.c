#define _GNU_SOURCE
#include "unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int address(const char *path, struct sockaddr_un *result) {
    memset(result, 0, sizeof *result);
    result->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof result->sun_path) {
        return -ENAMETOOLONG;
    }
    strcpy(result->sun_path, path);
    return 0;
}

int lh_unix_listen(const char *path, unsigned int mode, int backlog) {
    struct sockaddr_un name;
    int error = address(path, &name);
    if (error < 0) {
        return error;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    unlink(path);
    // The mode of the socket's inode is what bind gives to the file: no moment in which others could connect.
    if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) < 0 || chmod(path, mode) < 0 ||
        listen(fd, backlog) < 0) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

int lh_unix_connect(const char *path) {
    struct sockaddr_un name;
    int error = address(path, &name);
    if (error < 0) {
        return error;
    }
    // Non-blocking, so that a full backlog is an answer and not a wait.
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static long now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

int lh_unix_await(const char *path, const char *name, int pidfd, int timeout_ms) {
    char socket_path[512];
    if (snprintf(socket_path, sizeof socket_path, "%s/%s", path, name) >= (int)sizeof socket_path) {
        return -ENAMETOOLONG;
    }
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch < 0) {
        return -errno;
    }
    // IN_ATTRIB: the socket is chmod'ed after it was bound, by when it may listen.
    if (inotify_add_watch(watch, path, IN_CREATE | IN_ATTRIB) < 0) {
        int error = -errno;
        close(watch);
        return error;
    }
    long deadline = now_ms() + timeout_ms;
    int result;
    for (;;) {
        result = lh_unix_connect(socket_path);
        if (result >= 0 || (result != -ENOENT && result != -ECONNREFUSED)) {
            break;
        }
        long left = deadline - now_ms();
        if (left <= 0) {
            result = -ETIMEDOUT;
            break;
        }
        // Between bind and listen, two system calls apart, there is no event to wait for.
        if (result == -ECONNREFUSED) {
            left = 1;
        }
        struct pollfd fds[2] = {{.fd = watch, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
        poll(fds, 2, (int)left);
        if (fds[1].revents) {
            result = -ESRCH;
            break;
        }
        char events[4096];
        if (fds[0].revents && read(watch, events, sizeof events) < 0 && errno != EAGAIN) {
            result = -errno;
            break;
        }
    }
    close(watch);
    return result;
}

int lh_unix_send_descriptor(int socket, const void *bytes, size_t count, int fd) {
    struct iovec data = {(void *)bytes, count};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0) {
        return -errno;
    }
    return (size_t)sent == count ? 0 : -EMSGSIZE;
}
