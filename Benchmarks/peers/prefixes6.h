// prefixes6.h: the IPv6 forwarding table and the keys of the longest-prefix-match benchmark, the same in every language.
//
// Draws come from xorshift64* as in prefixes.h; "word" is draw() >> 32.
//
// Holders (seed HOLDER6_SEED, HOLDER6_COUNT of them): the first 32 bits of what an internet registry gave to one network:
//     region[word mod 6] << 20 | (word & 0xffff8), the regions being the six /12 blocks in use.
// Table (seed PREFIX6_SEED, PREFIX6_COUNT prefixes). To make prefix number i, repeat until it is new:
//     length = the first length whose running total of the weights below exceeds word mod 100000
//     address = holder[word mod HOLDER6_COUNT] << 96 | word << 64 | draw(), with the host bits cleared
// and its next hop is 1 + i mod 65535. A key that no prefix covers has next hop 0.
//
// Own keys (seed OWN6_SEED): three draws each, address[word mod PREFIX6_COUNT] | (draw() << 64 | draw() with the prefix bits cleared).
// Near keys (seed NEAR6_SEED): three draws each, holder[word mod HOLDER6_COUNT] << 96 | word << 64 | draw().
//
// The weights follow the shape of the public IPv6 table: 46 % /48, 12 % /32, 10 % /44, 9 % /40, 5 % /36, 4 % /29.
//
// Copyright: see LICENSE (Apache License 2.0).
#ifndef PREFIXES6_H
#define PREFIXES6_H

#include "prefixes.h"

enum { PREFIX6_COUNT = 200000, HOLDER6_COUNT = 40000 };

#define HOLDER6_SEED 0xA0761D6478BD642Full
#define PREFIX6_SEED 0xE7037ED1A0B428DBull
#define OWN6_SEED 0x8EBC6AF09C88C6E3ull
#define NEAR6_SEED 0x589965CC75374CC3ull

// Parts per 100,000 of each length from 20 to 64.
static const uint32_t length6_weights[45] = {
    20, 10, 10, 20, 60, 20, 40, 60, 500,              // /20 to /28
    4000, 700, 300, 12000, 2000, 2000, 1300, 5000,    // /29 to /36
    700, 1200, 800, 9000, 700, 3000, 700, 10000,      // /37 to /44
    900, 3000, 1300, 39960,                           // /45 to /48
    20, 20, 20, 20, 20, 20, 20, 300,                  // /49 to /56
    20, 20, 20, 50, 20, 20, 20, 90,                   // /57 to /64
};

typedef unsigned __int128 address6;

struct prefix6 {
    address6 address;
    uint8_t length;
    uint32_t next_hop;
};

static inline uint32_t word_of(uint64_t *state) { return (uint32_t)(draw(state) >> 32); }

static inline address6 mask6_of(unsigned length) { return length == 0 ? 0 : ~(address6)0 << (128 - length); }

static inline address6 low96(uint64_t *state) {
    address6 high = (address6)word_of(state) << 64;
    return high | draw(state);
}

static inline void make_holders6(uint32_t *holders) {
    static const uint32_t regions[6] = {0x200, 0x240, 0x260, 0x280, 0x2a0, 0x2c0};
    uint64_t state = HOLDER6_SEED;
    for (int i = 0; i < HOLDER6_COUNT; i++) {
        uint32_t region = regions[word_of(&state) % 6];
        holders[i] = region << 20 | (word_of(&state) & 0xffff8);
    }
}

static inline void make_prefixes6(struct prefix6 *table, const uint32_t *holders) {
    enum { SLOTS = 1 << 20 };
    uint32_t *seen = calloc(SLOTS, sizeof *seen);
    uint64_t state = PREFIX6_SEED;
    for (uint32_t i = 0; i < PREFIX6_COUNT;) {
        uint32_t r = word_of(&state) % 100000, step = 0, total = length6_weights[0];
        while (r >= total) total += length6_weights[++step];
        uint8_t length = (uint8_t)(20 + step);
        address6 address = (address6)holders[word_of(&state) % HOLDER6_COUNT] << 96;
        address = (address | low96(&state)) & mask6_of(length);
        uint64_t slot = (((uint64_t)(address >> 64) ^ length) * 0x9E3779B97F4A7C15ull) >> 44;
        while (seen[slot] != 0 && (table[seen[slot] - 1].address != address || table[seen[slot] - 1].length != length))
            slot = (slot + 1) % SLOTS;
        if (seen[slot] != 0) continue;
        table[i] = (struct prefix6){address, length, 1 + i % 65535};
        seen[slot] = ++i;
    }
    free(seen);
}

static inline void make_own_keys6(address6 *keys, const struct prefix6 *table) {
    uint64_t state = OWN6_SEED;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        const struct prefix6 *p = &table[word_of(&state) % PREFIX6_COUNT];
        address6 high = (address6)draw(&state) << 64;
        keys[i] = p->address | ((high | draw(&state)) & ~mask6_of(p->length));
    }
}

static inline void make_near_keys6(address6 *keys, const uint32_t *holders) {
    uint64_t state = NEAR6_SEED;
    for (uint32_t i = 0; i < KEY_COUNT; i++) {
        address6 high = (address6)holders[word_of(&state) % HOLDER6_COUNT] << 96;
        keys[i] = high | low96(&state);
    }
}

#endif
