/*
 * access.c - principals from kernel facts, and what each role may ask for at all. Default deny. Which devices and VMs a
 * request may touch is decided later, with the device at hand; here only the kind of request counts.
 */
#include "access.h"

#include "str.h"

static bool cid_listed(const struct api_conf *c, uint32_t cid) {
    for (int i = 0; i < c->ncids; i++) {
        if (c->cids[i] == cid)
            return true;
    }
    return false;
}

/* Who cannot be named in the log is not let in; no address is that long. */
static void settle(struct principal *p, enum role role, bool named) {
    p->role = named ? role : ROLE_NONE;
    p->vm = -1;
}

/* The socket's file permissions have let this peer in, and they are the host's own word on who administers it. */
void access_unix(const struct api_conf *c, uint32_t uid, uint32_t gid, int32_t pid, struct principal *p) {
    (void)c;
    settle(p, ROLE_ADMIN, str_fmt(p->name, sizeof p->name, "unix uid=%u gid=%u pid=%d", uid, gid, pid));
}

void access_vsock(const struct api_conf *c, uint32_t cid, struct principal *p) {
    /* 0 to 2 are the hypervisor, the loopback and the host: never a guest, so "any" does not mean them. */
    bool in = cid_listed(c, cid) || (cid > 2 && c->cid_policy == CIDS_ANY);
    enum role role = in && c->cid_policy != CIDS_NOBODY ? ROLE_OPERATOR : ROLE_NONE;
    settle(p, role, str_fmt(p->name, sizeof p->name, "vsock cid=%u", cid));
}

void access_tcp(const struct api_conf *c, const char *address, struct principal *p) {
    (void)c;
    settle(p, ROLE_OPERATOR, str_fmt(p->name, sizeof p->name, "tcp %s", address));
}

#define MAY(kind) (1u << (kind))
#define MAY_LISTEN (MAY(REQ_SUBSCRIBE) | MAY(REQ_UNSUBSCRIBE) | MAY(REQ_LIST) | MAY(REQ_VERSION))
#define MAY_MOVE (MAY(REQ_ATTACH) | MAY(REQ_DETACH) | MAY(REQ_SUSPEND) | MAY(REQ_RESUME))

static const struct {
    const char *name, *why;
    unsigned may;
} roles[] = {
    [ROLE_NONE] = {"none", "not allowed: this client has no access", 0},
    [ROLE_OBSERVER] = {"observer", "not allowed: an observer may only list and listen", MAY_LISTEN},
    [ROLE_GUEST] = {"guest", "not allowed: a guest may only list, listen and move its own devices",
                    MAY_LISTEN | MAY_MOVE},
    [ROLE_OPERATOR] = {"operator", "not allowed for an operator", MAY_LISTEN | MAY_MOVE},
    [ROLE_ADMIN] = {"admin", "not allowed for an admin", MAY_LISTEN | MAY_MOVE},
};

bool access_may(const struct principal *p, enum request_kind kind, const char **why) {
    unsigned role = (unsigned)p->role <= ROLE_ADMIN ? (unsigned)p->role : ROLE_NONE;
    *why = roles[role].why;
    return (unsigned)kind <= REQ_VERSION && (roles[role].may & MAY(kind));
}

const char *access_role_name(enum role r) {
    return (unsigned)r <= ROLE_ADMIN ? roles[r].name : roles[ROLE_NONE].name;
}
