// echo-load: UDP echo client over the kernel's sockets. Counts echoes a second, measures latency, or verifies contents.
//
// usage: echo-load ADDRESS PORT SIZE IN_FLIGHT SECS [--block] [--peer NAME]
//            keeps IN_FLIGHT datagrams of SIZE bytes (8 at least) under way; prints echoes/s, p50 and p99 microseconds. An echo that
//            does not come within 100 ms counts as lost and is replaced, so that loss never stops the load. It polls without
//            sleeping, because waking up across processors costs more than an echo; --block sleeps instead.
//        echo-load ADDRESS PORT --verify COUNT [--size-min 0] [--size-max 65507, over IPv6 65527] [--seed 1] [--window 8] [--peer NAME]
//            sends COUNT datagrams of random size and contents and compares every byte that comes back. An echo is matched by its
//            contents with any datagram under way, so order does not matter and empty datagrams count too. An echo that equals none
//            of them is a mismatch; one that does not come within 2 s is lost. Exit status 1 if there was either.
//
// Copyright: see LICENSE (Apache License 2.0).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"

enum { MAX_SIZE = 65527, MAX_SIZE_IPV4 = 65507, BATCH = 64, RING = 1 << 16, LATENCIES = 1 << 22, MAX_WINDOW = 64 };

static const char *peer = "unknown";
static int block;

static int connect_to(const char *address, int port) {
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    int is_ipv6 = strchr(address, ':') != NULL;
    if ((is_ipv6 ? inet_pton(AF_INET6, address, &ipv6.sin6_addr) : inet_pton(AF_INET, address, &ipv4.sin_addr)) != 1) {
        fprintf(stderr, "echo-load: %s is not an address\n", address);
        exit(2);
    }
    int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 8 << 20;
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    int failed = is_ipv6 ? connect(fd, (struct sockaddr *)&ipv6, sizeof ipv6) : connect(fd, (struct sockaddr *)&ipv4, sizeof ipv4);
    if (failed) die("connect");
    return fd;
}

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// When datagram number n left, 0 once its echo is here or it is given up. Number n is at n % RING.
static double left_at[RING];
static float latencies[LATENCIES];
static uint8_t out[BATCH][MAX_SIZE + 1], in[BATCH][MAX_SIZE + 1];

static int load(int fd, int size, int in_flight, double secs) {
    struct mmsghdr tx[BATCH] = {0}, rx[BATCH] = {0};
    struct iovec txv[BATCH], rxv[BATCH];
    for (int i = 0; i < BATCH; i++) {
        txv[i] = (struct iovec){out[i], (size_t)size};
        rxv[i] = (struct iovec){in[i], MAX_SIZE + 1};
        tx[i].msg_hdr.msg_iov = &txv[i];
        rx[i].msg_hdr.msg_iov = &rxv[i];
        tx[i].msg_hdr.msg_iovlen = rx[i].msg_hdr.msg_iovlen = 1;
    }
    uint64_t next = 0, oldest = 0, echoes = 0, lost = 0, late = 0, samples = 0;
    int outstanding = 0, warm = 0;
    double start = now(), t = start, checked = start;
    for (;;) {
        while (outstanding < in_flight && next - oldest < RING) {
            int n = in_flight - outstanding;
            if (n > BATCH) n = BATCH;
            if (next - oldest + (uint64_t)n > RING) n = (int)(RING - (next - oldest));
            for (int i = 0; i < n; i++) {
                uint64_t number = next + (uint64_t)i;
                memcpy(out[i], &number, 8);
            }
            if (in_flight == 1) t = now();
            int sent = sendmmsg(fd, tx, (unsigned)n, 0);
            if (sent <= 0) break;
            for (int i = 0; i < sent; i++) left_at[(next + (uint64_t)i) % RING] = t;
            next += (uint64_t)sent;
            outstanding += sent;
        }
        if (block) {
            struct pollfd ready = {fd, POLLIN, 0};
            poll(&ready, 1, 20);
        }
        int got = recvmmsg(fd, rx, in_flight < BATCH ? (unsigned)in_flight : BATCH, MSG_DONTWAIT, NULL);
        t = now();
        for (int i = 0; i < got; i++) {
            uint64_t number;
            memcpy(&number, in[i], 8);
            if ((int)rx[i].msg_len != size || number >= next || number < oldest || left_at[number % RING] == 0) {
                late++;
                continue;
            }
            if (warm) {
                echoes++;
                if (samples < LATENCIES) latencies[samples++] = (float)((t - left_at[number % RING]) * 1e6);
            }
            left_at[number % RING] = 0;
            outstanding--;
        }
        while (oldest < next && left_at[oldest % RING] == 0) oldest++;
        if (t - checked > 0.01) {
            checked = t;
            for (uint64_t n = oldest; n < next; n++) {
                if (left_at[n % RING] == 0 || t - left_at[n % RING] < 0.1) continue;
                left_at[n % RING] = 0;
                outstanding--;
                lost++;
            }
        }
        if (!warm && t - start > 0.3) {
            warm = 1;
            start = t;
            lost = late = 0;
        } else if (warm && t - start > secs) {
            break;
        }
    }
    if (samples == 0) {
        fprintf(stderr, "echo-load: no echo came back\n");
        return 1;
    }
    qsort(latencies, samples, sizeof *latencies, compare);
    char extra[200];
    snprintf(extra, sizeof extra, ",\"size\":%d,\"in_flight\":%d,\"lost\":%lu,\"late\":%lu,\"p50_us\":%.2f,\"p99_us\":%.2f", size,
             in_flight, lost, late, latencies[samples / 2], latencies[samples * 99 / 100]);
    report("udp-echo", peer, (double)echoes / (t - start), "echoes/s", extra);
    return 0;
}

