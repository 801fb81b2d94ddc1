/*
 * core_plan.c - the plan: where each device should be, and the one operation a VM that brings the world nearer to it.
 *
 * One pass over the slots and one over the VMs, after every fact. Detaching comes before attaching, then the order of
 * rules, then the order of plugs. Waiting for time is a number (wake_at), never a wait.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/vm_id.h"
#include "config/access.h"
#include "core/core_internal.h"

#include <string.h>

static void wake(struct core *c, int64_t at) {
    if (at < c->wake_at)
        c->wake_at = at;
}

/* The best candidate so far at each VM. */
struct candidate {
    int slot; /* -1 none */
    enum op_kind kind;
};

static bool better(const struct core *c, int i, enum op_kind kind, const struct candidate *than) {
    if (than->slot < 0)
        return true;
    if (kind != than->kind)
        return kind == OP_DETACH;
    const struct slot *a = &c->slot[i], *b = &c->slot[than->slot];
    int ra = a->rule < 0 ? VH_MAX_RULES : a->rule, rb = b->rule < 0 ? VH_MAX_RULES : b->rule;
    if (ra != rb)
        return ra < rb;
    return a->plug < b->plug;
}

/* An unplugged device may still own the id that this one would get: bus and address are used again. What is just
 * getting one keeps that VM busy. */
static bool id_taken(const struct core *c, int i, int vm) {
    const struct device *d = &c->slot[i].dev;
    for (int k = 0; k < c->used; k++) {
        const struct slot *s = &c->slot[k];
        if (k != i && s->vm == vm && s->vm_busnum == d->busnum && s->vm_devnum == d->devnum)
            return true;
    }
    return false;
}

/* Which operation this slot needs next, and at which VM; OP_NONE if it is where it should be. */
static enum op_kind slot_needs(const struct core *c, int i, int *vm) {
    const struct slot *s = &c->slot[i];
    int target = plan_target(c, s);
    if (s->op != OP_NONE || s->vm == target)
        return OP_NONE;
    *vm = s->vm >= 0 ? s->vm : target;
    return s->vm >= 0 ? OP_DETACH : OP_ATTACH;
}

static void consider(struct step *st, int i, struct candidate best[VH_MAX_VMS]) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    int vm = -1;
    enum op_kind kind = slot_needs(c, i, &vm);
    if (kind == OP_NONE)
        return;
    const struct vm *v = &c->vm[vm];
    if (v->state == VM_DOWN || v->op != OP_NONE)
        return;
    if (s->retry_at > st->now) {
        wake(c, s->retry_at);
        return;
    }
    /* The target has looked at the other reasons to stay; one that a request wants moved, settle_request(). */
    if (kind == OP_ATTACH && slot_stays_with_host(c, s, STAY_FOREIGN | STAY_HELD) != STAY_NO)
        return;
    if (kind == OP_ATTACH && (s->doubt != 0 || s->releasing || id_taken(c, i, vm)))
        return;
    if (better(c, i, kind, &best[vm])) {
        best[vm].slot = i;
        best[vm].kind = kind;
    }
}

static struct vmm_op *begin(struct step *st, int v, enum op_kind kind) {
    struct core *c = st->c;
    struct vm *vm = &c->vm[v];
    VH_ASSERT(vm->op == OP_NONE);
    if (++c->next_serial == 0)
        c->next_serial = 1;
    vm->op = kind;
    vm->op_serial = c->next_serial;
    vm->op_slot = -1;
    struct action *a = step_add(st, ACT_OP);
    a->vm = v;
    memset(&a->op, 0, sizeof a->op);
    a->op.kind = kind;
    a->op.serial = vm->op_serial;
    a->op.vm = v;
    c->stats.ops++;
    return &a->op;
}

static void begin_slot(struct step *st, int v, const struct candidate *cand) {
    struct slot *s = &st->c->slot[cand->slot];
    struct vmm_op *op = begin(st, v, cand->kind);
    st->out->a[st->out->n - 1].slot = cand->slot;
    st->c->vm[v].op_slot = cand->slot;
    s->op = cand->kind;
    s->op_vm = v;
    if (cand->kind == OP_ATTACH) {
        s->vm_busnum = s->dev.busnum;
        s->vm_devnum = s->dev.devnum;
    }
    op->busnum = s->vm_busnum;
    op->devnum = s->vm_devnum;
    vm_id_print(op->id, s->vm_busnum, s->vm_devnum);
}

/* Somebody waits for this very VM: try although it was silent or failed a moment ago. */
static bool urgent(const struct core *c, const struct candidate *cand) {
    return cand->slot >= 0 && c->slot[cand->slot].req >= 0;
}

static void plan_vm(struct step *st, int v, const struct candidate *cand) {
    struct core *c = st->c;
    struct vm *vm = &c->vm[v];
    if (vm->state == VM_DOWN || vm->op != OP_NONE)
        return;
    bool work = vm->state == VM_UNKNOWN || vm->stale[0] != '\0' || cand->slot >= 0;
    if (!work)
        return;
    if (!urgent(c, cand)) {
        if (vm->busy)
            return; /* FACT_VM_ANSWERS wakes us */
        if (vm->retry_at > st->now) {
            wake(c, vm->retry_at);
            return;
        }
    }
    if (vm->state == VM_UNKNOWN) {
        begin(st, v, OP_LIST);
    } else if (vm->stale[0] != '\0') {
        struct vmm_op *op = begin(st, v, OP_DETACH);
        memcpy(op->id, vm->stale, sizeof op->id);
    } else {
        begin_slot(st, v, cand);
    }
}

