// tap-ceiling: the most UDP echoes a second that reading frames from a TAP device and writing them back one at a time can give.
//
// Not a stack: it swaps the MAC addresses, the IP addresses and the UDP ports and writes the frame back, answers ARP for its
// address, and turns pings round. Swapping changes no checksum, and none is looked at. Fragments go back as fragments.
//
// usage: tap-ceiling DEVICE ADDRESS [SPIN_US=1000] [MTU=1500] [SECS=600]
//
// Copyright: see LICENSE (Apache License 2.0).
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "bench.h"

static const uint8_t mac[6] = {2, 0, 0, 0, 0, 2};

static void swap(uint8_t *a, uint8_t *b, size_t n) {
    uint8_t t[6];
    memcpy(t, a, n);
    memcpy(a, b, n);
    memcpy(b, t, n);
}

// Turns the frame into its answer in place; false if it deserves none.
static int answer(uint8_t *f, ssize_t n, const uint8_t *address) {
    if (n >= 42 && f[12] == 8 && f[13] == 6) {
        if (memcmp(f + 38, address, 4) != 0 || f[21] != 1) return 0;
        memcpy(f, f + 6, 6);
        memcpy(f + 6, mac, 6);
        f[21] = 2;
        memcpy(f + 32, f + 22, 10);
        memcpy(f + 22, mac, 6);
        memcpy(f + 28, address, 4);
        return 1;
    }
    if (n < 34 || f[12] != 8 || f[13] != 0 || f[14] != 0x45 || memcmp(f + 30, address, 4) != 0) return 0;
    // The last fragment of a datagram may be shorter than a UDP header.
    int first = ((f[20] & 0x1f) | f[21]) == 0;
    if (first && n < 42) return 0;
    if (f[23] == 17) {
        if (first) swap(f + 34, f + 36, 2);
    } else if (f[23] == 1) {
        if (first) {
            if (f[34] != 8) return 0;
            f[34] = 0;
            uint32_t sum = (uint32_t)(f[36] << 8 | f[37]) + 0x0800;
            sum = (sum & 0xffff) + (sum >> 16);
            f[36] = (uint8_t)(sum >> 8);
            f[37] = (uint8_t)sum;
        }
    } else {
        return 0;
    }
    swap(f, f + 6, 6);
    swap(f + 26, f + 30, 4);
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: tap-ceiling DEVICE ADDRESS [SPIN_US] [MTU] [SECS]\n");
        return 2;
    }
    double spin = (argc > 3 ? atof(argv[3]) : 1000) * 1e-6;
    alarm(argc > 5 ? (unsigned)atoi(argv[5]) : 600);
    uint8_t address[4];
    if (inet_pton(AF_INET, argv[2], address) != 1) {
        fprintf(stderr, "tap-ceiling: %s is not an address\n", argv[2]);
        return 2;
    }
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    struct ifreq request = {0};
    strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) die(argv[1]);
    ioctl(fd, TUNSETOFFLOAD, 0);

    static uint8_t frame[65536 + 64];
    double last = now();
    for (;;) {
        int frames = 0;
        for (; frames < 64; frames++) {
            ssize_t n = read(fd, frame, sizeof frame);
            if (n <= 0) break;
            if (answer(frame, n, address) && write(fd, frame, (size_t)n) < 0) continue;
        }
        if (frames > 0) {
            last = now();
        } else if (now() - last >= spin) {
            struct pollfd ready = {fd, POLLIN, 0};
            poll(&ready, 1, 100);
            last = now();
        }
    }
}
