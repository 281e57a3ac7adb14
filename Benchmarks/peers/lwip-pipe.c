// lwip-pipe: UDP datagrams a second from one lwIP application to another through the whole stack, in one process on one core.
//
// Two interfaces face each other. Each datagram of 64 bytes goes udp_sendto, IPv4 output, interface A, then interface B,
// IPv4 input, UDP input, receive callback. Interface A queues what it is given; interface B takes the queue in after every
// batch of 64, so that no call of the sender runs inside the receiver. Both applications touch the payload: the sender copies 64
// bytes in, the receiver copies 64 bytes out.
//
// Four results: bare IP and Ethernet (static ARP entry), each with the packet handed over by reference (lwIP at its best; nothing
// is copied between the interfaces) and copied into a fresh buffer of the receiver, as between two stacks that share no memory pool.
//
// usage: lwip-pipe SECS
//
// Copyright: see LICENSE (Apache License 2.0).
#include <string.h>

#include "bench.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

enum { BATCH = 64, SIZE = 64, PORT = 9 };

struct pipe_end {
    struct netif netif;
    struct pbuf *queue[BATCH];
    int queued;
};

// ends[0] and ends[1] are the bare IP pair, ends[2] and ends[3] the Ethernet pair.
static struct pipe_end ends[4];
static ip4_addr_t addresses[4];
static int copying;
static unsigned long received, refused;
static unsigned char payload[SIZE], sink[SIZE];

u32_t sys_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (u32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

struct netif *route_hook(const struct ip4_addr *src, const struct ip4_addr *dest) {
    (void)src;
    for (int i = 0; i < 4; i++)
        if (dest->addr == addresses[i].addr) return &ends[i ^ 1].netif;
    return NULL;
}

static err_t enqueue(struct netif *netif, struct pbuf *p) {
    struct pipe_end *end = (struct pipe_end *)netif;
    if (end->queued == BATCH) return ERR_MEM;
    if (copying) {
        struct pbuf *copy = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_POOL);
        if (copy == NULL) return ERR_MEM;
        memcpy(copy->payload, p->payload, p->tot_len);
        p = copy;
    } else {
        pbuf_ref(p);
    }
    end->queue[end->queued++] = p;
    return ERR_OK;
}

static err_t ip_out(struct netif *netif, struct pbuf *p, const ip4_addr_t *to) {
    (void)to;
    return enqueue(netif, p);
}

static err_t bare_init(struct netif *netif) {
    netif->output = ip_out;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static err_t ethernet_init(struct netif *netif) {
    static u8_t last = 1;
    u8_t mac[6] = {2, 0, 0, 0, 0, last++};
    netif->output = etharp_output;
    netif->linkoutput = enqueue;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port) {
    (void)arg, (void)pcb, (void)from, (void)port;
    if (p->len == SIZE) {
        memcpy(sink, p->payload, SIZE);
        received++;
    }
    pbuf_free(p);
}

static void run(const char *bench, int a, double secs) {
    struct netif *b = &ends[a ^ 1].netif;
    struct udp_pcb *tx = udp_new(), *rx = udp_new();
    ip_addr_t to = addresses[a ^ 1];
    udp_bind(tx, &addresses[a], 1234);
    udp_bind(rx, &addresses[a ^ 1], PORT);
    udp_recv(rx, on_datagram, NULL);

    unsigned long sent = 0, base = 0;
    double start = now(), elapsed = 0;
    int warm = 0;
    received = refused = 0;
    for (;;) {
        for (int round = 0; round < 64; round++) {
            for (int i = 0; i < BATCH; i++) {
                struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, SIZE, PBUF_POOL);
                if (p == NULL) {
                    refused++;
                    continue;
                }
                memcpy(p->payload, payload, SIZE);
                payload[0]++;
                if (udp_sendto(tx, p, &to, PORT) != ERR_OK) refused++;
                pbuf_free(p);
                sent++;
            }
            for (int i = 0; i < ends[a].queued; i++)
                if (b->input(ends[a].queue[i], b) != ERR_OK) pbuf_free(ends[a].queue[i]);
            ends[a].queued = 0;
        }
        sys_check_timeouts();
        elapsed = now() - start;
        if (!warm && elapsed > 0.2) {
            warm = 1;
            base = received;
            start = now();
        } else if (warm && elapsed > secs) {
            break;
        }
    }
    char extra[96];
    snprintf(extra, sizeof extra, ",\"payload\":%d,\"batch\":%d,\"lost\":%lu", SIZE, BATCH, sent - received + refused);
    report(bench, "lwip", (double)(received - base) / elapsed, "pps", extra);
    udp_remove(tx);
    udp_remove(rx);
}

int main(int argc, char **argv) {
    double secs = argc > 1 ? atof(argv[1]) : 2;
    lwip_init();
    ip4_addr_t mask, none = {0};
    IP4_ADDR(&mask, 255, 255, 255, 0);
    for (int i = 0; i < 4; i++) IP4_ADDR(&addresses[i], 10, i / 2, 0, 1 + i % 2);
    for (int i = 0; i < 4; i++) {
        netif_add(&ends[i].netif, &addresses[i], &mask, &none, NULL, i < 2 ? bare_init : ethernet_init,
                  i < 2 ? ip4_input : ethernet_input);
        netif_set_up(&ends[i].netif);
        // Bringing an Ethernet interface up announces it; nobody is listening.
        while (ends[i].queued > 0) pbuf_free(ends[i].queue[--ends[i].queued]);
        // lwIP files a static entry under the interface its routing table names. That is interface 2 only while its twin, in the
        // same subnet, is not there.
        struct eth_addr mac = {{2, 0, 0, 0, 0, 2}};
        if (i == 2 && etharp_add_static_entry(&addresses[3], &mac) != ERR_OK) {
            fprintf(stderr, "lwip-pipe: no static ARP entry\n");
            return 1;
        }
    }
    run("udp-pipe-ip", 0, secs);
    run("udp-pipe-ethernet", 2, secs);
    copying = 1;
    run("udp-pipe-ip-copied", 0, secs);
    run("udp-pipe-ethernet-copied", 2, secs);
    return 0;
}
