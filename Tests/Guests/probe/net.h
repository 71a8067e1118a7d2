// virtio-net over MMIO: frames in and out. A frame starts with the 12-byte virtio header.
#pragma once
#include "machine.h"

#define NET_HEADER 12
#define NET_FRAME 1526  // virtio header, Ethernet header and 1500 bytes

// Finds the first network device named in the boot command line; 0 when there is none.
int net_start(void);

const u8 *net_address(void);

// Takes the received frames and hands each to `receive`; 0 when there was none.
int net_poll(void (*receive)(u8 *frame, u32 length));

// A buffer of 128 bytes for a short frame, to be given to net_send() next.
u8 *net_short_frame(void);

// Queues a frame; it must not be changed before net_sent() says so for the ticket.
u64 net_send(const u8 *frame, u32 length);
int net_sent(u64 ticket);
void net_wait(u64 ticket);

// Waits until everything that was queued is on the link.
void net_drain(void);

// Tells the device of what was queued, if it asked to be told.
void net_kick(void);

// Sleeps until a frame arrives; returns at once when one is there.
void net_idle(void);
