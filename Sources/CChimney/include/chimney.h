/*
 * Chimney's C API: TCP/IP stacks in a program, without a kernel.
 *
 * A stack is an object that the caller drives. Nothing in it waits, starts a thread or reads a device: bare IP packets
 * go in by chimney_packet_in, bare IP packets come out by chimney_packet_out with the time each left, and time passes
 * when the caller says so (or, with CHIMNEY_CLOCK_REAL, as the system's monotonic clock says). The socket calls are those of
 * POSIX with the stack before the descriptor, their structures and numbers those of Linux.
 *
 * Errors. A call that fails returns -1 (chimney_create: NULL) and sets the thread's errno. Bad input of any kind is such an
 * error and never ends the program, with one exception that C has everywhere: memory that a pointer names must be there.
 *
 * Threads. One thread at a time uses a stack and all that belongs to it. Different stacks share nothing and may be used by
 * different threads at once.
 *
 * Waiting. A call on a blocking socket that cannot go on asks the function given to chimney_set_run to make progress, again and
 * again, until it can. Without such a function, or with O_NONBLOCK or MSG_DONTWAIT, the call returns at once: EAGAIN, or
 * EINPROGRESS for connect.
 */
#ifndef CHIMNEY_H
#define CHIMNEY_H

#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -- Stacks --------------------------------------------------------------------------------------------------------- */

/* A stack with its interfaces, sockets and clock. */
typedef struct chimney_stack chimney_stack;

/* Where what a stack draws at random comes from. */
enum {
    CHIMNEY_RANDOM_KEY = 0, /* from the system: for stacks that meet strangers */
    CHIMNEY_RANDOM_SEED = 1 /* from a number: the same number and the same calls give the same bytes */
};

/* What moves a stack's clock. */
enum {
    CHIMNEY_CLOCK_VIRTUAL = 0, /* chimney_advance and chimney_advance_to; it begins at 0 */
    CHIMNEY_CLOCK_REAL = 1     /* CLOCK_MONOTONIC, from the moment the stack was created */
};

/* How a stack is made. All zero, with `size` set, is the default; so is a null pointer. */
struct chimney_settings {
    size_t size;              /* sizeof(struct chimney_settings) */
    uint32_t random;          /* CHIMNEY_RANDOM_... */
    uint32_t clock;           /* CHIMNEY_CLOCK_... */
    uint64_t seed;            /* for CHIMNEY_RANDOM_SEED */
    uint32_t descriptors_max; /* the most open sockets, then EMFILE; 0 stands for 1024, at most 65536 */
    uint32_t packets_max;     /* the most packets that the stack holds, everywhere; 0 stands for 65536 */
};

/* Makes a stack; it has the loopback interface (index 1) and nothing else. EINVAL: settings that there are not. */
chimney_stack *chimney_create(const struct chimney_settings *settings);

/* Ends a stack with all that it has. The peers of its connections hear nothing. EBUSY: from within a function that it runs. */
int chimney_destroy(chimney_stack *stack);

/* The thread's errno, for languages that cannot read it. */
int chimney_errno(void);

/*
 * Sets a number for sockets that are made from now on, by the name Linux has for it, for example "net.ipv4.tcp_sack"; the names
 * are listed in docs/c-api.md. ENOENT: no such name; EINVAL: not such a value.
 */
int chimney_set(chimney_stack *stack, const char *name, int64_t value);
int chimney_get(chimney_stack *stack, const char *name, int64_t *value);

/* -- Interfaces, addresses, routes ---------------------------------------------------------------------------------- */

/*
 * Attaches an interface that carries bare IP packets of at most `mtu` bytes, 68 to 65535; it is up. It speaks IPv6 from 1280
 * bytes on. Returns its index, 2 or more. EEXIST: the name is taken.
 */
int chimney_attach(chimney_stack *stack, const char *name, int mtu);
int chimney_detach(chimney_stack *stack, int interface);
int chimney_set_mtu(chimney_stack *stack, int interface, int mtu);
int chimney_set_up(chimney_stack *stack, int interface, int is_up);

