// A path between two TAP devices in real time, with the link of the lab's tables: loss, a queue that only drops, a rate, a delay.
//
//     path FD-A FD-B BITS-PER-SECOND DELAY-NS QUEUE-FRAMES LOSS SEED
//
// The descriptors are those of the devices, which do not block. What goes wrong, and what is counted, is on the way from A to B.
// Commands come as lines on standard input, answers as lines of JSON on standard output:
//
//     burst COUNT   loses so many frames in a row, and tells when, and up to which byte of the stream was sent by then
//     end           tells what was counted, and ends; so does the end of the input
//
// A frame's times follow from when it was read and from the frames before it, never from when this program slept, so that a late
// wake delays one frame and not those behind it. Times are of CLOCK_MONOTONIC.

#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME_MAX = 1514,
    // Frames under way in one direction; one more is lost, counted, and makes the measurement void.
    FLYING_MAX = 1 << 14,
    // Flows whose sequence numbers are followed; further ones are not counted.
    FLOWS_MAX = 64,
    // Histograms have steps of a microsecond, up to a second.
    STEPS = 1000000,
    // Frames read from one side before those that are due are looked at again.
    READS_MAX = 64,
};

struct frame {
    int64_t due;
    int size;
    uint8_t bytes[FRAME_MAX];
};

struct histogram {
    uint32_t counts[STEPS];
    uint64_t count;
    double sum;
    int64_t most;
};

// One direction.
struct way {
    int in, out;
    double loss;
    uint64_t bits_per_second;
    int64_t delay;
    int queue_max;

    int64_t busy_until;
    // When the frames that wait leave; the last `waiting` of them.
    int64_t departures[FLYING_MAX];
    uint32_t departures_first, departures_end;
    struct frame *flying;
    uint32_t flying_first, flying_end;

    uint64_t sent, lost, queue_full, overflown, refused;
    int longest;
    struct histogram waits, lateness;
};

// A stream from A to B, of which the highest byte sent is followed.
struct flow {
    uint32_t ports;
    uint32_t start, highest;
    uint64_t again;
};

static struct way ways[2];
static struct flow flows[FLOWS_MAX];
static int flow_count;
static uint64_t random_state;
static int burst_left, burst_count;
static int64_t burst_began;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

