/*
 * core_vm.c - owns the states of VMs: facts about VMs, listings and the ends of operations. Never begins an operation.
 *
 * Assignments follow only from confirmed operations and from listings. When the outcome of an operation is unknown (the
 * connection broke, or no answer came), the VM becomes VM_UNKNOWN and is listed before any other operation.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

#include <string.h>

/* What the VM has is known now: it is listed, or down. What an earlier daemon gave it and it does not list, an earlier
 * process of it may hold. */
static void doubt_ends(struct core *c, int v) {
    vm_set bit = (vm_set)1 << v;
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        s->orphan = s->orphan || ((s->adoptable & s->holders & bit) != 0 && s->vm != v);
        s->doubt &= ~bit;
        s->adoptable &= ~bit;
    }
}

/* Nothing that it may have had is looked for there any more. */
static void tries_end(struct core *c, int v) {
    for (int i = 0; i < c->used; i++)
        c->slot[i].unshown &= ~((vm_set)1 << v);
}

/* Another VMM may accept what the last one refused: devices do not wait for the old back-off. */
static void refusals_end(struct core *c, int v) {
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && (s->vm == v || plan_target(c, s) == v))
            slot_afresh(s);
    }
}

static void vm_down(struct step *st, int v, const char *why) {
    struct core *c = st->c;
    struct vm *vm = &c->vm[v];
    vm->state = VM_DOWN;
    vm->alive = false;
    vm->again = false;
    vm->busy = false;
    vm->stale[0] = '\0';
    vm->failures = 0;
    vm->retry_at = 0;
    vm->version[0] = vm->version[1] = vm->version[2] = 0;
    c->ports[v].known = false;
    (void)str_copy(vm->reason, sizeof vm->reason, why); /* a reason may be cut */
    doubt_ends(c, v);
    tries_end(c, v);
    claims_end(c, v);
    revoke_vm_down(c, v);
    refusals_end(c, v);
    remembered_resume(st, v, ~0u); /* a restarted VM is not suspended */
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->guest_detached == v)
            s->guest_detached = -1; /* a new guest has detached nothing */
        if (s->vm != v)
            continue;
        slot_unassign(st, i); /* an operation under way finds this when it ends */
        slot_release(st, i, v);
    }
}

/* A VMM listens, perhaps a new one: nothing is known of it before it is listed. */
static void vm_unknown(struct core *c, int v) {
    struct vm *vm = &c->vm[v];
    if (!c->conf->vms[v].supported)
        return;
    vm->state = VM_UNKNOWN;
    vm->stale[0] = '\0';
}

void vm_look(struct core *c, int v) {
    if (c->vm[v].state == VM_UP)
        vm_unknown(c, v);
}

void vm_match_again(struct core *c) {
    for (int v = 0; v < c->conf->nvms; v++) {
        if (match_waits(c, v))
            vm_look(c, v);
    }
}

void vm_fact(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    VH_ASSERT(f->vm >= 0 && f->vm < c->conf->nvms);
    struct vm *vm = &c->vm[f->vm];
    vm->told = true;
    if (f->kind == FACT_VM_DOWN) {
        vm_down(st, f->vm, "");
        return;
    }
    if (f->kind == FACT_VM_SOCKET) {
        vm_unknown(c, f->vm);
        refusals_end(c, f->vm);
        vm->alive = false; /* the listener may be another VMM, or none: a listing shows */
    }
    vm->busy = false; /* FACT_VM_ANSWERS says no more than this */
    vm->failures = 0;
    vm->retry_at = 0;
}

/* ---- listings ---- */

/* The slot of an id in a listing. One that has this id in this VM comes first: before an unplug is reported, a newer
 * device may have the same numbers. */
static int slot_by_id(const struct core *c, int v, const struct vmm_found *f, enum slot_state state) {
    int found = -1;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state != state)
            continue;
        if (s->vm == v && core_kind(&s->dev)->has_id(s, f))
            return i;
        if (found < 0 && s->vm != v && core_kind(&s->dev)->would_have(&s->dev, f))
            found = i;
    }
    return found;
}

/* A VM that was started with a PCI device has it by the VM's command line, with an id of ours. The kernel gives the
 * device to nobody else then, so the VM's word costs no other one anything. */
