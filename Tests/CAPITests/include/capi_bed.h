/* Two stacks joined by their wires in one process, in virtual time: what the tests of the C API stand on. */
#ifndef CAPI_BED_H
#define CAPI_BED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* POLLRDHUP, and all of netinet */
#endif

#include <chimney.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MILLISECOND 1000000ull
#define SECOND (1000 * MILLISECOND)

extern _Thread_local int checks;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        checks++;                                                                                                      \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s (errno %d: %s)\n", __FILE__, __LINE__, #condition, errno, strerror(errno));     \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#define FAILS(call, number)                                                                                            \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((call) == -1);                                                                                           \
        CHECK(errno == (number));                                                                                      \
        CHECK(chimney_errno() == (number));                                                                            \
    } while (0)

/* An address of a family, ready for every call. */
struct address {
    struct sockaddr_storage storage;
    socklen_t length;
};
#define ADDRESS(a) (const struct sockaddr *)&(a).storage, (a).length

struct address address(int family, const char *text, int port);
struct address nowhere(int family, int port);
int port_of(const struct address *address);

struct bed {
    chimney_stack *left, *right;
    int left_wire, right_wire;
    int family;
    uint64_t delay;    /* from one end of the wire to the other */
    int lost;          /* how many of the next packets from the left get lost */
    unsigned carried;  /* packets */
    uint64_t hash;     /* of every packet with its time */
    struct flight *flights; /* packets under way */
    int flight_count;
};

struct bed bed(int family, uint64_t seed);
void bed_end(struct bed *bed);
/* Carries what waits and lets time pass, until neither stack sends anything for `quiet`. */
void bed_run(struct bed *bed, uint64_t span);
/* The function that makes progress for calls that wait. */
int bed_step(void *context, chimney_stack *stack, uint64_t deadline);
struct address left_address(const struct bed *bed, int port);
struct address right_address(const struct bed *bed, int port);
/* A listener on the right stack, and a connection from the left one to it. */
void bed_connect(struct bed *bed, int port, int *listener, int *client, int *server);

void test_errors(int family);
void test_streams(int family);
void test_datagrams(int family);
void test_options(int family);
void test_time(int family);
void test_random(int family);
void test_threads(void);

#endif
