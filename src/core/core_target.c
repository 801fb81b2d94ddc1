/*
 * core_target.c - where a device should be, where it may be, and why it stays with the host. Never changes the state.
 */
#include "core/core_internal.h"

const char core_why_closed[] =
    "the state file was corrupt: no VM is given a device until an admin acknowledges that (state_acknowledge)";

bool core_closed(const struct core *c) {
    return c->conf->closed_on_loss && c->remembered.corrupt[0] != '\0';
}

enum stay slot_stays_with_host(const struct core *c, const struct slot *s, unsigned asked) {
    unsigned holds = 0;
    if (s->dev.malformed[0] != '\0')
        holds |= STAY_MALFORMED;
    if (s->hub)
        holds |= STAY_HUB;
    if (s->dev.protect[0] != '\0')
        holds |= STAY_PROTECTED;
    if (s->foreign >= 0 || (s->vm < 0 && s->look != LOOK_NONE))
        holds |= STAY_FOREIGN;
    if (s->dev.unauthorised && !c->authorises) /* else it is authorised as it is given away */
        holds |= STAY_UNAUTHORISED;
    if (s->dev.unresponsive)
        holds |= STAY_UNRESPONSIVE;
    if (!s->dev.settled)
        holds |= STAY_UNSETTLED;
    if (s->hold_until != 0)
        holds |= STAY_HELD;
    if (core_closed(c))
        holds |= STAY_CLOSED;
    if (c->stopping)
        holds |= STAY_STOPPING;
    holds &= asked;
    return (enum stay)(holds & (~holds + 1)); /* the lowest bit is the first reason */
}

bool slot_held(const struct slot *s) {
    return s->holders != 0 || s->stray;
}

bool slot_held_elsewhere(const struct slot *s, int vm) {
    vm_set others = s->holders & ~(vm >= 0 ? (vm_set)1 << vm : 0);
    return others != 0 || s->stray || (s->orphan && s->holders != 0);
}

bool slot_kept_from(const struct slot *s, int vm) {
    return slot_held_elsewhere(s, vm) || s->revoke == REVOKE_UNDER_WAY || s->suspect || s->unbound || s->reset_due;
}

/* The target by rule and choice; without a rule, by the lease. */
static int rule_target(const struct core *c, const struct slot *s) {
    if (s->rule < 0)
        return s->lease;
    struct terms t = slot_terms(c, s);
    if (s->choice >= 0 && (t.vms >> s->choice & 1) != 0)
        return s->choice;
    if (s->vm >= 0 && (t.vms >> s->vm & 1) != 0)
        return s->vm;
    return t.single ? t.first : -1;
}

int plan_target(const struct core *c, const struct slot *s) {
    if (s->state != SLOT_PRESENT)
        return -1;
    if (s->req >= 0)
        return s->req_vm;
    if (!s->managed || s->disconnected || s->suspended >= 0)
        return -1;
    /* A foreign or held device keeps its target: the plan begins no attach before that has passed. */
    if (slot_stays_with_host(c, s, STAY_DEVICE | STAY_STOPPING) != STAY_NO)
        return -1;
    if (s->vm < 0 && slot_stays_with_host(c, s, STAY_UNUSABLE | STAY_CLOSED) != STAY_NO)
        return -1; /* a VM that has it keeps it */
    if (slot_stays_with_host(c, s, STAY_UNSETTLED) != STAY_NO)
        return s->vm; /* the kernel may configure it while a VM has it: no reason to take it out */
    int vm = rule_target(c, s);
    /* A detach by a guest keeps the device away from the VM of that guest only. */
    return vm == s->guest_detached ? -1 : vm;
}

bool core_wants_device(const struct core *c, const char *sys_name) {
    int i = slot_find(c, sys_name);
    if (i < 0 || !c->slot[i].managed || c->slot[i].disconnected || c->slot[i].vm >= 0)
        return false;
    int vm = rule_target(c, &c->slot[i]);
    if (vm < 0 || slot_stays_with_host(c, &c->slot[i], ~(unsigned)STAY_UNSETTLED) != STAY_NO)
        return false;
    if (slot_kept_from(&c->slot[i], vm) || c->slot[i].dev.unauthorised)
        return false;                                                     /* a descriptor of now would be a dead one */
    return c->quarantine == QUARANTINE_OFF || c->vm[vm].state != VM_DOWN; /* opening it configures it then */
}

bool plan_allows(const struct core *c, const struct slot *s, int vm) {
    return s->rule >= 0 ? (slot_terms(c, s).vms >> vm & 1) != 0 : s->lease == vm;
}

bool plan_asks(const struct core *c, const struct slot *s) {
    if (s->state != SLOT_PRESENT || s->rule < 0 || s->vm >= 0 || s->op != OP_NONE || s->req >= 0)
        return false;
    if (!s->managed || !s->announced || s->disconnected || s->suspended >= 0 || s->guest_detached >= 0)
        return false;
    /* An announced device is neither held nor, so far, unsettled; one that is being configured again may be chosen. */
    if (slot_stays_with_host(c, s, STAY_DEVICE | STAY_FOREIGN | STAY_UNUSABLE | STAY_CLOSED | STAY_STOPPING) != STAY_NO)
        return false;
    struct terms t = slot_terms(c, s);
    return !t.single && t.first >= 0 && plan_target(c, s) < 0;
}
