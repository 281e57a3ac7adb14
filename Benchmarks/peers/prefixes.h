// prefixes.h: the forwarding table and the keys of the longest-prefix-match benchmark, the same in every language.
//
// Everything comes from xorshift64*:
//     x ^= x >> 12;  x ^= x << 25;  x ^= x >> 27;  output = x * 0x2545F4914F6CDD1D   (64-bit, wrapping)
//
// Table (seed PREFIX_SEED, PREFIX_COUNT prefixes). To make prefix number i, repeat until the pair (address, length) is new:
//     r = draw() >> 32;  length = the first length whose running total of the weights below exceeds r mod 100000
//     a = draw() >> 32;  address = ((1 + (a >> 24) mod 223) << 24 | (a & 0xffffff)) with the host bits cleared
// and its next hop is 1 + i mod 65535. A key that no prefix covers has next hop 0.
//
// Uniform keys (seed UNIFORM_SEED, KEY_COUNT of them): draw() >> 32.
// Own keys (seed OWN_SEED, KEY_COUNT of them): two draws each,
//     j = ((draw() >> 32) * PREFIX_COUNT) >> 32;  key = address[j] | (draw() >> 32 with the prefix bits of j cleared)
//
// Digest of the answers, in key order: d = 0xcbf29ce484222325;  for each next hop h: d = (d ^ h) * 0x100000001b3   (wrapping).
//
// The weights follow the shape of the public IPv4 table: 59.6 % /24, 9.5 % /23, 11 % /22, 10.5 % /21 and /20, 8 % /19 to /16,
// 0.4 % shorter, down to /8, and 1 % longer than /24.
//
// Copyright: see LICENSE (Apache License 2.0).
#ifndef PREFIXES_H
#define PREFIXES_H

#include <stdint.h>
#include <stdlib.h>

enum { PREFIX_COUNT = 1000000, KEY_COUNT = 1 << 20 };

#define PREFIX_SEED 0x9E3779B97F4A7C15ull
#define UNIFORM_SEED 0xD1B54A32D192ED03ull
#define OWN_SEED 0x8CB92BA72F3D8DD7ull

// Parts per 100,000 of each length from 0 to 32.
static const uint32_t length_weights[33] = {
    0, 0, 0, 0, 0, 0, 0, 0,                          // /0 to /7
    1, 1, 4, 9, 30, 55, 110, 190,                    // /8 to /15
    2000, 1200, 1800, 3000, 5000, 5500, 11000, 9500, // /16 to /23
    59600, 200, 200, 150, 150, 100, 100, 20, 80,     // /24 to /32
};

struct prefix {
    uint32_t address;
    uint8_t length;
    uint32_t next_hop;
};

static inline uint64_t draw(uint64_t *state) {
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * 0x2545F4914F6CDD1Dull;
}

static inline uint32_t mask_of(unsigned length) {
    return length == 0 ? 0 : 0xffffffffu << (32 - length);
}

static inline void make_prefixes(struct prefix *table) {
    // Pairs already drawn, by open addressing. 0 marks a free slot: no pair is 0, because no length is.
    enum { SLOTS = 1 << 22 };
    uint64_t *seen = calloc(SLOTS, sizeof *seen);
    uint64_t state = PREFIX_SEED;
    for (uint32_t i = 0; i < PREFIX_COUNT;) {
        uint32_t r = (uint32_t)(draw(&state) >> 32) % 100000, length = 0, total = length_weights[0];
        while (r >= total) total += length_weights[++length];
        uint32_t a = (uint32_t)(draw(&state) >> 32);
        uint32_t address = ((1 + (a >> 24) % 223) << 24 | (a & 0xffffff)) & mask_of(length);
        uint64_t pair = (uint64_t)address << 8 | length;
        uint64_t slot = (pair * 0x9E3779B97F4A7C15ull) >> 42;
        while (seen[slot] != 0 && seen[slot] != pair) slot = (slot + 1) % SLOTS;
        if (seen[slot] == pair) continue;
        seen[slot] = pair;
        table[i] = (struct prefix){address, (uint8_t)length, 1 + i % 65535};
        i++;
    }
    free(seen);
}

static inline void make_uniform_keys(uint32_t *keys) {
    uint64_t state = UNIFORM_SEED;
    for (uint32_t i = 0; i < KEY_COUNT; i++) keys[i] = (uint32_t)(draw(&state) >> 32);
}

static inline void make_own_keys(uint32_t *keys, const struct prefix *table) {
    uint64_t state = OWN_SEED;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        const struct prefix *p = &table[((draw(&state) >> 32) * PREFIX_COUNT) >> 32];
        keys[i] = p->address | ((uint32_t)(draw(&state) >> 32) & ~mask_of(p->length));
    }
}

static inline uint64_t digest_step(uint64_t d, uint32_t next_hop) {
    return (d ^ next_hop) * 0x100000001b3ull;
}
#define DIGEST_START 0xcbf29ce484222325ull

#endif
