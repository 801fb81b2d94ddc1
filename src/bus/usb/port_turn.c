/*
 * port_turn.c - the order of steps of a turn. Owns the turns under way; keeps no device and decides for none.
 */
#include "bus/usb/port_turn.h"

#include "base/assert.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/port_hubs.h"
#include "bus/usb/port_pool.h"

struct turn {
    bool used, held; /* held: its port was, and is to be again */
    bool ok;
    enum port_order_kind waits; /* for the end of this order about its port; 0 none */
    uint64_t token;
    struct device_order order;
};

static struct turn turns[VH_MAX_DEVICES];
static port_turn_fn *ended;
static bool missed; /* a turn has ended at a port that may have been claimed by another process */

void port_turn_start(port_turn_fn *fn) {
    ended = fn;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        if (turns[i].used) /* none at the program's start: pages that were never written take no memory */
            turns[i].used = false;
    }
}

static void end(struct turn *t, bool ok) {
    struct device_order o = t->order;
    uint64_t token = t->token;
    t->used = false;
    ended(&o, token, ok);
}

static bool order_port(struct turn *t, enum port_order_kind kind) {
    struct port_order o = {.head.kind = kind};
    t->waits = kind;
    return port_above(t->order.sys_name, o.hub, &o.port) && port_pool_order(&o, (uint64_t)(t - turns) + 1, -1);
}

static bool offer(struct turn *t) {
    t->waits = 0;
    return device_pool_order(&t->order, (uint64_t)(t - turns), -1);
}

bool port_turn(const struct device_order *o, uint64_t token) {
    int i = 0;
    while (i < VH_MAX_DEVICES && turns[i].used)
        i++;
    if (i == VH_MAX_DEVICES)
        return false;
    struct turn *t = &turns[i];
    *t = (struct turn){.used = true, .token = token, .order = *o, .held = port_held(o->sys_name)};
    t->used = t->held ? order_port(t, PORT_RELEASE) : offer(t);
    return t->used;
}

static void claim_again(struct turn *t, bool ok) {
    t->ok = ok;
    if (t->held && order_port(t, PORT_CLAIM))
        return;
    if (t->held)
        port_open(t->order.sys_name);
    end(t, ok);
}

bool port_turn_missed(void) {
    bool was = missed;
    missed = false;
    return was;
}

/* Was its port claimed while it was offered, as at the start of a daemon that comes after one that was killed? Then the
 * kernel may have refused its drivers. */
static bool was_claimed(const struct turn *t) {
    return !t->held && (port_held(t->order.sys_name) || port_coming(t->order.sys_name));
}

void port_turn_offered(const struct device_order *o, uint64_t token, const struct device_done *d) {
    struct turn *t = &turns[token];
    VH_ASSERT(token < VH_MAX_DEVICES && t->used);
    (void)o;
    missed = missed || (!t->held && port_hubs_run());
    claim_again(t, d != NULL && d->result == DEVICE_SAME && !was_claimed(t)); /* if not: it is offered once more */
}

/* That waits for the end of this order; NULL if it has ended. Another one may have its token by now. */
static struct turn *turn_of(uint64_t token, const struct port_order *o) {
    char hub[VH_SYSNAME_MAX];
    uint8_t port = 0;
    struct turn *t = token > 0 && token <= VH_MAX_DEVICES ? &turns[token - 1] : NULL;
    bool its = t != NULL && t->used && t->waits == o->head.kind && port_above(t->order.sys_name, hub, &port);
    return its && port == o->port && str_eq(hub, o->hub) ? t : NULL;
}

/* The device is the host's by now, and that its port is held again is told when it is. A port that is still to be
 * released is waited for: in a held one the device would be configured, but without drivers. */
void port_turn_late(uint64_t token, const struct port_order *o) {
    struct turn *t = turn_of(token, o);
    if (t != NULL && o->head.kind == PORT_CLAIM)
        end(t, t->ok);
}

/* A port that cannot be released may be another program's by now: the device is tried all the same. */
void port_turn_answered(uint64_t token, const struct port_order *o, const struct port_answer *a) {
    struct turn *t = turn_of(token, o);
    if (t == NULL)
        return;
    if (o->head.kind == PORT_CLAIM) {
        end(t, t->ok);
        return;
    }
    if (a == NULL)
        t->held = false;
    missed = missed || a == NULL || a->error != 0;
    if (!offer(t))
        claim_again(t, false);
}
