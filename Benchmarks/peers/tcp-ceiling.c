// tcp-ceiling: the most that any program can move by TCP over a TAP device with one read or write a frame.
//
// Not a stack: it only fills headers. It verifies nothing, keeps nothing to retransmit (all data are zeros) and begins again at the oldest
// unacknowledged byte when nothing was acknowledged for 200 ms. Ports: 7 echo, 9 discard, 19 chargen. With `gso` frames carry a virtio-net
// header: up to 64 KiB a frame, checksums left to the kernel.
//
// usage: tcp-ceiling DEVICE ADDRESS [gso] [SPIN_US=1000] [MTU=1500] [SECS=600]
//
// Copyright: see LICENSE (Apache License 2.0).
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "bench.h"

enum { CONNECTIONS_MAX = 1 << 17, BUCKETS = 1 << 16, BATCH = 64, VNET = 10, FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { ECHO = 7, CHARGEN = 19 };

struct ethernet {
    uint8_t to[6], from[6];
    uint16_t type;
} __attribute__((packed));
struct ip {
    uint8_t version, service;
    uint16_t length, id, offset;
    uint8_t ttl, protocol;
    uint16_t checksum;
    uint32_t from, to;
} __attribute__((packed));
struct tcp {
    uint16_t from, to;
    uint32_t seq, ack;
    uint8_t offset, flags;
    uint16_t window, checksum, urgent;
} __attribute__((packed));

struct connection {
    uint32_t peer;
    uint16_t peer_port, port;  // in network order
    uint8_t mac[6], shift, in_use, must_acknowledge, is_closing;
    uint32_t snd_una, snd_nxt, snd_wnd, rcv_nxt, mss;
    double progress;
    uint32_t next;
};

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};
static int fd, gso, mtu = 1500;
static uint32_t address;
static struct connection connections[CONNECTIONS_MAX];
static uint32_t buckets[BUCKETS], unused, used = 1;
static struct connection *source;
static uint8_t zeros[1 << 16], frame[VNET + (1 << 16) + 64];
static struct connection *waiting[BATCH];
static int waits;

static uint32_t sum(const void *bytes, int count, uint32_t value) {
    const uint8_t *b = bytes;
    for (; count > 1; b += 2, count -= 2) {
        uint16_t word;
        memcpy(&word, b, 2);
        value += word;
    }
    return count ? value + *b : value;
}

static uint16_t folded(uint32_t value) {
    value = (value & 0xffff) + (value >> 16);
    return (uint16_t)((value & 0xffff) + (value >> 16));
}

static uint32_t *bucket(uint32_t peer, uint16_t peer_port, uint16_t port) {
    return &buckets[(peer * 2654435761u ^ peer_port * 40503u ^ port * 2246822519u) >> 16 & (BUCKETS - 1)];
}

static struct connection *find(uint32_t peer, uint16_t peer_port, uint16_t port) {
    for (uint32_t i = *bucket(peer, peer_port, port); i != 0; i = connections[i].next) {
        struct connection *c = &connections[i];
        if (c->peer == peer && c->peer_port == peer_port && c->port == port) return c;
    }
    return NULL;
}

static struct connection *add(uint32_t peer, uint16_t peer_port, uint16_t port) {
    uint32_t number = unused ? unused : used;
    if (number >= CONNECTIONS_MAX) return NULL;
    struct connection *c = &connections[number];
    if (unused) unused = c->next;
    else used++;
    uint32_t *head = bucket(peer, peer_port, port);
    *c = (struct connection){.peer = peer, .peer_port = peer_port, .port = port, .in_use = 1, .next = *head};
    *head = number;
    return c;
}

static void drop(struct connection *c) {
    uint32_t number = (uint32_t)(c - connections), *link = bucket(c->peer, c->peer_port, c->port);
    while (*link != number) link = &connections[*link].next;
    *link = c->next;
    c->in_use = 0;
    c->next = unused;
    unused = number;
    if (source == c) source = NULL;
}

static void put(struct iovec *parts, int count) {
    if (writev(fd, parts, count) < 0 && errno != EAGAIN) die("write");
}

