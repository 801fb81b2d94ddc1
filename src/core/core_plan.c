/*
 * core_plan.c - the plan: compares targets with assignments and begins at most one operation on each VM.
 *
 * Runs after every fact: one pass over the slots, one over the VMs. A detach comes before an attach, then the order of
 * the rules decides, then the order of the plugs. Never waits: what is due later is a time in wake_at.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/vm_id.h"
#include "codec/vm_pci_id.h"
#include "config/access.h"
#include "core/core_internal.h"

#include <string.h>

static void wake(struct core *c, int64_t at) {
    if (at < c->wake_at)
        c->wake_at = at;
}

/* The best operation so far for a VM. */
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

/* An unplugged device may still have the id that this one would get, because the kernel uses addresses again. A device
 * that is just getting an id needs no check: its operation keeps the VM busy. */
static bool id_taken(const struct core *c, int i, int vm) {
    const struct device *d = &c->slot[i].dev;
    for (int k = 0; k < c->used; k++) {
        const struct slot *s = &c->slot[k];
        if (k != i && s->vm == vm && core_kind(&s->dev)->same_id(s, d))
            return true;
    }
    return false;
}

/* The next operation that this slot needs, and its VM; OP_NONE if the device is where it should be. */
static enum op_kind slot_needs(const struct core *c, int i, int *vm) {
    const struct slot *s = &c->slot[i];
    int target = plan_target(c, s);
    if (s->op != OP_NONE || (s->vm == target && !s->cut && !s->ejecting))
        return OP_NONE;
    *vm = s->vm >= 0 ? s->vm : target;
    return s->vm >= 0 ? OP_DETACH : OP_ATTACH;
}

/* No port of the VM is free for it: the VM is listed again from time to time, because others may free one. */
static bool waits_for_port(struct step *st, int i, int vm) {
    struct core *c = st->c;
    if (!ports_full(c, &c->slot[i], vm))
        return false;
    if (c->ports_at[vm] + ms_to_ns(VH_T_RETRY_MAX) <= st->now)
        vm_look(c, vm);
    else
        wake(c, c->ports_at[vm] + ms_to_ns(VH_T_RETRY_MAX));
    return true;
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
    int64_t at = s->ejecting && s->eject_at > s->retry_at ? s->eject_at : s->retry_at;
    if (at > st->now) {
        wake(c, at);
        return;
    }
    /* The other reasons to stay are in the target; for a slot of a request, settle_request() checks them. */
    if (kind == OP_ATTACH && slot_stays_with_host(c, s, STAY_FOREIGN | STAY_HELD | STAY_CLOSED) != STAY_NO)
        return;
    if (kind == OP_ATTACH &&
        (s->doubt != 0 || s->releasing || s->offering || id_taken(c, i, vm) || slot_kept_from(s, vm)))
        return;
    if (s->state == SLOT_PRESENT && s->revoke == REVOKE_UNDER_WAY)
        return;
    if (kind == OP_ATTACH && waits_for_port(st, i, vm))
        return;
    int64_t again = VH_NEVER;
    bool ready = kind != OP_ATTACH || host_ready(st, i, vm, &again);
    wake(c, again);
    if (!ready || s->host != HOST_NONE)
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
    vm->op_slot = vm->op_port = -1;
    struct action *a = step_add(st, ACT_OP);
    a->vm = v;
    memset(&a->op, 0, sizeof a->op);
    a->op.kind = kind;
    a->op.serial = vm->op_serial;
    a->op.vm = v;
    c->stats.ops++;
    return &a->op;
}

static void place(struct step *st, int v, const struct slot *s, struct vmm_op *op) {
    const struct vm_ports *p = &st->c->ports[v];
    struct place to;
    (void)ports_place(st->c, s, v, &to); /* consider() has asked */
    if (to.bus < 0 && s->dev.kind == KIND_USB)
        memcpy(op->bus, st->c->conf->vms[v].usb_bus, sizeof op->bus);
    if (to.bus >= 0)
        memcpy(op->bus, p->bus[to.bus].name, sizeof op->bus);
    if (to.port >= 0)
        memcpy(op->port, p->port[to.port].path, sizeof op->port);
    st->c->vm[v].op_port = to.port;
}

static void begin_slot(struct step *st, int v, const struct candidate *cand) {
    struct slot *s = &st->c->slot[cand->slot];
    struct vmm_op *op = begin(st, v, cand->kind);
    st->out->a[st->out->n - 1].slot = cand->slot;
    st->c->vm[v].op_slot = cand->slot;
    s->op = cand->kind;
    s->op_vm = v;
    if (cand->kind == OP_ATTACH) {
        core_kind(&s->dev)->take_id(s);
        s->ready = false; /* each attach is prepared anew */
        s->held_before = (s->holders >> v & 1) != 0;
        slot_hold(st->c, s, v);
        s->deauthorise = false; /* opening it authorises it */
        place(st, v, s, op);
        s->vm_port = 0;
        s->unshown = 0; /* no program has claimed it, or the attach ends before the VM is asked */
    }
    core_kind(&s->dev)->put_id(s, op);
    op->vid = s->dev.vid;
    op->pid = s->dev.pid;
    op->vm_port = s->vm_port;
    if (op->vm_port != 0)
        vm_id_print_port(op->id, op->vm_port);
}

