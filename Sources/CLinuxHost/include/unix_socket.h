#ifndef CLINUXHOST_UNIX_SOCKET_H
#define CLINUXHOST_UNIX_SOCKET_H

#include <stddef.h>

/// A close-on-exec stream socket listening at `path` (at most 107 bytes) with the given mode; replaces a stale socket.
int lh_unix_listen(const char *path, unsigned int mode, int backlog);
/// A close-on-exec stream socket connected to `path`; -EAGAIN when the listener's backlog is full.
int lh_unix_connect(const char *path);
/// Waits until `name` is a socket in the folder `path` that can be connected to, and connects. Ends with -ESRCH when
/// the process of `pidfd` ends first, with -ETIMEDOUT after `timeout_ms`.
int lh_unix_await(const char *path, const char *name, int pidfd, int timeout_ms);
/// Sends `count` bytes, few enough to go out at once, and with the first of them a descriptor.
int lh_unix_send_descriptor(int socket, const void *bytes, size_t count, int fd);

#endif
