/*
 * quota.h - how much of the API one peer may use: connections at once, and requests over time. Pure; the caller gives
 * the time and owns the table, which is all zero bytes at first.
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
    int64_t busy_until; /* time at which the requests made so far are paid for at the peer's rate */
};

struct quota {
    struct quota_peer p[VH_MAX_PEERS];
};

/* Adds a connection. Returns the peer's index in the table, or -1 if it has `most` connections already. */
int quota_enter(struct quota *q, const struct peer *peer, unsigned most);
void quota_leave(struct quota *q, int entry);
/* The time from which the peer's next request may be read. */
int64_t quota_ready(const struct quota *q, int entry);
/* Counts `cost` requests, of which `rate` a second are allowed. */
void quota_charge(struct quota *q, int entry, unsigned cost, uint32_t rate, int64_t now);

#endif
