/* Calls with arguments at random: each gives a result or an errno, and the bounds hold. */
#include "capi_bed.h"

#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/uio.h>

static _Thread_local uint64_t state;

static uint32_t draw(uint32_t below)
{
    state += 0x9E3779B97F4A7C15ull;
    uint64_t word = (state ^ state >> 30) * 0xBF58476D1CE4E5B9ull;
    word = (word ^ word >> 27) * 0x94D049BB133111EBull;
    return (uint32_t)((word ^ word >> 31) % below);
}

static struct address any_address(struct bed *bed)
{
    struct address result;
    switch (draw(5)) {
    case 0: return left_address(bed, draw(4));
    case 1: return right_address(bed, draw(4));
    case 2: return nowhere(bed->family, draw(4));
    case 3: result = nowhere(draw(2) ? AF_INET : AF_INET6, draw(65536)); break;
    default:
        for (size_t i = 0; i < sizeof result.storage; i++) ((uint8_t *)&result.storage)[i] = draw(256);
        if (draw(2)) result.storage.ss_family = bed->family;
    }
    result.length = draw(40);
    return result;
}

static void call_at_random(struct bed *bed)
{
    chimney_stack *stack = draw(2) ? bed->left : bed->right;
    int wire = stack == bed->left ? bed->left_wire : bed->right_wire;
    int fd = (int)draw(10) - 1;
    uint8_t bytes[2048];
    struct address address = any_address(bed);
    struct sockaddr *there = draw(8) ? (struct sockaddr *)&address.storage : NULL;
    socklen_t length = draw(140);
    socklen_t *where = draw(8) ? &length : NULL;
    size_t count = draw(sizeof bytes);
    const int flags[] = {0, MSG_PEEK, MSG_DONTWAIT, MSG_OOB, MSG_MORE, MSG_TRUNC, MSG_WAITALL, 0x7FFFFFFF};
    int flag = flags[draw(8)], value = draw(70000);
    const int levels[] = {SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, 99};
    for (size_t i = 0; i < 300; i++) bytes[i] = draw(256);
    void *buffer = draw(16) ? bytes : NULL;
    struct iovec vectors[3] = {{bytes, draw(100)}, {draw(8) ? bytes + 100 : NULL, draw(100)}, {bytes + 200, draw(1000)}};
    struct msghdr message = {
        .msg_iov = vectors, .msg_iovlen = draw(4), .msg_name = there, .msg_namelen = address.length};
    struct pollfd entries[4] = {{fd, draw(65536), 0}, {fd + 1, 1, 0}, {3, 4, 0}, {-7, 1, 0}};
    switch (draw(24)) {
    case 0:
    case 1: fd = chimney_socket(stack, bed->family, draw(2) ? SOCK_STREAM : SOCK_DGRAM, 0); break;
    case 2: chimney_bind(stack, fd, there, address.length); break;
    case 3: chimney_listen(stack, fd, (int)draw(5) - 1); break;
    case 4:
    case 5: chimney_accept4(stack, fd, there, where, draw(2) ? SOCK_NONBLOCK : flag); break;
    case 6:
    case 7: chimney_connect(stack, fd, there, address.length); break;
    case 8:
    case 9: chimney_recvfrom(stack, fd, buffer, count, flag, there, where); break;
    case 10: chimney_recvmsg(stack, fd, &message, flag); break;
    case 11:
    case 12: chimney_sendto(stack, fd, buffer, count, flag, there, address.length); break;
    case 13: chimney_sendmsg(stack, fd, &message, flag); break;
    case 14: chimney_shutdown(stack, fd, draw(4)); break;
    case 15: if (draw(3) == 0) chimney_close(stack, fd); break;
    case 16: chimney_getsockname(stack, fd, there, where); break;
    case 17: chimney_getpeername(stack, fd, there, where); break;
    case 18:
        length = length > sizeof bytes ? sizeof bytes : length;
        chimney_getsockopt(stack, fd, levels[draw(5)], draw(80), buffer, where);
        break;
    case 19: chimney_setsockopt(stack, fd, levels[draw(5)], draw(80), draw(2) ? buffer : &value, draw(5)); break;
    case 20: chimney_setsockopt(stack, fd, levels[draw(5)], draw(80), buffer, draw(300)); break;
    case 21: chimney_poll(stack, entries, draw(5), (int)draw(3) - 1); break;
    case 22: chimney_packet_in(stack, wire, buffer, draw(300)); break;
    default: bed_run(bed, draw(2) ? draw(1000) * MILLISECOND : draw(1000)); break;
    }
}

void test_random(int family)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        state = seed;
        struct bed joined = bed(family, seed);
        int progresses = draw(2);
        if (progresses) {
            CHECK(chimney_set_run(joined.left, bed_step, &joined) == 0);
            CHECK(chimney_set_run(joined.right, bed_step, &joined) == 0);
        }
        for (int i = 0; i < 1000; i++) call_at_random(&joined);
        /* All can be closed, and then there are as many descriptors as before. */
        for (int fd = 3; fd < 1027; fd++) {
            chimney_close(joined.left, fd);
            chimney_close(joined.right, fd);
        }
        CHECK(chimney_socket(joined.left, family, SOCK_STREAM, 0) == 3);
        CHECK(chimney_set_run(joined.left, NULL, NULL) == 0 && chimney_set_run(joined.right, NULL, NULL) == 0);
        bed_run(&joined, 300 * SECOND);
        bed_end(&joined);
    }
}

static void *talk(void *argument)
{
    struct bed joined = bed(AF_INET, (uint64_t)(uintptr_t)argument);
    int listener, client, server;
    bed_connect(&joined, 7, &listener, &client, &server);
    static const char bytes[50000];
    char back[sizeof bytes];
    for (int i = 0; i < 20; i++) {
        CHECK(chimney_write(joined.left, client, bytes, sizeof bytes) == sizeof bytes);
        bed_run(&joined, SECOND);
        CHECK(chimney_read(joined.right, server, back, sizeof back) == sizeof back);
        FAILS(chimney_read(joined.right, server, back, sizeof back), EAGAIN);
    }
    uint64_t *hash = malloc(sizeof *hash);
    *hash = joined.hash;
    bed_end(&joined);
    return hash;
}

/* Stacks on different threads share nothing: they do what they would do alone. */
void test_threads(void)
{
    pthread_t threads[4];
    uint64_t *hashes[4];
    for (uintptr_t i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, talk, (void *)(1000 + i / 2 * 10)) == 0);
    for (int i = 0; i < 4; i++) CHECK(pthread_join(threads[i], (void **)&hashes[i]) == 0);
    CHECK(*hashes[0] == *hashes[1] && *hashes[2] == *hashes[3] && *hashes[0] != *hashes[2]);
    for (int i = 0; i < 4; i++) free(hashes[i]);
}
