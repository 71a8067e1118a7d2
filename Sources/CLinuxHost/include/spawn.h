#ifndef CLINUXHOST_SPAWN_H
#define CLINUXHOST_SPAWN_H

#include <stddef.h>
#include <stdint.h>

/// How a child is made. Every pointer is borrowed until lh_spawn returns; a descriptor of -1 means "none".
struct lh_spawn_request {
    const char *executable;
    char *const *arguments;
    char *const *environment;
    const char *directory;   ///< working directory, or NULL for the parent's
    const int *cgroups;      ///< cgroup.procs files, open for writing: joined before anything else
    size_t cgroup_count;
    int network_namespace;
    int namespaces;          ///< CLONE_NEW* flags of namespaces that are made for the child
    const int *descriptors;  ///< become 3, 4, 5, … in the child; everything else is closed
    size_t descriptor_count;
    int standard_output;
    int standard_error;
    uint64_t open_files;     ///< RLIMIT_NOFILE, or UINT64_MAX to keep the parent's
    uint64_t file_size;      ///< RLIMIT_FSIZE in bytes, or UINT64_MAX; writes past it fail with EFBIG
    int drop_privileges;     ///< whether user_id and group_id are taken and all capabilities are lost
    uint32_t user_id;
    uint32_t group_id;
    int bound_capabilities;  ///< whether the bounding set is emptied; needs CAP_SETPCAP
    uint64_t inheritable;    ///< capabilities that an executable run as root keeps in spite of the empty bounding set
};

/// Starts the child and returns its pid once it runs `executable`; `pidfd` is then a close-on-exec pidfd.
/// On failure returns -errno, `step` names the step (a static string), and no process is left.
int lh_spawn(const struct lh_spawn_request *request, int *pidfd, const char **step);

/// A close-on-exec pipe whose ends do not block.
int lh_pipe(int ends[2]);

/// memfd_create(2), close-on-exec.
int lh_memory_file(const char *name);
/// Copies `count` bytes from the start of `source` to where `target` stands; -EIO when it is shorter.
int lh_copy(int source, int target, int64_t count);

/// pidfd_open(2).
int lh_pidfd_open(int pid);
/// pidfd_send_signal(2).
int lh_pidfd_signal(int pidfd, int signal);
/// Waits for the end of the process, `timeout_ms` -1 for ever; 1 when it has ended, 0 when the time is over.
int lh_pidfd_poll(int pidfd, int timeout_ms);
/// Takes the status of an ended child: 1 when it was ours, with its exit code or signal number; 0 when it is not over
/// or not our child.
int lh_pidfd_reap(int pidfd, int *code, int *signal);

/// An epoll set of pidfds.
int lh_exit_set_create(void);
int lh_exit_set_add(int set, int pidfd);
/// Blocks until one of the processes has ended, takes its pidfd out of the set and returns it.
int lh_exit_set_next(int set);
/// Starts a detached thread that runs `body` with `value` for ever.
int lh_start_thread(const char *name, void (*body)(int), int value);

#endif
