/* What is set is told, takes effect, and what is wrong is refused. */
#include "capi_bed.h"

#include <netinet/tcp.h>

static int number(chimney_stack *stack, int fd, int level, int name)
{
    int value = -4711;
    socklen_t length = sizeof value;
    CHECK(chimney_getsockopt(stack, fd, level, name, &value, &length) == 0 && length == sizeof value);
    return value;
}

static int set(chimney_stack *stack, int fd, int level, int name, int value)
{
    return chimney_setsockopt(stack, fd, level, name, &value, sizeof value);
}

/* Keys for signatures, as RFC 2385 has them and Linux takes them; a library without the digest refuses each. */
static void signatures(chimney_stack *stack, int fd, int family)
{
    struct tcp_md5sig key = {.tcpm_keylen = 4, .tcpm_key = "word"};
    struct address peer = address(family, family == AF_INET ? "192.0.2.7" : "2001:db8:7::7", 0);
    memcpy(&key.tcpm_addr, &peer.storage, sizeof peer.storage);
    socklen_t length = sizeof key;
    FAILS(chimney_getsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, &key, &length), ENOPROTOOPT);
    if (chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) == -1) {
        CHECK(errno == ENOPROTOOPT);
        return;
    }
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, &key, 139), EINVAL);
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, NULL, sizeof key), EFAULT);
    key.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    key.tcpm_prefixlen = 24;
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key), EINVAL);
    CHECK(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof key) == 0);
    key.tcpm_prefixlen = 129;
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof key), EINVAL);
    key.tcpm_prefixlen = 24;
    key.tcpm_keylen = 81;
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof key), EINVAL);
    /* Without a byte of it a key is taken away, once. */
    key.tcpm_keylen = 0;
    CHECK(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof key) == 0);
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof key), ENOENT);
    key.tcpm_flags = 0;
    CHECK(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) == 0);
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key), ENOENT);
}

