/*
 * log_limit.c - a bounded table of the peers and devices that wrote log lines lately. A flood must not fill the host's
 * disk or hide other lines. So each key has an allowance, and all keys of a share together have one, because a client
 * can use many keys.
 */
#include "base/log_limit.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"

#include <string.h>

#define REPORT_AFTER (10 * ms_to_ns(VH_T_LOG_REFILL))

enum { ALL = 10 }; /* all keys of a share together have so many times the allowance of one */

struct keyed {
    uint64_t key; /* 0: free */
    enum log_share share;
    int64_t busy_until;
    int64_t report_at; /* when left_out is logged; meaningless while left_out is 0 */
    uint64_t left_out;
    char whom[96];
};

static struct keyed table[VH_LOG_KEYS];
static struct keyed all[LOG_SHARES] = {
    [LOG_STRANGERS] = {.whom = "strangers"},
    [LOG_REFUSALS] = {.whom = "requests that were refused"},
    [LOG_CHANGES] = {.whom = "requests that changed something"},
    [LOG_ADMIN_REFUSALS] = {.whom = "requests of admins that were refused"},
    [LOG_ADMIN_CHANGES] = {.whom = "requests of admins that changed something"},
    [LOG_DEVICES] = {.whom = "devices"},
    [LOG_VMS] = {.whom = "VMs"},
};

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

/* A change costs its client more than a line costs the log, and is worth more. */
static int64_t times(enum log_share share) {
    return share == LOG_CHANGES || share == LOG_ADMIN_CHANGES ? VH_LOG_CHANGES : 1;
}

/* n: the number of usual allowances that k has. */
static bool take(struct keyed *k, int64_t n, int64_t now) {
    int64_t refill = ms_to_ns(VH_T_LOG_REFILL) / n;
    if (now > VH_NEVER / 2) /* no clock gets there, but a sum must not overflow */
        now = VH_NEVER / 2;
    if (k->busy_until < now)
        k->busy_until = now;
    if (k->busy_until - now <= (n * VH_LOG_BURST - 1) * refill) {
        k->busy_until += refill;
        return true;
    }
    if (k->left_out++ == 0)
        k->report_at = now + REPORT_AFTER;
    return false;
}

static bool take_of_all(enum log_share share, int64_t now) {
    return take(&all[share], ALL * times(share), now);
}

/* Whoever has many keys must not get a line for each of them by that: the share pays for it, or has it in its count. */
static void evict(struct keyed *k, int64_t now) {
    if (k->left_out > 0 && !take_of_all(k->share, now))
        all[k->share].left_out += k->left_out;
    else
        report(k);
    memset(k, 0, sizeof *k);
}

static struct keyed *find(enum log_share share, uint64_t key, const char *whom, int64_t now) {
    struct keyed *best = &table[0];
    for (int i = 0; i < VH_LOG_KEYS; i++) {
        if (table[i].key == key && table[i].share == share)
            return &table[i];
        if (best->key != 0 && (table[i].key == 0 || table[i].busy_until < best->busy_until))
            best = &table[i];
    }
    evict(best, now);
    best->key = key;
    best->share = share;
    (void)str_copy(best->whom, sizeof best->whom, whom); /* a long name may be cut */
    return best;
}

bool log_may(enum log_share share, uint64_t key, const char *whom, int64_t now) {
    return take(find(share, key, whom, now), times(share), now) && take_of_all(share, now);
}

bool log_may_about(enum log_share share, const char *name, int64_t now) {
    char whom[VH_NAME_MAX + 8];
    VH_ASSERT(str_fmt(whom, sizeof whom, "%s%s", share == LOG_VMS ? "VM " : "", name));
    return log_may(share, log_key(name, strlen(name)), whom, now);
}

static int64_t due(const struct keyed *k) {
    return k->left_out > 0 ? k->report_at : VH_NEVER;
}

static int64_t earliest(const struct keyed *k, int n, int64_t at) {
    for (int i = 0; i < n; i++)
        at = due(&k[i]) < at ? due(&k[i]) : at;
    return at;
}

int64_t log_limit_deadline(void) {
    return earliest(table, VH_LOG_KEYS, earliest(all, LOG_SHARES, VH_NEVER));
}

static void tell_due(struct keyed *k, int n, int64_t now) {
    for (int i = 0; i < n; i++) {
        if (due(&k[i]) <= now)
            report(&k[i]);
    }
}

void log_limit_tick(int64_t now) {
    tell_due(all, LOG_SHARES, now);
    tell_due(table, VH_LOG_KEYS, now);
}