static void segment(struct connection *c, uint8_t flags, uint32_t seq, const void *data, int length) {
    uint8_t head[VNET + 14 + 20 + 28] = {0};
    int start = gso ? VNET : 0, tcp_length = flags & SYN ? 28 : 20;
    struct ethernet *e = (struct ethernet *)(head + start);
    struct ip *i = (struct ip *)(e + 1);
    struct tcp *t = (struct tcp *)(i + 1);
    memcpy(e->to, c->mac, 6);
    memcpy(e->from, mac, 6);
    e->type = htons(0x0800);
    *i = (struct ip){.version = 0x45, .length = htons((uint16_t)(20 + tcp_length + length)), .offset = htons(0x4000), .ttl = 64,
                     .protocol = 6, .from = address, .to = c->peer};
    i->checksum = (uint16_t)~folded(sum(i, 20, 0));
    *t = (struct tcp){.from = c->port, .to = c->peer_port, .seq = htonl(seq), .ack = htonl(c->rcv_nxt),
                      .offset = (uint8_t)(tcp_length << 2), .flags = flags, .window = 0xffff};
    if (flags & SYN) {
        uint16_t mss = (uint16_t)(mtu - 40);
        uint8_t options[8] = {2, 4, (uint8_t)(mss >> 8), (uint8_t)mss, 1, 3, 3, gso ? 8 : 4};
        memcpy(t + 1, options, 8);
    }
    uint32_t value = sum(&i->from, 8, 0) + htons(6) + htons((uint16_t)(tcp_length + length));
    if (gso) {
        struct virtio_net_hdr v = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16};
        if (length > (int)c->mss) {
            v.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
            v.gso_size = (uint16_t)c->mss;
            v.hdr_len = 54;
        }
        memcpy(head, &v, VNET);
        t->checksum = folded(value);
    } else {
        // Zeros add nothing.
        value = sum(t, tcp_length, value);
        t->checksum = (uint16_t)~folded(data == zeros ? value : sum(data, length, value));
    }
    struct iovec parts[2] = {{head, (size_t)(start + 34 + tcp_length)}, {(void *)data, (size_t)length}};
    put(parts, length > 0 ? 2 : 1);
    c->must_acknowledge = 0;
}

static void send_data(struct connection *c) {
    uint32_t most = gso ? 65495 / c->mss * c->mss : c->mss;
    for (int i = 0; i < BATCH; i++) {
        uint32_t in_flight = c->snd_nxt - c->snd_una;
        if (in_flight >= c->snd_wnd) return;
        uint32_t room = c->snd_wnd - in_flight, length = most;
        if (length > room) length = room / c->mss * c->mss;
        if (length == 0) return;
        segment(c, ACK, c->snd_nxt, zeros, (int)length);
        c->snd_nxt += length;
    }
}

static void opened(const struct ethernet *e, const struct ip *i, const struct tcp *t, int header) {
    struct connection *c = find(i->from, t->from, t->to);
    if (c) drop(c);
    if (!(c = add(i->from, t->from, t->to))) return;
    memcpy(c->mac, e->from, 6);
    c->rcv_nxt = ntohl(t->seq) + 1;
    c->snd_nxt = c->snd_una = 0x10000;
    c->mss = 536;
    const uint8_t *options = (const uint8_t *)(t + 1);
    for (int at = 0, end = header - 20; at + 1 < end && options[at] != 0;) {
        if (options[at] == 1) {
            at++;
            continue;
        }
        if (options[at] == 2 && at + 3 < end) c->mss = (uint32_t)(options[at + 2] << 8 | options[at + 3]);
        if (options[at] == 3 && at + 2 < end) c->shift = options[at + 2];
        at += options[at + 1] ? options[at + 1] : 1;
    }
    if (c->mss > (uint32_t)mtu - 40) c->mss = (uint32_t)mtu - 40;
    segment(c, SYN | ACK, c->snd_nxt++, zeros, 0);
}

