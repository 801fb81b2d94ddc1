/*
 * core_revoke.c - the end of what a VM may do with a device: owns slot.holders, and the way of a device from a VM back.
 * Never begins an operation on a VM.
 *
 * A VM that gives a device back may keep its descriptor. So whatever the VM says, a device that leaves it is revoked:
 * the kernel ends every descriptor of it (ACT_REVOKE, before the VM is asked), and leaves it without a driver. Once it
 * is out of the VM, it is reset, and bound again (ACT_RELEASE); what somebody has taken away stays unbound until that
 * is undone. Until it is certain that they are dead, no other VM and no driver of the host gets the device.
 */
#include "base/str.h"
#include "core/core_internal.h"

static vm_set bit(int v) {
    return v >= 0 ? (vm_set)1 << v : 0;
}

/* ---- who may hold it ---- */

static bool any_is_revoked(const struct conf *conf) {
    bool any = false;
    for (int v = 0; v < conf->nvms; v++)
        any = any || conf->vms[v].revoke;
    return any;
}

/* Whatever a VM says of it, it cannot have it. An id that is left in one is removed when that VM is listed. */
static void certain(struct slot *s) {
    s->revoke = REVOKE_CERTAIN;
    s->holders = s->doubt = s->adoptable = 0;
    s->orphan = s->suspect = s->stray = s->loose = false;
    s->unbound = s->port_sure = true;
    s->revoke_failures = 0;
    s->revoke_at = 0;
}

/* Without a driver it has been revoked, perhaps by a daemon that ended then: what a VM says of it is not believed. But
 * nothing shows that no node of it was opened since. */
void revoke_plugged(struct core *c, struct slot *s, const struct assigned *noted) {
    s->suspect = c->earlier == EARLIER_UNKNOWN && any_is_revoked(c->conf);
    s->stray = (noted->more & ASSIGNED_GONE) != 0 && any_is_revoked(c->conf);
    for (int v = 0; v < c->conf->nvms; v++) {
        if (c->conf->vms[v].revoke)
            s->holders |= noted->vms & bit(v);
    }
    if (s->dev.binding == BINDING_NONE) {
        s->unbound = s->loose = true;
        s->doubt = s->adoptable = 0;
        if (!slot_held(s) && !s->suspect)
            certain(s);
    }
    s->orphan = (s->holders & ~s->doubt) != 0; /* of a VM that is down, or is not believed */
}

void revoke_vm_down(struct core *c, int v) {
    for (int i = 0; i < c->used; i++)
        c->slot[i].orphan = c->slot[i].orphan || (c->slot[i].holders & bit(v)) != 0;
}

void revoke_reload(struct slot *s) {
    s->revoke_failures = 0;
    s->revoke_at = 0;
}

/* Somebody keeps it from all VMs: no VM's word is waited for. */
static bool taken_away(const struct slot *s) {
    return s->disconnected || (s->req >= 0 && s->req_vm < 0);
}

/* Is it to be revoked at all? One that goes back to its only holder is not. */
static bool wanted(const struct core *c, const struct slot *s) {
    int target = plan_target(c, s);
    if (s->vm >= 0)
        return slot_held(s) && target != s->vm;
    if (s->doubt != 0)
        return slot_held(s) && taken_away(s);
    return slot_held_elsewhere(s, target) || (s->suspect && target >= 0);
}

bool revoke_due(const struct core *c, const struct slot *s) {
    if (s->state != SLOT_PRESENT || s->revoke == REVOKE_UNDER_WAY || s->revoke == REVOKE_CERTAIN)
        return false;
    return s->op == OP_NONE && !s->releasing && !s->offering && wanted(c, s);
}

bool revoke_unsettled(const struct core *c, const struct slot *s) {
    return s->revoke == REVOKE_UNDER_WAY || (s->revoke == REVOKE_NONE && revoke_due(c, s));
}

bool revoke_busy(const struct core *c, const struct slot *s) {
    return s->revoke == REVOKE_UNDER_WAY || revoke_due(c, s) || s->reset_due || (s->unbound && !s->disconnected);
}

bool revoke_waits(const struct core *c, const struct slot *s) {
    return revoke_busy(c, s) && s->revoke_failures == 0;
}

/* ---- the ends ---- */

