/*
 * core_match.c - which device of the host is which of a VM that names nothing: such a VM lists ports, with the numbers
 * of vendor and product. Never begins an operation.
 *
 * A port is believed to have a device only if the VM said so at the same socket, to this daemon or to the one before
 * (core.assigned). What is left is matched by its numbers if nothing else in the host could be meant. Of devices that
 * look alike and that all are ours, each is taken out and attached anew; as soon as one of them may be somebody else's,
 * all of it is a claim (core_claim.c), and nothing is taken out.
 *
 * Such a VMM drops what was unplugged or revoked by itself, and may give its port away before anybody has looked. So of
 * such a device the port is believed only in the step in which it was revoked, and while nothing else in the host could
 * be there.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/vm_id.h"
#include "core/core_internal.h"

struct listing {
    const struct op_result *r;
    int vm;
    bool *kept;                                                /* by slot */
    enum { ROW_OPEN, ROW_TAKEN, ROW_STALE } row[VH_MAX_FOUND]; /* stale: it is ours, and has to be taken out */
};

static bool has_numbers(const struct slot *s, uint16_t vid, uint16_t pid) {
    return s->dev.kind == KIND_USB && s->dev.vid == vid && s->dev.pid == pid;
}

static bool looks_like(const struct slot *s, const struct vmm_found *f) {
    return has_numbers(s, f->vid, f->pid);
}

/* Ours, as far as is known, and not matched. */
static bool was_tried(const struct slot *s, int v) {
    return s->state == SLOT_PRESENT && s->vm < 0 && s->op == OP_NONE && (s->unshown >> v & 1) != 0;
}

static void make_stale(struct core *c, int v, const struct vmm_found *f) {
    struct vm *vm = &c->vm[v];
    vm_id_print_port(vm->stale, f->port_in_vm);
    vm->stale_port = f->port_in_vm;
    vm->stale_vid = f->vid;
    vm->stale_pid = f->pid;
}

/* The slot is at that port. */
static void matched(struct step *st, struct listing *l, int row, int i) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    const struct vmm_found *f = &l->r->found[row];
    l->row[row] = ROW_TAKEN;
    if (s->vm == l->vm) {
        l->kept[i] = true;
    } else if (s->hub || ((s->doubt | s->adoptable) >> l->vm & 1) == 0 || !plan_allows(c, s, l->vm)) {
        l->row[row] = ROW_STALE;
        make_stale(c, l->vm, f);
        if (s->revoke != REVOKE_CERTAIN)
            claim_slot(c, s, l->vm); /* until it is out */
    } else {
        s->vm_port = f->port_in_vm;
        s->vm_socket = l->r->socket;
        l->kept[i] = true;
        slot_assign(st, i, l->vm);
        s->adopted = true;
    }
}

/* May a device of these numbers be in the VM, by somebody else? */
static bool others_may_be_there(const struct core *c, int v, uint16_t vid, uint16_t pid) {
    bool may = c->unread || c->stats.table_full > 0;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        may = may || (s->state == SLOT_PRESENT && s->vm < 0 && !was_tried(s, v) && has_numbers(s, vid, pid));
    }
    return may;
}

/* The VMM has dropped it, or is about to: it was unplugged or revoked. Its port may have another device now. */
static bool is_dropped(const struct slot *s) {
    return s->state == SLOT_LEAVING || s->revoke == REVOKE_CERTAIN;
}

static bool is_at(const struct core *c, const struct slot *s, const struct listing *l, const struct vmm_found *f) {
    bool ours = s->vm == l->vm ? s->state == SLOT_PRESENT || s->state == SLOT_LEAVING : was_tried(s, l->vm);
    return ours && s->vm_port == f->port_in_vm && s->vm_socket == l->r->socket && looks_like(s, f) &&
           !(is_dropped(s) && others_may_be_there(c, l->vm, f->vid, f->pid));
}

static void match_by_port(struct step *st, struct listing *l) {
    for (int row = 0; row < l->r->nfound; row++) {
        for (int i = 0; i < st->c->used && l->row[row] == ROW_OPEN; i++) {
            if (is_at(st->c, &st->c->slot[i], l, &l->r->found[row]))
                matched(st, l, row, i);
        }
    }
    for (int i = 0; i < st->c->used; i++) {
        if (st->c->slot[i].vm == l->vm && !l->kept[i])
            slot_unassign(st, i); /* it is at no port: a row that looks like it may be another device */
    }
}

/* Devices and rows of the list with the same numbers that are not matched. */
struct alike {
    int rows, unmatched, first; /* first: slot of one that was unmatched */
    bool others;                /* a row may be a device that was not given to this VM by us */
};

