// tcp-load: TCP client over the kernel's sockets. Measures bulk data each way, one byte there and back, and connections a second.
//
// usage: tcp-load ADDRESS send SECS [--peer NAME] [--connections N=1]     to port 9 (discard), Gbit/s of payload acknowledged
//        tcp-load ADDRESS receive SECS [--peer NAME] [--connections N=1]  from port 19 (chargen), Gbit/s of payload read
//        tcp-load ADDRESS exchange SECS [--peer NAME]                     one byte to port 7 (echo) and back; p50 and p99 microseconds
//        tcp-load ADDRESS connect SECS [--peer NAME] [--connections N=32] connect, one byte there and back, close, N under way
//
// The congestion control is CUBIC whatever the machine's default is. In `exchange` the client polls without sleeping, because a wake-up
// across processors costs more than an exchange. In `connect` the client closes first, so that the state after the end is its own.
// What does not go on for 5 seconds is reported as an error, exit status 1.
//
// Copyright: see LICENSE (Apache License 2.0).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

enum { CHUNK = 256 * 1024, CONNECTIONS_MAX = 4096, LATENCIES = 1 << 22, DISCARD = 9, CHARGEN = 19, ECHO = 7 };

static const double WARM_UP = 0.4, PATIENCE = 5;
static const char *peer = "unknown";
static struct sockaddr_storage address;
static socklen_t address_size;
static char chunk[CHUNK];

static void set_address(const char *text, int port) {
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &ipv4.sin_addr) == 1) {
        memcpy(&address, &ipv4, address_size = sizeof ipv4);
    } else if (inet_pton(AF_INET6, text, &ipv6.sin6_addr) == 1) {
        memcpy(&address, &ipv6, address_size = sizeof ipv6);
    } else {
        fprintf(stderr, "tcp-load: %s is not an address\n", text);
        exit(2);
    }
}

static int open_socket(int flags) {
    int fd = socket(address.ss_family, SOCK_STREAM | flags, 0), yes = 1;
    if (fd < 0) die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0) die("TCP_CONGESTION");
    return fd;
}

static int connected(void) {
    int fd = open_socket(0);
    struct timeval patience = {(time_t)PATIENCE, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, address_size) != 0) die("connect");
    return fd;
}

static void abandon(int fd) {
    struct linger at_once = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

// Bytes that the peer has acknowledged or we have read, of all connections.
static double moved(const int *fds, const double *bytes, int count, int sends) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
        int unacknowledged = 0;
        if (sends) ioctl(fds[i], SIOCOUTQ, &unacknowledged);
        sum += bytes[i] - unacknowledged;
    }
    return sum;
}

