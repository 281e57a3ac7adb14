#include "capi_bed.h"

#include <arpa/inet.h>

_Thread_local int checks;

struct address address(int family, const char *text, int port)
{
    struct address result = {0};
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&result.storage;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        CHECK(inet_pton(AF_INET, text, &in->sin_addr) == 1);
        result.length = sizeof *in;
    } else {
        struct sockaddr_in6 *in = (struct sockaddr_in6 *)&result.storage;
        in->sin6_family = AF_INET6;
        in->sin6_port = htons(port);
        CHECK(inet_pton(AF_INET6, text, &in->sin6_addr) == 1);
        result.length = sizeof *in;
    }
    return result;
}

struct address nowhere(int family, int port) { return address(family, family == AF_INET ? "0.0.0.0" : "::", port); }

int port_of(const struct address *address)
{
    return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
}

struct address left_address(const struct bed *bed, int port)
{
    return address(bed->family, bed->family == AF_INET ? "10.0.0.1" : "2001:db8::1", port);
}

struct address right_address(const struct bed *bed, int port)
{
    return address(bed->family, bed->family == AF_INET ? "10.0.0.2" : "2001:db8::2", port);
}

/* Packets under way, in the order of their arrival. */
struct flight {
    uint64_t arrival;
    ssize_t length;
    int to_right;
    uint8_t bytes[1500];
};
#define FLIGHT_MAX 4096

struct bed bed(int family, uint64_t seed)
{
    struct bed bed = {.family = family, .delay = 5 * MILLISECOND, .hash = 0xcbf29ce484222325ull};
    struct chimney_settings settings = {.size = sizeof settings, .random = CHIMNEY_RANDOM_SEED, .seed = seed};
    CHECK((bed.flights = calloc(FLIGHT_MAX, sizeof *bed.flights)) != NULL);
    CHECK((bed.left = chimney_create(&settings)) != NULL);
    settings.seed = seed + 1;
    CHECK((bed.right = chimney_create(&settings)) != NULL);
    CHECK((bed.left_wire = chimney_attach(bed.left, "wire0", 1500)) > 1);
    CHECK((bed.right_wire = chimney_attach(bed.right, "wire0", 1500)) > 1);
    struct address left = left_address(&bed, 0), right = right_address(&bed, 0);
    int length = family == AF_INET ? 24 : 64;
    CHECK(chimney_add_address(bed.left, bed.left_wire, ADDRESS(left), length) == 0);
    CHECK(chimney_add_address(bed.right, bed.right_wire, ADDRESS(right), length) == 0);
    /* What the interfaces say about their groups is over before a test begins. */
    bed_run(&bed, 3 * SECOND);
    return bed;
}

void bed_end(struct bed *bed)
{
    CHECK(chimney_destroy(bed->left) == 0);
    CHECK(chimney_destroy(bed->right) == 0);
    free(bed->flights);
}

static void hash_bytes(struct bed *bed, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) bed->hash = (bed->hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3ull;
}

static void depart(struct bed *bed, int to_right)
{
    chimney_stack *stack = to_right ? bed->left : bed->right;
    int wire = to_right ? bed->left_wire : bed->right_wire;
    for (;;) {
        CHECK(bed->flight_count < FLIGHT_MAX);
        uint64_t time;
        struct flight *flight = &bed->flights[bed->flight_count];
        flight->length = chimney_packet_out(stack, wire, flight->bytes, sizeof flight->bytes, &time);
        CHECK(flight->length >= 0);
        if (flight->length == 0) return;
        hash_bytes(bed, &time, sizeof time);
        hash_bytes(bed, flight->bytes, flight->length);
        bed->carried++;
        if (to_right && bed->lost > 0) {
            bed->lost--;
            continue;
        }
        flight->arrival = time + bed->delay;
        flight->to_right = to_right;
        bed->flight_count++;
    }
}

static uint64_t minimum(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Lets both stacks come to the next moment at which something happens, at most `end`. */
static uint64_t step(struct bed *bed, uint64_t end)
{
    depart(bed, 1);
    depart(bed, 0);
    uint64_t next = minimum(end, minimum(chimney_deadline(bed->left), chimney_deadline(bed->right)));
    for (int i = 0; i < bed->flight_count; i++) next = minimum(next, bed->flights[i].arrival);
    CHECK(chimney_advance_to(bed->left, next) == 0);
    CHECK(chimney_advance_to(bed->right, next) == 0);
    int kept = 0;
    for (int i = 0; i < bed->flight_count; i++) {
        if (bed->flights[i].arrival > next) {
            bed->flights[kept++] = bed->flights[i];
            continue;
        }
        chimney_stack *stack = bed->flights[i].to_right ? bed->right : bed->left;
        int wire = bed->flights[i].to_right ? bed->right_wire : bed->left_wire;
        CHECK(chimney_packet_in(stack, wire, bed->flights[i].bytes, bed->flights[i].length) == 0);
    }
    bed->flight_count = kept;
    depart(bed, 1);
    depart(bed, 0);
    return next;
}

void bed_run(struct bed *bed, uint64_t span)
{
    uint64_t end = chimney_now(bed->left) + span;
    int rounds = 0;
    do {
        CHECK(++rounds < 1000000);
        step(bed, end);
    } while (chimney_now(bed->left) < end);
}

int bed_step(void *context, chimney_stack *stack, uint64_t deadline)
{
    (void)stack;
    struct bed *bed = context;
    uint64_t patience = chimney_now(bed->left) + 600 * SECOND;
    return step(bed, minimum(deadline, patience)) == patience;
}

void bed_connect(struct bed *bed, int port, int *listener, int *client, int *server)
{
    struct address any = nowhere(bed->family, port), peer = right_address(bed, port);
    CHECK((*listener = chimney_socket(bed->right, bed->family, SOCK_STREAM, 0)) >= 3);
    CHECK(chimney_bind(bed->right, *listener, ADDRESS(any)) == 0);
    CHECK(chimney_listen(bed->right, *listener, 16) == 0);
    CHECK((*client = chimney_socket(bed->left, bed->family, SOCK_STREAM | SOCK_NONBLOCK, 0)) >= 3);
    FAILS(chimney_connect(bed->left, *client, ADDRESS(peer)), EINPROGRESS);
    bed_run(bed, 100 * MILLISECOND);
    CHECK(chimney_connect(bed->left, *client, ADDRESS(peer)) == 0);
    CHECK((*server = chimney_accept4(bed->right, *listener, NULL, NULL, SOCK_NONBLOCK)) >= 3);
}
