#ifndef CLINUXHOST_SPARSE_H
#define CLINUXHOST_SPARSE_H

#include <stdint.h>

/// fallocate(2): gives a range back to the file system; the size stays and the range reads as zeros.
int lh_punch_hole(int fd, int64_t offset, int64_t length);
/// Copies the data of `source` to the same places of the empty file `target`, leaves out what is a hole or zero, and
/// gives `target` the size of `source`.
int lh_copy_sparse(int source, int target);
/// Makes a file of lh_memory_file unchangeable for good, for every holder and however it is opened.
int lh_seal_memory_file(int fd);

#endif