// SplitMix64.
static double chance(void) {
    uint64_t z = random_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static void add(struct histogram *h, int64_t nanoseconds) {
    int64_t step = nanoseconds / 1000;
    h->counts[step < 0 ? 0 : step >= STEPS ? STEPS - 1 : step]++;
    h->count++;
    h->sum += (double)nanoseconds;
    if (nanoseconds > h->most) h->most = nanoseconds;
}

// In milliseconds.
static double quantile(const struct histogram *h, double share) {
    uint64_t seen = 0;
    for (int step = 0; step < STEPS; step++) {
        seen += h->counts[step];
        if (seen > 0 && (double)seen >= share * (double)h->count) return (step + 0.5) / 1e3;
    }
    return 0;
}

static uint32_t word(const uint8_t *b) { return (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3]; }

// Follows the sequence numbers of a frame from A, before anything happens to it.
static void follow(const uint8_t *b, int size) {
    if (size < 54 || b[12] != 8 || b[13] != 0 || b[14 + 9] != 6) return;
    const uint8_t *tcp = b + 14 + (b[14] & 15) * 4;
    if (tcp + 20 > b + size) return;
    uint32_t ports = word(tcp), sequence = word(tcp + 4);
    int length = (b[16] << 8 | b[17]) - (b[14] & 15) * 4 - (tcp[12] >> 4) * 4;
    struct flow *flow = NULL;
    for (int i = 0; i < flow_count; i++)
        if (flows[i].ports == ports) flow = &flows[i];
    if (tcp[13] & 2) {
        if (!flow) {
            if (flow_count == FLOWS_MAX) return;
            flow = &flows[flow_count++];
        }
        *flow = (struct flow){.ports = ports, .start = sequence + 1, .highest = sequence + 1};
        return;
    }
    if (!flow || length <= 0) return;
    if ((int32_t)(sequence + (uint32_t)length - flow->highest) > 0) {
        flow->highest = sequence + (uint32_t)length;
    } else {
        flow->again++;
    }
}

// Of the first flow: an answer of its own is not needed for others.
static uint32_t stream_position(void) { return flow_count ? flows[0].highest - flows[0].start : 0; }

static uint64_t sent_again(void) {
    uint64_t sum = 0;
    for (int i = 0; i < flow_count; i++) sum += flows[i].again;
    return sum;
}

static bool is_lost(struct way *way, int64_t at) {
    if (way == &ways[0] && burst_left > 0) {
        if (burst_left == burst_count) burst_began = at;
        if (--burst_left == 0) {
            printf("{\"began\": %" PRId64 ", \"ended\": %" PRId64 ", \"position\": %u, \"sentAgain\": %" PRIu64 "}\n", burst_began,
                   at, stream_position(), sent_again());
            fflush(stdout);
        }
        return true;
    }
    return way->loss > 0 && chance() < way->loss;
}

// Puts the frame that was read into the next place on the way, or drops it.
static void frame_came(struct way *way, int size, int64_t at) {
    struct frame *frame = &way->flying[way->flying_end % FLYING_MAX];
    way->sent++;
    if (way == &ways[0]) follow(frame->bytes, size);
    if (is_lost(way, at)) {
        way->lost++;
        return;
    }
    while (way->departures_first != way->departures_end && way->departures[way->departures_first % FLYING_MAX] <= at)
        way->departures_first++;
    int waiting = (int)(way->departures_end - way->departures_first);
    if (waiting >= way->queue_max) {
        way->queue_full++;
        return;
    }
    int64_t begin = way->busy_until > at ? way->busy_until : at;
    add(&way->waits, begin - at);
    if (waiting + 1 > way->longest) way->longest = waiting + 1;
    way->busy_until = begin + (int64_t)((uint64_t)size * 8 * 1000000000 / way->bits_per_second);
    way->departures[way->departures_end++ % FLYING_MAX] = way->busy_until;
    frame->due = way->busy_until + way->delay;
    frame->size = size;
    way->flying_end++;
}

static void deliver(struct way *way, int64_t at) {
    while (way->flying_first != way->flying_end) {
        struct frame *frame = &way->flying[way->flying_first % FLYING_MAX];
        if (frame->due > at) return;
        if (write(way->out, frame->bytes, (size_t)frame->size) != frame->size) way->refused++;
        // By now it has arrived: a device's other end takes a frame within the write.
        at = now();
        add(&way->lateness, at - frame->due);
        way->flying_first++;
    }
}

// Whether there may be more.
static bool read_frames(struct way *way) {
    for (int i = 0; i < READS_MAX; i++) {
        if (way->flying_end - way->flying_first == FLYING_MAX) {
            uint8_t nowhere[FRAME_MAX];
            if (read(way->in, nowhere, sizeof nowhere) <= 0) return false;
            way->overflown++;
            continue;
        }
        ssize_t size = read(way->in, way->flying[way->flying_end % FLYING_MAX].bytes, FRAME_MAX);
        if (size <= 0) return false;
        frame_came(way, (int)size, now());
    }
    return true;
}

static void end(void) {
    struct way *w = &ways[0];
    uint64_t overflown = 0, refused = 0;
    for (int i = 0; i < 2; i++) overflown += ways[i].overflown, refused += ways[i].refused;
    printf("{\"sent\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"queueFull\": %" PRIu64 ", \"sentAgain\": %" PRIu64
           ", \"longest\": %d, \"waitMean\": %.3f, \"waitP99\": %.3f, \"void\": %" PRIu64
           ", \"lateP50\": %.4f, \"lateP99\": %.4f, \"lateP999\": %.4f, \"lateMost\": %.4f}\n",
           w->sent, w->lost, w->queue_full, sent_again(), w->longest, w->waits.count ? w->waits.sum / (double)w->waits.count / 1e6 : 0,
           quantile(&w->waits, 0.99), overflown + refused, quantile(&w->lateness, 0.5), quantile(&w->lateness, 0.99),
           quantile(&w->lateness, 0.999), (double)w->lateness.most / 1e6);
    fflush(stdout);
}

// A line of standard input; false at the end.
static bool command(void) {
    char line[64];
    if (!fgets(line, sizeof line, stdin)) return false;
    if (sscanf(line, "burst %d", &burst_count) == 1) {
        burst_left = burst_count;
        return true;
    }
    return false;
}

int main(int count, char **words) {
    if (count != 8) {
        fprintf(stderr, "path FD-A FD-B BITS-PER-SECOND DELAY-NS QUEUE-FRAMES LOSS SEED\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        struct way *way = &ways[i];
        way->in = atoi(words[1 + i]);
        way->out = atoi(words[2 - i]);
        way->loss = i == 0 ? atof(words[6]) : 0;
        way->bits_per_second = strtoull(words[3], NULL, 10);
        way->delay = atoll(words[4]);
        way->queue_max = atoi(words[5]);
        way->flying = calloc(FLYING_MAX, sizeof(struct frame));
        if (!way->flying || way->bits_per_second == 0) return 2;
    }
    random_state = strtoull(words[7], NULL, 10);
    struct pollfd polled[3] = {{ways[0].in, POLLIN, 0}, {ways[1].in, POLLIN, 0}, {0, POLLIN, 0}};
    for (;;) {
        int64_t next = INT64_MAX;
        for (int i = 0; i < 2; i++) {
            deliver(&ways[i], now());
            struct way *w = &ways[i];
            if (w->flying_first != w->flying_end && w->flying[w->flying_first % FLYING_MAX].due < next)
                next = w->flying[w->flying_first % FLYING_MAX].due;
        }
        int64_t left = next == INT64_MAX ? 1000000000 : next - now();
        if (left < 0) left = 0;
        struct timespec t = {left / 1000000000, left % 1000000000};
        if (ppoll(polled, 3, &t, NULL) < 0 && errno != EINTR) return 1;
        for (int i = 0; i < 2; i++)
            if (polled[i].revents) read_frames(&ways[i]);
        if (polled[2].revents && !command()) break;
    }
    end();
    return 0;
}