/* Adds or removes an address, a sockaddr_in or sockaddr_in6 of which the port does not count; its subnet is routed. */
int chimney_add_address(
    chimney_stack *stack, int interface, const struct sockaddr *address, socklen_t length, int prefix_length);
int chimney_remove_address(
    chimney_stack *stack, int interface, const struct sockaddr *address, socklen_t length);

/* Adds a route to a prefix; without a gateway (a null pointer) its hosts are on the link. Both are of one family. */
int chimney_add_route(
    chimney_stack *stack, int interface, const struct sockaddr *prefix, socklen_t length, int prefix_length,
    const struct sockaddr *gateway, socklen_t gateway_length);
/* Removes every route to a prefix. ESRCH: there is none. */
int chimney_remove_route(
    chimney_stack *stack, const struct sockaddr *prefix, socklen_t length, int prefix_length);

/* -- Wires ---------------------------------------------------------------------------------------------------------- */

/* While so many packets wait to be taken, no more leave the interface's transmit queue, which drops at its own bound. */
#define CHIMNEY_WIRE_PACKETS_MAX 4096

/*
 * Hands in one IP packet that arrives on an interface now. ENODEV: no such interface; EMSGSIZE: more than 65535 bytes;
 * ENOBUFS: the stack holds as many packets as it may. What is wrong inside of a packet is no error of the call.
 */
int chimney_packet_in(chimney_stack *stack, int interface, const void *packet, size_t length);

/*
 * Takes the oldest IP packet that an interface sent. Returns its length, or 0 when none waits; `time`, if not null, is when
 * it left. EMSGSIZE: it is longer than `capacity`, and stays.
 */
ssize_t chimney_packet_out(chimney_stack *stack, int interface, void *buffer, size_t capacity, uint64_t *time);

/* How many packets wait to be taken. */
int chimney_packets_waiting(chimney_stack *stack, int interface);

/* -- Clock ---------------------------------------------------------------------------------------------------------- */

/* No timer runs. */
#define CHIMNEY_NEVER UINT64_MAX

/* The stack's time in nanoseconds; CHIMNEY_NEVER with errno when there is no stack. */
uint64_t chimney_now(chimney_stack *stack);

/* When the first of its timers is due, not before now; CHIMNEY_NEVER while none runs. */
uint64_t chimney_deadline(chimney_stack *stack);

/*
 * Lets a virtual clock pass to `time`, or by `span`: each timer on the way fires at its own time. With a real clock the
 * timers that are due fire, and the argument does not count. EINVAL: the time is in the past, or beyond INT64_MAX.
 */
int chimney_advance_to(chimney_stack *stack, uint64_t time);
int chimney_advance(chimney_stack *stack, uint64_t span);

/*
 * Makes progress for a call that waits: carries packets, lets time pass. `deadline` is when the call gives up
 * (SO_RCVTIMEO, SO_SNDTIMEO, poll), or CHIMNEY_NEVER. It may use the stack, but not destroy it. Other than 0 ends the
 * wait: the call returns what it has done, or EINTR.
 */
typedef int (*chimney_run)(void *context, chimney_stack *stack, uint64_t deadline);

/* Says who makes progress; null for nobody. */
int chimney_set_run(chimney_stack *stack, chimney_run run, void *context);

/* -- Sockets -------------------------------------------------------------------------------------------------------- */

/*
 * Descriptors are numbers of the stack, the lowest free one from 3 on. 0, 1 and 2 are the program's own streams: ENOTSOCK.
 * Domains are AF_INET and AF_INET6, types SOCK_STREAM and SOCK_DGRAM, with SOCK_NONBLOCK and SOCK_CLOEXEC.
 */
int chimney_socket(chimney_stack *stack, int domain, int type, int protocol);
int chimney_bind(chimney_stack *stack, int fd, const struct sockaddr *address, socklen_t length);
int chimney_listen(chimney_stack *stack, int fd, int backlog);
int chimney_accept(chimney_stack *stack, int fd, struct sockaddr *address, socklen_t *length);
int chimney_accept4(chimney_stack *stack, int fd, struct sockaddr *address, socklen_t *length, int flags);
int chimney_connect(chimney_stack *stack, int fd, const struct sockaddr *address, socklen_t length);

