#ifndef CLINUXHOST_TRANSFER_H
#define CLINUXHOST_TRANSFER_H

#include <stddef.h>

/// Receives a piece of the body; returns 0 to go on, anything else to end the transfer.
typedef int (*lh_transfer_sink)(void *context, const void *bytes, size_t count);

/// One GET over HTTP, HTTPS or, with `unix_socket`, HTTP on that socket. Redirects are followed for https only.
/// Ends after `stall_seconds` without a byte. Blocking: call it off the cooperative threads.
/// Returns 0 and sets `status` to the last HTTP status, or -1 with one sentence in `error` (256 bytes).
int lh_transfer_get(const char *url, const char *unix_socket, long stall_seconds, lh_transfer_sink sink, void *context,
                    long *status, char *error);

#endif
