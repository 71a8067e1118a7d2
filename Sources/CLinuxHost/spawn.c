#define _GNU_SOURCE
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { first_descriptor = 3, stack_size = 64 << 10 };

// The child shares the parent's memory until it execs (CLONE_VM), so it reports its failure here. Its thread-local
// storage is the calling thread's, which is suspended meanwhile (CLONE_VFORK): only async-signal-safe calls, and raw
// system calls for credentials, because glibc's wrappers would signal the parent's other threads.
struct child {
    const struct lh_spawn_request *request;
    int error;
    const char *step;
};

static int failed(struct child *child, const char *step) {
    child->error = errno;
    child->step = step;
    return -1;
}

// The kernel's own call: glibc's refuses the two signals that it uses itself, and they may have come to us ignored.
static void set_disposition(int number, void (*handler)(int)) {
    struct {
        void (*handler)(int);
        unsigned long flags;
        void (*restorer)(void);
        unsigned long mask;
    } action = {.handler = handler};
    syscall(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
}

static void reset_signals(void) {
    for (int number = 1; number < _NSIG; number++) {
        set_disposition(number, SIG_DFL);
    }
    // A guest that fills a log must get EFBIG for its VMM's write, not end the VMM.
    set_disposition(SIGXFSZ, SIG_IGN);
}

static int limit(int resource, uint64_t value) {
    if (value == UINT64_MAX) {
        return 0;
    }
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
    return setrlimit(resource, &limit);
}

static int place_descriptors(const struct lh_spawn_request *request) {
    int count = (int)request->descriptor_count;
    int base = first_descriptor + count;
    int copies[64];
    if (count > 60) {
        errno = E2BIG;
        return -1;
    }
    // Sources may sit where another one has to go, so all of them move out of the way first.
    for (int index = 0; index < count; index++) {
        copies[index] = fcntl(request->descriptors[index], F_DUPFD_CLOEXEC, base);
        if (copies[index] < 0) {
            return -1;
        }
    }
    int input = open("/dev/null", O_RDWR | O_CLOEXEC);
    int output = fcntl(request->standard_output < 0 ? input : request->standard_output, F_DUPFD_CLOEXEC, base);
    int errors = fcntl(request->standard_error < 0 ? input : request->standard_error, F_DUPFD_CLOEXEC, base);
    int null = fcntl(input, F_DUPFD_CLOEXEC, base);
    if (input < 0 || output < 0 || errors < 0 || null < 0) {
        return -1;
    }
    if (dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0) {
        return -1;
    }
    for (int index = 0; index < count; index++) {
        if (dup2(copies[index], first_descriptor + index) < 0) {
            return -1;
        }
    }
    return (int)syscall(SYS_close_range, (unsigned)base, ~0u, 0u);
}

static int set_capabilities(uint64_t permitted, uint64_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    for (int word = 0; word < 2; word++) {
        sets[word].effective = (uint32_t)(permitted >> (32 * word));
        sets[word].permitted = (uint32_t)(permitted >> (32 * word));
        sets[word].inheritable = (uint32_t)(inheritable >> (32 * word));
    }
    return (int)syscall(SYS_capset, &header, sets);
}

static uint64_t permitted_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}};
    syscall(SYS_capget, &header, sets);
    return (uint64_t)sets[1].permitted << 32 | sets[0].permitted;
}

static int drop_privileges(struct child *child) {
    const struct lh_spawn_request *request = child->request;
    if (request->bound_capabilities) {
        // First: nothing outside the bounding set can be made inheritable. Nor can what we do not have ourselves, which
        // in a container may be less than all; what is then missed fails by its own name.
        uint64_t permitted = permitted_capabilities();
        if (set_capabilities(permitted, request->inheritable & permitted) < 0) {
            return failed(child, "set the inheritable capabilities");
        }
        for (unsigned long capability = 0; capability < 64; capability++) {
            // EINVAL: past the last capability that this kernel knows.
            if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL) {
                return failed(child, "empty the capability bounding set");
            }
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return failed(child, "set no_new_privs");
    }
    if (!request->drop_privileges) {
        return 0;
    }
    if (syscall(SYS_setgroups, 0, NULL) < 0) {
        return failed(child, "drop the supplementary groups");
    }
    if (syscall(SYS_setresgid, request->group_id, request->group_id, request->group_id) < 0) {
        return failed(child, "take the group");
    }
    if (syscall(SYS_setresuid, request->user_id, request->user_id, request->user_id) < 0) {
        return failed(child, "take the user");
    }
    if (set_capabilities(0, 0) < 0) {
        return failed(child, "drop the capabilities");
    }
    return 0;
}

static int prepare(struct child *child) {
    const struct lh_spawn_request *request = child->request;
    reset_signals();
    // First of all, so that a child of a parent that is killed now is found by its cgroup.
    for (size_t index = 0; index < request->cgroup_count; index++) {
        if (write(request->cgroups[index], "0", 1) != 1) {
            return failed(child, "join the cgroup");
        }
    }
    if (setsid() < 0) {
        return failed(child, "start a session");
    }
    if (request->network_namespace >= 0 && setns(request->network_namespace, CLONE_NEWNET) < 0) {
        return failed(child, "enter the network namespace");
    }
    // Mounts of the host are still seen; ours never go back to it.
    if ((request->namespaces & CLONE_NEWNS) && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        return failed(child, "detach the mount namespace");
    }
    if (limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_NOFILE, request->open_files) < 0 ||
        limit(RLIMIT_FSIZE, request->file_size) < 0) {
        return failed(child, "set the resource limits");
    }
    if (request->directory && chdir(request->directory) < 0) {
        return failed(child, "change to the working directory");
    }
    if (place_descriptors(request) < 0) {
        return failed(child, "place the descriptors");
    }
    return drop_privileges(child);
}

static int run_child(void *context) {
    struct child *child = context;
    if (prepare(child) == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        umask(077);
        execve(child->request->executable, child->request->arguments, child->request->environment);
        failed(child, "execute");
    }
    _exit(127);
}

int lh_spawn(const struct lh_spawn_request *request, int *pidfd, const char **step) {
    struct child child = {.request = request};
    *step = "start";
    char *stack = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        return -errno;
    }
    // No handler of ours may run in the child while it shares our memory.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // The child's change of user marks the shared memory undumpable, which is right until it has its own.
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    int fd = -1;
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | request->namespaces | SIGCHLD;
    int pid = clone(run_child, stack + stack_size, flags, &child, &fd);
    int error = pid < 0 ? errno : 0;
    if (dumpable >= 0) {
        prctl(PR_SET_DUMPABLE, dumpable == 2 ? 0 : dumpable, 0, 0, 0);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, stack_size);
    if (pid < 0) {
        return -error;
    }
    if (child.step) {
        *step = child.step;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        close(fd);
        return -child.error;
    }
    *pidfd = fd;
    return pid;
}