static void take_segment(const struct ethernet *e, const struct ip *i, int size) {
    const struct tcp *t = (const struct tcp *)(i + 1);
    int header = t->offset >> 4 << 2, length = size - 34 - header;
    if (size < 54 || header < 20 || length < 0) return;
    if (t->flags & SYN) return opened(e, i, t, header);
    struct connection *c = find(i->from, t->from, t->to);
    if (!c) return;
    if (t->flags & RST) return drop(c);
    uint32_t ack = ntohl(t->ack);
    if ((int32_t)(ack - c->snd_una) > 0) {
        c->snd_una = ack;
        c->progress = 0;
        if ((int32_t)(c->snd_nxt - ack) < 0) c->snd_nxt = ack;
    }
    c->snd_wnd = (uint32_t)ntohs(t->window) << c->shift;
    if (c->is_closing && ack == c->snd_nxt) return drop(c);
    if (c->port == htons(CHARGEN)) source = c;
    if (length > 0) {
        if (ntohl(t->seq) != c->rcv_nxt) return segment(c, ACK, c->snd_nxt, zeros, 0);
        c->rcv_nxt += (uint32_t)length;
        if (c->port == htons(ECHO)) {
            segment(c, PSH | ACK, c->snd_nxt, (const uint8_t *)t + header, length);
            c->snd_nxt += (uint32_t)length;
        } else if (!c->must_acknowledge && waits < BATCH) {
            // One acknowledgement for all that one turn reads.
            c->must_acknowledge = 1;
            waiting[waits++] = c;
        }
    }
    if (t->flags & FIN && ntohl(t->seq) + (uint32_t)length == c->rcv_nxt) {
        c->rcv_nxt++;
        segment(c, FIN | ACK, c->snd_nxt++, zeros, 0);
        c->is_closing = 1;
    }
}

static void take_frame(uint8_t *bytes, int size) {
    struct ethernet *e = (struct ethernet *)bytes;
    if (e->type == htons(0x0806)) {
        if (size < 42 || memcmp(bytes + 38, &address, 4) != 0 || bytes[21] != 1) return;
        memcpy(e->to, e->from, 6);
        memcpy(e->from, mac, 6);
        bytes[21] = 2;
        memcpy(bytes + 32, bytes + 22, 10);
        memcpy(bytes + 22, mac, 6);
        memcpy(bytes + 28, &address, 4);
        uint8_t none[VNET] = {0};
        struct iovec parts[2] = {{none, VNET}, {bytes, (size_t)size}};
        put(gso ? parts : parts + 1, gso ? 2 : 1);
        return;
    }
    const struct ip *i = (const struct ip *)(e + 1);
    if (size < 34 || e->type != htons(0x0800) || i->version != 0x45 || i->to != address || i->protocol != 6) return;
    int length = 14 + ntohs(i->length);
    take_segment(e, i, length > 14 && length < size ? length : size);
}

int main(int argc, char **argv) {
    if (argc < 3 || inet_pton(AF_INET, argv[2], &address) != 1) {
        fprintf(stderr, "usage: tcp-ceiling DEVICE ADDRESS [gso] [SPIN_US] [MTU] [SECS]\n");
        return 2;
    }
    gso = argc > 3 && !strcmp(argv[3], "gso");
    char **rest = argv + 3 + gso;
    int left = argc - 3 - gso;
    double spin = (left > 0 ? atof(rest[0]) : 1000) * 1e-6;
    if (left > 1) mtu = atoi(rest[1]);
    alarm(left > 2 ? (unsigned)atoi(rest[2]) : 600);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    struct ifreq request = {0};
    strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
    request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (gso ? IFF_VNET_HDR : 0));
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) die(argv[1]);
    if (ioctl(fd, TUNSETOFFLOAD, gso ? TUN_F_CSUM | TUN_F_TSO4 : 0) != 0) die("TUNSETOFFLOAD");

    for (double last = now();;) {
        int frames = 0, sent = 0;
        for (; frames < BATCH; frames++) {
            ssize_t n = read(fd, frame, sizeof frame);
            if (n <= (gso ? VNET : 0)) break;
            take_frame(frame + (gso ? VNET : 0), (int)n - (gso ? VNET : 0));
        }
        for (int i = 0; i < waits; i++)
            if (waiting[i]->must_acknowledge && waiting[i]->in_use) segment(waiting[i], ACK, waiting[i]->snd_nxt, zeros, 0);
        waits = 0;
        if (source) {
            uint32_t before = source->snd_nxt;
            send_data(source);
            sent = source->snd_nxt != before;
            if (!sent && source->progress == 0) source->progress = now();
            if (!sent && now() - source->progress > 0.2) {
                source->snd_nxt = source->snd_una;
                source->progress = 0;
            }
        }
        if (frames > 0 || sent) {
            last = now();
        } else if (now() - last >= spin) {
            struct pollfd ready = {fd, POLLIN, 0};
            poll(&ready, 1, 100);
            last = now();
        }
    }
}
