/*
 * prove_access.c - who may ask what: every role with every kind of request; and nets of addresses.
 */
#include "config/access.c"
#include "prove.h"

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
        CLAIM(yes == (kind == REQ_SUBSCRIBE || kind == REQ_UNSUBSCRIBE || kind == REQ_LIST || kind == REQ_HISTORY ||
                      kind == REQ_VMM_LIST || kind == REQ_VERSION));
    if (role == ROLE_ADMIN)
        CLAIM(yes == (kind <= REQ_VERSION));
}

PROOF(sees_all) {
    struct principal a = {.role = (enum role)nondet_u32()}, b = {.role = (enum role)nondet_u32()};
    ASSUME(a.role <= b.role && b.role <= ROLE_ADMIN);
    CLAIM(!access_sees_all(&a) || access_sees_all(&b));
    CLAIM(access_sees_all(&b) == (b.role == ROLE_OPERATOR || b.role == ROLE_ADMIN));
}

/* ---- nets ---- */

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
