// dpdk-lpm: IPv4 longest-prefix lookups a second in DPDK's rte_lpm, with the 1,000,000 prefixes and the keys of prefixes.h.
//
// Three ways of asking (one key a call, four, 64 in bulk) for two series of keys (uniform over all addresses; drawn from the
// table's own prefixes), and for each series a digest of all next hops, so that another implementation can prove it answers alike.
//
// rte_lpm_add searches all prefixes of the same length one after another, so building the table takes minutes. The finished
// lookup arrays are therefore kept in work/lpm.tables and put back in place on the next run; the lookups are the same either way.
//
// usage: dpdk-lpm SECS
//
// Copyright: see LICENSE (Apache License 2.0).
#include <string.h>
#include <sys/mman.h>

#include <rte_eal.h>
#include <rte_lpm.h>
#include <rte_vect.h>

#include "bench.h"
#include "prefixes.h"

enum { TBL8_GROUPS = 16384, TBL8_ENTRIES = TBL8_GROUPS * RTE_LPM_TBL8_GROUP_NUM_ENTRIES };
#define TABLES "work/lpm.tables"

static struct prefix prefixes[PREFIX_COUNT];
static uint32_t uniform[KEY_COUNT], own[KEY_COUNT];

static int load(struct rte_lpm *lpm, uint64_t stamp) {
    FILE *f = fopen(TABLES, "rb");
    if (f == NULL) return 0;
    uint64_t found = 0;
    int ok = fread(&found, sizeof found, 1, f) == 1 && found == stamp
        && fread(lpm->tbl24, sizeof lpm->tbl24, 1, f) == 1
        && fread(lpm->tbl8, sizeof *lpm->tbl8, TBL8_ENTRIES, f) == TBL8_ENTRIES;
    fclose(f);
    return ok;
}

static void save(const struct rte_lpm *lpm, uint64_t stamp) {
    FILE *f = fopen(TABLES, "wb");
    if (f == NULL) return;
    int ok = fwrite(&stamp, sizeof stamp, 1, f) == 1 && fwrite(lpm->tbl24, sizeof lpm->tbl24, 1, f) == 1
        && fwrite(lpm->tbl8, sizeof *lpm->tbl8, TBL8_ENTRIES, f) == TBL8_ENTRIES;
    if (fclose(f) != 0 || !ok) remove(TABLES);
}

static uint64_t one(const struct rte_lpm *lpm, const uint32_t *keys) {
    uint64_t sum = 0;
    for (int i = 0; i < KEY_COUNT; i++) {
        uint32_t hop;
        if (rte_lpm_lookup(lpm, keys[i], &hop) == 0) sum += hop;
    }
    return sum;
}

static uint64_t four(const struct rte_lpm *lpm, const uint32_t *keys) {
    uint64_t sum = 0;
    for (int i = 0; i < KEY_COUNT; i += 4) {
        uint32_t hops[4];
        rte_lpm_lookupx4(lpm, _mm_loadu_si128((const __m128i *)(keys + i)), hops, 0);
        sum += (uint64_t)hops[0] + hops[1] + hops[2] + hops[3];
    }
    return sum;
}

static uint64_t bulk(const struct rte_lpm *lpm, const uint32_t *keys) {
    uint64_t sum = 0;
    for (int i = 0; i < KEY_COUNT; i += 64) {
        uint32_t hops[64];
        rte_lpm_lookup_bulk(lpm, keys + i, hops, 64);
        for (int k = 0; k < 64; k++)
            if (hops[k] & RTE_LPM_LOOKUP_SUCCESS) sum += hops[k] & 0xffffff;
    }
    return sum;
}

static void measure(const char *series, const char *way, uint64_t (*pass)(const struct rte_lpm *, const uint32_t *),
                    const struct rte_lpm *lpm, const uint32_t *keys, double secs) {
    uint64_t sum = pass(lpm, keys), hits = 0, d = DIGEST_START;
    for (int i = 0; i < KEY_COUNT; i++) {
        uint32_t hop = 0;
        if (rte_lpm_lookup(lpm, keys[i], &hop) == 0) hits++;
        else hop = 0;
        d = digest_step(d, hop);
    }
    double start = spent(), elapsed;
    long passes = 0;
    do {
        if (pass(lpm, keys) != sum) exit(1);
        passes++;
        elapsed = spent() - start;
    } while (elapsed < secs);
    char bench[64], extra[160];
    snprintf(bench, sizeof bench, "lpm-%s-%s", series, way);
    snprintf(extra, sizeof extra, ",\"hits\":%lu,\"sum\":%lu,\"digest\":\"%016lx\"", hits, sum, d);
    report(bench, "dpdk", (double)passes * KEY_COUNT / elapsed, "lookups/s", extra);
}

int main(int argc, char **argv) {
    double secs = argc > 1 ? atof(argv[1]) : 2;
    char *eal[] = {argv[0], "--no-huge", "--no-pci", "--no-telemetry", "-m", "512", "-l", "0", "--log-level", "4", NULL};
    if (rte_eal_init(10, eal) < 0) {
        fprintf(stderr, "dpdk-lpm: DPDK does not start here\n");
        return 1;
    }
    make_prefixes(prefixes);
    make_uniform_keys(uniform);
    make_own_keys(own, prefixes);
    uint64_t stamp = DIGEST_START;
    for (int i = 0; i < PREFIX_COUNT; i++)
        stamp = digest_step(stamp, prefixes[i].address ^ (uint32_t)prefixes[i].length << 24 ^ prefixes[i].next_hop);

    struct rte_lpm_config config = {.max_rules = PREFIX_COUNT, .number_tbl8s = TBL8_GROUPS};
    struct rte_lpm *lpm = rte_lpm_create("bench", SOCKET_ID_ANY, &config);
    if (lpm == NULL) {
        fprintf(stderr, "dpdk-lpm: rte_lpm_create failed\n");
        return 1;
    }
    // Random lookups in 64 MiB of small pages measure the address translation as well. This asks for large ones; where the kernel
    // does not give them to the shared memory DPDK uses (/sys/kernel/mm/transparent_hugepage/shmem_enabled), it changes nothing.
    uintptr_t from = (uintptr_t)lpm & ~(uintptr_t)0x1fffff;
    madvise((void *)from, (uintptr_t)lpm + sizeof *lpm - from, MADV_HUGEPAGE);

    double start = now();
    if (!load(lpm, stamp)) {
        fprintf(stderr, "dpdk-lpm: building the table, this takes minutes the first time\n");
        for (int i = 0; i < PREFIX_COUNT; i++)
            if (rte_lpm_add(lpm, prefixes[i].address, prefixes[i].length, prefixes[i].next_hop) != 0) {
                fprintf(stderr, "dpdk-lpm: prefix %d not added\n", i);
                return 1;
            }
        report("lpm-build", "dpdk", now() - start, "s", "");
        save(lpm, stamp);
    }
    measure("uniform", "one", one, lpm, uniform, secs);
    measure("uniform", "x4", four, lpm, uniform, secs);
    measure("uniform", "bulk64", bulk, lpm, uniform, secs);
    measure("own", "one", one, lpm, own, secs);
    measure("own", "x4", four, lpm, own, secs);
    measure("own", "bulk64", bulk, lpm, own, secs);
    rte_lpm_free(lpm);
    return 0;
}
