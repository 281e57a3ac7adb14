// lwip-tap: lwIP as a UDP echo server (port 7) that also answers pings, on a TAP device.
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
