// kernel-multicast: what memberships, sources and filter checks cost in the kernel that runs this.
//
// usage: kernel-multicast [SECS=1] [--full]
//            as root; makes a network namespace of its own with a pair of joined devices, and raises the limits in it. 100,000 joins
//            take half a minute and more, and as many leaves, oldest first, several. Unless --full asks for all of them, leaves stop
//            after SECS, and the rate told is twice the one found: what the kernel walks to find a group gets shorter evenly until
//            nothing is left of it.
//
// Calls are timed by the processor time of this thread, datagrams by the clock, the fastest of several batches.
//
// Copyright: see LICENSE (Apache License 2.0).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { GROUPS = 100000, SOCKETS = 5000, SOURCES = 10000, PORT = 5000 };

static double seconds = 1;
static int is_full, device;

static void setting(const char *path, long value) {
    FILE *file = fopen(path, "w");
    if (!file) die(path);
    fprintf(file, "%ld", value);
    if (fclose(file)) die(path);
}

// A namespace with two devices that are each other's cable, the first with the address 10.0.0.1.
static void world(void) {
    if (unshare(CLONE_NEWNET)) die("unshare (root is needed)");
    if (system("ip link add m0 type veth peer name m1 && ip addr add 10.0.0.1/24 dev m0 && ip link set lo up && ip link set m0 up "
               "&& ip link set m1 up"))
        die("ip");
    device = (int)if_nametoindex("m0");
    if (!device) die("m0");
    setting("/proc/sys/net/ipv4/igmp_max_memberships", 1000000);
    setting("/proc/sys/net/ipv4/igmp_max_msf", 1000000);
    setting("/proc/sys/net/core/optmem_max", 1000000000);
    struct rlimit files = {20000, 20000};
    if (setrlimit(RLIMIT_NOFILE, &files)) die("setrlimit");
}

static int open_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1, off = 0;
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
    return fd;
}

static int bound_socket(void) {
    int fd = open_socket();
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    if (bind(fd, (struct sockaddr *)&any, sizeof any)) die("bind");
    return fd;
}

static struct in_addr group(int number) { return (struct in_addr){htonl(0xEF000001u + (uint32_t)number)}; }
static struct in_addr source(int number) { return (struct in_addr){htonl(0x0A000101u + (uint32_t)number)}; }

static void change(int fd, int option, int number) {
    struct ip_mreqn request = {.imr_multiaddr = group(number), .imr_ifindex = device};
    if (setsockopt(fd, IPPROTO_IP, option, &request, sizeof request)) die("membership");
}

static void add_source(int fd, int number) {
    struct ip_mreq_source request = {
        .imr_multiaddr = group(0), .imr_interface = {htonl(0x0A000001)}, .imr_sourceaddr = source(number)};
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &request, sizeof request)) die("IP_ADD_SOURCE_MEMBERSHIP");
}

static void set_filter(int fd, uint32_t mode, int count, int step) {
    struct ip_msfilter *filter = malloc(IP_MSFILTER_SIZE(count));
    if (!filter) die("malloc");
    filter->imsf_multiaddr = group(0);
    filter->imsf_interface.s_addr = htonl(0x0A000001);
    filter->imsf_fmode = mode;
    filter->imsf_numsrc = (uint32_t)count;
    struct in_addr *list = (struct in_addr *)((char *)filter + offsetof(struct ip_msfilter, imsf_slist));
    for (int i = 0; i < count; i++) list[i] = source(i * step);
    if (setsockopt(fd, IPPROTO_IP, IP_MSFILTER, filter, (socklen_t)IP_MSFILTER_SIZE(count))) die("IP_MSFILTER");
    free(filter);
}

// The kernel's own unreclaimable memory, in bytes.
static double kernel_memory(void) {
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    long kilobytes = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "SUnreclaim: %ld", &kilobytes) == 1) break;
    if (file) fclose(file);
    return (double)kilobytes * 1024;
}

// Leaves the groups below `limit`, oldest first, until all are left or the time has passed; leaves a second, over all of them.
static double leaves(int (*socket_of)(int), int limit, int *left) {
    double start = spent(), passed = 0;
    for (*left = 0; *left < limit && (is_full || passed < seconds); passed = spent() - start)
        for (int i = 0; i < 10 && *left < limit; i++, (*left)++) change(socket_of(*left), IP_DROP_MEMBERSHIP, *left);
    return *left / passed * (*left < limit ? 2 : 1);
}

static int fds[SOCKETS + 1];
static int only_socket(int number) { return fds[number * 0]; }
static int many_sockets(int number) { return fds[number / (GROUPS / SOCKETS)]; }