/* A client waits for this operation: try it although the VM was silent or failed a moment ago. */
static bool urgent(const struct core *c, const struct candidate *cand) {
    return cand->slot >= 0 && c->slot[cand->slot].req >= 0;
}

static void plan_vm(struct step *st, int v, const struct candidate *cand) {
    struct core *c = st->c;
    struct vm *vm = &c->vm[v];
    if (vm->state == VM_DOWN || vm->op != OP_NONE)
        return;
    if (vm->stale[0] != '\0' && !match_may_take_out(c, v))
        vm->stale[0] = '\0';
    bool work = vm->state == VM_UNKNOWN || vm->stale[0] != '\0' || cand->slot >= 0;
    if (!work)
        return;
    if (!urgent(c, cand)) {
        if (vm->busy)
            return; /* FACT_VM_ANSWERS runs the plan again */
        if (vm->retry_at > st->now) {
            wake(c, vm->retry_at);
            return;
        }
    }
    if (vm->state == VM_UNKNOWN) {
        begin(st, v, OP_LIST)->pci = c->gives_pci;
    } else if (vm->stale[0] != '\0' && (cand->slot < 0 || cand->kind != OP_DETACH)) {
        /* After what is to be taken out: a VM that keeps an id keeps no device by that. */
        struct vmm_op *op = begin(st, v, OP_DETACH);
        struct pci_address a;
        memcpy(op->id, vm->stale, sizeof op->id);
        op->vm_port = vm->stale_port;
        op->vid = vm->stale_vid;
        op->pid = vm->stale_pid;
        op->pci = vm_pci_id_parse(op->id, &a);
    } else {
        begin_slot(st, v, cand);
    }
}

static void ask(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->question == QUESTION_NONE && plan_asks(st->c, s)) {
        s->question = QUESTION_OPEN;
        s->question_number = ++st->c->questions;
        step_event(st, EV_SELECT_VM, i, -1);
    } else if (s->question == QUESTION_OPEN && !plan_asks(st->c, s)) {
        if (s->op == OP_NONE && s->req < 0)
            s->question = QUESTION_CLOSED;
    }
}

/* The device is where the request wants it, or no longer with us: a program that is no VM of ours may have claimed it,
 * or a VM may have kept a descriptor. */
static void served(struct step *st, int i) {
    const struct slot *s = &st->c->slot[i];
    char text[VH_TEXT_MAX + VH_NAME_MAX];
    if (s->req_vm < 0 && slot_held(s)) {
        (void)str_fmt(text, sizeof text, "it is taken away, but not certainly: %s", st->c->revoke_why[i]);
        request_slot_done(st, i, text);
        return;
    }
    if (s->req_vm < 0 && s->foreign >= 0) {
        (void)str_fmt(text, sizeof text, "somebody else attached it to VM '%s': it has to be taken out there",
                      st->c->conf->vms[s->foreign].name);
        request_slot_done(st, i, text);
        return;
    }
    request_slot_done(st, i, NULL);
}

/* What the request of this slot has waited for in vain. */
static void late(struct step *st, int i) {
    struct core *c = st->c;
    const struct slot *s = &c->slot[i];
    char text[VH_TEXT_MAX];
    int v = s->vm >= 0 ? s->vm : s->req_vm;
    for (int k = 0; k < c->conf->nvms && s->doubt != 0; k++) {
        if ((s->doubt >> k & 1) != 0)
            v = k;
    }
    if (s->doubt != 0)
        (void)str_fmt(text, sizeof text, "VM '%s' may have it and has not answered in time", c->conf->vms[v].name);
    else if (s->vm < 0 && s->look != LOOK_NONE)
        (void)str_copy(text, sizeof text, "the device could not be read in time");
    else if (s->revoke == REVOKE_UNDER_WAY)
        (void)str_copy(text, sizeof text, "it has not been revoked in time");
    else if (s->ejecting)
        (void)str_fmt(text, sizeof text, "the guest of VM '%s' has not let go of it in time", c->conf->vms[v].name);
    else if (s->dev.kind == KIND_PCI && v < 0 && s->claims != 0)
        (void)str_copy(text, sizeof text, "a VM that should not have it lists it still");
    else if (s->dev.kind == KIND_PCI && v < 0)
        (void)str_copy(text, sizeof text, "it has not been given back to the host in time");
    else if (s->releasing || v < 0)
        (void)str_copy(text, sizeof text, "its reset has not ended in time");
    else
        (void)str_fmt(text, sizeof text, "VM '%s' has not answered in time", c->conf->vms[v].name);
    request_slot_done(st, i, text);
}

/* Ends a request for this slot that is served or can no longer be. Served: the device is certainly where the request
 * wants it. Failed: the VM is down, the device must stay with the host now, the rules no longer allow the VM, or a
 * decision or selection by a higher role concerns the device (its serial number may be known only now). */
