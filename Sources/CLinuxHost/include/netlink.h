#ifndef CLINUXHOST_NETLINK_H
#define CLINUXHOST_NETLINK_H

// Requests to rtnetlink and ctnetlink in the caller's network namespace, each answered before the call returns.

/// Makes a veth pair: `name` here and `peer`, born in the namespace `peer_ns`. -EEXIST when `name` is taken.
int lh_veth_create(const char *name, const char *peer, int peer_ns);
/// Gives an interface a free text that says whose it is.
int lh_link_set_alias(const char *name, const char *alias);
/// Removes an interface (and the other half of a veth pair). -ENODEV when there is none.
int lh_link_delete(const char *name);

typedef void (*lh_link_sink)(void *context, const char *name, const char *alias);
/// Calls `sink` for each interface; `alias` is "" when there is none.
int lh_link_list(lh_link_sink sink, void *context);

/// Forgets every tracked connection of the namespace.
int lh_conntrack_flush(void);

#endif
