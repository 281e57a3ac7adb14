/* TCP: echo, half-close, refusal, reset, waiting. */
#include "capi_bed.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static short events_of(chimney_stack *stack, int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    CHECK(chimney_poll(stack, &entry, 1, 0) >= 0);
    return entry.revents;
}

static void echo(int family)
{
    struct bed joined = bed(family, 10);
    int listener, client, server, count;
    bed_connect(&joined, 7, &listener, &client, &server);
    struct address peer = {.length = sizeof peer.storage};
    CHECK(chimney_getpeername(joined.left, client, (struct sockaddr *)&peer.storage, &peer.length) == 0);
    CHECK(port_of(&peer) == 7 && peer.storage.ss_family == family);
    FAILS(chimney_connect(joined.left, client, ADDRESS(peer)), EISCONN);
    char sent[10000], back[10000];
    for (size_t i = 0; i < sizeof sent; i++) sent[i] = (char)(i * 31 ^ i >> 7);
    CHECK(chimney_write(joined.left, client, sent, sizeof sent) == sizeof sent);
    CHECK(chimney_ioctl(joined.left, client, 0x5411, &count) == 0 && count == sizeof sent);
    FAILS(chimney_read(joined.right, server, back, sizeof back), EAGAIN);
    CHECK(!(events_of(joined.right, server) & POLLIN));
    bed_run(&joined, SECOND);
    CHECK(events_of(joined.right, server) & POLLIN);
    CHECK(chimney_ioctl(joined.right, server, FIONREAD, &count) == 0 && count == sizeof sent);
    CHECK(chimney_ioctl(joined.left, client, 0x5411, &count) == 0 && count == 0);
    memset(back, 0, sizeof back);
    CHECK(chimney_recv(joined.right, server, back, 100, MSG_PEEK) == 100 && memcmp(back, sent, 100) == 0);
    struct iovec vectors[] = {{back, 1}, {back + 1, 2998}, {back + 2999, sizeof back - 2999}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 3};
    CHECK(chimney_recvmsg(joined.right, server, &message, 0) == sizeof back);
    CHECK(memcmp(back, sent, sizeof sent) == 0);
    CHECK(chimney_sendmsg(joined.right, server, &message, 0) == sizeof back);
    bed_run(&joined, SECOND);
    memset(back, 0, sizeof back);
    CHECK(chimney_read(joined.left, client, back, sizeof back) == sizeof back);
    CHECK(memcmp(back, sent, sizeof sent) == 0);

    /* Half-close: the client says that it has no more, and goes on reading. */
    CHECK(chimney_shutdown(joined.left, client, SHUT_WR) == 0);
    FAILS(chimney_write(joined.left, client, sent, 1), EPIPE);
    bed_run(&joined, SECOND);
    CHECK(events_of(joined.right, server) & POLLRDHUP);
    CHECK(chimney_read(joined.right, server, back, 1) == 0);
    CHECK(chimney_write(joined.right, server, "late", 4) == 4);
    CHECK(chimney_close(joined.right, server) == 0);
    bed_run(&joined, SECOND);
    CHECK(chimney_read(joined.left, client, back, sizeof back) == 4 && memcmp(back, "late", 4) == 0);
    CHECK(chimney_read(joined.left, client, back, sizeof back) == 0);
    CHECK(events_of(joined.left, client) & POLLHUP);
    CHECK(chimney_close(joined.left, client) == 0 && chimney_close(joined.right, listener) == 0);
    bed_end(&joined);
}

