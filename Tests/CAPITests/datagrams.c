/* UDP: there and back, errors of the network, groups. */
#include "capi_bed.h"

#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static void exchange(int family)
{
    struct bed joined = bed(family, 60);
    struct address any = nowhere(family, 53), peer = right_address(&joined, 53);
    struct address from = {.length = sizeof from.storage}, name = {.length = sizeof name.storage};
    char bytes[4096], big[4000];
    int count;
    int server = chimney_socket(joined.right, family, SOCK_DGRAM, 0);
    int client = chimney_socket(joined.left, family, SOCK_DGRAM, 0);
    CHECK(chimney_bind(joined.right, server, ADDRESS(any)) == 0);
    CHECK(chimney_sendto(joined.left, client, "question", 8, 0, ADDRESS(peer)) == 8);
    CHECK(chimney_getsockname(joined.left, client, (struct sockaddr *)&name.storage, &name.length) == 0);
    CHECK(name.storage.ss_family == family && port_of(&name) != 0);
    for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 7);
    CHECK(chimney_sendto(joined.left, client, big, sizeof big, 0, ADDRESS(peer)) == sizeof big);
    bed_run(&joined, SECOND);
    CHECK(chimney_ioctl(joined.right, server, FIONREAD, &count) == 0 && count == 8);
    CHECK(chimney_recv(joined.right, server, bytes, 3, MSG_PEEK) == 3 && memcmp(bytes, "que", 3) == 0);
    CHECK(chimney_recv(joined.right, server, bytes, 3, MSG_PEEK | MSG_TRUNC) == 8);
    CHECK(chimney_recvfrom(
              joined.right, server, bytes, sizeof bytes, 0, (struct sockaddr *)&from.storage, &from.length) == 8);
    CHECK(memcmp(bytes, "question", 8) == 0 && port_of(&from) == port_of(&name));
    /* In fragments over the wire, and into two buffers that are too small. */
    struct iovec vectors[] = {{bytes, 10}, {bytes + 10, 2000}};
    struct msghdr message = {
        .msg_iov = vectors, .msg_iovlen = 2, .msg_name = &from.storage, .msg_namelen = sizeof from.storage};
    CHECK(chimney_recvmsg(joined.right, server, &message, 0) == 2010);
    CHECK(message.msg_flags == MSG_TRUNC && memcmp(bytes, big, 2010) == 0 && message.msg_namelen == from.length);
    CHECK(chimney_sendto(joined.right, server, "answer", 6, 0, ADDRESS(from)) == 6);
    bed_run(&joined, SECOND);
    CHECK(chimney_read(joined.left, client, bytes, sizeof bytes) == 6 && memcmp(bytes, "answer", 6) == 0);
    static char huge[70000];
    FAILS(chimney_sendto(joined.left, client, huge, sizeof huge, 0, ADDRESS(peer)), EMSGSIZE);
    bed_end(&joined);
}

static void refusal(int family)
{
    struct bed joined = bed(family, 70);
    struct address peer = right_address(&joined, 99), back = {.length = sizeof back.storage};
    char byte;
    int fd = chimney_socket(joined.left, family, SOCK_DGRAM, 0);
    CHECK(chimney_connect(joined.left, fd, ADDRESS(peer)) == 0);
    CHECK(chimney_getpeername(joined.left, fd, (struct sockaddr *)&back.storage, &back.length) == 0);
    CHECK(port_of(&back) == 99);
    CHECK(chimney_write(joined.left, fd, "x", 1) == 1);
    bed_run(&joined, SECOND);
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    CHECK(chimney_poll(joined.left, &entry, 1, 0) == 1 && entry.revents == (POLLIN | POLLERR));
    FAILS(chimney_read(joined.left, fd, &byte, 1), ECONNREFUSED);
    FAILS(chimney_read(joined.left, fd, &byte, 1), EAGAIN);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    CHECK(chimney_connect(joined.left, fd, &none, sizeof none) == 0);
    FAILS(chimney_write(joined.left, fd, "x", 1), EDESTADDRREQ);
    bed_end(&joined);
}

