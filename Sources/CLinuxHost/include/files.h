#ifndef CLINUXHOST_FILES_H
#define CLINUXHOST_FILES_H

#include <stdint.h>

/// open(2) with O_CLOEXEC; interrupted calls are repeated.
int lh_open(const char *path, int flags, unsigned int mode);
/// flock(2), exclusive or shared; with `wait` 0 returns -EWOULDBLOCK when somebody else holds it.
int lh_flock(int fd, int exclusive, int wait);
/// syncs the folder that `path` names, so that a rename inside it survives a power loss.
int lh_sync_directory(const char *path);

#endif
