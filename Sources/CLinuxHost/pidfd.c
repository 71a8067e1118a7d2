#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn.h"

// glibc 2.36 declares it, older ones do not.
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int lh_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

int lh_memory_file(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

int lh_copy(int source, int target, int64_t count) {
    off_t offset = 0;
    while (offset < count) {
        ssize_t copied = sendfile(target, source, &offset, (size_t)(count - offset));
        if (copied < 0 && errno == EINTR) {
            continue;
        }
        if (copied <= 0) {
            return copied == 0 ? -EIO : -errno;
        }
    }
    return 0;
}

int lh_pidfd_open(int pid) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

int lh_pidfd_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int lh_pidfd_poll(int pidfd, int timeout_ms) {
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    int result;
    do {
        result = poll(&poll_fd, 1, timeout_ms);
    } while (result < 0 && errno == EINTR && timeout_ms < 0);
    if (result < 0 && errno == EINTR) {
        return 0;
    }
    return result < 0 ? -errno : result;
}

int lh_pidfd_reap(int pidfd, int *code, int *signal) {
    siginfo_t info = {0};
    int result;
    do {
        result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    } while (result < 0 && errno == EINTR);
    if (result < 0) {
        return errno == ECHILD ? 0 : -errno;
    }
    if (info.si_pid == 0) {
        return 0;
    }
    *code = info.si_code == CLD_EXITED ? info.si_status : -1;
    *signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    return 1;
}

int lh_exit_set_create(void) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    return set < 0 ? -errno : set;
}

int lh_exit_set_add(int set, int pidfd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = pidfd};
    return epoll_ctl(set, EPOLL_CTL_ADD, pidfd, &event) < 0 ? -errno : 0;
}

int lh_exit_set_next(int set) {
    struct epoll_event event;
    int count;
    do {
        count = epoll_wait(set, &event, 1, -1);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        return -errno;
    }
    epoll_ctl(set, EPOLL_CTL_DEL, event.data.fd, NULL);
    return event.data.fd;
}

struct thread {
    void (*body)(int);
    int value;
};

static void *run_thread(void *context) {
    struct thread thread = *(struct thread *)context;
    free(context);
    thread.body(thread.value);
    return NULL;
}

int lh_start_thread(const char *name, void (*body)(int), int value) {
    struct thread *thread = malloc(sizeof *thread);
    if (!thread) {
        return -ENOMEM;
    }
    *thread = (struct thread){.body = body, .value = value};
    // Signals belong to the threads that asked for them.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t handle;
    int result = pthread_create(&handle, NULL, run_thread, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        free(thread);
        return -result;
    }
    pthread_setname_np(handle, name);
    pthread_detach(handle);
    return 0;
}
