/*
 * access.h - who may ask what. A principal is fixed at accept from kernel facts; default deny. Pure.
 */
#ifndef VHOTPLUG_ACCESS_H
#define VHOTPLUG_ACCESS_H

#include "base/model.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel says of a peer. */
struct peer_facts {
    enum transport transport;
    uint32_t uid, gid; /* unix */
    int32_t pid;
    int ngroups;
    uint32_t groups[VH_MAX_GROUPS]; /* supplementary ones */
    uint32_t cid;                   /* vsock */
    uint8_t address[16];            /* tcp: IPv6, or IPv4 mapped into it */
    char text[64];                  /* the same for people */
};

/* Fills *p; a role of ROLE_NONE means: close unread. `alive` has the VMs that are known to run: guests of others,
 * whoever they are, have no access. */
void access_judge(const struct api_conf *c, const struct peer_facts *f, vm_set alive, struct principal *p);
/* May this principal make this kind of request at all? On refusal *why is static text. */
bool access_may(const struct principal *p, enum request_kind kind, const char **why);
/* Does it see serial numbers, holders, and what is not its own? */
bool access_sees_all(const struct principal *p);
bool access_same_peer(const struct peer *a, const struct peer *b);

#endif