static uint64_t draw(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

static int verify(int fd, long count, int size_min, int size_max, uint64_t seed, int window) {
    static struct slot {
        int used, size;
        double left;
        uint8_t data[MAX_SIZE + 8];
    } slots[MAX_WINDOW];
    uint64_t state = seed * 0x9E3779B97F4A7C15ull | 1, bytes = 0;
    long sent = 0, good = 0, lost = 0, mismatched = 0;
    double start = now();
    while (good + lost < count) {
        for (int i = 0; i < window && sent < count; i++) {
            struct slot *s = &slots[i];
            if (s->used) continue;
            s->size = size_min + (int)((draw(&state) >> 32) % (uint64_t)(size_max - size_min + 1));
            for (int k = 0; k < s->size; k += 8) {
                uint64_t r = draw(&state);
                memcpy(s->data + k, &r, 8);
            }
            ssize_t n;
            double begun = now();
            while ((n = send(fd, s->data, (size_t)s->size, 0)) < 0 && now() - begun < 2) {
                struct pollfd ready = {fd, POLLOUT, 0};
                poll(&ready, 1, 10);
            }
            if (n < 0) die("send");
            s->used = 1;
            s->left = now();
            sent++;
        }
        struct pollfd ready = {fd, POLLIN, 0};
        poll(&ready, 1, 20);
        ssize_t n;
        while ((n = recv(fd, in[0], MAX_SIZE + 1, MSG_DONTWAIT)) >= 0) {
            struct slot *match = NULL;
            for (int i = 0; i < window && match == NULL; i++)
                if (slots[i].used && slots[i].size == n && memcmp(slots[i].data, in[0], (size_t)n) == 0) match = &slots[i];
            if (match == NULL) {
                mismatched++;
                continue;
            }
            match->used = 0;
            good++;
            bytes += (uint64_t)n;
        }
        double t = now();
        for (int i = 0; i < window; i++)
            if (slots[i].used && t - slots[i].left > 2) {
                fprintf(stderr, "echo-load: the datagram of %d bytes did not come back\n", slots[i].size);
                slots[i].used = 0;
                lost++;
            }
    }
    char extra[200];
    snprintf(extra, sizeof extra, ",\"sent\":%ld,\"lost\":%ld,\"mismatched\":%ld,\"bytes\":%lu,\"seconds\":%.2f", sent, lost,
             mismatched, bytes, now() - start);
    report("udp-echo-verify", peer, (double)good, "echoes", extra);
    return lost != 0 || mismatched != 0;
}

static void usage(void) {
    fprintf(stderr, "usage: echo-load ADDRESS PORT SIZE IN_FLIGHT SECS [--block] [--peer NAME]\n"
                    "       echo-load ADDRESS PORT --verify COUNT [--size-min N] [--size-max N] [--seed N] [--window N] [--peer NAME]\n");
    exit(2);
}

int main(int argc, char **argv) {
    const char *words[5];
    int n = 0, size_min = 0, size_max = 0, window = 8;
    long count = 0;
    uint64_t seed = 1;
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i];
        if (strcmp(a, "--block") == 0) block = 1;
        else if (strncmp(a, "--", 2) == 0) {
            if (i + 1 == argc) usage();
            const char *v = argv[++i];
            if (strcmp(a, "--peer") == 0) peer = v;
            else if (strcmp(a, "--verify") == 0) count = atol(v);
            else if (strcmp(a, "--size-min") == 0) size_min = atoi(v);
            else if (strcmp(a, "--size-max") == 0) size_max = atoi(v);
            else if (strcmp(a, "--seed") == 0) seed = strtoull(v, NULL, 0);
            else if (strcmp(a, "--window") == 0) window = atoi(v);
            else usage();
        } else if (n < 5) words[n++] = a;
        else usage();
    }
    if (count > 0 ? n != 2 : n != 5) usage();
    if (size_max == 0) size_max = strchr(words[0], ':') ? MAX_SIZE : MAX_SIZE_IPV4;
    int fd = connect_to(words[0], atoi(words[1]));
    if (count > 0) {
        if (size_min < 0 || size_max > MAX_SIZE || size_min > size_max || window < 1 || window > MAX_WINDOW) usage();
        return verify(fd, count, size_min, size_max, seed, window);
    }
    int size = atoi(words[2]), in_flight = atoi(words[3]);
    if (size < 8 || size > MAX_SIZE || in_flight < 1 || in_flight > RING / 2) usage();
    return load(fd, size, in_flight, atof(words[4]));
}
