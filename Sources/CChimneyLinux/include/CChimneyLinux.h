/* What Swift's Glibc module does not show of Linux: macros, variadic calls and structures behind them.
 * Every function returns a result of 0 or more, or a negated errno. */
#ifndef CCHIMNEYLINUX_H
#define CCHIMNEYLINUX_H

#if defined(__linux__)

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static inline int chimney_result(int result) { return result < 0 ? -errno : result; }

/* Polling. */

static inline int chimney_epoll_create(void) { return chimney_result(epoll_create1(EPOLL_CLOEXEC)); }

static inline int chimney_epoll_set(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.u64 = token;
    return chimney_result(epoll_ctl(epoll, operation, fd, &event));
}

/* Waits at most `nanoseconds`, for ever where it is negative; without epoll_pwait2 (Linux 5.11) rounded up to milliseconds. */
static inline int chimney_epoll_wait(int epoll, struct epoll_event *events, int count, int64_t nanoseconds) {
    if (nanoseconds == 0) return chimney_result(epoll_wait(epoll, events, count, 0));
#if defined(SYS_epoll_pwait2)
    struct timespec span = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
    long result = syscall(SYS_epoll_pwait2, epoll, events, count, nanoseconds < 0 ? NULL : &span, NULL, (size_t)8);
    if (result >= 0) return (int)result;
    if (errno != ENOSYS) return -errno;
#endif
    int64_t milliseconds = nanoseconds < 0 ? -1 : (nanoseconds + 999999) / 1000000;
    return chimney_result(epoll_wait(epoll, events, count, milliseconds > 1000000 ? 1000000 : (int)milliseconds));
}

static inline uint32_t chimney_event_bits(const struct epoll_event *events, int index) { return events[index].events; }
static inline uint64_t chimney_event_token(const struct epoll_event *events, int index) { return events[index].data.u64; }