static bool came_with_it(const struct core *c, const struct slot *s, int v) {
    return s->dev.kind == KIND_PCI && s->vm < 0 && s->op == OP_NONE && s->host == HOST_NONE &&
           (s->doubt & ~((vm_set)1 << v)) == 0 && plan_target(c, s) == v;
}

/* The VM has this id of ours: it is known, it is adopted, or it is stale and must be removed. */
static void found_ours(struct step *st, int v, const struct vmm_found *f, bool kept[CORE_SLOTS]) {
    struct core *c = st->c;
    int leaving = slot_by_id(c, v, f, SLOT_LEAVING);
    if (leaving >= 0 && c->slot[leaving].vm == v) {
        kept[leaving] = true;
        return;
    }
    int i = slot_by_id(c, v, f, SLOT_PRESENT);
    if (i >= 0 && c->slot[i].vm == v) {
        kept[i] = true;
        return;
    }
    struct slot *s = i >= 0 ? &c->slot[i] : NULL;
    if (s != NULL && came_with_it(c, s, v)) {
        kept[i] = true;
        slot_assign(st, i, v);
        s->adopted = true;
        return;
    }
    /* If this VM could not have this device, the id belongs to an older one, because the kernel uses numbers
     * again, or was refused before. */
    if (s == NULL || ((s->doubt | s->adoptable) >> v & 1) == 0 || s->vm >= 0 || s->op != OP_NONE || s->hub ||
        !plan_allows(c, s, v)) {
        (void)str_copy(c->vm[v].stale, sizeof c->vm[v].stale, f->id); /* same bound */
        /* It may have the device all the same, until the id is removed; unless the kernel has ended what it had. */
        if (s != NULL && !s->hub && s->revoke != REVOKE_CERTAIN)
            claim_slot(c, s, v);
        return;
    }
    core_kind(&s->dev)->take_id(s); /* found by that */
    kept[i] = true;
    slot_assign(st, i, v);
    s->adopted = true;
}

static void told_of_itself(struct core *c, int v, const struct op_result *r, int64_t now) {
    c->ports[v].known = false;
    c->ports_at[v] = now;
    if (r->ports != NULL)
        c->ports[v] = *r->ports;
    memcpy(c->vm[v].version, r->version, sizeof r->version);
}

static void listed(struct step *st, int v, const struct op_result *r) {
    struct core *c = st->c;
    bool kept[CORE_SLOTS] = {false};
    told_of_itself(c, v, r, st->now);
    c->vm[v].state = c->vm[v].again ? VM_UNKNOWN : VM_UP;
    c->vm[v].again = false;
    c->vm[v].alive = true;
    c->vm[v].stale[0] = '\0';
    c->vm[v].unnamed = r->unnamed;
    claims_end(c, v);
    for (int k = 0; k < r->nfound && !r->unnamed; k++) {
        if (r->found[k].ours)
            found_ours(st, v, &r->found[k], kept);
        else
            claim_take(c, v, &r->found[k]); /* never removed */
    }
    if (r->unnamed)
        match_listed(st, v, r, kept);
    else
        tries_end(c, v);
    doubt_ends(c, v);
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->vm == v && !kept[i])
            slot_unassign(st, i);
    }
}

/* ---- the ends of operations ---- */

static void vm_failed(struct step *st, int v, const char *text) {
    struct vm *vm = &st->c->vm[v];
    vm->failures++;
    vm->retry_at = st->now + backoff(vm->failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
    (void)str_copy(vm->reason, sizeof vm->reason, text);
}

/* It is out. A VM that goes on to another one is reset by QEMU, unless QEMU cannot do so any more. */
static void slot_out(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->vm >= 0)
        slot_unassign(st, i);
    if (plan_target(st->c, s) < 0 || s->revoke == REVOKE_CERTAIN)
        slot_release(st, i, -1);
}

static void slot_op_ok(struct step *st, int i, int v, enum op_kind kind, const struct op_result *r) {
    struct slot *s = &st->c->slot[i];
    if (kind == OP_DETACH) {
        slot_afresh(s);
        ports_given_back(st->c, v, s);
        slot_out(st, i);
    } else {
        slot_assign(st, i, v);
        s->unplaced = false;
        if (match_attached(st->c, i, r))
            vm_look(st->c, v);
        if (st->c->vm[v].op_port >= 0)
            ports_taken(st->c, v, s, st->c->vm[v].op_port);
        else if (st->c->ports[v].known && s->dev.kind == KIND_USB)
            vm_unknown(st->c, v); /* which port it has shows a listing */
        if (s->state == SLOT_PRESENT && s->req < 0 && s->choice < 0)
            s->choice = v; /* until it is unplugged */
    }
}

