// bench.h: the clock and the one-line JSON report that every program here shares.
//
// Copyright: see LICENSE (Apache License 2.0).
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// The processor time this thread has had: other programs on the machine take none of it.
static inline double spent(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// `extra` is more members of the JSON object, with their leading comma, or "".
static inline void report(const char *bench, const char *peer, double value, const char *unit, const char *extra) {
    printf("{\"bench\":\"%s\",\"peer\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"%s}\n", bench, peer, value, unit, extra);
    fflush(stdout);
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

#endif
