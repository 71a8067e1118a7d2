// The floor of Benchmarks/snapshots: machines made by nothing but the unavoidable calls, and the clock for both sides.
//
//     floor FIRECRACKER SNAPSHOT ROOT SCRATCH      then commands on stdin, an answer line of JSON for each
//
// Every slot is a namespace with a TAP, a Firecracker that was spawned ahead with its API connection open, and sockets
// made ahead. A restore is then: write PUT /snapshot/load, read the answer, connect, write GET, read the first byte.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 64
#define TRIES 16  // sockets of a slot: a connection that is not there after 10 ms is tried again on a fresh one
#define GUEST_PORT 3000

struct slot {
    pid_t pid;
    int api;
    int sockets[TRIES];
    double milliseconds;  // of the last start, from `begun`
};

static struct slot slots[MOST];
static const char *firecracker, *snapshot, *root, *scratch;
static int home;  // our own network namespace
static double begun;

static const char load[] =
    "{\"snapshot_path\":\"state\",\"mem_backend\":{\"backend_type\":\"File\",\"backend_path\":\"mem\"},\"resume_vm\":true}";
static const char get[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

static void must(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void enter_slot_network(void) {
    must(unshare(CLONE_NEWNET) == 0, "unshare");
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq tap = {.ifr_name = "tap0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    must(tun >= 0 && ioctl(tun, TUNSETIFF, &tap) == 0 && ioctl(tun, TUNSETPERSIST, 1) == 0, "make a TAP");
    close(tun);
    must(system("ip link set tap0 address 06:00:ac:10:00:01 && ip address add 172.16.0.1/30 dev tap0 && ip link set tap0 up"
                " && ip neighbour add 172.16.0.2 lladdr 06:00:ac:10:00:02 dev tap0 nud permanent") == 0, "ip");
}

static int unused_socket(void) {
    int on = 1, off = 0, result = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(result >= 0, "socket");
    setsockopt(result, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // The request carries the last acknowledgement of the handshake.
    setsockopt(result, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    return result;
}

static void spawn_monitor(struct slot *slot, int number) {
    char folder[512], log[600];
    snprintf(folder, sizeof folder, "%s/%d", scratch, number);
    must(mkdir(folder, 0700) == 0 && chdir(folder) == 0, folder);
    snprintf(log, sizeof log, "%s/state", snapshot);
    must(link(log, "state") == 0, log);
    snprintf(log, sizeof log, "%s/mem", snapshot);
    must(link(log, "mem") == 0, log);
    must(symlink(root, "root.ext4") == 0, root);
    char *arguments[] = {(char *)firecracker, "--id", "floor", "--api-sock", "vmm.sock", NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "console", O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    must(posix_spawn(&slot->pid, firecracker, &actions, NULL, arguments, environment) == 0, firecracker);
    posix_spawn_file_actions_destroy(&actions);
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "vmm.sock"};
    slot->api = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    for (int tries = 0; connect(slot->api, (struct sockaddr *)&name, sizeof name) != 0; tries++) {
        must(tries < 2000, "connect to the API");
        usleep(1000);
    }
}

static void call(struct slot *slot, const char *method, const char *path, const char *body) {
    char text[512];
    int length = snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nContent-Length: %zu\r\n\r\n%s", method, path, strlen(body), body);
    must(write(slot->api, text, (size_t)length) == length, "write to the API");
    length = (int)read(slot->api, text, sizeof text - 1);
    must(length > 12, "read from the API");
    text[length] = 0;
    if (strncmp(text + 9, "204", 3)) {
        fprintf(stderr, "floor: %s\n", text);
        exit(1);
    }
}

static void wait_readable(int socket, const char *what) {
    struct pollfd entry = {socket, POLLIN, 0};
    must(poll(&entry, 1, 10000) == 1, what);
}

// The first byte of an answer of the slot's guest, over a new connection.
static void ask(struct slot *slot) {
    struct sockaddr_in guest = {.sin_family = AF_INET, .sin_port = htons(GUEST_PORT), .sin_addr.s_addr = inet_addr("172.16.0.2")};
    struct pollfd entries[TRIES];
    int open = 0, connected = -1;
    while (connected < 0) {
        if (open < TRIES) {
            int result = connect(slot->sockets[open], (struct sockaddr *)&guest, sizeof guest);
            must(result == 0 || errno == EINPROGRESS, "connect");
            entries[open] = (struct pollfd){slot->sockets[open], POLLOUT, 0};
            open++;
        }
        if (poll(entries, (nfds_t)open, open < TRIES ? 10 : 10000) <= 0) continue;
        for (int i = 0; i < open; i++) {
            if (entries[i].revents == POLLOUT) connected = entries[i].fd;
        }
    }
    must(write(connected, get, sizeof get - 1) == sizeof get - 1, "write a request");
    wait_readable(connected, "wait for an answer");
    char bytes[2048];
    must(read(connected, bytes, sizeof bytes) > 12 && !strncmp(bytes, "HTTP/1.1 200", 12), "read an answer");
    slot->milliseconds = now() - begun;
}

static void restore(struct slot *slot) {
    call(slot, "PUT", "/snapshot/load", load);
    ask(slot);
}

static void resume(struct slot *slot) {
    call(slot, "PATCH", "/vm", "{\"state\":\"Resumed\"}");
    ask(slot);
}

static void pause_all(int count) {
    usleep(20000);  // the guests have seen that the last connections are closed
    for (int i = 0; i < count; i++) call(&slots[i], "PATCH", "/vm", "{\"state\":\"Paused\"}");
}

static void fresh_sockets(struct slot *slot, int first) {
    for (int i = 0; i < TRIES; i++) {
        if (!first) close(slot->sockets[i]);
        slot->sockets[i] = unused_socket();
    }
}

static void prepare(int count) {
    for (int i = 0; i < count; i++) {
        enter_slot_network();
        fresh_sockets(&slots[i], 1);
        spawn_monitor(&slots[i], i);
        must(setns(home, CLONE_NEWNET) == 0, "setns");
    }
}

static void renew_sockets(int count) {
    char path[64];
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/proc/%d/ns/net", slots[i].pid);
        int network = open(path, O_RDONLY | O_CLOEXEC);
        must(network >= 0 && setns(network, CLONE_NEWNET) == 0, path);
        close(network);
        fresh_sockets(&slots[i], 0);
    }
    must(setns(home, CLONE_NEWNET) == 0, "setns");
}

static void drop(int count) {
    for (int i = 0; i < count; i++) {
        kill(slots[i].pid, SIGKILL);
        close(slots[i].api);
        for (int j = 0; j < TRIES; j++) close(slots[i].sockets[j]);
    }
    for (int i = 0; i < count; i++) waitpid(slots[i].pid, NULL, 0), slots[i].pid = 0;
    must(chdir("/") == 0, "/");
    for (int i = 0; i < count; i++) {
        char command[600];
        snprintf(command, sizeof command, "rm -rf '%s/%d'", scratch, i);
        must(system(command) == 0, command);
    }
}

static int next_slot, last_slot;
static void (*step)(struct slot *);

static void *worker(void *unused) {
    (void)unused;
    for (int i; (i = __atomic_fetch_add(&next_slot, 1, __ATOMIC_RELAXED)) < last_slot;) step(&slots[i]);
    return NULL;
}

// `count` starts from the same instant on, `width` of them at once.
static void burst(int count, int width, void (*what)(struct slot *)) {
    pthread_t threads[MOST];
    next_slot = 0;
    last_slot = count;
    step = what;
    begun = now();
    if (width == 1) worker(NULL);
    for (int i = 0; width > 1 && i < width; i++) pthread_create(&threads[i], NULL, worker, NULL);
    for (int i = 0; width > 1 && i < width; i++) pthread_join(threads[i], NULL);
}

// The same clock for the other side: `count` requests to a gateway at once, each on a connection of its own.
static void product(int port, int count) {
    struct sockaddr_in gateway = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pollfd entries[MOST];
    begun = now();
    for (int i = 0; i < count; i++) {
        entries[i] = (struct pollfd){unused_socket(), POLLIN, 0};
        int result = connect(entries[i].fd, (struct sockaddr *)&gateway, sizeof gateway);
        must(result == 0 || errno == EINPROGRESS, "connect to the gateway");
        // The handshake over loopback is over when connect returns.
        must(write(entries[i].fd, get, sizeof get - 1) == sizeof get - 1, "write to the gateway");
    }
    for (int left = count; left > 0;) {
        must(poll(entries, (nfds_t)count, 30000) > 0, "wait for the gateway");
        for (int i = 0; i < count; i++) {
            if (entries[i].fd < 0 || !entries[i].revents) continue;
            char bytes[2048];
            ssize_t length = read(entries[i].fd, bytes, sizeof bytes - 1);
            slots[i].milliseconds = now() - begun;
            bytes[length > 0 ? length : 0] = 0;
            if (strncmp(bytes, "HTTP/1.1 200", 12)) fprintf(stderr, "floor: the gateway answered: %s\n", bytes);
            must(!strncmp(bytes, "HTTP/1.1 200", 12), "a request to the gateway");
            close(entries[i].fd);
            entries[i].fd = -1;
            left--;
        }
    }
}

static void report(int count) {
    printf("[");
    for (int i = 0; i < count; i++) printf("%s%.3f", i ? "," : "", slots[i].milliseconds);
    printf("]\n");
    fflush(stdout);
}

static void report_processes(int count) {
    printf("[");
    for (int i = 0; i < count; i++) printf("%s%d", i ? "," : "", slots[i].pid);
    printf("]\n");
    fflush(stdout);
}

int main(int argc, char **argv) {
    must(argc == 5, "usage: floor FIRECRACKER SNAPSHOT ROOT SCRATCH");
    firecracker = argv[1], snapshot = argv[2], root = argv[3], scratch = argv[4];
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    char line[64], word[16];
    while (fgets(line, sizeof line, stdin)) {
        int first = 0, second = 0;
        sscanf(line, "%15s %d %d", word, &first, &second);
        if (!strcmp(word, "prepare")) prepare(first), report_processes(first);
        if (!strcmp(word, "restore")) burst(first, second, restore), report(first);
        if (!strcmp(word, "resume")) burst(first, second, resume), report(first);
        if (!strcmp(word, "pause")) renew_sockets(first), pause_all(first), report(0);
        if (!strcmp(word, "drop")) drop(first), report(0);
        if (!strcmp(word, "product")) product(first, second), report(second);
    }
    // The other side may have given up half-way.
    for (int i = 0; i < MOST; i++) {
        if (slots[i].pid > 0) kill(slots[i].pid, SIGKILL);
    }
    return 0;
}
