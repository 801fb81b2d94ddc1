/*
 * quota.h - how much of the API one peer may take: connections at once, and requests over time. Pure; the caller has
 * the clock and owns the table, which is all zero bytes at first.
 */
#ifndef VHOTPLUG_QUOTA_H
#define VHOTPLUG_QUOTA_H

#include "base/limits.h"
#include "base/model.h"

#include <stdbool.h>
#include <stdint.h>

struct quota_peer {
    bool used;
    struct peer peer;
    unsigned clients;   /* connected now */
    int64_t busy_until; /* its requests so far, at its rate, fill the time up to here */
};

struct quota {
    struct quota_peer p[VH_MAX_PEERS];
};

/* One connection more: the peer's place in the table, or -1 if it has `most` already. */
int quota_enter(struct quota *q, const struct peer *peer, unsigned most);
void quota_leave(struct quota *q, int place);
/* When its next request may be read; not after now: at once. */
int64_t quota_ready(const struct quota *q, int place);
/* Requests made: `cost` of them, at `rate` a second. */
void quota_charge(struct quota *q, int place, unsigned cost, uint32_t rate, int64_t now);

#endif
