/*
 * core_guest.c - what a guest sees and what it may move. It sees the devices that its VM has or may have; it may move
 * those of its own VM, and attach free ones.
 *
 * A request of a guest is never a decision and is never saved. A detach by a guest holds until the guest attaches the
 * device, the device is plugged in anew or the VM restarts. Replies to a guest have fixed texts: they never contain the
 * name of another VM, a path of the host or the text of an error elsewhere.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

bool core_guest_sees(const struct core *c, const struct slot *s, int vm) {
    VH_ASSERT(vm >= 0 && vm < c->conf->nvms);
    return !s->hub && (s->vm == vm || s->foreign == vm || plan_allows(c, s, vm));
}

/* Reasons that a reply to a guest states; all others read "not free". */
static bool stays_here(const struct core *c, const struct slot *s) {
    return slot_stays_with_host(c, s, STAY_DEVICE | STAY_CLOSED) != STAY_NO;
}

/* NULL if the device can be used. */
static const char *unusable(const struct core *c, const struct slot *s) {
    enum stay why = slot_stays_with_host(c, s, STAY_UNUSABLE);
    return why == STAY_UNAUTHORISED ? "is not authorised on the host" : why != STAY_NO ? "does not answer" : NULL;
}

/* False if another VM has the device, should get it or may have it, or if a request or a suspend concerns it. */
static bool is_free(const struct core *c, const struct slot *s, int vm) {
    int target = plan_target(c, s);
    if ((s->vm >= 0 && s->vm != vm) || (target >= 0 && target != vm))
        return false;
    if ((s->doubt & ~((vm_set)1 << vm)) != 0 || (s->op != OP_NONE && s->op_vm != vm))
        return false;
    return s->req < 0 && (s->suspended < 0 || s->guest_suspended == vm);
}

static bool may_attach(const struct core *c, const struct slot *s, int vm) {
    int chosen = remembered_chosen_above(c, s, ROLE_GUEST);
    if (chosen >= 0 && chosen != vm)
        return false; /* somebody above guests has chosen another VM */
    /* STAY_STOPPING is not among them: only attach_vm(), which serves operators and admins, looks at that. */
    return plan_allows(c, s, vm) && !s->disconnected && is_free(c, s, vm) &&
           slot_stays_with_host(
               c, s, STAY_DEVICE | STAY_FOREIGN | STAY_UNUSABLE | STAY_UNSETTLED | STAY_HELD | STAY_CLOSED) == STAY_NO;
}

/* True if this VM has the device, is about to get it or has detached it, and no other VM has it, may have it or is just
 * getting it. */
static bool owns(const struct core *c, const struct slot *s, int vm) {
    if (s->foreign >= 0 || (s->vm >= 0 && s->vm != vm))
        return false;
    if ((s->doubt & ~((vm_set)1 << vm)) != 0 || (s->op != OP_NONE && s->op_vm != vm))
        return false;
    return s->vm == vm || s->guest_detached == vm || plan_target(c, s) == vm;
}

bool guest_may(const struct core *c, const struct request *r, const struct slot *s) {
    int vm = r->who.vm;
    if (!core_guest_sees(c, s, vm))
        return false;
    return r->kind == REQ_ATTACH ? may_attach(c, s, vm) : owns(c, s, vm);
}

/* ---- in words ---- */

const char *core_guest_state(const struct core *c, const struct slot *s, int vm) {
    if (s->vm == vm || s->foreign == vm)
        return s->op != OP_NONE || s->req >= 0 || s->ejecting ? "pending" : "attached";
    if (s->vm >= 0 || s->foreign >= 0 || plan_target(c, s) != vm)
        return "idle";
    if (s->op != OP_NONE || s->req >= 0)
        return "pending";
    return s->failures > 0 ? "failed" : "waiting";
}

const char *core_guest_reason(const struct core *c, const struct slot *s, int vm) {
    if (s->vm == vm || s->foreign == vm)
        return "";
    if (s->disconnected)
        return "was taken away";
    if (plan_target(c, s) == vm)
        return "on its way";
    if (s->guest_detached == vm && s->vm < 0)
        return "was detached by this guest";
    if (s->guest_suspended == vm)
        return "suspended";
    if (stays_here(c, s))
        return "stays with the host";
    if (unusable(c, s) != NULL)
        return unusable(c, s);
    return may_attach(c, s, vm) ? "may be attached" : "not free";
}

const char *guest_why_not(const struct core *c, const struct request *r, const struct slot *s) {
    int vm = r->who.vm;
    if (r->kind == REQ_DETACH)
        return s->foreign == vm ? "was not attached by us" : "is not attached here";
    if (s->disconnected)
        return "was taken away";
    if (!plan_allows(c, s, vm))
        return "is not allowed here";
    if (stays_here(c, s))
        return "stays with the host";
    return unusable(c, s) != NULL ? unusable(c, s) : "is not free";
}

/* ---- requests ---- */

bool guest_names_itself(const struct core *c, const struct request *r) {
    return r->vm[0] == '\0' || str_eq(r->vm, c->conf->vms[r->who.vm].name);
}
