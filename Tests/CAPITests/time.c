/* The clock: what is sent when, and that the same calls give the same bytes. */
#include "capi_bed.h"

#include <netinet/tcp.h>
#include <time.h>

/* The next packet that the left stack sends, at its own time. */
static uint64_t next_departure(struct bed *joined, ssize_t *length)
{
    static uint8_t bytes[1500];
    uint64_t time = 0;
    for (int i = 0; i < 100; i++) {
        *length = chimney_packet_out(joined->left, joined->left_wire, bytes, sizeof bytes, &time);
        if (*length > 0) return time;
        uint64_t due = chimney_deadline(joined->left);
        if (due == CHIMNEY_NEVER) break;
        CHECK(chimney_advance_to(joined->left, due) == 0);
    }
    *length = 0;
    return CHIMNEY_NEVER;
}

/* RFC 6298: a second, then twice as long each time. */
static void handshake_is_sent_again(int family)
{
    struct bed joined = bed(family, 120);
    struct address peer = right_address(&joined, 80);
    int fd = chimney_socket(joined.left, family, SOCK_STREAM | SOCK_NONBLOCK, 0), error = 0;
    int retries = 3;
    CHECK(chimney_setsockopt(joined.left, fd, IPPROTO_TCP, TCP_SYNCNT, &retries, sizeof retries) == 0);
    uint64_t begin = chimney_now(joined.left);
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), EINPROGRESS);
    const uint64_t expected[] = {0, 1, 3, 7};
    ssize_t length;
    for (int i = 0; i < 4; i++) CHECK(next_departure(&joined, &length) == begin + expected[i] * SECOND);
    CHECK(next_departure(&joined, &length) == CHIMNEY_NEVER);
    CHECK(chimney_now(joined.left) == begin + 15 * SECOND);
    socklen_t size = sizeof error;
    CHECK(chimney_getsockopt(joined.left, fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ETIMEDOUT);
    bed_end(&joined);
}

/* A lost segment goes out again: first as a probe of the tail (RFC 8985), then by the timer, twice as long each time. */
static void data_is_sent_again(int family)
{
    struct bed joined = bed(family, 130);
    int listener, client, server;
    bed_connect(&joined, 7, &listener, &client, &server);
    uint64_t begin = chimney_now(joined.left);
    CHECK(chimney_write(joined.left, client, "lost", 4) == 4);
    ssize_t first, again;
    CHECK(next_departure(&joined, &first) == begin);
    uint64_t times[5];
    for (int i = 0; i < 5; i++) {
        times[i] = next_departure(&joined, &again);
        CHECK(again == first);
    }
    CHECK(times[0] - begin >= 2 * 2 * joined.delay && times[0] - begin < SECOND);
    for (int i = 3; i < 5; i++) CHECK(times[i] - times[i - 1] == 2 * (times[i - 1] - times[i - 2]));
    CHECK(chimney_advance_to(joined.right, chimney_now(joined.left)) == 0);
    bed_run(&joined, 120 * SECOND);
    char bytes[8];
    CHECK(chimney_read(joined.right, server, bytes, sizeof bytes) == 4);
    bed_end(&joined);
}

