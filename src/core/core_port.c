/*
 * core_port.c - owns what is known of a port beyond its present device: the lease of its last device, and whether the
 * port flaps. Never moves a device.
 *
 * A device that resets, loads firmware or switches its mode comes back on its port as another device; the lease
 * (general.leaseSeconds) lets the VM keep it, also at the other side of the socket, where a device with another speed
 * is. With a bad cable or a faulty device, plugs follow each other many times a
 * second; the port is left alone until the device stays, which spares VMs, subscribers and the log.
 */
#include "base/str.h"
#include "config/connectors.h"
#include "config/policy.h"
#include "core/core_internal.h"

#include <string.h>

/* The entry of the device's port; if there is none, a free entry, else the one unused for longest, becomes it. Another
 * configuration may join other ports: what was known of them is forgotten then. */
static struct port *port_of(struct core *c, const struct device *dev) {
    struct port *best = &c->port[0];
    uint64_t number = connector_number(c->conf, dev);
    for (int i = 0; i < VH_MAX_PORTS; i++) {
        struct port *p = &c->port[i];
        if (p->number == number)
            return p;
        if (best->number != 0 && (p->number == 0 || p->used_at < best->used_at))
            best = p;
    }
    memset(best, 0, sizeof *best);
    best->number = number;
    best->lease = -1;
    return best;
}

/* ---- flapping ---- */

static void burst_begins(struct step *st, struct port *p, int i) {
    bool again = p->hold_ms != 0 && st->now - p->flapped_at < ms_to_ns(VH_T_FLAP_FORGIVE);
    p->hold_ms = again ? 2 * p->hold_ms : VH_T_FLAP_HOLD;
    if (p->hold_ms > VH_T_FLAP_HOLD_MAX)
        p->hold_ms = VH_T_FLAP_HOLD_MAX;
    p->flaps = true;
    st->c->stats.flaps++;
    struct action *a = step_add(st, ACT_FLAPS);
    a->slot = i;
    a->hold_ms = p->hold_ms;
}

/* A plug counts for VH_T_FLAP_COST. The port flaps if the plugs that count add up to more than VH_T_FLAP_BURST. */
static void count_plug(struct step *st, struct port *p, int i) {
    if (p->flaps && st->now - p->used_at >= ms_to_ns(p->hold_ms))
        p->flaps = false; /* it was quiet for the whole hold time */
    if (p->plugs_until < st->now)
        p->plugs_until = st->now;
    if (p->plugs_until - st->now <= ms_to_ns(VH_T_FLAP_BURST))
        p->plugs_until += ms_to_ns(VH_T_FLAP_COST);
    if (!p->flaps && p->plugs_until - st->now > ms_to_ns(VH_T_FLAP_BURST))
        burst_begins(st, p, i);
    if (p->flaps) {
        p->flapped_at = st->now;
        st->c->slot[i].hold_until = st->now + ms_to_ns(p->hold_ms);
    }
}

void port_quiet(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    s->hold_until = 0;
    port_of(st->c, &s->dev)->flaps = false;
}

/* ---- plugs and unplugs ---- */

/* The lease of this port goes to the device, unless it is over. */
static void take_lease(struct step *st, struct port *p, struct slot *s) {
    if (p->lease >= 0 && st->now < p->lease_until) {
        s->lease = p->lease;
        memcpy(st->c->lease_tag[s - st->c->slot], p->lease_tag, sizeof p->lease_tag);
    }
    p->lease = -1;
}

void port_plugged(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    struct port *p = port_of(st->c, &s->dev);
    count_plug(st, p, i);
    p->used_at = st->now;
    s->lease = -1;
    take_lease(st, p, s);
}

void port_unplugged(struct step *st, int i) {
    const struct slot *s = &st->c->slot[i];
    struct port *p = port_of(st->c, &s->dev);
    p->used_at = st->now;
    if (st->c->conf->lease_seconds == 0 || s->vm < 0 || s->disconnected)
        return;
    p->lease = s->vm;
    (void)str_copy(p->lease_tag, sizeof p->lease_tag, slot_tag(st->c, s)); /* of the same bound */
    p->lease_until = st->now + ms_to_ns(1000) * st->c->conf->lease_seconds;
}

/* Applies the lease of the port to its new device. With a rule the lease is the choice among the VMs of that rule;
 * without one it allows the VM, unless a rule denies the device. */
void port_lease(struct core *c, struct slot *s) {
    if (s->lease < 0)
        return;
    if (c->conf->vms[s->lease].retired || (s->rule < 0 && policy_denies(c->conf, &s->dev)))
        s->lease = -1;
    else if ((slot_terms(c, s).vms >> s->lease & 1) != 0)
        s->choice = s->lease;
}

void port_forget_vm(struct core *c, int vm) {
    for (int i = 0; i < VH_MAX_PORTS; i++) {
        if (c->port[i].lease == vm)
            c->port[i].lease = -1;
    }
}
