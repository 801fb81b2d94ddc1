/*
 * core_guest.c - what a guest sees and what it may touch: the devices that its VM has or may have, and of these only
 * free ones and its own.
 *
 * Nothing that a guest does is a decision, and nothing of it is written to disk: a detach holds until it attaches the
 * device again, the device is plugged in anew or its VM starts afresh. A guest is told what concerns it in fixed words:
 * no name of another VM, no path of the host and no text of another's trouble gets into an answer.
 */
#include "core_parts.h"
#include "log.h"
#include "str.h"

bool core_guest_sees(const struct core *c, const struct slot *s, int vm) {
    VH_ASSERT(vm >= 0 && vm < c->conf->nvms);
    return !s->hub && (s->vm == vm || s->foreign == vm || plan_allows(c, s, vm));
}

/* Of what a guest sees; a hub it does not. */
static bool stays_here(const struct slot *s) {
    return s->dev.protect[0] != '\0' || s->dev.malformed[0] != '\0';
}

/* Is it nobody else's, as far as is known: had, wanted, lent or claimed? */
static bool is_free(const struct core *c, const struct slot *s, int vm) {
    int target = plan_target(c, s);
    if ((s->vm >= 0 && s->vm != vm) || s->foreign >= 0 || (target >= 0 && target != vm))
        return false;
    if ((s->doubt & ~((vm_set)1 << vm)) != 0 || (s->op != OP_NONE && s->op_vm != vm))
        return false;
    return s->req < 0 && (s->suspended < 0 || s->nap == vm);
}

static bool may_attach(const struct core *c, const struct slot *s, int vm) {
    return plan_allows(c, s, vm) && s->dev.settled && !s->disconnected && !stays_here(s) && s->hold_until == 0 &&
           is_free(c, s, vm);
}

/* It has it, is about to get it, or has put it away itself; and no other VM has it, may have it, or is just getting it.
 */
static bool owns(const struct core *c, const struct slot *s, int vm) {
    if (s->foreign >= 0 || (s->vm >= 0 && s->vm != vm))
        return false;
    if ((s->doubt & ~((vm_set)1 << vm)) != 0 || (s->op != OP_NONE && s->op_vm != vm))
        return false;
    return s->vm == vm || s->away == vm || plan_target(c, s) == vm;
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
        return s->op != OP_NONE || s->req >= 0 ? "pending" : "attached";
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
    if (s->away == vm && s->vm < 0)
        return "was detached by this guest";
    if (s->nap == vm)
        return "suspended";
    if (stays_here(s))
        return "stays with the host";
    return may_attach(c, s, vm) ? "may be attached" : "not free";
}

static const char *why_not(const struct core *c, const struct request *r, const struct slot *s) {
    int vm = r->who.vm;
    if (r->kind == REQ_DETACH)
        return s->foreign == vm ? "was not attached by us" : "is not attached here";
    if (s->disconnected)
        return "was taken away";
    if (!plan_allows(c, s, vm))
        return "is not allowed here";
    return stays_here(s) ? "stays with the host" : "is not free";
}

/* ---- requests ---- */

bool guest_names_itself(const struct core *c, const struct request *r) {
    return r->vm[0] == '\0' || str_eq(r->vm, c->conf->vms[r->who.vm].name);
}

/* Why nothing of what it named can be done. What it may not see is answered as what is not there. */
static void refuse(struct step *st, const struct request *r) {
    const struct core *c = st->c;
    const struct slot *found = NULL;
    struct sbuf sb;
    int n = 0;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && core_guest_sees(c, s, r->who.vm) && core_selects(c, &r->sel, s)) {
            found = s;
            n++;
        }
    }
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    if (n == 1)
        sb_fmt(&sb, "%s %s", found->dev.node, why_not(c, r, found));
    else if (n > 1)
        sb_fmt(&sb, "none of the devices that fit %s", r->kind == REQ_ATTACH ? "is free" : "is attached here");
    else
        sb_str(&sb, "no such USB device:");
    if (n == 0)
        core_describe(&sb, &r->sel);
}

void guest_move(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int vm = r->who.vm, n = 0, k = -1;
    if (!guest_names_itself(c, r)) {
        reply_failed_text(st, r, "not allowed: a guest moves devices of its own VM only");
        return;
    }
    for (int i = 0; i < c->used; i++)
        n += request_means(c, r, i);
    if (n == 0) {
        refuse(st, r);
        return;
    }
    if (n > 1 && !r->sel.by_tag) {
        request_refuse_ambiguous(st, r);
        return;
    }
    struct pending *p = pending_new(st, r, &k);
    p->left = 1; /* our own, so that it cannot end while we are still at it */
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (!request_means(c, r, i))
            continue;
        if (s->req >= 0) {
            pending_fail(p, "it is being moved at the moment");
            continue;
        }
        if (r->kind == REQ_ATTACH)
            s->managed = true;
        else
            s->away = vm;
        if (s->ask == ASK_OPEN)
            s->ask = ASK_CLOSED;
        p->left++;
        request_take(st, i, k, r->kind == REQ_ATTACH ? vm : -1);
    }
    pending_part_done(st, p);
}

const char *guest_error(const struct request *r) {
    return r->kind == REQ_ATTACH || r->kind == REQ_RESUME ? "it could not be attached"
                                                          : "it could not be taken out yet";
}