/* All at once or step by step: timers fire at their own time. */
static void far_steps_are_near_steps(int family)
{
    struct bed joined = bed(family, 140);
    struct address peer = right_address(&joined, 80);
    int fd = chimney_socket(joined.left, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    uint64_t begin = chimney_now(joined.left), time;
    uint8_t bytes[1500];
    FAILS(chimney_connect(joined.left, fd, ADDRESS(peer)), EINPROGRESS);
    CHECK(chimney_advance(joined.left, 8 * SECOND) == 0);
    CHECK(chimney_now(joined.left) == begin + 8 * SECOND);
    const uint64_t expected[] = {0, 1, 3, 7};
    for (int i = 0; i < 4; i++) {
        CHECK(chimney_packet_out(joined.left, joined.left_wire, bytes, sizeof bytes, &time) > 0);
        CHECK(time == begin + expected[i] * SECOND);
    }
    CHECK(chimney_packets_waiting(joined.left, joined.left_wire) == 0);
    bed_end(&joined);
}

/* Keep-alive and the user timeout are changed while the connection is open. */
static void patience_may_change(int family)
{
    struct bed joined = bed(family, 150);
    int listener, client, server, one = 1, idle = 5, interval = 2, count = 3, millis = 700;
    bed_connect(&joined, 7, &listener, &client, &server);
    bed_run(&joined, 2 * SECOND);
    chimney_stack *left = joined.left;
    CHECK(chimney_setsockopt(left, client, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle) == 0);
    CHECK(chimney_setsockopt(left, client, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) == 0);
    CHECK(chimney_setsockopt(left, client, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count) == 0);
    unsigned before = joined.carried;
    bed_run(&joined, 30 * SECOND);
    CHECK(joined.carried == before); /* not yet switched on */
    CHECK(chimney_setsockopt(left, client, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) == 0);
    bed_run(&joined, 12 * SECOND);
    CHECK(joined.carried > before); /* a probe and its answer */
    joined.lost = 100;
    uint64_t begin = chimney_now(left);
    bed_run(&joined, 30 * SECOND);
    char byte;
    FAILS(chimney_read(left, client, &byte, 1), ETIMEDOUT);
    CHECK(100 - joined.lost >= count && chimney_now(left) > begin);

    int second = chimney_socket(left, family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct address peer = right_address(&joined, 7);
    joined.lost = 0;
    FAILS(chimney_connect(left, second, ADDRESS(peer)), EINPROGRESS);
    bed_run(&joined, SECOND);
    CHECK(chimney_connect(left, second, ADDRESS(peer)) == 0);
    joined.lost = 100;
    CHECK(chimney_write(left, second, "x", 1) == 1);
    CHECK(chimney_setsockopt(left, second, IPPROTO_TCP, TCP_USER_TIMEOUT, &millis, sizeof millis) == 0);
    bed_run(&joined, 600 * MILLISECOND);
    FAILS(chimney_read(left, second, &byte, 1), EAGAIN);
    bed_run(&joined, 200 * MILLISECOND);
    FAILS(chimney_read(left, second, &byte, 1), ETIMEDOUT);
    bed_end(&joined);
}

static uint64_t play(int family, uint64_t seed, int lost)
{
    struct bed joined = bed(family, seed);
    int listener, client, server;
    bed_connect(&joined, 7, &listener, &client, &server);
    static char bytes[100000], back[100000];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 13);
    joined.lost = lost;
    CHECK(chimney_write(joined.left, client, bytes, sizeof bytes) == sizeof bytes);
    bed_run(&joined, 10 * SECOND);
    CHECK(chimney_read(joined.right, server, back, sizeof back) == sizeof back);
    CHECK(memcmp(bytes, back, sizeof bytes) == 0);
    CHECK(chimney_close(joined.left, client) == 0 && chimney_close(joined.right, server) == 0);
    bed_run(&joined, 10 * SECOND);
    bed_end(&joined);
    return joined.hash;
}

static void same_seed_same_bytes(int family)
{
    uint64_t once = play(family, 7, 3);
    CHECK(once == play(family, 7, 3));
    CHECK(once != play(family, 8, 3));
    CHECK(once != play(family, 7, 4));
}

static void real_clock(int family)
{
    struct chimney_settings settings = {.size = sizeof settings, .clock = CHIMNEY_CLOCK_REAL};
    chimney_stack *stack = chimney_create(&settings);
    CHECK(stack != NULL && chimney_attach(stack, "wire0", 1500) > 1);
    uint64_t begin = chimney_now(stack);
    struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    CHECK(chimney_now(stack) >= begin + 2 * MILLISECOND && chimney_now(stack) < begin + 60 * SECOND);
    CHECK(chimney_advance(stack, 1000 * SECOND) == 0);
    CHECK(chimney_now(stack) < begin + 60 * SECOND);
    CHECK(chimney_socket(stack, family, SOCK_STREAM, 0) == 3);
    CHECK(chimney_destroy(stack) == 0);
}

void test_time(int family)
{
    handshake_is_sent_again(family);
    data_is_sent_again(family);
    far_steps_are_near_steps(family);
    patience_may_change(family);
    same_seed_same_bytes(family);
    real_clock(family);
}
