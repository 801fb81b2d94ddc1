/*
 * access.c - gives each client its principal from kernel facts, and says which kinds of request a role may make. Denies
 * by default. Never looks at devices and VMs: the core decides which of them a request may touch.
 */
#include "config/access.h"

#include "base/str.h"

#include <string.h>

static bool cid_listed(const struct api_conf *c, uint32_t cid) {
    for (int i = 0; i < c->ncids; i++) {
        if (c->cids[i] == cid)
            return true;
    }
    return false;
}

static bool in_group(const struct peer_facts *f, uint32_t gid) {
    for (int i = 0; i < f->ngroups; i++) {
        if (f->groups[i] == gid)
            return true;
    }
    return f->gid == gid;
}

static bool in_net(const uint8_t address[16], const uint8_t net[16], unsigned bits) {
    for (unsigned i = 0; i < bits; i++) {
        if (((address[i / 8] ^ net[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

static bool is_meant(const struct access_conf *a, const struct peer_facts *f) {
    switch (a->kind) {
    case ACCESS_CID:
        return f->transport == TRANSPORT_VSOCK && a->id == f->cid;
    case ACCESS_UID:
        return f->transport == TRANSPORT_UNIX && a->id == f->uid;
    case ACCESS_GID:
        return f->transport == TRANSPORT_UNIX && in_group(f, a->id);
    case ACCESS_NET:
        return f->transport == TRANSPORT_TCP && in_net(f->address, a->net, a->bits);
    }
    return false;
}

/* The role without `clients`, as configurations of the older daemons expect it. Only VSOCK is closed by default. */
static enum role role_by_transport(const struct api_conf *c, const struct peer_facts *f) {
    switch (f->transport) {
    case TRANSPORT_UNIX:
        return ROLE_ADMIN; /* the host chose the socket's permissions */
    case TRANSPORT_TCP:
        return ROLE_OPERATOR;
    case TRANSPORT_VSOCK:
        break;
    }
    if (c->cid_policy == CIDS_NOBODY)
        return ROLE_NONE;
    /* CIDs 0 to 2 are the hypervisor, the loopback and the host, never a guest: "any" does not include them. */
    return cid_listed(c, f->cid) || (f->cid > 2 && c->cid_policy == CIDS_ANY) ? ROLE_OPERATOR : ROLE_NONE;
}

static void put32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static bool is_mapped_v4(const uint8_t a[16]) {
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a, prefix, sizeof prefix) == 0;
}

/* ::1 and 127.0.0.0/8: whoever has one of these addresses has all of them. */
static bool is_loopback(const uint8_t a[16]) {
    static const uint8_t v6[16] = {[15] = 1};
    return memcmp(a, v6, sizeof v6) == 0 || (is_mapped_v4(a) && a[12] == 127);
}

/* The part of an address that nobody can change at will. */
static void put_address(uint8_t id[16], const uint8_t address[16]) {
    static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    if (is_loopback(address))
        memcpy(id, loopback, sizeof loopback);
    else
        memcpy(id, address, is_mapped_v4(address) ? 16 : 8);
}

/* False if the peer cannot be named in the log; such a peer gets no access. */
static bool name_peer(const struct peer_facts *f, struct principal *p) {
    memset(&p->peer, 0, sizeof p->peer);
    p->peer.transport = f->transport;
    switch (f->transport) {
    case TRANSPORT_UNIX:
        put32(p->peer.id, f->uid);
        return str_fmt(p->name, sizeof p->name, "unix uid=%u gid=%u pid=%d", f->uid, f->gid, f->pid);
    case TRANSPORT_VSOCK:
        put32(p->peer.id, f->cid);
        return str_fmt(p->name, sizeof p->name, "vsock cid=%u", f->cid);
    case TRANSPORT_TCP:
        put_address(p->peer.id, f->address);
        return str_fmt(p->name, sizeof p->name, "tcp %s", f->text);
    }
    return false;
}

void access_judge(const struct api_conf *c, const struct peer_facts *f, vm_set alive, struct principal *p) {
    bool named = name_peer(f, p);
    const struct access_conf *found = NULL;
    for (int i = 0; i < c->naccess && found == NULL; i++) {
        if (is_meant(&c->access[i], f))
            found = &c->access[i];
    }
    p->vm = found != NULL && found->role == ROLE_GUEST ? found->vm : -1;
    p->role = found != NULL ? found->role : c->only_clients ? ROLE_NONE : role_by_transport(c, f);
    if (p->role == ROLE_GUEST && (p->vm < 0 || (alive >> p->vm & 1) == 0))
        p->role = ROLE_NONE; /* while a VM is down, anybody may have its CID */
    if (p->role > ROLE_OPERATOR && f->transport == TRANSPORT_TCP)
        p->role = ROLE_OPERATOR; /* an address proves no identity; conf_clients.c has refused this already */
    if (!named)
        p->role = ROLE_NONE;
}

#define MAY(kind) (1u << (kind))
#define MAY_LIST (MAY(REQ_LIST) | MAY(REQ_VMM_LIST) | MAY(REQ_HISTORY) | MAY(REQ_VERSION))
#define MAY_LISTEN (MAY(REQ_SUBSCRIBE) | MAY(REQ_UNSUBSCRIBE) | MAY_LIST)
#define MAY_MOVE (MAY(REQ_ATTACH) | MAY(REQ_DETACH) | MAY(REQ_SUSPEND) | MAY(REQ_RESUME))
/* replies show rules, serials and VMs */
#define MAY_LOOK (MAY(REQ_EXPLAIN) | MAY(REQ_RULES) | MAY(REQ_STATS) | MAY(REQ_VMM_ARGS))

static const struct {
    const char *why;
    unsigned may;
} roles[] = {
    [ROLE_NONE] = {"not allowed: this client has no access", 0},
    [ROLE_OBSERVER] = {"not allowed: an observer may only list and listen", MAY_LISTEN},
    [ROLE_GUEST] = {"not allowed: a guest may only list, listen and move its own devices", MAY_LISTEN | MAY_MOVE},
    [ROLE_OPERATOR] = {"not allowed for an operator", MAY_LISTEN | MAY_MOVE | MAY_LOOK},
    [ROLE_ADMIN] = {"not allowed for an admin",
                    MAY_LISTEN | MAY_MOVE | MAY_LOOK | MAY(REQ_AUDIT) | MAY(REQ_ACKNOWLEDGE) | MAY(REQ_RELOAD)},
};

bool access_may(const struct principal *p, enum request_kind kind, const char **why) {
    unsigned role = (unsigned)p->role <= ROLE_ADMIN ? (unsigned)p->role : ROLE_NONE;
    *why = roles[role].why;
    return (unsigned)kind <= REQ_VERSION && (roles[role].may & MAY(kind));
}

bool access_sees_all(const struct principal *p) {
    return p->role >= ROLE_OPERATOR;
}

bool access_same_peer(const struct peer *a, const struct peer *b) {
    return a->transport == b->transport && memcmp(a->id, b->id, sizeof a->id) == 0;
}
