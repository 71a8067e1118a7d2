#include "link.h"
#include "net.h"
#include "tcp.h"

#define KIND_ARP swap16(0x0806)
#define KIND_IP swap16(0x0800)

struct __attribute__((packed)) arp {
    u8 virtio[NET_HEADER], to[6], from[6];
    u16 kind, hardware, protocol;
    u8 hardware_length, protocol_length;
    u16 operation;
    u8 sender[6];
    u32 sender_address;
    u8 target[6];
    u32 target_address;
};

struct __attribute__((packed)) echo {
    u8 kind, code;
    u16 checksum;
};

u16 checksum(const void *bytes, u32 length) {
    const u8 *at = bytes;
    u64 sum = 0;
    for (; length >= 4; length -= 4, at += 4) {
        u32 word;
        __builtin_memcpy(&word, at, 4);
        sum += word;
    }
    if (length) {
        u16 word;
        __builtin_memcpy(&word, at, 2);
        sum += word;
    }
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)((sum & 0xffff) + (sum >> 16));
}

// Sends a reply out of the received buffer itself, which the device may fill again as soon as this returns.
static void send_back(u8 *bytes, u32 length) {
    memset(bytes, 0, NET_HEADER);
    net_wait(net_send(bytes, length));
}

static void answer_arp(struct arp *arp, u32 length) {
    if (length < sizeof(*arp) || arp->operation != swap16(1) || arp->target_address != swap32(GUEST_ADDRESS)) {
        return;
    }
    memcpy(arp->target, arp->sender, 6);
    memcpy(arp->sender, net_address(), 6);
    arp->target_address = arp->sender_address;
    arp->sender_address = swap32(GUEST_ADDRESS);
    arp->operation = swap16(2);
    memcpy(arp->to, arp->from, 6);
    memcpy(arp->from, net_address(), 6);
    send_back((u8 *)arp, sizeof(*arp));
}

static void answer_echo(struct frame *frame, u32 end) {
    struct echo *echo = (struct echo *)&frame->tcp;
    if (echo->kind != 8) {
        return;
    }
    echo->kind = 0;
    u32 sum = echo->checksum + 8u;
    echo->checksum = (u16)(sum + (sum >> 16));
    frame->ip.to = frame->ip.from;
    frame->ip.from = swap32(GUEST_ADDRESS);
    memcpy(frame->ethernet.to, frame->ethernet.from, 6);
    memcpy(frame->ethernet.from, net_address(), 6);
    send_back((u8 *)frame, end);
}

void link_receive(u8 *bytes, u32 length) {
    struct frame *frame = (struct frame *)bytes;
    if (length < 34 + NET_HEADER + sizeof(struct echo)) {
        return;
    }
    if (frame->ethernet.kind == KIND_ARP) {
        answer_arp((struct arp *)bytes, length);
        return;
    }
    // Options and fragments never occur on this link; a frame is padded, so the IP length says where it ends.
    if (frame->ethernet.kind != KIND_IP || frame->ip.version != 0x45 || frame->ip.to != swap32(GUEST_ADDRESS) ||
        frame->ip.fragment & swap16(0x3fff)) {
        return;
    }
    u32 end = 26u + swap16(frame->ip.length);
    if (end > length || end < 46 + sizeof(struct echo)) {
        return;
    }
    if (frame->ip.protocol == 1) {
        answer_echo(frame, end);
    } else if (frame->ip.protocol == 6 && end >= sizeof(*frame)) {
        tcp_receive(frame, end);
    }
}
