#define _GNU_SOURCE
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_name(struct ifreq *request, const char *name) {
    memset(request, 0, sizeof *request);
    strncpy(request->ifr_name, name, IFNAMSIZ - 1);
}

static void set_inet(struct sockaddr *address, uint32_t value) {
    struct sockaddr_in inet = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(value)};
    memcpy(address, &inet, sizeof inet);
}

/// One ioctl on a socket of the caller's namespace.
static int control(unsigned long operation, void *argument) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    int result = ioctl(fd, operation, argument) < 0 ? -errno : 0;
    close(fd);
    return result;
}

int lh_tap_open(const char *name) {
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    struct ifreq request;
    set_name(&request, name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int failure = -errno;
        close(fd);
        return failure;
    }
    return fd;
}

int lh_tap_persist(int tap) { return ioctl(tap, TUNSETPERSIST, 1UL) < 0 ? -errno : 0; }

int lh_link_up(const char *name) {
    struct ifreq request;
    set_name(&request, name);
    int result = control(SIOCGIFFLAGS, &request);
    if (result < 0) {
        return result;
    }
    request.ifr_flags |= IFF_UP;
    return control(SIOCSIFFLAGS, &request);
}

int lh_link_set_mac(const char *name, const uint8_t mac[6]) {
    struct ifreq request;
    set_name(&request, name);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(request.ifr_hwaddr.sa_data, mac, 6);
    return control(SIOCSIFHWADDR, &request);
}

int lh_link_get_mac(const char *name, uint8_t mac[6]) {
    struct ifreq request;
    set_name(&request, name);
    int result = control(SIOCGIFHWADDR, &request);
    if (result == 0) {
        memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    }
    return result;
}

int lh_link_set_address(const char *name, uint32_t address, int prefix) {
    struct ifreq request;
    set_name(&request, name);
    set_inet(&request.ifr_addr, address);
    int result = control(SIOCSIFADDR, &request);
    if (result < 0) {
        return result;
    }
    set_inet(&request.ifr_netmask, prefix == 0 ? 0 : ~0u << (32 - prefix));
    return control(SIOCSIFNETMASK, &request);
}

int lh_neighbour_set_permanent(const char *link, uint32_t address, const uint8_t mac[6]) {
    struct arpreq request;
    memset(&request, 0, sizeof request);
    set_inet(&request.arp_pa, address);
    request.arp_ha.sa_family = ARPHRD_ETHER;
    memcpy(request.arp_ha.sa_data, mac, 6);
    request.arp_flags = ATF_COM | ATF_PERM;
    strncpy(request.arp_dev, link, sizeof request.arp_dev - 1);
    return control(SIOCSARP, &request);
}

int lh_route_set_default(const char *link, uint32_t gateway) {
    struct rtentry route;
    char name[IFNAMSIZ] = "";
    strncpy(name, link, sizeof name - 1);
    memset(&route, 0, sizeof route);
    set_inet(&route.rt_dst, 0);
    set_inet(&route.rt_genmask, 0);
    set_inet(&route.rt_gateway, gateway);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    route.rt_dev = name;
    return control(SIOCADDRT, &route);
}
