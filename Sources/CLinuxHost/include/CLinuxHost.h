// System calls that Swift cannot make itself: variadic ones, ioctls, netlink, setns, clone.
// Every function returns 0 or a value >= 0 on success and -errno on failure; none sets errno for its caller.
#ifndef CLINUXHOST_H
#define CLINUXHOST_H

#include "files.h"
#include "firewall.h"
#include "namespaces.h"
#include "netlink.h"
#include "sparse.h"
#include "spawn.h"
#include "tap.h"
#include "transfer.h"
#include "tsc.h"
#include "unix_socket.h"

#endif
