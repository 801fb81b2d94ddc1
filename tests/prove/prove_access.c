/*
 * prove_access.c - who may ask what: every role with every kind of request, and the principal of every peer under every
 * configuration.
 */
#include "config/access.c"
#include "prove.h"

/* What name_peer() prints is for the log. It fits, or the peer gets no access: both are tried. */
bool str_fmt(char *dst, size_t cap, const char *fmt, ...) {
    (void)fmt;
    dst[cap - 1] = '\0';
    return nondet_bool();
}

/* ---- access_may ---- */

static bool may(enum role role, unsigned kind) {
    const char *why = NULL;
    struct principal p = {.role = role, .vm = nondet_int()};
    bool yes = access_may(&p, (enum request_kind)kind, &why);
    CLAIM(why != NULL && why[0] != '\0');
    return yes;
}

/* Any two roles and any kind, each of 32 bits: a role may what each lesser role may, what is no role or no kind may
 * nothing, and nobody is told more than what its role lists. */
PROOF(may) {
    unsigned lesser = nondet_u32(), role = nondet_u32(), kind = nondet_u32();
    bool yes = may((enum role)role, kind);
    if (role > ROLE_ADMIN || role == ROLE_NONE || kind > REQ_VERSION)
        CLAIM(!yes);
    if (lesser <= role && role <= ROLE_ADMIN && may((enum role)lesser, kind))
        CLAIM(yes);
    if (kind == REQ_AUDIT || kind == REQ_ACKNOWLEDGE || kind == REQ_RELOAD)
        CLAIM(yes == (role == ROLE_ADMIN));
    if (kind == REQ_EXPLAIN || kind == REQ_RULES || kind == REQ_STATS || kind == REQ_VMM_ARGS)
        CLAIM(!yes || role >= ROLE_OPERATOR);
    if (role == ROLE_OBSERVER)
        CLAIM(yes == (kind == REQ_SUBSCRIBE || kind == REQ_UNSUBSCRIBE || kind == REQ_LIST || kind == REQ_PCI_LIST ||
                      kind == REQ_EVDEV_LIST || kind == REQ_HISTORY || kind == REQ_VERSION));
    if (role == ROLE_ADMIN)
        CLAIM(yes == (kind <= REQ_VERSION));
}

PROOF(sees_all) {
    struct principal a = {.role = (enum role)nondet_u32()}, b = {.role = (enum role)nondet_u32()};
    ASSUME(a.role <= b.role && b.role <= ROLE_ADMIN);
    CLAIM(!access_sees_all(&a) || access_sees_all(&b));
    CLAIM(access_sees_all(&b) == (b.role == ROLE_OPERATOR || b.role == ROLE_ADMIN));
}

/* ---- access_judge ---- */

/* Do the first n bits of both agree? Each pair of addresses, each length of a prefix. */
PROOF(net) {
    uint8_t a[16], b[16];
    __CPROVER_havoc_object(a);
    __CPROVER_havoc_object(b);
    unsigned n = nondet_u8(), any = nondet_u8();
    ASSUME(n <= 128 && any < n);
    bool same = in_net(a, b, n);
    CLAIM(!same || (a[any / 8] & 0x80 >> any % 8) == (b[any / 8] & 0x80 >> any % 8));
    b[any / 8] = a[any / 8] ^ (uint8_t)(0x80 >> any % 8);
    CLAIM(!in_net(a, b, n));
}

/* In prove_judge in its place: whether an address is in the net of an entry is any bool, the same whenever asked. */
static bool net_says[VH_MAX_ACCESS];
static struct api_conf conf;
static struct peer_facts facts;
bool some_net(const uint8_t address[16], const uint8_t net[16], unsigned bits);
bool some_net(const uint8_t address[16], const uint8_t net[16], unsigned bits) {
    (void)bits;
    CLAIM(address == facts.address);
    return net_says[(size_t)(net - (const uint8_t *)conf.access) / sizeof conf.access[0]];
}

static bool one_of(const uint32_t *ids, int n, uint32_t id) {
    for (int i = 0; i < n; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

/* Is the peer the one that this entry names? Said once more, in other words. */
static bool meant(const struct access_conf *a, const struct peer_facts *f) {
    if (f->transport == TRANSPORT_VSOCK)
        return a->kind == ACCESS_CID && a->id == f->cid;
    if (f->transport == TRANSPORT_UNIX)
        return (a->kind == ACCESS_UID && a->id == f->uid) ||
               (a->kind == ACCESS_GID && (a->id == f->gid || one_of(f->groups, f->ngroups, a->id)));
    return a->kind == ACCESS_NET && net_says[a - conf.access];
}

static enum role without_clients(const struct api_conf *c, const struct peer_facts *f) {
    if (f->transport == TRANSPORT_UNIX)
        return ROLE_ADMIN;
    if (f->transport == TRANSPORT_TCP)
        return ROLE_OPERATOR;
    if (c->cid_policy == CIDS_NOBODY)
        return ROLE_NONE;
    bool open = one_of(c->cids, c->ncids, f->cid) || (c->cid_policy == CIDS_ANY && f->cid >= 3);
    return open ? ROLE_OPERATOR : ROLE_NONE;
}

enum { ENTRIES = 3, GROUPS = 3, CIDS = 3 };

/* Any configuration of up to ENTRIES entries and CIDS members, any peer of up to GROUPS groups. */
static void any_case(void) {
    __CPROVER_havoc_object(&conf);
    __CPROVER_havoc_object(&facts);
    __CPROVER_havoc_object(net_says);
    ASSUME(conf.naccess <= ENTRIES && conf.ncids <= CIDS && facts.ngroups >= 0 && facts.ngroups <= GROUPS);
    ASSUME((unsigned)conf.cid_policy <= CIDS_ANY && (unsigned)facts.transport <= TRANSPORT_VSOCK);
    for (int i = 0; i < ENTRIES; i++) {
        const struct access_conf *a = &conf.access[i];
        ASSUME((unsigned)a->kind <= ACCESS_NET && (unsigned)a->role <= ROLE_ADMIN && a->bits <= 128);
        ASSUME(a->role == ROLE_GUEST ? a->vm >= -1 && a->vm < VH_MAX_VMS : a->vm == -1);
    }
}

PROOF(judge) {
    any_case();
    vm_set alive = nondet_u64();
    struct principal p;
    __CPROVER_havoc_object(&p);
    access_judge(&conf, &facts, alive, &p);

    const struct access_conf *first = NULL;
    for (int i = 0; i < conf.naccess && first == NULL; i++) {
        if (meant(&conf.access[i], &facts))
            first = &conf.access[i];
    }
    enum role most = first != NULL ? first->role : conf.only_clients ? ROLE_NONE : without_clients(&conf, &facts);
    CLAIM(p.role <= most);
    CLAIM(p.role == most || p.role == ROLE_NONE || (most == ROLE_ADMIN && facts.transport == TRANSPORT_TCP));
    CLAIM(facts.transport != TRANSPORT_TCP || p.role <= ROLE_OPERATOR);
    CLAIM(first != NULL || p.role != ROLE_GUEST);
    CLAIM(p.vm == (first != NULL && first->role == ROLE_GUEST ? first->vm : -1));
    CLAIM(p.role != ROLE_GUEST || (p.vm >= 0 && p.vm < VH_MAX_VMS && (alive & (vm_set)1 << p.vm) != 0));
    CLAIM(p.role == ROLE_GUEST || p.vm < 0 || p.role == ROLE_NONE);
    CLAIM(p.peer.transport == facts.transport);
}
