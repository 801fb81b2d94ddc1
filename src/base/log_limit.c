/*
 * log_limit.c - a bounded table of the peers and devices that wrote log lines lately. A flood must not fill the host's
 * disk or hide other lines. So each key has an allowance, and all keys together have one, because a client can use many
 * keys.
 */
#include "base/log_limit.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"

#include <string.h>

#define REFILL ms_to_ns(VH_T_LOG_REFILL)
#define REPORT_AFTER (10 * REFILL)
#define ALL_BURST (INT64_C(10) * VH_LOG_BURST)
#define ALL_REFILL (REFILL / 10)

struct keyed {
    uint64_t key; /* 0: free */
    int64_t busy_until;
    int64_t report_at; /* when left_out is logged; meaningless while left_out is 0 */
    uint64_t left_out;
    char whom[96];
};

static struct keyed table[VH_LOG_KEYS];
static struct keyed all = {.key = 1, .whom = "everybody"};

uint64_t log_key(const void *bytes, size_t n) {
    const unsigned char *p = bytes;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h != 0 ? h : 1;
}

static void report(struct keyed *k) {
    if (k->left_out > 0)
        log_warn("%llu more log lines about %s were left out", (unsigned long long)k->left_out, k->whom);
    k->left_out = 0;
}

static struct keyed *find(uint64_t key, const char *whom) {
    struct keyed *best = &table[0];
    for (int i = 0; i < VH_LOG_KEYS; i++) {
        if (table[i].key == key)
            return &table[i];
        if (best->key != 0 && (table[i].key == 0 || table[i].busy_until < best->busy_until))
            best = &table[i];
    }
    report(best);
    memset(best, 0, sizeof *best);
    best->key = key;
    (void)str_copy(best->whom, sizeof best->whom, whom); /* a long name may be cut */
    return best;
}

static bool take(struct keyed *k, int64_t burst, int64_t refill, int64_t now) {
    if (k->busy_until < now)
        k->busy_until = now;
    if (k->busy_until - now <= (burst - 1) * refill) {
        k->busy_until += refill;
        return true;
    }
    if (k->left_out++ == 0)
        k->report_at = now + REPORT_AFTER;
    return false;
}

bool log_may(uint64_t key, const char *whom, int64_t now) {
    return take(find(key, whom), VH_LOG_BURST, REFILL, now) && take(&all, ALL_BURST, ALL_REFILL, now);
}

int64_t log_limit_deadline(void) {
    int64_t at = all.left_out > 0 ? all.report_at : VH_NEVER;
    for (int i = 0; i < VH_LOG_KEYS; i++) {
        if (table[i].left_out > 0 && table[i].report_at < at)
            at = table[i].report_at;
    }
    return at;
}

void log_limit_tick(int64_t now) {
    if (all.left_out > 0 && all.report_at <= now)
        report(&all);
    for (int i = 0; i < VH_LOG_KEYS; i++) {
        if (table[i].left_out > 0 && table[i].report_at <= now)
            report(&table[i]);
    }
}