static void kept(int family)
{
    struct bed joined = bed(family, 90);
    chimney_stack *stack = joined.left;
    int fd = chimney_socket(stack, family, SOCK_STREAM, 0), udp = chimney_socket(stack, family, SOCK_DGRAM, 0);
    const struct {
        int level, name, value;
    } rows[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1}, {SOL_SOCKET, SO_SNDBUF, 30000}, {SOL_SOCKET, SO_RCVBUF, 40000},
        {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_NODELAY, 1}, {IPPROTO_TCP, TCP_CORK, 1},
        {IPPROTO_TCP, TCP_MAXSEG, 1000}, {IPPROTO_TCP, TCP_KEEPIDLE, 11}, {IPPROTO_TCP, TCP_KEEPINTVL, 12},
        {IPPROTO_TCP, TCP_KEEPCNT, 3}, {IPPROTO_TCP, TCP_SYNCNT, 4}, {IPPROTO_TCP, TCP_USER_TIMEOUT, 1234},
        {IPPROTO_IP, IP_TOS, 0x20}, {IPPROTO_IP, IP_TTL, 9}, {IPPROTO_TCP, TCP_LINGER2, 7},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(number(stack, fd, rows[i].level, rows[i].name) != rows[i].value);
        CHECK(set(stack, fd, rows[i].level, rows[i].name, rows[i].value) == 0);
        CHECK(number(stack, fd, rows[i].level, rows[i].name) == rows[i].value);
        int value = 1;
        FAILS(chimney_setsockopt(stack, fd, rows[i].level, rows[i].name, NULL, sizeof value), EFAULT);
        FAILS(chimney_setsockopt(stack, fd, rows[i].level, rows[i].name, &value, 0), EINVAL);
    }
    CHECK(number(stack, fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM && number(stack, udp, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM);
    CHECK(number(stack, fd, SOL_SOCKET, SO_DOMAIN) == family && number(stack, fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
    CHECK(number(stack, fd, SOL_SOCKET, SO_ACCEPTCONN) == 0 && chimney_listen(stack, fd, 1) == 0);
    CHECK(number(stack, fd, SOL_SOCKET, SO_ACCEPTCONN) == 1);
    FAILS(set(stack, fd, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
    FAILS(set(stack, fd, SOL_SOCKET, 4711, 1), ENOPROTOOPT);
    FAILS(set(stack, fd, 4711, 1, 1), ENOPROTOOPT);
    FAILS(set(stack, udp, IPPROTO_TCP, TCP_NODELAY, 1), ENOPROTOOPT);
    FAILS(set(stack, fd, IPPROTO_TCP, TCP_MAXSEG, 87), EINVAL);
    FAILS(set(stack, fd, IPPROTO_IP, IP_TTL, 256), EINVAL);
    FAILS(set(stack, fd, IPPROTO_TCP, TCP_KEEPCNT, 0), EINVAL);
    struct timeval time = {.tv_sec = 3, .tv_usec = 5}, read = {0};
    socklen_t length = sizeof read;
    CHECK(chimney_setsockopt(stack, fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    CHECK(chimney_getsockopt(stack, fd, SOL_SOCKET, SO_RCVTIMEO, &read, &length) == 0);
    CHECK(read.tv_sec == 3 && read.tv_usec == 5 && length == sizeof read);
    time.tv_usec = 1000000;
    FAILS(chimney_setsockopt(stack, fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time), EDOM);
    char name[16] = {0};
    length = sizeof name;
    CHECK(chimney_getsockopt(stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0 && strcmp(name, "cubic") == 0);
    CHECK(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4) == 0);
    CHECK(chimney_getsockopt(stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, &length) == 0 && strcmp(name, "reno") == 0);
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_CONGESTION, "nothing", 7), ENOENT);
    FAILS(chimney_setsockopt(stack, fd, IPPROTO_TCP, TCP_CONGESTION, "dctcp", 5), EPERM);
    FAILS(chimney_getsockopt(stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, NULL), EFAULT);
    signatures(stack, fd, family);
    if (family == AF_INET6) {
        CHECK(number(stack, udp, IPPROTO_IPV6, IPV6_V6ONLY) == 0 && set(stack, udp, IPPROTO_IPV6, IPV6_V6ONLY, 1) == 0);
        CHECK(number(stack, udp, IPPROTO_IPV6, IPV6_V6ONLY) == 1);
        FAILS(set(stack, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), EINVAL);
        CHECK(set(stack, udp, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 5) == 0);
        CHECK(number(stack, udp, IPPROTO_IPV6, IPV6_UNICAST_HOPS) == 5);
    } else {
        FAILS(set(stack, fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), ENOPROTOOPT);
    }
    bed_end(&joined);
}

/* The next packet from the left, without its journey. */
static size_t next_packet(struct bed *joined, uint8_t *bytes)
{
    ssize_t count = chimney_packet_out(joined->left, joined->left_wire, bytes, 1500, NULL);
    CHECK(count > 0);
    return count;
}

static void on_the_wire(int family)
{
    struct bed joined = bed(family, 100);
    uint8_t bytes[1500];
    struct address peer = right_address(&joined, 80);
    int fd = chimney_socket(joined.left, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(set(joined.left, fd, IPPROTO_IP, IP_TTL, 9) == 0 && set(joined.left, fd, IPPROTO_IP, IP_TOS, 0x40) == 0);
    CHECK(set(joined.left, fd, IPPROTO_TCP, TCP_MAXSEG, 700) == 0);
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), EINPROGRESS);
    size_t header = family == AF_INET ? 20 : 40;
    CHECK(next_packet(&joined, bytes) > header + 24);
    CHECK(bytes[family == AF_INET ? 8 : 7] == 9);
    CHECK(family == AF_INET ? bytes[1] == 0x40 : bytes[0] == 0x64 && bytes[1] >> 4 == 0);
    CHECK(bytes[header + 13] == 2); /* SYN */
    CHECK(bytes[header + 20] == 2 && bytes[header + 22] * 256 + bytes[header + 23] == 700);
    /* A size that no buffer fits leaves the packet where it is. */
    int udp = chimney_socket(joined.left, family, SOCK_DGRAM, 0);
    CHECK(chimney_sendto(joined.left, udp, "x", 1, 0, ADDRESS(peer)) == 1);
    FAILS(chimney_packet_out(joined.left, joined.left_wire, bytes, 10, NULL), EMSGSIZE);
    CHECK(chimney_packets_waiting(joined.left, joined.left_wire) == 1);
    CHECK(next_packet(&joined, bytes) == header + 9);
    CHECK(bytes[family == AF_INET ? 8 : 7] == 64);
    bed_end(&joined);
}

static void info(int family)
{
    struct bed joined = bed(family, 110);
    int listener, client, server;
    bed_connect(&joined, 7, &listener, &client, &server);
    static char bytes[50000];
    CHECK(chimney_write(joined.left, client, bytes, sizeof bytes) == sizeof bytes);
    struct chimney_tcp_info info;
    struct tcp_info short_info;
    socklen_t length = sizeof info;
    CHECK(chimney_getsockopt(joined.left, client, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    CHECK(length == sizeof info && info.tcpi_state == TCP_ESTABLISHED && info.tcpi_ca_state == TCP_CA_Open);
    CHECK(info.tcpi_options == (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE));
    CHECK(info.tcpi_rtt == 2 * joined.delay / 1000 && info.tcpi_min_rtt == info.tcpi_rtt);
    CHECK(info.tcpi_rto >= 200000 && info.tcpi_rto < 1000000 && info.tcpi_rttvar > 0);
    CHECK(info.tcpi_pmtu == 1500 && info.tcpi_snd_mss == (family == AF_INET ? 1448 : 1428));
    CHECK(info.tcpi_snd_cwnd == 10 && info.tcpi_unacked == 10 && info.tcpi_snd_ssthresh == 0x7FFFFFFF);
    CHECK(info.tcpi_notsent_bytes == sizeof bytes - 10 * info.tcpi_snd_mss && info.tcpi_total_retrans == 0);
    bed_run(&joined, SECOND);
    length = sizeof short_info;
    CHECK(chimney_getsockopt(joined.left, client, IPPROTO_TCP, TCP_INFO, &short_info, &length) == 0);
    CHECK(length == sizeof short_info && short_info.tcpi_unacked == 0 && short_info.tcpi_snd_cwnd > 10);
    length = sizeof info;
    CHECK(chimney_getsockopt(joined.right, listener, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    CHECK(info.tcpi_state == TCP_LISTEN && info.tcpi_sacked == 16);
    CHECK(number(joined.left, client, IPPROTO_TCP, TCP_MAXSEG) == (family == AF_INET ? 1448 : 1428));
    bed_end(&joined);
}

void test_options(int family)
{
    kept(family);
    on_the_wire(family);
    info(family);
}
