// c-checksum: Internet checksum (RFC 1071) in portable C, 32-bit words added into 64 bits, which the compiler vectorises.
//
// 64 B, 1,500 B and 64 KiB in the cache, GB/s. A compiler barrier before every call keeps it in the loop; writing to the buffer would do so too,
// but loading a vector over a byte just written stalls, which at 64 B is most of the time measured.
//
// usage: c-checksum SECS
//
// Copyright: see LICENSE (Apache License 2.0).
#include <stdint.h>
#include <string.h>

#include "bench.h"

static __attribute__((noinline)) uint16_t checksum(const uint8_t *b, size_t n) {
    uint64_t sum = 0;
    size_t words = n / 4;
    for (size_t i = 0; i < words; i++) {
        uint32_t w;
        memcpy(&w, b + 4 * i, 4);
        sum += w;
    }
    b += 4 * words;
    if (n & 2) {
        uint16_t w;
        memcpy(&w, b, 2);
        sum += w;
        b += 2;
    }
    if (n & 1) sum += *b;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

int main(int argc, char **argv) {
    double secs = argc > 1 ? atof(argv[1]) : 1;
    static uint8_t buffer[65536] __attribute__((aligned(64)));
    for (size_t i = 0; i < sizeof buffer; i++) buffer[i] = (uint8_t)(i * 31 + 7);
    const size_t sizes[] = {64, 1500, 65536};
    for (int s = 0; s < 3; s++) {
        size_t n = sizes[s], calls = 0, round = (1 << 24) / n;
        uint64_t mix = 0;
        double start = now(), elapsed;
        do {
            for (size_t i = 0; i < round; i++) {
                __asm__ volatile("" : : "r"(buffer) : "memory");
                mix += checksum(buffer, n);
            }
            calls += round;
            elapsed = now() - start;
        } while (elapsed < secs);
        char bench[32], extra[80];
        snprintf(bench, sizeof bench, "checksum-%zu", n);
        snprintf(extra, sizeof extra, ",\"ns\":%.2f,\"checksum\":\"%04x\"%s", elapsed * 1e9 / calls, checksum(buffer, n),
                 mix == 0 ? ",\"empty\":true" : "");
        report(bench, "c", (double)calls * n / elapsed / 1e9, "GB/s", extra);
    }
    return 0;
}
