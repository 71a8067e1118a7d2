// Ethernet, ARP, IPv4 and ICMP echo for one fixed address.
#pragma once
#include "machine.h"

#define GUEST_ADDRESS 0xac100002  // 172.16.0.2

struct __attribute__((packed)) frame {
    struct __attribute__((packed)) {
        u8 flags, offload;
        u16 header_length, segment_size, checksum_start, checksum_offset, buffers;
    } virtio;
    struct __attribute__((packed)) {
        u8 to[6], from[6];
        u16 kind;
    } ethernet;
    struct __attribute__((packed)) {
        u8 version, service;
        u16 length, id, fragment;
        u8 hops, protocol;
        u16 checksum;
        u32 from, to;
    } ip;
    struct __attribute__((packed)) {
        u16 from, to;
        u32 sequence, acknowledged;
        u8 offset, flags;
        u16 window, checksum, urgent;
    } tcp;
    u8 payload[];
};

// Handles one received frame; replies are queued on the device.
void link_receive(u8 *bytes, u32 length);

// The Internet checksum of `length` bytes (even), folded, not complemented, in network byte order.
u16 checksum(const void *bytes, u32 length);