static void count_alike(const struct core *c, const struct listing *l, const struct vmm_found *f, struct alike *a) {
    *a = (struct alike){.first = -1, .others = others_may_be_there(c, l->vm, f->vid, f->pid)};
    for (int row = 0; row < l->r->nfound; row++)
        a->rows += l->row[row] == ROW_OPEN && l->r->found[row].vid == f->vid && l->r->found[row].pid == f->pid;
    for (int i = 0; i < c->used; i++) {
        if (!was_tried(&c->slot[i], l->vm) || !looks_like(&c->slot[i], f))
            continue;
        a->unmatched++;
        a->first = i;
    }
}

static void claim_all_tried(struct core *c, int v, const struct vmm_found *f) {
    for (int i = 0; i < c->used; i++) {
        if (was_tried(&c->slot[i], v) && looks_like(&c->slot[i], f) && c->slot[i].revoke != REVOKE_CERTAIN)
            claim_slot(c, &c->slot[i], v);
    }
}

static void match_by_numbers(struct step *st, struct listing *l) {
    for (int row = 0; row < l->r->nfound; row++) {
        const struct vmm_found *f = &l->r->found[row];
        struct alike a;
        if (l->row[row] != ROW_OPEN)
            continue;
        count_alike(st->c, l, f, &a);
        if (!a.others && a.unmatched == 1 && a.rows == 1) {
            matched(st, l, row, a.first);
        } else if (!a.others && a.unmatched > 0) {
            make_stale(st->c, l->vm, f);
            claim_all_tried(st->c, l->vm, f);
        } else {
            claim_take(st->c, l->vm, f);
        }
    }
}

static bool is_listed(const struct listing *l, const struct slot *s) {
    for (int row = 0; row < l->r->nfound; row++) {
        if (l->row[row] != ROW_TAKEN && looks_like(s, &l->r->found[row]))
            return true;
    }
    return false;
}

/* What the VM does not have was taken out of it, or never came to it. Such a VMM gives no device back to the host. */
static void end_tries(struct step *st, struct listing *l) {
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if ((s->unshown >> l->vm & 1) == 0 || is_listed(l, s))
            continue;
        s->unshown &= ~((vm_set)1 << l->vm);
        if (s->vm < 0 && s->op == OP_NONE && s->claims == 0 && plan_target(st->c, s) < 0)
            slot_release(st, i, -1);
    }
}

void match_listed(struct step *st, int v, const struct op_result *r, bool kept[CORE_SLOTS]) {
    struct listing l = {.r = r, .vm = v, .kept = kept};
    VH_ASSERT(r->nfound <= VH_MAX_FOUND);
    match_by_port(st, &l);
    match_by_numbers(st, &l);
    end_tries(st, &l);
}

/* The VM gives a port away only once the device that was there is gone. */
bool match_attached(struct core *c, int i, const struct op_result *r) {
    struct slot *s = &c->slot[i];
    bool moved = false;
    s->vm_port = r->unnamed ? r->port : 0;
    s->vm_socket = r->socket;
    for (int k = 0; k < c->used && s->vm_port != 0; k++) {
        struct slot *other = &c->slot[k];
        if (k == i || other->vm != s->vm || other->vm_port != s->vm_port)
            continue;
        other->vm_port = 0;
        moved = true;
    }
    return moved;
}

void match_drop(struct step *st, int i) {
    const struct core *c = st->c;
    struct slot *s = &st->c->slot[i];
    bool sure = s->port_sure;
    s->port_sure = false;
    if (s->vm < 0 || !c->vm[s->vm].unnamed || s->op != OP_NONE || !is_dropped(s))
        return;
    if (s->vm_port != 0 && (sure || !others_may_be_there(c, s->vm, s->dev.vid, s->dev.pid)))
        return;
    slot_unassign(st, i);
    slot_release(st, i, -1);
}

bool match_may_take_out(const struct core *c, int v) {
    const struct vm *vm = &c->vm[v];
    for (int i = 0; i < c->used && vm->unnamed; i++) {
        const struct slot *s = &c->slot[i];
        if (was_tried(s, v) && !is_dropped(s) && s->vm_port == vm->stale_port &&
            has_numbers(s, vm->stale_vid, vm->stale_pid))
            return true;
    }
    return !vm->unnamed || !others_may_be_there(c, v, vm->stale_vid, vm->stale_pid);
}

bool match_waits(const struct core *c, int v) {
    for (int i = 0; i < c->used; i++) {
        if (was_tried(&c->slot[i], v))
            return true;
    }
    return false;
}
