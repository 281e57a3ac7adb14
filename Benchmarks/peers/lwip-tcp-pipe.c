// lwip-tcp-pipe: TCP from one lwIP application to another through the whole stack, in one process on one core.
//
// Two interfaces of bare IP face each other, as in lwip-pipe: what one sends is copied into a queue and taken in by the other in
// batches. Bulk data is copied in by the sender and out by the receiver. A transaction is one byte there and one back.
//
// usage: lwip-tcp-pipe SECS
//
// Copyright: see LICENSE (Apache License 2.0).
#include <string.h>

#include "bench.h"
#include "lwip/init.h"
#include "lwip/ip4.h"
#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"

enum { QUEUE = 4096, BATCH = 64, SINK = 9, ECHO = 7, BLOCK = TCP_MSS * 44 };

struct pipe_end {
    struct netif netif;
    struct pbuf *queue[QUEUE];
    unsigned head, tail;
};

static struct pipe_end ends[2];
static ip4_addr_t addresses[2];
static unsigned char block[BLOCK], copy[1 << 16];
static double received;
static unsigned long transactions;
static int is_open;

u32_t sys_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (u32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

struct netif *route_hook(const struct ip4_addr *src, const struct ip4_addr *dest) {
    (void)src;
    for (int i = 0; i < 2; i++)
        if (dest->addr == addresses[i].addr) return &ends[i ^ 1].netif;
    return NULL;
}

static err_t enqueue(struct netif *netif, struct pbuf *p, const ip4_addr_t *to) {
    (void)to;
    struct pipe_end *end = (struct pipe_end *)netif;
    if (end->tail - end->head == QUEUE) return ERR_MEM;
    // The receiver gets a copy: the sender may send the same buffer again, which then must not be the receiver's.
    struct pbuf *out = pbuf_alloc(PBUF_RAW, p->tot_len, PBUF_POOL);
    if (out == NULL) return ERR_MEM;
    pbuf_copy_partial(p, out->payload, p->tot_len, 0);
    end->queue[end->tail++ % QUEUE] = out;
    return ERR_OK;
}

static err_t bare_init(struct netif *netif) {
    netif->output = enqueue;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void turn(void) {
    for (int i = 0; i < 2; i++) {
        struct netif *other = &ends[i ^ 1].netif;
        for (int k = 0; k < BATCH && ends[i].head != ends[i].tail; k++) {
            struct pbuf *p = ends[i].queue[ends[i].head++ % QUEUE];
            if (other->input(p, other) != ERR_OK) pbuf_free(p);
        }
    }
}

static err_t sink_read(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)arg, (void)error;
    if (p == NULL) return tcp_close(pcb);
    pbuf_copy_partial(p, copy, p->tot_len, 0);
    received += p->tot_len;
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t echo_read(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)arg, (void)error;
    if (p == NULL) return tcp_close(pcb);
    tcp_write(pcb, p->payload, p->len, TCP_WRITE_FLAG_COPY);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return tcp_output(pcb);
}

static err_t answer_read(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)arg, (void)error;
    if (p == NULL) return ERR_OK;
    transactions++;
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    tcp_write(pcb, block, 1, TCP_WRITE_FLAG_COPY);
    return tcp_output(pcb);
}

static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    if (error != ERR_OK || pcb == NULL) return ERR_VAL;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, (intptr_t)arg == ECHO ? echo_read : sink_read);
    return ERR_OK;
}

static err_t opened(void *arg, struct tcp_pcb *pcb, err_t error) {
    (void)arg, (void)pcb, (void)error;
    is_open = 1;
    return ERR_OK;
}

static struct tcp_pcb *connected(u16_t port) {
    struct tcp_pcb *pcb = tcp_new();
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, answer_read);
    is_open = 0;
    tcp_bind(pcb, &addresses[0], 0);
    if (tcp_connect(pcb, &addresses[1], port, opened) != ERR_OK) die("tcp_connect");
    while (!is_open) {
        turn();
        sys_check_timeouts();
    }
    return pcb;
}

static void listen_on(u16_t port) {
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL || tcp_bind(pcb, &addresses[1], port) != ERR_OK) die("tcp_bind");
    pcb = tcp_listen(pcb);
    tcp_arg(pcb, (void *)(intptr_t)port);
    tcp_accept(pcb, accepted);
}

int main(int argc, char **argv) {
    double secs = argc > 1 ? atof(argv[1]) : 2;
    lwip_init();
    ip4_addr_t mask, none = {0};
    IP4_ADDR(&mask, 255, 255, 255, 0);
    for (int i = 0; i < 2; i++) {
        IP4_ADDR(&addresses[i], 10, 0, 0, 1 + i);
        netif_add(&ends[i].netif, &addresses[i], &mask, &none, NULL, bare_init, ip4_input);
        netif_set_up(&ends[i].netif);
    }
    listen_on(SINK);
    listen_on(ECHO);

    struct tcp_pcb *pcb = connected(SINK);
    double start = 0, base = 0, begun = now();
    for (int warm = 0;;) {
        for (int i = 0; i < 64; i++) {
            while (tcp_sndbuf(pcb) >= BLOCK && tcp_write(pcb, block, BLOCK, TCP_WRITE_FLAG_COPY) == ERR_OK) {}
            tcp_output(pcb);
            turn();
        }
        sys_check_timeouts();
        double t = now();
        if (!warm && t - begun > 0.3) {
            warm = 1;
            start = t;
            base = received;
        } else if (warm && t - start > secs) {
            break;
        }
    }
    report("tcp-pipe-bulk-1500", "lwip", (received - base) * 8e-9 / (now() - start), "Gbit/s", "");
    tcp_abort(pcb);

    pcb = connected(ECHO);
    tcp_write(pcb, block, 1, TCP_WRITE_FLAG_COPY);
    tcp_output(pcb);
    start = now();
    transactions = 0;
    while (now() - start < secs) {
        for (int i = 0; i < 1024; i++) turn();
        sys_check_timeouts();
    }
    report("tcp-pipe-transactions", "lwip", (double)transactions / (now() - start), "transactions/s", "");
    tcp_abort(pcb);
    return 0;
}
