#ifndef CLINUXHOST_TAP_H
#define CLINUXHOST_TAP_H

#include <stdint.h>

/// Opens a queue of the TAP `name` in the caller's network namespace, creating the device if there is none:
/// frames without packet information, with a virtio header. -EBUSY while another process is attached.
int lh_tap_open(const char *name);
/// Lets the TAP outlive its last descriptor.
int lh_tap_persist(int tap);

// Interfaces of the caller's network namespace. Addresses are in host byte order.
int lh_link_up(const char *name);
int lh_link_set_mac(const char *name, const uint8_t mac[6]);
int lh_link_set_address(const char *name, uint32_t address, int prefix);
/// The hardware address; -ENODEV when there is no such interface.
int lh_link_get_mac(const char *name, uint8_t mac[6]);
/// A neighbour entry that is never asked for, never expires and cannot be changed by a packet.
int lh_neighbour_set_permanent(const char *link, uint32_t address, const uint8_t mac[6]);
int lh_route_set_default(const char *link, uint32_t gateway);

#endif
