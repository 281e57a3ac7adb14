// dpdk-lpm6: IPv6 longest-prefix lookups a second in DPDK's rte_lpm6, with the 200,000 prefixes and the keys of prefixes6.h.
//
// Two ways of asking (one key a call, 64 in bulk) for two series of keys (drawn from the table's own prefixes; anywhere within
// what the holders of prefixes have), and for each series a digest of all next hops, as in dpdk-lpm.
//
// usage: dpdk-lpm6 SECS
//
// Copyright: see LICENSE (Apache License 2.0).
#include <rte_eal.h>
#include <rte_lpm6.h>
#include <rte_memory.h>

#include "bench.h"
#include "prefixes6.h"

enum { TBL8_GROUPS = 1 << 19 };

static uint32_t holders[HOLDER6_COUNT];
static struct prefix6 prefixes[PREFIX6_COUNT];
static address6 numbers[KEY_COUNT];
static uint8_t keys[KEY_COUNT][RTE_LPM6_IPV6_ADDR_SIZE];

static void write_address(uint8_t *to, address6 address) {
    for (int i = 0; i < 16; i++) to[i] = (uint8_t)(address >> (120 - 8 * i));
}

static uint64_t one(const struct rte_lpm6 *lpm) {
    uint64_t sum = 0;
    for (int i = 0; i < KEY_COUNT; i++) {
        uint32_t hop;
        if (rte_lpm6_lookup(lpm, keys[i], &hop) == 0) sum += hop;
    }
    return sum;
}

static uint64_t bulk(const struct rte_lpm6 *lpm) {
    uint64_t sum = 0;
    for (int i = 0; i < KEY_COUNT; i += 64) {
        int32_t hops[64];
        rte_lpm6_lookup_bulk_func(lpm, keys + i, hops, 64);
        for (int k = 0; k < 64; k++)
            if (hops[k] >= 0) sum += (uint32_t)hops[k];
    }
    return sum;
}

static void measure(const char *series, const char *way, uint64_t (*pass)(const struct rte_lpm6 *), const struct rte_lpm6 *lpm,
                    double secs) {
    for (int i = 0; i < KEY_COUNT; i++) write_address(keys[i], numbers[i]);
    uint64_t sum = pass(lpm), hits = 0, d = DIGEST_START;
    for (int i = 0; i < KEY_COUNT; i++) {
        uint32_t hop = 0;
        if (rte_lpm6_lookup(lpm, keys[i], &hop) == 0) hits++;
        else hop = 0;
        d = digest_step(d, hop);
    }
    double start = spent(), elapsed;
    long passes = 0;
    do {
        if (pass(lpm) != sum) exit(1);
        passes++;
        elapsed = spent() - start;
    } while (elapsed < secs);
    char bench[64], extra[160];
    snprintf(bench, sizeof bench, "lpm6-%s-%s", series, way);
    snprintf(extra, sizeof extra, ",\"hits\":%lu,\"digest\":\"%016lx\"", hits, d);
    report(bench, "dpdk", (double)passes * KEY_COUNT / elapsed, "lookups/s", extra);
}

int main(int argc, char **argv) {
    double secs = argc > 1 ? atof(argv[1]) : 2;
    char *eal[] = {argv[0], "--no-huge", "--no-pci", "--no-telemetry", "-m", "1024", "-l", "0", "--log-level", "4", NULL};
    if (rte_eal_init(10, eal) < 0) {
        fprintf(stderr, "dpdk-lpm6: DPDK does not start here\n");
        return 1;
    }
    make_holders6(holders);
    make_prefixes6(prefixes, holders);
    struct rte_lpm6_config config = {.max_rules = PREFIX6_COUNT, .number_tbl8s = TBL8_GROUPS};
    struct rte_lpm6 *lpm = rte_lpm6_create("bench", SOCKET_ID_ANY, &config);
    if (lpm == NULL) {
        fprintf(stderr, "dpdk-lpm6: rte_lpm6_create failed\n");
        return 1;
    }
    double start = spent();
    for (int i = 0; i < PREFIX6_COUNT; i++) {
        uint8_t address[16];
        write_address(address, prefixes[i].address);
        if (rte_lpm6_add(lpm, address, prefixes[i].length, prefixes[i].next_hop) != 0) {
            fprintf(stderr, "dpdk-lpm6: prefix %d not added\n", i);
            return 1;
        }
    }
    report("lpm6-build", "dpdk", PREFIX6_COUNT / (spent() - start), "prefixes/s", "");
    make_own_keys6(numbers, prefixes);
    measure("own", "one", one, lpm, secs);
    measure("own", "bulk64", bulk, lpm, secs);
    make_near_keys6(numbers, holders);
    measure("near", "one", one, lpm, secs);
    measure("near", "bulk64", bulk, lpm, secs);
    rte_lpm6_free(lpm);
    return 0;
}
