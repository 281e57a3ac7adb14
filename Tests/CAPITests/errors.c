/* What a caller may do wrong, and which errno says so. */
#include "capi_bed.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static void descriptors(struct bed *bed)
{
    int family = bed->family, value = 0;
    chimney_stack *stack = bed->left;
    char byte;
    struct address peer = right_address(bed, 80);
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    const int bad[] = {-1, 3, 99, 1 << 30}, streams[] = {0, 1, 2};
    for (int i = 0; i < 7; i++) {
        int fd = i < 4 ? bad[i] : streams[i - 4], expected = i < 4 ? EBADF : ENOTSOCK;
        length = sizeof storage;
        FAILS(chimney_bind(stack, fd, ADDRESS(peer)), expected);
        FAILS(chimney_listen(stack, fd, 1), expected);
        FAILS(chimney_accept(stack, fd, NULL, NULL), expected);
        FAILS(chimney_connect(stack, fd, ADDRESS(peer)), expected);
        FAILS(chimney_read(stack, fd, &byte, 1), expected);
        FAILS(chimney_write(stack, fd, &byte, 1), expected);
        FAILS(chimney_shutdown(stack, fd, SHUT_WR), expected);
        FAILS(chimney_close(stack, fd), expected);
        FAILS(chimney_getsockname(stack, fd, (struct sockaddr *)&storage, &length), expected);
        FAILS(chimney_getpeername(stack, fd, (struct sockaddr *)&storage, &length), expected);
        FAILS(chimney_getsockopt(stack, fd, SOL_SOCKET, SO_TYPE, &value, &length), expected);
        FAILS(chimney_setsockopt(stack, fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value), expected);
        FAILS(chimney_ioctl(stack, fd, FIONREAD, &value), expected);
        FAILS(chimney_fcntl(stack, fd, F_GETFL, 0), expected);
    }
    FAILS(chimney_socket(stack, AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(chimney_socket(stack, family, SOCK_RAW, 0), ESOCKTNOSUPPORT);
    FAILS(chimney_socket(stack, family, 77, 0), EINVAL);
    FAILS(chimney_socket(stack, family, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    FAILS(chimney_socket(NULL, family, SOCK_STREAM, 0), EFAULT);
    /* The lowest number is given again. */
    int first = chimney_socket(stack, family, SOCK_STREAM, 0), second = chimney_socket(stack, family, SOCK_DGRAM, 0);
    CHECK(first == 3 && second == 4);
    CHECK(chimney_close(stack, first) == 0);
    FAILS(chimney_close(stack, first), EBADF);
    CHECK(chimney_socket(stack, family, SOCK_STREAM, 0) == first);
    CHECK(chimney_close(stack, first) == 0 && chimney_close(stack, second) == 0);
}

static void bound_of_descriptors(int family)
{
    struct chimney_settings settings = {.size = sizeof settings, .descriptors_max = 3};
    chimney_stack *stack = chimney_create(&settings);
    CHECK(stack != NULL);
    for (int i = 0; i < 3; i++) CHECK(chimney_socket(stack, family, i == 1 ? SOCK_DGRAM : SOCK_STREAM, 0) == 3 + i);
    FAILS(chimney_socket(stack, family, SOCK_STREAM, 0), EMFILE);
    FAILS(chimney_socket(stack, family, SOCK_DGRAM, 0), EMFILE);
    CHECK(chimney_close(stack, 4) == 0);
    /* A connection that nobody can hold stays in the listener's queue. */
    struct address any = nowhere(family, 80);
    struct address here = address(family, family == AF_INET ? "127.0.0.1" : "::1", 80);
    CHECK(chimney_bind(stack, 3, ADDRESS(any)) == 0 && chimney_listen(stack, 3, 4) == 0);
    CHECK(chimney_connect(stack, 5, ADDRESS(here)) == 0);
    CHECK(chimney_socket(stack, family, SOCK_STREAM, 0) == 4);
    FAILS(chimney_accept(stack, 3, NULL, NULL), EMFILE);
    CHECK(chimney_close(stack, 4) == 0);
    CHECK(chimney_accept(stack, 3, NULL, NULL) == 4);
    CHECK(chimney_destroy(stack) == 0);
}

static void addresses(struct bed *bed)
{
    int family = bed->family, other = family == AF_INET ? AF_INET6 : AF_INET;
    chimney_stack *stack = bed->left;
    struct address any = nowhere(family, 80), wrong = {0}, own = left_address(bed, 80), peer = right_address(bed, 80);
    wrong.storage.ss_family = other;
    wrong.length = sizeof(struct sockaddr_in6);
    int fd = chimney_socket(stack, family, SOCK_STREAM, 0), udp = chimney_socket(stack, family, SOCK_DGRAM, 0);
    for (int i = 0; i < 2; i++) {
        int each = i == 0 ? fd : udp;
        FAILS(chimney_bind(stack, each, NULL, any.length), EFAULT);
        FAILS(chimney_bind(stack, each, (struct sockaddr *)&any.storage, 1), EINVAL);
        FAILS(chimney_bind(stack, each, (struct sockaddr *)&any.storage, 15), EINVAL);
        FAILS(chimney_bind(stack, each, (struct sockaddr *)&any.storage, 4096), EINVAL);
        FAILS(chimney_bind(stack, each, ADDRESS(wrong)), EAFNOSUPPORT);
        FAILS(chimney_bind(stack, each, ADDRESS(peer)), EADDRNOTAVAIL);
        FAILS(chimney_connect(stack, each, NULL, any.length), EFAULT);
        FAILS(chimney_connect(stack, each, (struct sockaddr *)&any.storage, 3), EINVAL);
        FAILS(chimney_connect(stack, each, ADDRESS(wrong)), EAFNOSUPPORT);
        CHECK(chimney_bind(stack, each, ADDRESS(own)) == 0);
        FAILS(chimney_bind(stack, each, ADDRESS(own)), EINVAL);
    }
    int second = chimney_socket(stack, family, SOCK_STREAM, 0);
    FAILS(chimney_bind(stack, second, ADDRESS(own)), EADDRINUSE);
    FAILS(chimney_bind(stack, second, ADDRESS(any)), EADDRINUSE);
    int one = 1;
    CHECK(chimney_setsockopt(stack, second, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    FAILS(chimney_bind(stack, second, ADDRESS(own)), EADDRINUSE);
    CHECK(chimney_setsockopt(stack, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(chimney_bind(stack, second, ADDRESS(own)) == 0);
    /* Port 0 draws one, and getsockname tells. */
    int drawn = chimney_socket(stack, family, SOCK_STREAM, 0);
    struct address none = nowhere(family, 0), name = {.length = sizeof name.storage};
    CHECK(chimney_bind(stack, drawn, ADDRESS(none)) == 0);
    CHECK(chimney_getsockname(stack, drawn, (struct sockaddr *)&name.storage, &name.length) == 0);
    CHECK(name.storage.ss_family == family && port_of(&name) >= 49152);
    CHECK(name.length == (family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
    /* Too little room: what fits is written, the length is that of the whole. */
    struct sockaddr_storage small;
    memset(&small, 0x5A, sizeof small);
    socklen_t length = 4;
    CHECK(chimney_getsockname(stack, drawn, (struct sockaddr *)&small, &length) == 0);
    CHECK(length == name.length && memcmp(&small, &name.storage, 4) == 0 && ((char *)&small)[4] == 0x5A);
    FAILS(chimney_getsockname(stack, drawn, NULL, &length), EFAULT);
    FAILS(chimney_getsockname(stack, drawn, (struct sockaddr *)&small, NULL), EFAULT);
    FAILS(chimney_getpeername(stack, drawn, (struct sockaddr *)&small, &length), ENOTCONN);
    CHECK(chimney_close(stack, fd) == 0 && chimney_close(stack, udp) == 0);
    CHECK(chimney_close(stack, second) == 0 && chimney_close(stack, drawn) == 0);
}

static void states(struct bed *bed)
{
    int family = bed->family, value;
    chimney_stack *stack = bed->left;
    char bytes[8] = {0};
    int fd = chimney_socket(stack, family, SOCK_STREAM, 0), udp = chimney_socket(stack, family, SOCK_DGRAM, 0);
    FAILS(chimney_read(stack, fd, bytes, 1), ENOTCONN);
    FAILS(chimney_write(stack, fd, bytes, 1), EPIPE);
    FAILS(chimney_accept(stack, fd, NULL, NULL), EINVAL);
    FAILS(chimney_shutdown(stack, fd, SHUT_RDWR), ENOTCONN);
    FAILS(chimney_shutdown(stack, fd, 3), EINVAL);
    FAILS(chimney_listen(stack, udp, 1), EOPNOTSUPP);
    FAILS(chimney_accept(stack, udp, NULL, NULL), EOPNOTSUPP);
    FAILS(chimney_write(stack, udp, bytes, 1), EDESTADDRREQ);
    FAILS(chimney_recv(stack, udp, bytes, 1, 0), EAGAIN);
    FAILS(chimney_shutdown(stack, udp, SHUT_RD), ENOTCONN);
    FAILS(chimney_read(stack, udp, NULL, 1), EFAULT);
    FAILS(chimney_sendmsg(stack, udp, NULL, 0), EFAULT);
    FAILS(chimney_recvmsg(stack, udp, NULL, 0), EFAULT);
    struct iovec vector = {NULL, 4};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    FAILS(chimney_sendmsg(stack, udp, &message, 0), EFAULT);
    message.msg_iovlen = 4096;
    FAILS(chimney_sendmsg(stack, udp, &message, 0), EMSGSIZE);
    message.msg_iov = NULL;
    message.msg_iovlen = 1;
    FAILS(chimney_recvmsg(stack, udp, &message, 0), EFAULT);
    FAILS(chimney_read(stack, udp, bytes, (size_t)-1), EINVAL);
    CHECK(chimney_listen(stack, fd, 4) == 0);
    FAILS(chimney_read(stack, fd, bytes, 1), ENOTCONN);
    FAILS(chimney_accept(stack, fd, NULL, NULL), EAGAIN);
    FAILS(chimney_accept4(stack, fd, NULL, NULL, 1), EINVAL);
    FAILS(chimney_accept(stack, fd, (struct sockaddr *)bytes, NULL), EFAULT);
    struct address peer = right_address(bed, 80);
    FAILS(chimney_connect(stack, fd, ADDRESS(peer)), EISCONN);
    FAILS(chimney_ioctl(stack, fd, FIONREAD, &value), EINVAL);
    FAILS(chimney_ioctl(stack, udp, 0xBEEF, &value), ENOTTY);
    FAILS(chimney_ioctl(stack, udp, FIONREAD, NULL), EFAULT);
    FAILS(chimney_fcntl(stack, udp, 4711, 0), EINVAL);
    CHECK(chimney_fcntl(stack, udp, F_GETFL, 0) == O_RDWR);
    CHECK(chimney_fcntl(stack, udp, F_SETFL, O_NONBLOCK) == 0);
    CHECK(chimney_fcntl(stack, udp, F_GETFL, 0) == (O_RDWR | O_NONBLOCK));
    FAILS(chimney_poll(stack, NULL, 1, 0), EFAULT);
    FAILS(chimney_poll(stack, NULL, 1 << 20, 0), EINVAL);
    struct pollfd entries[] = {{.fd = 99, .events = POLLIN}, {.fd = -1, .events = POLLIN}, {.fd = 1, .events = POLLIN}};
    CHECK(chimney_poll(stack, entries, 3, 0) == 2);
    CHECK(entries[0].revents == POLLNVAL && entries[1].revents == 0 && entries[2].revents == POLLNVAL);
    CHECK(chimney_close(stack, fd) == 0 && chimney_close(stack, udp) == 0);
}

static void wires(struct bed *bed)
{
    chimney_stack *stack = bed->left;
    struct address own = left_address(bed, 0);
    char bytes[64] = {0};
    uint64_t time;
    FAILS(chimney_attach(stack, NULL, 1500), EFAULT);
    FAILS(chimney_attach(stack, "wire0", 1500), EEXIST);
    FAILS(chimney_attach(stack, "wire1", 67), EINVAL);
    FAILS(chimney_attach(stack, "", 1500), EINVAL);
    FAILS(chimney_packet_in(stack, 99, bytes, 64), ENODEV);
    FAILS(chimney_packet_in(stack, bed->left_wire, NULL, 64), EFAULT);
    FAILS(chimney_packet_in(stack, bed->left_wire, bytes, 0), EINVAL);
    FAILS(chimney_packet_in(stack, bed->left_wire, bytes, 70000), EMSGSIZE);
    FAILS(chimney_packet_out(stack, 1, bytes, 64, &time), ENODEV);
    CHECK(chimney_packet_out(stack, bed->left_wire, bytes, 64, &time) == 0);
    FAILS(chimney_add_address(stack, bed->left_wire, ADDRESS(own), 24), EEXIST);
    FAILS(chimney_add_address(stack, bed->left_wire, ADDRESS(own), 129), EINVAL);
    FAILS(chimney_add_address(stack, 99, ADDRESS(own), 24), ENODEV);
    FAILS(chimney_add_route(stack, bed->left_wire, NULL, 0, 0, NULL, 0), EFAULT);
    FAILS(chimney_advance_to(stack, chimney_now(stack) - 1), EINVAL);
    FAILS(chimney_advance(stack, UINT64_MAX), EINVAL);
    /* Garbage is no error of the call, and nothing comes of it. */
    for (int i = 1; i <= 64; i++) {
        memset(bytes, i * 37, sizeof bytes);
        CHECK(chimney_packet_in(stack, bed->left_wire, bytes, i) == 0);
    }
    CHECK(chimney_now(NULL) == CHIMNEY_NEVER && chimney_deadline(NULL) == CHIMNEY_NEVER);
    struct chimney_settings settings = {.size = 1};
    CHECK(chimney_create(&settings) == NULL && errno == EINVAL);
    FAILS(chimney_destroy(NULL), EFAULT);
    int64_t value;
    FAILS(chimney_set(stack, "net.ipv4.nothing", 1), ENOENT);
    FAILS(chimney_set(stack, "net.ipv4.tcp_sack", 2), EINVAL);
    FAILS(chimney_set(stack, NULL, 2), EFAULT);
    CHECK(chimney_set(stack, "net.ipv4.tcp_sack", 0) == 0);
    CHECK(chimney_get(stack, "net.ipv4.tcp_sack", &value) == 0 && value == 0);
    CHECK(chimney_set(stack, "net.ipv4.tcp_sack", 1) == 0);
}

void test_errors(int family)
{
    struct bed joined = bed(family, 1);
    descriptors(&joined);
    bound_of_descriptors(family);
    addresses(&joined);
    states(&joined);
    wires(&joined);
    bed_end(&joined);
}
