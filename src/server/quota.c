/*
 * quota.c - how much of the API each peer uses. A peer's entry outlives its connections for a while, so that connecting
 * again does not reset what it has used. Pure; never reads the clock.
 */
#include "server/quota.h"

#include "base/log.h"
#include "config/access.h"

#include <string.h>

#define BURST ((int64_t)VH_PEER_BURST * ms_to_ns(1000))

/* The peer's entry; else a free one; else that of the disconnected peer that has been idle longest. */
static struct quota_peer *entry_of(struct quota *q, const struct peer *peer) {
    struct quota_peer *best = NULL;
    for (int i = 0; i < VH_MAX_PEERS; i++) {
        struct quota_peer *p = &q->p[i];
        if (p->used && access_same_peer(&p->peer, peer))
            return p;
        if (p->clients > 0)
            continue;
        if (best == NULL || (best->used && (!p->used || p->busy_until < best->busy_until)))
            best = p;
    }
    VH_ASSERT(best != NULL); /* there are fewer connections than entries */
    *best = (struct quota_peer){.used = true, .peer = *peer};
    return best;
}

int quota_enter(struct quota *q, const struct peer *peer, unsigned most) {
    struct quota_peer *p = entry_of(q, peer);
    if (p->clients >= most)
        return -1;
    p->clients++;
    return (int)(p - q->p);
}

void quota_leave(struct quota *q, int entry) {
    VH_ASSERT(entry >= 0 && entry < VH_MAX_PEERS && q->p[entry].clients > 0);
    q->p[entry].clients--;
}

int64_t quota_ready(const struct quota *q, int entry) {
    VH_ASSERT(entry >= 0 && entry < VH_MAX_PEERS);
    return q->p[entry].busy_until - BURST;
}

void quota_charge(struct quota *q, int entry, unsigned cost, uint32_t rate, int64_t now) {
    VH_ASSERT(entry >= 0 && entry < VH_MAX_PEERS && rate > 0);
    struct quota_peer *p = &q->p[entry];
    if (p->busy_until < now)
        p->busy_until = now;
    p->busy_until += ms_to_ns(1000) * (int64_t)cost / rate;
}