static int error_of(chimney_stack *stack, int fd)
{
    int error = -1;
    socklen_t length = sizeof error;
    CHECK(chimney_getsockopt(stack, fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && length == sizeof error);
    return error;
}

static void refusal(int family)
{
    struct bed joined = bed(family, 20);
    struct address peer = right_address(&joined, 9);
    char byte;
    int fd = chimney_socket(joined.left, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(events_of(joined.left, fd) == (POLLOUT | POLLHUP));
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), EINPROGRESS);
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), EALREADY);
    FAILS(chimney_read(joined.left, fd, &byte, 1), EAGAIN);
    FAILS(chimney_write(joined.left, fd, &byte, 1), EAGAIN);
    CHECK(events_of(joined.left, fd) == 0);
    bed_run(&joined, SECOND);
    CHECK(events_of(joined.left, fd) & POLLERR);
    CHECK(error_of(joined.left, fd) == ECONNREFUSED);
    CHECK(error_of(joined.left, fd) == 0);
    /* The socket may try again, and then the call itself tells. */
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), EINPROGRESS);
    bed_run(&joined, SECOND);
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), ECONNREFUSED);
    CHECK(chimney_close(joined.left, fd) == 0);
    /* No way there at all. */
    struct address far = address(family, family == AF_INET ? "192.0.2.1" : "2001:db8:ffff::1", 9);
    fd = chimney_socket(joined.left, family, SOCK_STREAM, 0);
    FAILS(chimney_connect(joined.left, fd, ADDRESS(far)), ENETUNREACH);
    struct address none = nowhere(family, 0), gateway = right_address(&joined, 0);
    CHECK(chimney_add_route(joined.left, joined.left_wire, ADDRESS(none), 0, ADDRESS(gateway)) == 0);
    FAILS(chimney_connect(joined.left, fd, ADDRESS(far)), EINPROGRESS);
    CHECK(chimney_remove_route(joined.left, ADDRESS(none), 0) == 0);
    FAILS(chimney_remove_route(joined.left, ADDRESS(none), 0), ESRCH);
    bed_end(&joined);
}