static void failed(struct step *st, struct slot *s) {
    s->revoke_failures++;
    s->revoke_at = st->now + backoff(s->revoke_failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

void revoke_fact(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->state != SLOT_PRESENT || s->plug != f->token || s->revoke != REVOKE_UNDER_WAY)
            continue;
        if (f->ok) {
            uint64_t took = (uint64_t)((st->now - s->revoke_since) / VH_NSEC_PER_MSEC);
            certain(s);
            c->stats.revoked++;
            c->stats.revoke_ms += took;
            c->stats.revoke_max_ms = took > c->stats.revoke_max_ms ? took : c->stats.revoke_max_ms;
            continue;
        }
        c->stats.revoke_failed++;
        s->revoke = REVOKE_UNCERTAIN;
        s->suspect = false; /* nothing but the loss of the record speaks against it */
        (void)str_copy(c->revoke_why[i], VH_TEXT_MAX, f->text); /* same bound */
        failed(st, s);
    }
}

/* An order whose answer came too late may have been carried out all the same. What is bound again somebody else has
 * bound. */
void revoke_seen(struct step *st, struct slot *s, const struct fact *f) {
    (void)st;
    if (!f->unread && f->device->binding == BINDING_DRIVER)
        s->loose = false; /* it can lose that */
    if (f->unread || !s->tried || s->releasing || s->revoke == REVOKE_UNDER_WAY)
        return;
    if (f->device->binding == BINDING_DRIVER)
        s->unbound = false;
    if (f->device->binding != BINDING_NONE)
        return;
    if (s->revoke == REVOKE_UNCERTAIN && s->op == OP_NONE && slot_held(s) && !s->loose)
        certain(s); /* all of them were opened before */
    s->unbound = true;
    s->cut = s->cut || s->vm >= 0;
}

void revoke_released(struct step *st, const struct fact *f) {
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if (s->state != SLOT_PRESENT || s->plug != f->token)
            continue;
        s->releasing = false;
        if (s->binding && f->ok) {
            s->unbound = false;
            slot_shut(st->c, s); /* with quarantine it is without a configuration now, whether a VM had it or not */
        }
        bool told = s->binding || s->deauthorising;
        s->deauthorise = s->deauthorising && !f->ok;
        if (told && f->ok)
            revoke_reload(s);
        else if (told)
            failed(st, s);
        s->binding = s->deauthorising = false;
    }
}

/* ---- the plan ---- */

static int64_t revoke(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->revoke_at > st->now)
        return s->revoke_at;
    s->revoke = REVOKE_UNDER_WAY;
    s->cut = s->vm >= 0;
    s->tried = true;
    s->revoke_since = st->now;
    struct action *a = step_add(st, ACT_REVOKE);
    a->slot = i;
    a->token = s->plug;
    a->bind = s->loose;
    return VH_NEVER;
}

/* It is out of its VM: reset, no longer authorised, and bound again, unless somebody has taken it away. A VM that may
 * hold it still loses its authorisation alone. */
static int64_t give_back(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    bool held = slot_held(s), bind = s->unbound && !s->disconnected && !held, reset = s->reset_due && !held;
    if (s->state != SLOT_PRESENT || s->vm >= 0 || s->releasing || s->offering || s->op == OP_ATTACH ||
        (!bind && !reset && !s->deauthorise))
        return VH_NEVER;
    if ((bind || s->deauthorise) && s->revoke_at > st->now)
        return s->revoke_at;
    if (slot_authorises(st->c, s) && core_keeps_from_host(st->c, s))
        s->deauthorise = true; /* also what an earlier daemon gave to a VM */
    struct action *a = step_add(st, ACT_RELEASE);
    a->slot = i;
    a->vm = s->gone_vm;
    a->token = s->plug;
    a->reset = reset;
    a->bind = s->binding = bind;
    a->deauthorise = s->deauthorising = s->deauthorise;
    s->releasing = true;
    s->deauthorise = false;
    s->reset_due = s->reset_due && held;
    s->gone_vm = -1;
    return VH_NEVER;
}

int64_t revoke_plan(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    int64_t at = VH_NEVER;
    if (core_kind(&s->dev)->revocable && s->vm >= 0 && s->revoke == REVOKE_NONE && st->c->conf->vms[s->vm].revoke)
        s->holders |= bit(s->vm); /* a new configuration may trust it no more */
    if (revoke_due(st->c, s))
        at = revoke(st, i);
    else if (s->revoke != REVOKE_UNDER_WAY)
        at = give_back(st, i);
    s->gone_vm = -1; /* its process is known in this step only */
    return at;
}