/* The VMM has told its guest. */
static void slot_accepted(struct step *st, struct slot *s, int v) {
    if (s->vm != v)
        return; /* it is out already, or the VM is down */
    slot_afresh(s);
    s->ejecting = true;
    s->eject_at = st->now + ms_to_ns(VH_T_EJECT);
}

/* Nothing was sent: that VM did not get a descriptor by this. */
static void not_sent(struct slot *s, int v, enum op_status status) {
    if (!s->held_before && (status == OP_LOCAL || status == OP_BUSY || status == OP_REFUSED))
        s->holders &= ~((vm_set)1 << v);
}

/* What the VM has is dead, whether it gives it back or not: its id is removed once it is listed. */
static void taken_without_it(struct step *st, int i, int v) {
    slot_unassign(st, i);
    st->c->slot[i].unshown |= (vm_set)st->c->vm[v].unnamed << v;
    slot_release(st, i, -1);
    vm_look(st->c, v);
}

/* Somebody else may have taken the port since the VM was listed, or QEMU counts its ports in another way than we do.
 * The VM is listed, and the device goes where the VMM puts it. */
static bool tries_again(struct step *st, struct slot *s, int v, const struct op_result *r) {
    bool again = r->status == OP_FAILED && st->c->vm[v].op_port >= 0 && s->state == SLOT_PRESENT && !s->unplaced;
    s->unplaced = s->unplaced || again;
    return again;
}

static void slot_op_end(struct step *st, int i, int v, enum op_kind kind, const struct op_result *r) {
    struct slot *s = &st->c->slot[i];
    VH_ASSERT(s->op == kind && s->op_vm == v);
    s->op = OP_NONE;
    s->op_vm = -1;
    /* Only its own word says that it has the device, and it does not give the device back. */
    if (r->status == OP_FAILED && kind == OP_DETACH && s->dev.kind == KIND_USB && s->adopted && s->vm == v &&
        s->state == SLOT_PRESENT) {
        slot_unassign(st, i);
        claim_slot(st->c, s, v);
    }
    if (kind == OP_ATTACH)
        not_sent(s, v, r->status);
    if (kind == OP_ATTACH && r->status != OP_OK && r->status != OP_UNKNOWN)
        s->deauthorise = slot_authorises(st->c, s); /* opening it may have authorised it */
    if (r->status != OP_OK && kind == OP_DETACH && s->revoke == REVOKE_CERTAIN && s->vm == v &&
        s->state == SLOT_PRESENT)
        taken_without_it(st, i, v);
    if (r->status == OP_OK) {
        slot_op_ok(st, i, v, kind, r);
    } else if (r->status == OP_ACCEPTED) {
        slot_accepted(st, s, v);
    } else if (kind == OP_ATTACH && tries_again(st, s, v, r)) {
        vm_unknown(st->c, v);
        return;
    } else if (r->status == OP_FAILED || r->status == OP_LOCAL) {
        slot_failed(st, s, r->text);
        if (r->status == OP_FAILED)
            vm_unknown(st->c, v); /* it may have other devices than we know, e.g. after a duplicate id */
    } else if (r->status == OP_UNKNOWN && kind == OP_ATTACH && st->c->vm[v].state != VM_DOWN) {
        s->doubt |= (vm_set)1 << v;
        s->unshown |= (vm_set)st->c->vm[v].unnamed << v;
    }
    if (r->status == OP_UNKNOWN && kind == OP_ATTACH && st->c->vm[v].state == VM_DOWN)
        slot_release(st, i, v); /* it died during the attach: the device may need a reset */
    if (s->req >= 0 && r->status != OP_OK && r->status != OP_ACCEPTED && (s->vm != s->req_vm || s->doubt != 0))
        request_slot_done(st, i, r->text);
    if (s->state == SLOT_LEAVING && s->vm < 0)
        s->state = SLOT_DEAD;
}