static inline int chimney_eventfd(void) { return chimney_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

static inline int chimney_eventfd_signal(int fd) {
    uint64_t one = 1;
    return chimney_result((int)write(fd, &one, sizeof one));
}

static inline int chimney_eventfd_drain(int fd) {
    uint64_t count;
    return chimney_result((int)read(fd, &count, sizeof count));
}

static inline uint64_t chimney_monotonic(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline uint64_t chimney_realtime(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static inline int chimney_random(void *bytes, size_t count) { return chimney_result((int)getrandom(bytes, count, 0)); }

/* Binds the calling thread to one processor. */
int chimney_pin(int cpu);

/* Moves the calling thread to a network namespace of its own; the descriptors it opens stay there. */
int chimney_unshare_network(void);

/* TAP and TUN. */

static inline int chimney_tun_open(void) { return chimney_result(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)); }

static inline int chimney_tun_features(int fd) {
    unsigned features = 0;
    int result = chimney_result(ioctl(fd, TUNGETFEATURES, &features));
    return result < 0 ? result : (int)features;
}

/* `name` has room for IFNAMSIZ bytes and receives the name the kernel chose. */
static inline int chimney_tun_attach(int fd, char *name, int flags) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    memcpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = (short)flags;
    int result = chimney_result(ioctl(fd, TUNSETIFF, &request));
    if (result >= 0) memcpy(name, request.ifr_name, IFNAMSIZ);
    return result;
}

static inline int chimney_tun_set_header(int fd, int bytes) { return chimney_result(ioctl(fd, TUNSETVNETHDRSZ, &bytes)); }
static inline int chimney_tun_set_offload(int fd, unsigned offload) {
    return chimney_result(ioctl(fd, TUNSETOFFLOAD, (unsigned long)offload));
}
static inline int chimney_tun_set_persist(int fd, int on) { return chimney_result(ioctl(fd, TUNSETPERSIST, (unsigned long)on)); }

/* Interfaces of the kernel, asked and configured through any socket. */

static inline void chimney_name_request(struct ifreq *request, const char *name) {
    memset(request, 0, sizeof *request);
    strncpy(request->ifr_name, name, IFNAMSIZ - 1);
}

static inline int chimney_if_index(int fd, const char *name) {
    struct ifreq request;
    chimney_name_request(&request, name);
    int result = chimney_result(ioctl(fd, SIOCGIFINDEX, &request));
    return result < 0 ? result : request.ifr_ifindex;
}

static inline int chimney_if_mtu(int fd, const char *name) {
    struct ifreq request;
    chimney_name_request(&request, name);
    int result = chimney_result(ioctl(fd, SIOCGIFMTU, &request));
    return result < 0 ? result : request.ifr_mtu;
}

static inline int chimney_if_set_mtu(int fd, const char *name, int mtu) {
    struct ifreq request;
    chimney_name_request(&request, name);
    request.ifr_mtu = mtu;
    return chimney_result(ioctl(fd, SIOCSIFMTU, &request));
}

static inline int chimney_if_flags(int fd, const char *name) {
    struct ifreq request;
    chimney_name_request(&request, name);
    int result = chimney_result(ioctl(fd, SIOCGIFFLAGS, &request));
    return result < 0 ? result : (int)(uint16_t)request.ifr_flags;
}

static inline int chimney_if_set_flags(int fd, const char *name, int flags) {
    struct ifreq request;
    chimney_name_request(&request, name);
    request.ifr_flags = (short)flags;
    return chimney_result(ioctl(fd, SIOCSIFFLAGS, &request));
}

/* The hardware type, with the link address in the low 48 bits of `mac`. */
static inline int chimney_if_mac(int fd, const char *name, uint64_t *mac) {
    struct ifreq request;
    chimney_name_request(&request, name);
    int result = chimney_result(ioctl(fd, SIOCGIFHWADDR, &request));
    if (result < 0) return result;
    uint64_t bits = 0;
    for (int k = 0; k < 6; k++) bits = bits << 8 | (uint8_t)request.ifr_hwaddr.sa_data[k];
    *mac = bits;
    return request.ifr_hwaddr.sa_family;
}

static inline int chimney_if_set_mac(int fd, const char *name, uint64_t mac) {
    struct ifreq request;
    chimney_name_request(&request, name);
    request.ifr_hwaddr.sa_family = 1; /* ARPHRD_ETHER */
    for (int k = 0; k < 6; k++) request.ifr_hwaddr.sa_data[k] = (char)(mac >> (40 - 8 * k));
    return chimney_result(ioctl(fd, SIOCSIFHWADDR, &request));
}

static inline void chimney_set_in(struct sockaddr *target, uint32_t address) {
    struct sockaddr_in in;
    memset(&in, 0, sizeof in);
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(address);
    memcpy(target, &in, sizeof *target);
}

/* Sets address and mask; for a point-to-point device also the peer, where it is not 0. Addresses are numbers. */
static inline int chimney_if_set_address(int fd, const char *name, uint32_t address, uint32_t mask, uint32_t peer) {
    struct ifreq request;
    chimney_name_request(&request, name);
    chimney_set_in(&request.ifr_addr, address);
    int result = chimney_result(ioctl(fd, SIOCSIFADDR, &request));
    if (result < 0) return result;
    if (peer) {
        chimney_set_in(&request.ifr_dstaddr, peer);
        result = chimney_result(ioctl(fd, SIOCSIFDSTADDR, &request));
        if (result < 0) return result;
    }
    chimney_set_in(&request.ifr_netmask, mask);
    return chimney_result(ioctl(fd, SIOCSIFNETMASK, &request));
}

/* The kernel's struct in6_ifreq, whose header does not go together with the C library's. */
struct chimney_in6_request {
    struct in6_addr address;
    uint32_t prefix_length;
    int index;
};

/* Adds an IPv6 address, given as the two halves of its number. */
static inline int chimney_if_add_address6(int index, uint64_t high, uint64_t low, uint32_t prefix_length) {
    struct chimney_in6_request request;
    memset(&request, 0, sizeof request);
    for (int k = 0; k < 8; k++) {
        request.address.s6_addr[k] = (uint8_t)(high >> (56 - 8 * k));
        request.address.s6_addr[8 + k] = (uint8_t)(low >> (56 - 8 * k));
    }
    request.prefix_length = prefix_length;
    request.index = index;
    int fd = chimney_result(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd < 0) return fd;
    int result = chimney_result(ioctl(fd, SIOCSIFADDR, &request));
    close(fd);
    return result;
}

/* Deletes an interface, whoever holds it. */
static inline int chimney_if_delete(int index) {
    struct { struct nlmsghdr header; struct ifinfomsg body; } request;
    struct { struct nlmsghdr header; struct nlmsgerr error; char rest[256]; } answer;
    memset(&request, 0, sizeof request);
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_DELLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.body.ifi_index = index;
    int fd = chimney_result(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (fd < 0) return fd;
    int result = chimney_result((int)send(fd, &request, sizeof request, 0));
    if (result >= 0) result = chimney_result((int)recv(fd, &answer, sizeof answer, 0));
    if (result >= 0) result = answer.header.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EPROTO;
    close(fd);
    return result;
}

/* Packet sockets. */

static inline int chimney_packet_open(void) {
    return chimney_result(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

static inline int chimney_packet_bind(int fd, int index) {
    struct sockaddr_ll address;
    memset(&address, 0, sizeof address);
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = index;
    return chimney_result(bind(fd, (struct sockaddr *)&address, sizeof address));
}

static inline int chimney_packet_option(int fd, int option, int value) {
    return chimney_result(setsockopt(fd, SOL_PACKET, option, &value, sizeof value));
}

/* Adds to or drops from what the interface lets in for the socket: `type` is PACKET_MR_MULTICAST, which takes an
 * address, PACKET_MR_ALLMULTI or PACKET_MR_PROMISC. What is added more than once is dropped as often. */
static inline int chimney_packet_membership(int fd, int option, int index, int type, uint64_t mac) {
    struct packet_mreq membership;
    memset(&membership, 0, sizeof membership);
    membership.mr_ifindex = index;
    membership.mr_type = (unsigned short)type;
    if (type == PACKET_MR_MULTICAST) {
        membership.mr_alen = 6;
        for (int k = 0; k < 6; k++) membership.mr_address[k] = (unsigned char)(mac >> (40 - 8 * k));
    }
    return chimney_result(setsockopt(fd, SOL_PACKET, option, &membership, sizeof membership));
}

static inline int chimney_socket_buffers(int fd, int receive, int send) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send);
    return 0;
}

/* The error that waits on a socket, and clears it. */
static inline int chimney_socket_error(int fd) {
    int error = 0;
    socklen_t count = sizeof error;
    int result = chimney_result(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &count));
    return result < 0 ? result : error;
}

/* The kernel's struct mmsghdr, which the C library shows to GNU programs only. */
struct chimney_message {
    struct msghdr header;
    unsigned count;
};

int chimney_receive_many(int fd, struct chimney_message *messages, unsigned count);
int chimney_send_many(int fd, struct chimney_message *messages, unsigned count);

/* The 802.1Q tag that the kernel took out of a received frame, EtherType first as on the wire, or -1. */
static inline int64_t chimney_stripped_tag(struct msghdr *message) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA) continue;
        struct tpacket_auxdata data;
        memcpy(&data, CMSG_DATA(part), sizeof data);
        if (!(data.tp_status & TP_STATUS_VLAN_VALID)) return -1;
        uint32_t protocol = data.tp_status & TP_STATUS_VLAN_TPID_VALID ? data.tp_vlan_tpid : ETH_P_8021Q;
        return (int64_t)(protocol << 16 | data.tp_vlan_tci);
    }
    return -1;
}

static inline int chimney_inet_socket(void) { return chimney_result(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }

/* A timer whose descriptor is readable once it has expired; 0 disarms it, and setting it makes it unreadable. */

static inline int chimney_timerfd(void) { return chimney_result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)); }

static inline int chimney_timerfd_set(int fd, uint64_t nanoseconds) {
    struct itimerspec span;
    memset(&span, 0, sizeof span);
    span.it_value.tv_sec = (time_t)(nanoseconds / 1000000000u);
    span.it_value.tv_nsec = (long)(nanoseconds % 1000000000u);
    return chimney_result(timerfd_settime(fd, 0, &span, NULL));
}

#endif
#endif
