#define _GNU_SOURCE
#include "guest.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

static struct sockaddr internet(const uint8_t *address) {
    union {
        struct sockaddr plain;
        struct sockaddr_in in;
    } value = {.in = {.sin_family = AF_INET}};
    if (address) {
        memcpy(&value.in.sin_addr, address, 4);
    }
    return value.plain;
}

static int control(unsigned long request, void *argument) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int result = ioctl(fd, request, argument) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int g_interface_up(const char *name, const uint8_t *address, int prefix) {
    struct ifreq request = {0};
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (address) {
        request.ifr_addr = internet(address);
        int result = control(SIOCSIFADDR, &request);
        if (result < 0) {
            return result;
        }
        uint32_t mask = htonl(prefix == 0 ? 0 : 0xffffffffu << (32 - prefix));
        request.ifr_netmask = internet((const uint8_t *)&mask);
        result = control(SIOCSIFNETMASK, &request);
        if (result < 0) {
            return result;
        }
    }
    int result = control(SIOCGIFFLAGS, &request);
    if (result < 0) {
        return result;
    }
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    return control(SIOCSIFFLAGS, &request);
}

int g_default_route(const uint8_t *gateway) {
    struct rtentry route = {0};
    route.rt_dst = internet(NULL);
    route.rt_genmask = internet(NULL);
    route.rt_gateway = internet(gateway);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    int result = control(SIOCADDRT, &route);
    return result == -EEXIST ? 0 : result;
}

int g_permanent_neighbour(const char *interface, const uint8_t *address, const uint8_t *mac) {
    struct arpreq request = {0};
    request.arp_pa = internet(address);
    request.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(request.arp_ha.sa_data, mac, 6);
    request.arp_flags = ATF_PERM | ATF_COM;
    strncpy(request.arp_dev, interface, sizeof request.arp_dev - 1);
    return control(SIOCSARP, &request);
}

int g_listen(uint16_t port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 512) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    // What a connection's first packet says is heard before its handshake is over: a kernel without this hears it a little
    // later. No cookie shows that the sender is who it says, so nothing is heard that way from any other link, where somebody
    // in here could have made the packet.
    static const char link[] = "eth0";
    if (!setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, link, sizeof link)) {
        int no_cookie = 34, waiting = 512;
        setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &waiting, sizeof waiting);
        setsockopt(fd, IPPROTO_TCP, no_cookie, &on, sizeof on);
    }
    return fd;
}

int g_accept(int listener, uint8_t *peer) {
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;
    int fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    memcpy(peer, &address.sin_addr, 4);
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void g_notice_dead_peer(int fd) {
    int on = 1, idle = 5, interval = 2, count = 3, patience = 10000;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
}

int g_unacknowledged(int fd) {
    int count = 0;
    return ioctl(fd, TIOCOUTQ, &count) < 0 ? -errno : count;
}
