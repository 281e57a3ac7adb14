// lwip-tap: lwIP as an echo server over UDP and TCP (port 7), as a sink and as a source over TCP (ports 9 and 19), on a TAP device.
//
// Frames are read straight into pool buffers, 64 at most before the timers run. With nothing to read it keeps trying for SPIN_US
// microseconds before it sleeps, because a wake-up across processors costs more than many empty reads.
//
// usage: lwip-tap DEVICE ADDRESS [SPIN_US=1000] [MTU=1500] [SECS=600]
//
// Copyright: see LICENSE (Apache License 2.0).
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

// Ahead of lwIP's headers, which have names of their own for what <net/if.h> defines.
#include <linux/if.h>
#include <linux/if_tun.h>

#include "bench.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/tcp.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"

static int fd, mtu;

u32_t sys_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (u32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

struct netif *route_hook(const struct ip4_addr *src, const struct ip4_addr *dest) {
    (void)src, (void)dest;
    return NULL;
}

static err_t transmit(struct netif *netif, struct pbuf *p) {
    (void)netif;
    if (p->next == NULL) return write(fd, p->payload, p->len) < 0 ? ERR_IF : ERR_OK;
    struct iovec parts[64];
    int n = 0;
    for (struct pbuf *q = p; q != NULL; q = q->next) {
        if (n == 64) return ERR_BUF;
        parts[n++] = (struct iovec){q->payload, q->len};
        if (q->len == q->tot_len) break;
    }
    return writev(fd, parts, n) < 0 ? ERR_IF : ERR_OK;
}

static err_t tap_init(struct netif *netif) {
    u8_t mac[6] = {2, 0, 0, 0, 0, 2};
    netif->output = etharp_output;
    netif->linkoutput = transmit;
    netif->mtu = (u16_t)mtu;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, mac, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void echo(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port) {
    (void)arg;
    udp_sendto(pcb, p, from, port);
    pbuf_free(p);
}

static err_t sink_read(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)arg, (void)error;
    if (p == NULL) return tcp_close(pcb);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t echo_read(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error) {
    (void)arg, (void)error;
    if (p == NULL) return tcp_close(pcb);
    for (struct pbuf *q = p; q != NULL; q = q->next) tcp_write(pcb, q->payload, q->len, TCP_WRITE_FLAG_COPY);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return tcp_output(pcb);
}

// Keeps the send buffer filled, from memory that stays: nothing is copied.
static err_t fill(struct tcp_pcb *pcb) {
    static const char zeros[TCP_MSS * 44];
    while (tcp_sndbuf(pcb) >= sizeof zeros && tcp_write(pcb, zeros, sizeof zeros, 0) == ERR_OK) {}
    return tcp_output(pcb);
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb, u16_t length) {
    (void)arg, (void)length;
    return fill(pcb);
}

static err_t on_poll(void *arg, struct tcp_pcb *pcb) {
    (void)arg;
    return fill(pcb);
}

// `arg` is the port of the listener.
static err_t accepted(void *arg, struct tcp_pcb *pcb, err_t error) {
    if (error != ERR_OK || pcb == NULL) return ERR_VAL;
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, (intptr_t)arg == 7 ? echo_read : sink_read);
    if ((intptr_t)arg != 19) return ERR_OK;
    tcp_sent(pcb, on_sent);
    tcp_poll(pcb, on_poll, 1);
    return fill(pcb);
}

static void listen_on(u16_t port) {
    struct tcp_pcb *pcb = tcp_new();
    if (pcb == NULL || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK) die("tcp_bind");
    pcb = tcp_listen(pcb);
    tcp_arg(pcb, (void *)(intptr_t)port);
    tcp_accept(pcb, accepted);
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: lwip-tap DEVICE ADDRESS [SPIN_US] [MTU] [SECS]\n");
        return 2;
    }
    double spin = (argc > 3 ? atof(argv[3]) : 1000) * 1e-6;
    mtu = argc > 4 ? atoi(argv[4]) : 1500;
    alarm(argc > 5 ? (unsigned)atoi(argv[5]) : 600);
    if (mtu > 1600) mtu = 1600;
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    struct ifreq request = {0};
    strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) die(argv[1]);
    ioctl(fd, TUNSETOFFLOAD, 0);

    lwip_init();
    static struct netif netif;
    ip4_addr_t address, mask, none = {0};
    if (!ip4addr_aton(argv[2], &address)) {
        fprintf(stderr, "lwip-tap: %s is not an address\n", argv[2]);
        return 2;
    }
    IP4_ADDR(&mask, 255, 255, 255, 0);
    netif_add(&netif, &address, &mask, &none, NULL, tap_init, ethernet_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    struct udp_pcb *pcb = udp_new();
    udp_bind(pcb, IP_ADDR_ANY, 7);
    udp_recv(pcb, echo, NULL);
    listen_on(7);
    listen_on(9);
    listen_on(19);

    struct pbuf *p = NULL;
    double last = now();
    for (;;) {
        int frames = 0;
        for (; frames < 64; frames++) {
            if (p == NULL) p = pbuf_alloc(PBUF_RAW, (u16_t)(mtu + 18), PBUF_POOL);
            if (p == NULL) break;
            ssize_t n = read(fd, p->payload, p->len);
            if (n <= 0) break;
            pbuf_realloc(p, (u16_t)n);
            if (netif.input(p, &netif) != ERR_OK) pbuf_free(p);
            p = NULL;
        }
        sys_check_timeouts();
        if (frames > 0) {
            last = now();
        } else if (now() - last >= spin) {
            u32_t ms = sys_timeouts_sleeptime();
            struct pollfd ready = {fd, POLLIN, 0};
            poll(&ready, 1, ms < 100 ? (int)ms + 1 : 100);
            last = now();
        }
    }
}
