#define _GNU_SOURCE
#include "guest.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

int g_signal_descriptor(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int g_next_signal(int descriptor) {
    struct signalfd_siginfo information;
    ssize_t count = read(descriptor, &information, sizeof information);
    return count == sizeof information ? (int)information.ssi_signo : 0;
}

int g_reap(int *code, int *signal) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) {
        return 0;
    }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return pid;
}

int g_pipe(int ends[2]) {
    return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
}

void g_set_nonblocking(int file) {
    fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
}

static void fail(const struct g_app *app, int stage, int error) {
    struct g_failure failure = {stage, error};
    // Smaller than PIPE_BUF, so it arrives whole or not at all; nothing can be done about the latter.
    (void)!write(app->report, &failure, sizeof failure);
    _exit(127);
}

// Runs between fork and exec: system calls only.
static void become(const struct g_app *app) {
    setsid();
    int nothing = g_open("/dev/null", O_RDONLY, 0);
    if (nothing >= 0) {
        dup2(nothing, 0);
    }
    dup2(app->output, 1);
    dup2(app->errors, 2);
    // An app that opens /dev/stdout by name must be allowed to, whoever it runs as.
    (void)!fchown(1, app->user, app->group);
    (void)!fchown(2, app->user, app->group);
    struct rlimit files = {65536, 1048576};
    setrlimit(RLIMIT_NOFILE, &files);
    umask(022);
    // As root, as container runtimes do: the folder may be closed to the user and still be its working directory.
    if (chdir(app->directory) < 0) {
        fail(app, g_stage_directory, errno);
    }
    if (setgroups(app->group_count, app->groups) < 0) {
        fail(app, g_stage_groups, errno);
    }
    if (setgid(app->group) < 0) {
        fail(app, g_stage_group, errno);
    }
    if (setuid(app->user) < 0) {
        fail(app, g_stage_user, errno);
    }
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int error = ENOENT;
    for (char *const *path = app->candidates; *path; path++) {
        execve(*path, app->arguments, app->environment);
        // The most telling reason wins: a file that is there and cannot run beats one that is not there.
        if (errno != ENOENT && errno != ENOTDIR) {
            error = errno;
            if (error != EACCES) {
                break;
            }
        }
    }
    fail(app, g_stage_exec, error);
}

int g_spawn(const struct g_app *app) {
    pid_t pid = fork();
    if (pid == 0) {
        become(app);
    }
    return pid < 0 ? -errno : pid;
}