static void settle_request(struct step *st, int i) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    if (s->req < 0 || s->op != OP_NONE) /* each operation ends within a time of its own */
        return;
    bool looks = s->look == LOOK_UNDER_WAY || (s->look == LOOK_DUE && !s->releasing && !s->reset_due);
    bool unread = s->vm < 0 && (looks || revoke_unsettled(c, s) || host_unsure(c, s));
    if (!unread && s->vm == s->req_vm && s->doubt == 0 && !s->cut && !s->ejecting) {
        served(st, i);
        return;
    }
    if (c->pending[s->req].until <= st->now) {
        late(st, i);
        return;
    }
    wake(c, c->pending[s->req].until);
    if (unread || s->vm == s->req_vm)
        return;
    bool to_vm = s->req_vm >= 0;
    int vm = s->vm >= 0 ? s->vm : s->req_vm;
    bool full = to_vm && ports_full(c, s, s->req_vm); /* asked before another VM has given it back */
    enum role asker = c->pending[s->req].audit.asked.who.role;
    int chosen = to_vm ? remembered_chosen_above(c, s, asker) : -1;
    char text[VH_TEXT_MAX + VH_NAME_MAX];
    if (full)
        ports_why_full(c, s, s->req_vm, text);
    else if (s->doubt == 0 && s->foreign >= 0)
        (void)str_fmt(text, sizeof text, "VM '%s' has it already: somebody else attached it there",
                      c->conf->vms[s->foreign].name);
    else if (to_vm && s->vm < 0 && s->revoke == REVOKE_UNCERTAIN && slot_held_elsewhere(s, s->req_vm))
        (void)str_fmt(text, sizeof text, "another VM may still use it: %s", c->revoke_why[i]);
    else if (to_vm && s->disconnected && s->disconnected_by > asker)
        (void)str_fmt(text, sizeof text, "it was taken away by an %s", role_name(s->disconnected_by));
    else if (chosen >= 0 && chosen != s->req_vm)
        (void)str_fmt(text, sizeof text, "it was given to VM '%s' by a higher role", c->conf->vms[chosen].name);
    else if (to_vm && slot_stays_with_host(c, s, STAY_PROTECTED) != STAY_NO)
        (void)str_fmt(text, sizeof text, "stays with the host: it %s", s->dev.protect);
    else if (to_vm && slot_stays_with_host(c, s, STAY_MALFORMED) != STAY_NO)
        (void)str_fmt(text, sizeof text, "unclassifiable: %s", s->dev.malformed);
    else if (to_vm && slot_stays_with_host(c, s, STAY_UNAUTHORISED) != STAY_NO)
        (void)str_copy(text, sizeof text, "the device is not authorised on this host");
    else if (to_vm && slot_stays_with_host(c, s, STAY_UNRESPONSIVE) != STAY_NO)
        (void)str_fmt(text, sizeof text, "%s does not answer", s->dev.node);
    else if (to_vm && (slot_stays_with_host(c, s, STAY_HUB) != STAY_NO || !plan_allows(c, s, s->req_vm)))
        (void)str_fmt(text, sizeof text, "the rules do not allow it there any more");
    else if (to_vm && slot_stays_with_host(c, s, STAY_CLOSED) != STAY_NO)
        (void)str_copy(text, sizeof text, core_why_closed);
    else if (c->vm[vm].state == VM_DOWN)
        (void)str_fmt(text, sizeof text, "VM '%s' is not running", c->conf->vms[vm].name);
    else
        return;
    request_slot_done(st, i, text);
}

/* Ends the hold of a device that has stayed on its flapping port for long enough. */
static void end_hold(struct step *st, int i) {
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

/* A client waits for a decision, so it is tried although the disk has failed a moment ago. */
static void save(struct step *st) {
    struct core *c = st->c;
    if (c->save != SAVE_NONE || (!c->saving && !c->dirty))
        return;
    if (!c->saving && c->save_failures > 0 && c->save_at > st->now)
        wake(c, c->save_at);
    else
        saving_begin(st);
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
        match_drop(st, i);
        end_hold(st, i);
        if (c->slot[i].state == SLOT_PRESENT)
            claim_judge(st, i);
        settle_request(st, i);
        ask(st, i);
        authorize_plan(st, i);
        wake(c, revoke_plan(st, i));
        consider(st, i, best);
        wake(c, quarantine_plan(st, i));
        wake(c, host_plan(st, i));
    }
    for (int v = 0; v < c->conf->nvms; v++)
        plan_vm(st, v, &best[v]);
    verify_plan(st);
    announce_plan(st);
    save(st); /* last: the passes above may change what is remembered */
}

bool core_holds(const struct core *c) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        bool there = s->state == SLOT_PRESENT || s->state == SLOT_LEAVING;
        bool restored = s->host != HOST_NONE || (host_wants_back(c, s) && s->failures == 0);
        if (there && (s->vm >= 0 || s->op != OP_NONE || s->releasing || s->offering || restored ||
                      (s->state == SLOT_PRESENT && revoke_waits(c, s))))
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
        if (there &&
            (s->vm == v || ((s->claims | s->doubt | s->holders) >> v & 1) != 0 || (s->req >= 0 && s->req_vm == v)))
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
