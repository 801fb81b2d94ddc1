/*
 * core_target.c - where a device should be, and where it may be. Reads the state; changes nothing.
 */
#include "core/core_internal.h"

/* By rule and choice. */
static int rule_target(const struct core *c, const struct slot *s) {
    if (s->rule < 0)
        return s->lease;
    const struct rule *r = &c->conf->rules[s->rule];
    if (s->choice >= 0 && (r->vm_mask >> s->choice & 1) != 0)
        return s->choice;
    if (s->vm >= 0 && (r->vm_mask >> s->vm & 1) != 0)
        return s->vm;
    return r->single && r->nvms > 0 ? r->vms[0] : -1;
}

int plan_target(const struct core *c, const struct slot *s) {
    if (s->state != SLOT_PRESENT)
        return -1;
    if (s->req >= 0)
        return s->req_vm;
    if (c->stopping)
        return -1;
    if (!s->managed || s->disconnected || s->suspended >= 0)
        return -1;
    if (s->hub || s->dev.protect[0] != '\0' || s->dev.malformed[0] != '\0')
        return -1;
    if (!s->dev.settled)
        return s->vm;
    int vm = rule_target(c, s);
    return vm == s->guest_detached
               ? -1
               : vm; /* what its guest put away stays away from that VM, not from where others want it */
}

bool plan_allows(const struct core *c, const struct slot *s, int vm) {
    return s->rule >= 0 ? (c->conf->rules[s->rule].vm_mask >> vm & 1) != 0 : s->lease == vm;
}

bool plan_asks(const struct core *c, const struct slot *s) {
    if (s->state != SLOT_PRESENT || s->rule < 0 || s->vm >= 0 || s->op != OP_NONE || s->req >= 0)
        return false;
    if (!s->managed || !s->announced || s->disconnected || s->suspended >= 0 || s->guest_detached >= 0 ||
        s->foreign >= 0 || c->stopping)
        return false;
    if (s->hub || s->dev.protect[0] != '\0')
        return false;
    const struct rule *r = &c->conf->rules[s->rule];
    return !r->single && r->nvms > 0 && plan_target(c, s) < 0;
}
