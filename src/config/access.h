/*
 * access.h - which client may make which request. A client's principal is fixed at accept from kernel facts; default
 * deny. Pure.
 */
#ifndef VHOTPLUG_ACCESS_H
#define VHOTPLUG_ACCESS_H

#include "base/model.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel says about a peer. */
struct peer_facts {
    enum transport transport;
    uint32_t uid, gid; /* unix */
    int32_t pid;
    int ngroups;
    uint32_t groups[VH_MAX_GROUPS]; /* supplementary ones */
    uint32_t cid;                   /* vsock */
    uint8_t address[16];            /* tcp: IPv6, or IPv4 mapped into it */
    char text[64];                  /* the address as text */
};

/* Fills *p. A client of role ROLE_NONE is to be closed unread. `alive`: the VMs known to run; a guest of any other VM
 * has no access. */
void access_judge(const struct api_conf *c, const struct peer_facts *f, vm_set alive, struct principal *p);
/* May this principal make this kind of request at all? On refusal *why is static text. */
bool access_may(const struct principal *p, enum request_kind kind, const char **why);
/* May this principal see serial numbers, the VM of each device, and devices of others? */
bool access_sees_all(const struct principal *p);
bool access_same_peer(const struct peer *a, const struct peer *b);

#endif