/* What the end of an operation means for the state of the VM. */
static void vm_op_status(struct step *st, int v, const struct op_result *r) {
    struct core *c = st->c;
    struct vm *vm = &c->vm[v];
    if (r->status == OP_REFUSED) {
        vm_down(st, v, r->text);
    } else if (r->status == OP_BUSY) {
        vm->busy = true;
        (void)str_copy(vm->reason, sizeof vm->reason, r->text);
    } else if (r->status != OP_UNKNOWN) {
        vm->busy = false;
    } else if (vm->state != VM_DOWN) {
        vm_unknown(c, v);
        vm_failed(st, v, r->text);
    }
    if (r->status == OP_OK || r->status == OP_ACCEPTED) {
        vm->failures = 0;
        vm->reason[0] = '\0';
    }
}

static void op_done(struct step *st, const struct op_result *r) {
    struct core *c = st->c;
    if (r->vm < 0 || r->vm >= c->conf->nvms || r->serial == 0 || c->vm[r->vm].op_serial != r->serial)
        return; /* an operation given up earlier, or a second answer */
    struct vm *vm = &c->vm[r->vm];
    enum op_kind kind = vm->op;
    int slot = vm->op_slot;
    vm->op = OP_NONE;
    vm->op_serial = 0;
    vm->op_slot = -1;
    c->stats.op_ended[r->status]++;
    /* The state of the VM first: requests that fail below read it. */
    bool alive = vm->state != VM_DOWN;
    vm_op_status(st, r->vm, r);
    if (slot >= 0) {
        slot_op_end(st, slot, r->vm, kind, r);
        if (r->status == OP_OK && !alive && c->slot[slot].vm == r->vm)
            slot_unassign(st, slot); /* confirmed just before it died */
        return;
    }
    if (kind == OP_LIST) {
        if (r->status == OP_OK && alive)
            listed(st, r->vm, r);
        else if (r->status == OP_FAILED || r->status == OP_LOCAL)
            vm_failed(st, r->vm, r->text);
        if (r->status != OP_OK)
            request_fail_vm(st, r->vm, r->text);
    } else if (r->status == OP_OK) {
        claim_given_back(st, r->vm, vm->stale);
        vm->stale[0] = '\0';
        vm_unknown(c, r->vm); /* there may be more: list again */
    } else if (r->status == OP_FAILED || r->status == OP_LOCAL) {
        vm_failed(st, r->vm, r->text);
    } else if (r->status == OP_ACCEPTED) {
        vm_failed(st, r->vm, "its guest has not let go of an earlier device yet");
    }
}

/* A guest has a say in detaches only. */
void vm_op_done(struct step *st, const struct fact *f) {
    struct op_result r = *f->op;
    bool known = r.vm >= 0 && r.vm < st->c->conf->nvms;
    if (r.status == OP_ACCEPTED && known && st->c->vm[r.vm].op != OP_DETACH)
        r.status = OP_UNKNOWN;
    op_done(st, &r);
}

/* ---- what a VM says by itself ---- */

static int slot_with_id(const struct core *c, int v, const char *id) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        struct vmm_op op;
        bool there = s->state == SLOT_PRESENT || s->state == SLOT_LEAVING;
        if (!there || (s->vm != v && (s->op != OP_ATTACH || s->op_vm != v)))
            continue;
        core_kind(&s->dev)->put_id(s, &op);
        if (str_eq(op.id, id))
            return i;
    }
    return -1;
}

/* A device that goes out although nobody has told the VM so is the guest's doing: it is not given back at once. */
void vm_out(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    VH_ASSERT(f->vm >= 0 && f->vm < c->conf->nvms);
    int i = slot_with_id(c, f->vm, f->text);
    if (i < 0 && f->ok && str_eq(c->vm[f->vm].stale, f->text))
        vm_look(c, f->vm);
    if (i < 0)
        return;
    struct slot *s = &c->slot[i];
    if (s->vm != f->vm) {
        vm_look(c, f->vm); /* it is just being attached */
    } else if (!f->ok && s->ejecting) {
        s->ejecting = false;
        slot_failed(st, s, "the guest does not let go of it");
        if (s->req >= 0 && s->op == OP_NONE)
            request_slot_done(st, i, "the guest does not let go of it");
    } else if (f->ok) {
        bool told = s->ejecting || s->op == OP_DETACH;
        slot_afresh(s);
        if (!told)
            slot_failed(st, s, "its guest has let go of it");
        slot_out(st, i);
    }
}
