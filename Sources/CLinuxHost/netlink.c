#define _GNU_SOURCE
#include "netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    char body[1000];
};

static void begin(struct request *request, int type, int flags, const void *fixed, size_t size) {
    memset(request, 0, sizeof *request);
    request->header.nlmsg_type = type;
    request->header.nlmsg_flags = NLM_F_REQUEST | flags;
    request->header.nlmsg_len = NLMSG_LENGTH(size);
    memcpy(NLMSG_DATA(&request->header), fixed, size);
}

/// Callers pass names of at most IFNAMSIZ and aliases of at most IFALIASZ bytes, so the body always has room.
static struct rtattr *add(struct request *request, int type, const void *data, size_t size) {
    struct rtattr *attribute = (void *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = RTA_LENGTH(size);
    if (size) {
        memcpy(RTA_DATA(attribute), data, size);
    }
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void end(struct request *request, struct rtattr *nest) {
    nest->rta_len = (char *)request + request->header.nlmsg_len - (char *)nest;
}

static int add_name(struct request *request, int type, const char *name, size_t limit) {
    size_t size = strlen(name) + 1;
    if (size > limit) {
        return -ENAMETOOLONG;
    }
    add(request, type, name, size);
    return 0;
}

static int dial(int protocol, const struct request *request) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) {
        return -errno;
    }
    if (send(fd, request, request->header.nlmsg_len, 0) < 0) {
        int failure = -errno;
        close(fd);
        return failure;
    }
    return fd;
}

/// Sends the request and waits for its acknowledgement.
static int ask(int protocol, const struct request *request) {
    int fd = dial(protocol, request);
    if (fd < 0) {
        return fd;
    }
    char answer[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
    ssize_t size;
    do {
        size = recv(fd, answer, sizeof answer, 0);
    } while (size < 0 && errno == EINTR);
    int result = size < 0 ? -errno : -EPROTO;
    const struct nlmsghdr *header = (void *)answer;
    if (size >= 0 && NLMSG_OK(header, size) && header->nlmsg_type == NLMSG_ERROR) {
        result = ((struct nlmsgerr *)NLMSG_DATA(header))->error;
    }
    close(fd);
    return result;
}

int lh_veth_create(const char *name, const char *peer, int peer_ns) {
    struct request request;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &link, sizeof link);
    int result = add_name(&request, IFLA_IFNAME, name, IFNAMSIZ);
    if (result < 0) {
        return result;
    }
    struct rtattr *info = add(&request, IFLA_LINKINFO, NULL, 0);
    add(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = add(&request, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *other = add(&request, VETH_INFO_PEER, &link, sizeof link);
    result = add_name(&request, IFLA_IFNAME, peer, IFNAMSIZ);
    if (result < 0) {
        return result;
    }
    add(&request, IFLA_NET_NS_FD, &peer_ns, sizeof peer_ns);
    end(&request, other);
    end(&request, data);
    end(&request, info);
    return ask(NETLINK_ROUTE, &request);
}

int lh_link_set_alias(const char *name, const char *alias) {
    struct request request;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    begin(&request, RTM_SETLINK, NLM_F_ACK, &link, sizeof link);
    int result = add_name(&request, IFLA_IFNAME, name, IFNAMSIZ);
    if (result < 0) {
        return result;
    }
    result = add_name(&request, IFLA_IFALIAS, alias, 256);
    return result < 0 ? result : ask(NETLINK_ROUTE, &request);
}

int lh_link_delete(const char *name) {
    struct request request;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    begin(&request, RTM_DELLINK, NLM_F_ACK, &link, sizeof link);
    int result = add_name(&request, IFLA_IFNAME, name, IFNAMSIZ);
    return result < 0 ? result : ask(NETLINK_ROUTE, &request);
}

static void deliver(const struct nlmsghdr *header, lh_link_sink sink, void *context) {
    const struct ifinfomsg *link = NLMSG_DATA(header);
    const char *name = "", *alias = "";
    int left = header->nlmsg_len - NLMSG_LENGTH(sizeof *link);
    for (struct rtattr *attribute = IFLA_RTA(link); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFLA_IFNAME) {
            name = RTA_DATA(attribute);
        } else if (attribute->rta_type == IFLA_IFALIAS) {
            alias = RTA_DATA(attribute);
        }
    }
    sink(context, name, alias);
}

int lh_link_list(lh_link_sink sink, void *context) {
    struct request request;
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC};
    begin(&request, RTM_GETLINK, NLM_F_DUMP, &link, sizeof link);
    int fd = dial(NETLINK_ROUTE, &request);
    if (fd < 0) {
        return fd;
    }
    char answer[64 << 10] __attribute__((aligned(NLMSG_ALIGNTO)));
    int result = 1;
    while (result == 1) {
        ssize_t size = recv(fd, answer, sizeof answer, 0);
        if (size < 0) {
            result = errno == EINTR ? 1 : -errno;
            continue;
        }
        for (struct nlmsghdr *header = (void *)answer; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
            if (header->nlmsg_type == NLMSG_DONE) {
                result = 0;
            } else if (header->nlmsg_type == NLMSG_ERROR) {
                result = ((struct nlmsgerr *)NLMSG_DATA(header))->error;
            } else if (header->nlmsg_type == RTM_NEWLINK) {
                deliver(header, sink, context);
            }
        }
    }
    close(fd);
    return result;
}

int lh_conntrack_flush(void) {
    struct request request;
    struct nfgenmsg all = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
    int type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
    begin(&request, type, NLM_F_ACK, &all, sizeof all);
    return ask(NETLINK_NETFILTER, &request);
}