static void groups(int family)
{
    struct bed joined = bed(family, 80);
    int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
    struct address group = address(family, family == AF_INET ? "232.1.1.1" : "ff3e::8000:1", 0);
    struct address source = left_address(&joined, 0), any = nowhere(family, 5000);
    struct address destination = address(family, family == AF_INET ? "232.1.1.1" : "ff3e::8000:1", 5000);
    char bytes[16];
    int receiver = chimney_socket(joined.right, family, SOCK_DGRAM, 0);
    int sender = chimney_socket(joined.left, family, SOCK_DGRAM, 0);
    CHECK(chimney_bind(joined.right, receiver, ADDRESS(any)) == 0);
    struct group_source_req request = {.gsr_interface = joined.right_wire};
    memcpy(&request.gsr_group, &group.storage, group.length);
    memcpy(&request.gsr_source, &source.storage, source.length);
    CHECK(chimney_setsockopt(joined.right, receiver, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request) == 0);
    FAILS(
        chimney_setsockopt(joined.right, receiver, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request),
        EADDRNOTAVAIL);
    FAILS(chimney_setsockopt(joined.right, receiver, level, MCAST_JOIN_SOURCE_GROUP, &request, 100), EINVAL);
    if (family == AF_INET) {
        struct ip_mreqn chosen = {.imr_ifindex = joined.left_wire};
        CHECK(chimney_setsockopt(joined.left, sender, level, IP_MULTICAST_IF, &chosen, sizeof chosen) == 0);
    } else {
        CHECK(chimney_setsockopt(joined.left, sender, level, IPV6_MULTICAST_IF, &joined.left_wire, sizeof(int)) == 0);
    }
    CHECK(chimney_sendto(joined.left, sender, "picture", 7, 0, ADDRESS(destination)) == 7);
    bed_run(&joined, SECOND);
    CHECK(chimney_read(joined.right, receiver, bytes, sizeof bytes) == 7);
    CHECK(chimney_setsockopt(joined.right, receiver, level, MCAST_LEAVE_SOURCE_GROUP, &request, sizeof request) == 0);
    CHECK(chimney_sendto(joined.left, sender, "picture", 7, 0, ADDRESS(destination)) == 7);
    bed_run(&joined, SECOND);
    FAILS(chimney_read(joined.right, receiver, bytes, sizeof bytes), EAGAIN);
    /* Any source, by the older structures. */
    if (family == AF_INET) {
        struct ip_mreq old = {.imr_multiaddr.s_addr = htonl(0xEF010101)};
        struct address own = right_address(&joined, 0);
        old.imr_interface = ((struct sockaddr_in *)&own.storage)->sin_addr;
        CHECK(chimney_setsockopt(joined.right, receiver, level, IP_ADD_MEMBERSHIP, &old, sizeof old) == 0);
        FAILS(chimney_setsockopt(joined.right, receiver, level, IP_ADD_MEMBERSHIP, &old, sizeof old), EADDRINUSE);
        CHECK(chimney_setsockopt(joined.right, receiver, level, IP_DROP_MEMBERSHIP, &old, sizeof old) == 0);
        FAILS(chimney_setsockopt(joined.right, receiver, level, IP_DROP_MEMBERSHIP, &old, sizeof old), EADDRNOTAVAIL);
    } else {
        struct ipv6_mreq old = {.ipv6mr_interface = joined.right_wire};
        CHECK(inet_pton(AF_INET6, "ff05::1:3", &old.ipv6mr_multiaddr) == 1);
        CHECK(chimney_setsockopt(joined.right, receiver, level, IPV6_JOIN_GROUP, &old, sizeof old) == 0);
        CHECK(chimney_setsockopt(joined.right, receiver, level, IPV6_LEAVE_GROUP, &old, sizeof old) == 0);
        FAILS(chimney_setsockopt(joined.right, receiver, level, IPV6_LEAVE_GROUP, &old, sizeof old), EADDRNOTAVAIL);
    }
    bed_end(&joined);
}

void test_datagrams(int family)
{
    exchange(family);
    refusal(family);
    groups(family);
}