ssize_t chimney_read(chimney_stack *stack, int fd, void *buffer, size_t count);
ssize_t chimney_recv(chimney_stack *stack, int fd, void *buffer, size_t count, int flags);
ssize_t chimney_recvfrom(
    chimney_stack *stack, int fd, void *buffer, size_t count, int flags, struct sockaddr *address, socklen_t *length);
ssize_t chimney_recvmsg(chimney_stack *stack, int fd, struct msghdr *message, int flags);

ssize_t chimney_write(chimney_stack *stack, int fd, const void *buffer, size_t count);
ssize_t chimney_send(chimney_stack *stack, int fd, const void *buffer, size_t count, int flags);
ssize_t chimney_sendto(
    chimney_stack *stack, int fd, const void *buffer, size_t count, int flags, const struct sockaddr *address,
    socklen_t length);
ssize_t chimney_sendmsg(chimney_stack *stack, int fd, const struct msghdr *message, int flags);

int chimney_shutdown(chimney_stack *stack, int fd, int how);
int chimney_close(chimney_stack *stack, int fd);

int chimney_getsockname(chimney_stack *stack, int fd, struct sockaddr *address, socklen_t *length);
int chimney_getpeername(chimney_stack *stack, int fd, struct sockaddr *address, socklen_t *length);
int chimney_getsockopt(chimney_stack *stack, int fd, int level, int name, void *value, socklen_t *length);
int chimney_setsockopt(chimney_stack *stack, int fd, int level, int name, const void *value, socklen_t length);

/* FIONREAD (SIOCINQ), SIOCOUTQ, SIOCOUTQNSD and FIONBIO, each with a pointer to an int. */
int chimney_ioctl(chimney_stack *stack, int fd, unsigned long request, void *value);
/* F_GETFL and F_SETFL, of which O_NONBLOCK counts; F_GETFD and F_SETFD. */
int chimney_fcntl(chimney_stack *stack, int fd, int command, long value);
/* Waits, where there is somebody who makes progress, as many milliseconds of the stack's clock as `timeout` says. */
int chimney_poll(chimney_stack *stack, struct pollfd *descriptors, nfds_t count, int timeout);

/*
 * What TCP_INFO gives: Linux's struct tcp_info, of which C libraries have only the beginning. What Chimney does not count
 * is 0.
 */
struct chimney_tcp_info {
    uint8_t tcpi_state, tcpi_ca_state, tcpi_retransmits, tcpi_probes, tcpi_backoff, tcpi_options;
    uint8_t tcpi_wscale;     /* the peer's in the low four bits, ours in the high four */
    uint8_t tcpi_rate_flags; /* 0 */
    uint32_t tcpi_rto, tcpi_ato, tcpi_snd_mss, tcpi_rcv_mss;
    uint32_t tcpi_unacked, tcpi_sacked, tcpi_lost, tcpi_retrans, tcpi_fackets;
    uint32_t tcpi_last_data_sent, tcpi_last_ack_sent, tcpi_last_data_recv, tcpi_last_ack_recv;
    uint32_t tcpi_pmtu, tcpi_rcv_ssthresh, tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd, tcpi_advmss;
    uint32_t tcpi_reordering, tcpi_rcv_rtt, tcpi_rcv_space, tcpi_total_retrans;
    uint64_t tcpi_pacing_rate, tcpi_max_pacing_rate, tcpi_bytes_acked, tcpi_bytes_received;
    uint32_t tcpi_segs_out, tcpi_segs_in, tcpi_notsent_bytes, tcpi_min_rtt, tcpi_data_segs_in, tcpi_data_segs_out;
    uint64_t tcpi_delivery_rate, tcpi_busy_time, tcpi_rwnd_limited, tcpi_sndbuf_limited;
    uint32_t tcpi_delivered, tcpi_delivered_ce;
    uint64_t tcpi_bytes_sent, tcpi_bytes_retrans;
    uint32_t tcpi_dsack_dups, tcpi_reord_seen, tcpi_rcv_ooopack, tcpi_snd_wnd, tcpi_rcv_wnd, tcpi_rehash;
};

#ifdef __cplusplus
}
#endif

#endif
