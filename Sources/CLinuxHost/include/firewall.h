#ifndef CLINUXHOST_FIREWALL_H
#define CLINUXHOST_FIREWALL_H

#include <stddef.h>

/// Applies nftables `commands` as one transaction in the caller's network namespace. Returns 0 with the output (of a
/// `list`) in `report`, or -EIO with the error there, or -ENOMEM; the report is cut to `size`.
int lh_firewall_apply(const char *commands, char *report, size_t size);

#endif