static void reset(int family)
{
    struct bed joined = bed(family, 30);
    int listener, client, server;
    char byte = 0;
    bed_connect(&joined, 7, &listener, &client, &server);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    CHECK(chimney_setsockopt(joined.right, server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(chimney_close(joined.right, server) == 0);
    bed_run(&joined, SECOND);
    CHECK((events_of(joined.left, client) & (POLLERR | POLLHUP | POLLIN)) == (POLLERR | POLLHUP | POLLIN));
    FAILS(chimney_read(joined.left, client, &byte, 1), ECONNRESET);
    CHECK(chimney_read(joined.left, client, &byte, 1) == 0);
    FAILS(chimney_write(joined.left, client, &byte, 1), EPIPE);
    CHECK(!(events_of(joined.left, client) & POLLERR));
    FAILS(chimney_shutdown(joined.left, client, SHUT_WR), ENOTCONN);
    bed_end(&joined);
}

/* What arrived before a RST is read, also where a connect that did not wait was not asked how it went, or by poll alone. */
static void last_words(int family, int asks)
{
    struct bed joined = bed(family, 60 + asks);
    struct address any = nowhere(family, 7), peer = right_address(&joined, 7);
    int listener = chimney_socket(joined.right, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(chimney_bind(joined.right, listener, ADDRESS(any)) == 0 && chimney_listen(joined.right, listener, 5) == 0);
    int client = chimney_socket(joined.left, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(chimney_connect(joined.left, client, ADDRESS(peer)), EINPROGRESS);
    bed_run(&joined, SECOND);
    if (asks) {
        CHECK(events_of(joined.left, client) == POLLOUT);
        CHECK(error_of(joined.left, client) == 0);
    }
    int server = chimney_accept4(joined.right, listener, NULL, NULL, SOCK_NONBLOCK);
    CHECK(chimney_write(joined.right, server, "last words", 10) == 10);
    bed_run(&joined, SECOND);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    CHECK(chimney_setsockopt(joined.right, server, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(chimney_close(joined.right, server) == 0);
    bed_run(&joined, SECOND);
    char bytes[32];
    FAILS(chimney_write(joined.left, client, bytes, 1), ECONNRESET);
    FAILS(chimney_connect(joined.left, client, ADDRESS(peer)), EISCONN);
    CHECK(chimney_read(joined.left, client, bytes, sizeof bytes) == 10 && memcmp(bytes, "last words", 10) == 0);
    CHECK(chimney_read(joined.left, client, bytes, sizeof bytes) == 0);
    bed_end(&joined);
}

/* A byte out of band is told of with the segment that brings it; so is the last byte of more than a segment. */
static void urgency(int family, size_t count)
{
    struct bed joined = bed(family, 70);
    int listener, client, server;
    char bytes[4000] = {0};
    bed_connect(&joined, 7, &listener, &client, &server);
    struct pollfd entry = {.fd = server, .events = POLLPRI};
    CHECK(chimney_send(joined.left, client, bytes, 10, 0) == 10);
    bed_run(&joined, SECOND);
    CHECK(chimney_poll(joined.right, &entry, 1, 0) == 0);
    unsigned carried = joined.carried;
    CHECK(chimney_send(joined.left, client, bytes, count, MSG_OOB) == (ssize_t)count);
    bed_run(&joined, 2 * joined.delay);
    CHECK(chimney_poll(joined.right, &entry, 1, 0) == 1 && entry.revents == POLLPRI);
    /* Full segments, and one more with the rest. */
    CHECK(joined.carried - carried >= (count + 1459) / 1460);
    CHECK(chimney_read(joined.right, server, bytes, sizeof bytes) == (ssize_t)count + 10);
    CHECK(chimney_poll(joined.right, &entry, 1, 0) == 0);
    bed_end(&joined);
}

static void waiting(int family)
{
    struct bed joined = bed(family, 40);
    CHECK(chimney_set_run(joined.left, bed_step, &joined) == 0);
    CHECK(chimney_set_run(joined.right, bed_step, &joined) == 0);
    struct address any = nowhere(family, 7), peer = right_address(&joined, 7);
    int listener = chimney_socket(joined.right, family, SOCK_STREAM, 0);
    CHECK(chimney_bind(joined.right, listener, ADDRESS(any)) == 0 && chimney_listen(joined.right, listener, 1) == 0);
    int client = chimney_socket(joined.left, family, SOCK_STREAM, 0);
    uint64_t before = chimney_now(joined.left);
    CHECK(chimney_connect(joined.left, client, ADDRESS(peer)) == 0);
    CHECK(chimney_now(joined.left) - before == 2 * joined.delay);
    int server = chimney_accept(joined.right, listener, NULL, NULL);
    CHECK(server >= 3);
    /* More than the buffers hold, so that the writer waits: nobody reads, and so it gives up with what was taken. */
    static char bulk[4 << 20];
    struct timeval patience = {.tv_sec = 2};
    CHECK(chimney_setsockopt(joined.left, client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0);
    before = chimney_now(joined.left);
    ssize_t count = chimney_write(joined.left, client, bulk, sizeof bulk);
    CHECK(count > 1 << 20 && count < (ssize_t)sizeof bulk);
    CHECK(chimney_now(joined.left) - before >= 2 * SECOND);
    ssize_t got = chimney_recv(joined.right, server, bulk, count, MSG_WAITALL);
    CHECK(got == count);
    struct timeval shortly = {.tv_usec = 250000};
    CHECK(chimney_setsockopt(joined.right, server, SOL_SOCKET, SO_RCVTIMEO, &shortly, sizeof shortly) == 0);
    before = chimney_now(joined.right);
    FAILS(chimney_read(joined.right, server, bulk, 1), EAGAIN);
    CHECK(chimney_now(joined.right) - before == 250 * MILLISECOND);
    FAILS(chimney_recv(joined.right, server, bulk, 1, MSG_DONTWAIT), EAGAIN);
    struct pollfd entry = {.fd = server, .events = POLLIN};
    before = chimney_now(joined.right);
    CHECK(chimney_poll(joined.right, &entry, 1, 30) == 0);
    CHECK(chimney_now(joined.right) - before == 30 * MILLISECOND);
    CHECK(chimney_write(joined.left, client, "x", 1) == 1);
    CHECK(chimney_poll(joined.right, &entry, 1, 30) == 1 && entry.revents == POLLIN);
    bed_end(&joined);
}

static int destroying(void *context, chimney_stack *stack, uint64_t deadline)
{
    (void)deadline;
    FAILS(chimney_destroy(stack), EBUSY);
    CHECK(chimney_close(stack, *(int *)context) == 0);
    return 0;
}

static int enough(void *context, chimney_stack *stack, uint64_t deadline)
{
    (void)context, (void)stack, (void)deadline;
    return 1;
}

static void waiting_ended(int family)
{
    struct bed joined = bed(family, 50);
    char byte;
    int fd = chimney_socket(joined.left, family, SOCK_DGRAM, 0);
    CHECK(chimney_set_run(joined.left, enough, NULL) == 0);
    FAILS(chimney_read(joined.left, fd, &byte, 1), EINTR);
    CHECK(chimney_set_run(joined.left, destroying, &fd) == 0);
    FAILS(chimney_read(joined.left, fd, &byte, 1), EBADF);
    CHECK(chimney_set_run(joined.left, NULL, NULL) == 0);
    bed_end(&joined);
}

void test_streams(int family)
{
    echo(family);
    refusal(family);
    reset(family);
    last_words(family, 0);
    last_words(family, 1);
    urgency(family, 1);
    urgency(family, 3000);
    waiting(family);
    waiting_ended(family);
}