static void one_socket(int count) {
    char name[64], extra[64];
    int left;
    fds[0] = bound_socket();
    double memory = kernel_memory(), start = spent();
    for (int i = 0; i < count; i++) change(fds[0], IP_ADD_MEMBERSHIP, i);
    double rate = count / (spent() - start);
    snprintf(name, sizeof name, "mc-join-one-%d", count);
    report(name, "kernel", rate, "joins/s", "");
    if (count == GROUPS) report("mc-membership-bytes-0", "kernel", (kernel_memory() - memory) / count, "bytes each", "");
    rate = leaves(only_socket, count, &left);
    snprintf(name, sizeof name, "mc-leave-one-%d", count);
    snprintf(extra, sizeof extra, ",\"measured\":%d", left);
    report(name, "kernel", rate, "leaves/s", extra);
    close(fds[0]);
}

static void many(void) {
    char extra[64];
    int left;
    for (int i = 0; i < SOCKETS; i++) fds[i] = bound_socket();
    double start = spent();
    for (int i = 0; i < GROUPS; i++) change(many_sockets(i), IP_ADD_MEMBERSHIP, i);
    report("mc-join-many-100000", "kernel", GROUPS / (spent() - start), "joins/s", "");
    double rate = leaves(many_sockets, GROUPS, &left);
    snprintf(extra, sizeof extra, ",\"measured\":%d", left);
    report("mc-leave-many-100000", "kernel", rate, "leaves/s", extra);
    for (int i = SOCKETS - 1; i >= 0; i--) close(fds[i]);
}

static void sources(void) {
    int fd = bound_socket();
    double start = spent();
    for (int i = 0; i < SOURCES; i++) add_source(fd, i);
    report("mc-source-one-10000", "kernel", SOURCES / (spent() - start), "sources/s", "");
    close(fd);

    fd = bound_socket();
    start = spent();
    for (int i = 0; i < SOURCES; i++) add_source(fd, i * 7919 % SOURCES);
    report("mc-source-scattered-10000", "kernel", SOURCES / (spent() - start), "sources/s", "");
    close(fd);

    fd = bound_socket();
    change(fd, IP_ADD_MEMBERSHIP, 0);
    start = spent();
    set_filter(fd, MCAST_INCLUDE, SOURCES, 2);
    report("mc-source-set-10000", "kernel", SOURCES / (spent() - start), "sources/s", "");
    close(fd);
}

// The least time a datagram to group 0 takes from the call to the socket, over several batches.
static double datagram(int receiver) {
    int sender = open_socket(), on = 1;
    struct ip_mreqn out = {.imr_ifindex = device};
    if (setsockopt(sender, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out)) die("IP_MULTICAST_IF");
    setsockopt(sender, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof on);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr = group(0)};
    char byte[64] = {0};
    double best = 1e9, begin = now();
    while (now() - begin < seconds) {
        double start = now();
        for (int i = 0; i < 64; i++) sendto(sender, byte, sizeof byte, 0, (struct sockaddr *)&to, sizeof to);
        double each = (now() - start) / 64;
        if (each < best) best = each;
        int received = 0;
        while (recv(receiver, byte, sizeof byte, 0) >= 0) received++;
        if (!received) {
            fprintf(stderr, "kernel-multicast: a datagram for a member did not arrive\n");
            exit(1);
        }
    }
    close(sender);
    return best;
}

// What the filter adds to a datagram from a sender that is not among the excluded ones.
static void checks(void) {
    int counts[] = {1, 1000, 10000};
    int fd = bound_socket();
    change(fd, IP_ADD_MEMBERSHIP, 0);
    double without = datagram(fd);
    for (int i = 0; i < 3; i++) {
        set_filter(fd, MCAST_EXCLUDE, counts[i], 2);
        double each = datagram(fd) - without;
        char name[64], extra[64];
        snprintf(name, sizeof name, "mc-check-%d", counts[i]);
        snprintf(extra, sizeof extra, ",\"ns\":%.0f", each * 1e9);
        // Below a few nanoseconds the difference of two times is noise.
        report(name, "kernel", 1 / (each > 5e-9 ? each : 5e-9), "datagrams/s", extra);
    }
    close(fd);
}

static void delivery(void) {
    int fd = bound_socket();
    change(fd, IP_ADD_MEMBERSHIP, 0);
    report("mc-deliver-others-0", "kernel", 1 / datagram(fd), "datagrams/s", "");
    static int others[10000];
    for (int i = 0; i < 10000; i++) {
        others[i] = bound_socket();
        change(others[i], IP_ADD_MEMBERSHIP, 1 + i);
    }
    report("mc-deliver-others-10000", "kernel", 1 / datagram(fd), "datagrams/s", "");
    for (int i = 9999; i >= 0; i--) close(others[i]);
    close(fd);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--full") == 0) is_full = 1;
        else seconds = atof(argv[i]);
    }
    world();
    checks();
    delivery();
    sources();
    one_socket(1000);
    many();
    one_socket(GROUPS);
    return 0;
}