static void ask(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->question == QUESTION_NONE && plan_asks(st->c, s)) {
        s->question = QUESTION_OPEN;
        step_event(st, EV_SELECT_VM, i, -1);
    } else if (s->question == QUESTION_OPEN && !plan_asks(st->c, s)) {
        if (s->op == OP_NONE && s->req < 0)
            s->question = QUESTION_CLOSED;
    }
}

/* A request is served when its device is certainly where it was wanted. One whose next operation cannot happen fails
 * now: the VM it needs is down, the host has begun to use the device, another look finds that it may not go there, or a
 * higher role's decision or choice turns out to concern it (its serial or its tag is known only now). */
static void settle_request(struct step *st, int i) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    if (s->req < 0 || s->op != OP_NONE)
        return;
    if (s->vm == s->req_vm) {
        if (s->doubt == 0)
            request_slot_done(st, i, NULL);
        return;
    }
    bool to_vm = s->req_vm >= 0;
    int vm = s->vm >= 0 ? s->vm : s->req_vm;
    enum role asker = c->pending[s->req].audit.asked.who.role;
    /* What a guest may take was judged when it asked: also what another guest, for which it was chosen, put away. */
    int chosen = to_vm && asker > ROLE_GUEST ? remembered_chosen_above(c, s, asker) : -1;
    char text[VH_TEXT_MAX + VH_NAME_MAX];
    if (s->doubt == 0 && slot_stays_with_host(c, s, STAY_FOREIGN) != STAY_NO)
        (void)str_fmt(text, sizeof text, "VM '%s' has it already: somebody else attached it there",
                      c->conf->vms[s->foreign].name);
    else if (to_vm && s->disconnected && s->disconnected_by > asker)
        (void)str_fmt(text, sizeof text, "it was taken away by an %s", role_name(s->disconnected_by));
    else if (chosen >= 0 && chosen != s->req_vm)
        (void)str_fmt(text, sizeof text, "it was given to VM '%s' by a higher role", c->conf->vms[chosen].name);
    else if (to_vm && slot_stays_with_host(c, s, STAY_PROTECTED) != STAY_NO)
        (void)str_fmt(text, sizeof text, "stays with the host: it %s", s->dev.protect);
    else if (to_vm && slot_stays_with_host(c, s, STAY_MALFORMED) != STAY_NO)
        (void)str_fmt(text, sizeof text, "unclassifiable: %s", s->dev.malformed);
    else if (to_vm && (slot_stays_with_host(c, s, STAY_HUB) != STAY_NO || !plan_allows(c, s, s->req_vm)))
        (void)str_fmt(text, sizeof text, "the rules do not allow it there any more");
    else if (c->vm[vm].state == VM_DOWN)
        (void)str_fmt(text, sizeof text, "VM '%s' is not running", c->conf->vms[vm].name);
    else
        return;
    request_slot_done(st, i, text);
}

/* A device on a port that flapped has stayed long enough: as if it were plugged in now. */
static void stays(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->hold_until == 0)
        return;
    if (s->hold_until > st->now) {
        wake(st->c, s->hold_until);
        return;
    }
    port_quiet(st, i);
    slot_announce(st, i);
}

static void save_again(struct step *st) {
    struct core *c = st->c;
    if (!c->dirty || c->saving || c->save_failures == 0)
        return;
    if (c->save_at > st->now)
        wake(c, c->save_at);
    else
        remembered_changed(st);
}

void plan(struct step *st) {
    struct core *c = st->c;
    struct candidate best[VH_MAX_VMS];
    c->wake_at = VH_NEVER;
    for (int v = 0; v < VH_MAX_VMS; v++)
        best[v] = (struct candidate){.slot = -1};
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].state != SLOT_PRESENT && c->slot[i].state != SLOT_LEAVING)
            continue;
        stays(st, i);
        settle_request(st, i);
        ask(st, i);
        consider(st, i, best);
    }
    for (int v = 0; v < c->conf->nvms; v++)
        plan_vm(st, v, &best[v]);
    save_again(st); /* last: what was done above may have changed what is remembered */
}

bool core_holds(const struct core *c) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        bool there = s->state == SLOT_PRESENT || s->state == SLOT_LEAVING;
        if (there && (s->vm >= 0 || s->op != OP_NONE || s->releasing))
            return true;
    }
    return false;
}

bool core_vm_in_use(const struct core *c, int v) {
    if (c->vm[v].op != OP_NONE || c->vm[v].stale[0] != '\0')
        return true;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        bool there = s->state == SLOT_PRESENT || s->state == SLOT_LEAVING;
        if (there && (s->vm == v || s->foreign == v || (s->req >= 0 && s->req_vm == v) || (s->doubt >> v & 1) != 0))
            return true;
    }
    return false;
}

bool core_wants_vm(const struct core *c, int v) {
    const struct vm *vm = &c->vm[v];
    if (vm->state == VM_UNKNOWN || vm->stale[0] != '\0' || vm->op != OP_NONE)
        return true;
    for (int i = 0; i < c->used; i++) {
        int at = -1;
        if (slot_needs(c, i, &at) != OP_NONE && at == v)
            return true;
    }
    return false;
}