static int bulk(int sends, double secs, int count) {
    static int fds[CONNECTIONS_MAX];
    static double bytes[CONNECTIONS_MAX];
    for (int i = 0; i < count; i++) fds[i] = connected();
    double start = now(), begun = 0, base = 0;
    int warm = 0;
    for (;;) {
        for (int i = 0; i < count; i++) {
            ssize_t n = sends ? write(fds[i], chunk, CHUNK) : read(fds[i], chunk, CHUNK);
            if (n <= 0) {
                fprintf(stderr, "tcp-load: %s: %s\n", sends ? "write" : "read", n == 0 ? "closed" : strerror(errno));
                return 1;
            }
            bytes[i] += (double)n;
        }
        double t = now();
        if (!warm && t - start > WARM_UP) {
            warm = 1;
            begun = t;
            base = moved(fds, bytes, count, sends);
        } else if (warm && t - begun >= secs) {
            break;
        }
    }
    double rate = (moved(fds, bytes, count, sends) - base) * 8e-9 / (now() - begun);
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info, &size);
    char extra[96];
    snprintf(extra, sizeof extra, ",\"mss\":%u,\"retransmitted\":%u", sends ? info.tcpi_snd_mss : info.tcpi_rcv_mss,
             info.tcpi_total_retrans);
    report(sends ? "tcp-send" : "tcp-receive", peer, rate, "Gbit/s", extra);
    for (int i = 0; i < count; i++) abandon(fds[i]);
    return 0;
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static int exchange(double secs) {
    static float latencies[LATENCIES];
    int fd = connected();
    double start = now(), begun = 0;
    long count = 0;
    int warm = 0;
    for (double last = start;;) {
        char byte = 'x';
        if (write(fd, &byte, 1) != 1) die("write");
        ssize_t n;
        while ((n = recv(fd, &byte, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN && now() - last < PATIENCE) {}
        if (n != 1) {
            fprintf(stderr, "tcp-load: no answer: %s\n", n == 0 ? "closed" : strerror(errno));
            return 1;
        }
        double t = now();
        if (warm) {
            if (count < LATENCIES) latencies[count] = (float)((t - last) * 1e6);
            count++;
            if (t - begun >= secs) break;
        } else if (t - start > WARM_UP) {
            warm = 1;
            begun = t;
        }
        last = t;
    }
    double rate = (double)count / (now() - begun);
    long kept = count < LATENCIES ? count : LATENCIES;
    qsort(latencies, (size_t)kept, sizeof latencies[0], compare);
    char extra[96];
    snprintf(extra, sizeof extra, ",\"p50_us\":%.2f,\"p99_us\":%.2f", latencies[kept / 2], latencies[kept * 99 / 100]);
    report("tcp-exchange", peer, rate, "transactions/s", extra);
    abandon(fd);
    return 0;
}

// What a connection of `connect` waits for.
enum step { NONE, OPENING, ANSWER, END };

static int connections(double secs, int count) {
    static struct {
        int fd;
        enum step step;
    } all[CONNECTIONS_MAX];
    int epoll = epoll_create1(0);
    double start = now(), begun = 0, progress = start;
    long done = 0, base = 0, errors = 0;
    int warm = 0;
    for (;;) {
        for (int i = 0; i < count; i++) {
            if (all[i].step != NONE) continue;
            int fd = open_socket(SOCK_NONBLOCK);
            if (connect(fd, (struct sockaddr *)&address, address_size) != 0 && errno != EINPROGRESS) {
                errors++;
                close(fd);
                continue;
            }
            all[i].fd = fd;
            all[i].step = OPENING;
            struct epoll_event event = {.events = EPOLLOUT, .data.u32 = (uint32_t)i};
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        }
        struct epoll_event events[256];
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int k = 0; k < ready; k++) {
            uint32_t i = events[k].data.u32;
            int fd = all[i].fd, failed = 0;
            char byte = 'x';
            ssize_t n;
            switch (all[i].step) {
            case OPENING:
                if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1) {
                    all[i].step = ANSWER;
                    struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};
                    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
                } else {
                    failed = 1;
                }
                break;
            case ANSWER:
                n = read(fd, &byte, 1);
                if (n == 1) {
                    shutdown(fd, SHUT_WR);
                    all[i].step = END;
                } else {
                    failed = n == 0 || errno != EAGAIN;
                }
                break;
            case END:
                n = read(fd, &byte, 1);
                if (n == 0) {
                    close(fd);
                    all[i].step = NONE;
                    done++;
                    progress = now();
                } else {
                    failed = errno != EAGAIN;
                }
                break;
            case NONE: break;
            }
            if (failed) {
                errors++;
                close(fd);
                all[i].step = NONE;
            }
        }
        double t = now();
        if (t - progress > PATIENCE) {
            fprintf(stderr, "tcp-load: no connection ended for 5 s, %ld errors\n", errors);
            return 1;
        }
        if (!warm && t - start > WARM_UP) {
            warm = 1;
            begun = t;
            base = done;
        } else if (warm && t - begun >= secs) {
            break;
        }
    }
    char extra[96];
    snprintf(extra, sizeof extra, ",\"in_flight\":%d,\"errors\":%ld", count, errors);
    report("tcp-connect", peer, (double)(done - base) / (now() - begun), "connections/s", extra);
    for (int i = 0; i < count; i++)
        if (all[i].step != NONE) abandon(all[i].fd);
    return 0;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 4; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--peer")) peer = argv[i + 1];
        if (!strcmp(argv[i], "--connections")) count = atoi(argv[i + 1]);
    }
    double secs = argc > 3 ? atof(argv[3]) : 0;
    if (secs <= 0 || count < 0 || count > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: tcp-load ADDRESS send|receive|exchange|connect SECS [--peer NAME] [--connections N]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    alarm((unsigned)secs + 60);
    struct rlimit files = {1 << 16, 1 << 16};
    setrlimit(RLIMIT_NOFILE, &files);
    const char *mode = argv[2];
    int sends = !strcmp(mode, "send");
    if (sends || !strcmp(mode, "receive")) {
        set_address(argv[1], sends ? DISCARD : CHARGEN);
        return bulk(sends, secs, count ? count : 1);
    }
    set_address(argv[1], ECHO);
    if (!strcmp(mode, "exchange")) return exchange(secs);
    if (!strcmp(mode, "connect")) return connections(secs, count ? count : 32);
    fprintf(stderr, "tcp-load: no mode %s\n", mode);
    return 2;
}
