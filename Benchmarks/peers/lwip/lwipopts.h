// lwipopts.h: lwIP tuned for packet rate on a 64-bit machine with plenty of memory.
//
// One thread and no operating-system layer, so nothing locks. Every buffer comes from a fixed pool, because taking one is then a
// pop from a free list that stays in the cache, where the C library's allocator costs several times more. All checksums are
// generated and verified in software, because the stack measured against does so too.
//
// Copyright: see LICENSE (Apache License 2.0).
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TIMERS 1

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define LWIP_DHCP 0
#define LWIP_AUTOIP 0
#define LWIP_DNS 0
#define LWIP_IGMP 0
#define LWIP_ARP 1
#define LWIP_ETHERNET 1
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_STATS 0
#define LWIP_NOASSERT 1
#define LWIP_DBG_TYPES_ON 0

// x86 reads misaligned words at full speed, so frames carry no padding in front of the Ethernet header.
#define MEM_ALIGNMENT 8
#define ETH_PAD_SIZE 0

// A whole Ethernet frame fits one pool buffer: no received frame is ever a chain.
#define PBUF_POOL_SIZE 8192
#define PBUF_POOL_BUFSIZE 1664
#define MEM_LIBC_MALLOC 1
#define MEMP_NUM_PBUF 8192
#define MEMP_NUM_UDP_PCB 64
#define MEMP_NUM_FRAG_PBUF 4096
#define MEMP_NUM_SYS_TIMEOUT 32

// Datagrams of 65,507 bytes are 45 fragments at an MTU of 1,500; 64 of them may be under reassembly at once.
#define IP_FRAG 1
#define IP_REASSEMBLY 1
#define MEMP_NUM_REASSDATA 64
#define IP_REASS_MAX_PBUFS 4096

// The address-resolution entry used last is remembered with each socket, so that sending skips the table search.
#define LWIP_NETIF_HWADDRHINT 1
#define ARP_TABLE_SIZE 32
#define ETHARP_SUPPORT_STATIC_ENTRIES 1


// TCP with windows of a megabyte, and the room for what they hold.
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 5
#define TCP_WND (1024 * 1024)
#define TCP_SND_BUF (1024 * 1024)
#define TCP_SND_QUEUELEN 8192
#define TCP_SNDLOWAT 32768
#define TCP_QUEUE_OOSEQ 1
#define MEMP_NUM_TCP_SEG 16384
#define MEMP_NUM_TCP_PCB 8192
#define MEMP_NUM_TCP_PCB_LISTEN 8
#define TCP_LISTEN_BACKLOG 0

#define CHECKSUM_GEN_IP 1
#define CHECKSUM_GEN_TCP 1
#define CHECKSUM_CHECK_TCP 1
#define CHECKSUM_GEN_UDP 1
#define CHECKSUM_GEN_ICMP 1
#define CHECKSUM_CHECK_IP 1
#define CHECKSUM_CHECK_UDP 1
#define CHECKSUM_CHECK_ICMP 1
#define LWIP_CHECKSUM_ON_COPY 0

// lwIP's own sums add 16 or 32 bits a step and never vectorise; it offers this hook for a faster one.
#include <stdint.h>
#include <string.h>
static inline uint16_t fast_chksum(const void *data, int len) {
    const unsigned char *b = data;
    uint64_t sum = 0;
    int words = len >> 2;
    for (int i = 0; i < words; i++) {
        uint32_t w;
        memcpy(&w, b + 4 * i, 4);
        sum += w;
    }
    b += 4 * words;
    if (len & 2) {
        uint16_t w;
        memcpy(&w, b, 2);
        sum += w;
        b += 2;
    }
    if (len & 1) sum += *b;
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    uint32_t s = (uint32_t)(sum & 0xffff) + (uint32_t)(sum >> 16);
    s = (s & 0xffff) + (s >> 16);
    return (uint16_t)s;
}
#define LWIP_CHKSUM fast_chksum

// Two interfaces of one process send to each other's addresses, which a single routing table takes for its own: lwip-pipe answers
// routing questions itself. Programs with one interface return NULL, which means "use the table".
struct netif;
struct ip4_addr;
struct netif *route_hook(const struct ip4_addr *src, const struct ip4_addr *dest);
#define LWIP_HOOK_IP4_ROUTE_SRC(src, dest) route_hook(src, dest)

#endif
