#ifndef CLINUXHOST_NAMESPACES_H
#define CLINUXHOST_NAMESPACES_H

typedef void (*lh_namespace_job)(void *context);

/// Runs `job` to its end on a thread of its own inside the network namespace `ns`, or in a new one when `ns` is -1.
/// The thread ends there, so no other code ever runs in the wrong namespace.
int lh_namespace_run(int ns, lh_namespace_job job, void *context);
/// The same for a single socket(2), which keeps its namespace and may be used from any thread.
int lh_namespace_socket(int ns, int domain, int type, int protocol);
/// The inode number of a namespace descriptor: its identity while it lives, as in `net:[4026531840]`.
long lh_namespace_inode(int ns);

#endif
