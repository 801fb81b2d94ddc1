/*
 * core_host.c - what is done on the host to PCI devices. Owns slot.host, slot.bound and slot.ready. Never begins an
 * operation on a VM.
 *
 * A VM uses a PCI device by another driver than the host, and gets a whole IOMMU group or nothing of it. So before an
 * attach the device is prepared: nobody has it, and it is bound to that driver, as is every other device of its group
 * that a rule sends away. Once no VM has any device of the group, nor is to have one, each is given back to the host's
 * driver. What no rule sends away is never touched.
 */
#include "base/str.h"
#include "core/core_internal.h"

static bool is_there(const struct slot *s) {
    return s->state == SLOT_PRESENT || s->state == SLOT_LEAVING;
}

bool host_is_mate(const struct slot *a, const struct slot *b) {
    if (!is_there(a) || !is_there(b) || a->dev.kind != KIND_PCI || b->dev.kind != KIND_PCI)
        return false;
    return a == b || (a->dev.pci.grouped && b->dev.pci.grouped && a->dev.pci.group == b->dev.pci.group);
}

/* VMs that have it, may have it or are just getting it. */
vm_set host_has(const struct slot *s) {
    vm_set vms = s->doubt;
    if (s->vm >= 0)
        vms |= (vm_set)1 << s->vm;
    if (s->op != OP_NONE)
        vms |= (vm_set)1 << s->op_vm;
    return vms;
}

static vm_set group_has(const struct core *c, const struct slot *s) {
    vm_set vms = 0;
    for (int k = 0; k < c->used; k++)
        vms |= host_is_mate(s, &c->slot[k]) ? host_has(&c->slot[k]) : 0;
    return vms;
}

/* By the rules, whatever is decided about it. */
static bool is_sent_away(const struct core *c, const struct slot *s) {
    return s->state == SLOT_PRESENT && slot_terms(c, s).vms != 0 && slot_stays_with_host(c, s, STAY_DEVICE) == STAY_NO;
}

bool core_goes_along(const struct core *c, int i, int k) {
    const struct slot *m = &c->slot[k];
    return host_is_mate(&c->slot[i], m) && is_sent_away(c, m);
}

bool host_wants_back(const struct core *c, const struct slot *s) {
    if (s->dev.kind != KIND_PCI || s->state != SLOT_PRESENT || !s->bound)
        return false;
    for (int k = 0; k < c->used; k++) {
        const struct slot *m = &c->slot[k];
        if (!host_is_mate(s, m))
            continue;
        if (host_has(m) != 0 || m->adoptable != 0 || plan_target(c, m) >= 0 || m->suspended >= 0)
            return false;
    }
    return true;
}

bool host_unsure(const struct core *c, const struct slot *s) {
    bool waits = s->dev.kind == KIND_PCI && s->req >= 0 && s->req_vm < 0 && s->vm < 0;
    return waits && (s->host != HOST_NONE || s->claims != 0 || host_wants_back(c, s));
}

/* ---- orders ---- */

static void order(struct step *st, struct slot *s, enum action_kind kind, bool shared) {
    struct action *a = step_add(st, kind);
    a->slot = (int)(s - st->c->slot);
    a->token = s->plug;
    a->shared = shared;
    s->host = kind == ACT_PREPARE ? HOST_PREPARING : HOST_RESTORING;
    s->ready = false;
}

bool host_ready(struct step *st, int i, int vm, int64_t *at) {
    struct core *c = st->c;
    const struct slot *s = &c->slot[i];
    bool ready = true;
    if (s->dev.kind != KIND_PCI)
        return true;
    vm_set has = group_has(c, s);
    if ((has & ~((vm_set)1 << vm)) != 0 || c->vm[vm].state != VM_UP)
        return false;
    for (int k = 0; k < c->used; k++) {
        struct slot *m = &c->slot[k];
        if (!host_is_mate(s, m) || !is_sent_away(c, m) || m->vm == vm)
            continue;
        if (m->host == HOST_NONE && m->bound && (m->ready || k != i))
            continue;
        ready = false;
        if (m->host == HOST_NONE && m->op == OP_NONE && m->retry_at <= st->now)
            order(st, m, ACT_PREPARE, has != 0);
        else if (m->retry_at > st->now && m->retry_at < *at)
            *at = m->retry_at;
    }
    return ready;
}

int64_t host_plan(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->host != HOST_NONE || !host_wants_back(st->c, s))
        return VH_NEVER;
    if (s->retry_at > st->now)
        return s->retry_at;
    order(st, s, ACT_RESTORE, false);
    return VH_NEVER;
}

/* ---- their ends ---- */

/* Who waits for one device of a group waits for all of them. */
static void fail_requests(struct step *st, const struct slot *s, const char *text) {
    for (int k = 0; k < st->c->used; k++) {
        const struct slot *m = &st->c->slot[k];
        if (host_is_mate(s, m) && m->req >= 0 && m->req_vm >= 0 && m->op == OP_NONE && m->vm != m->req_vm)
            request_slot_done(st, k, text);
    }
}

/* What has failed may have been done all the same. */
void host_fact(struct step *st, const struct fact *f) {
    enum host_order which = f->kind == FACT_PREPARED ? HOST_PREPARING : HOST_RESTORING;
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if (s->state != SLOT_PRESENT || s->plug != f->token || s->host != which)
            continue;
        s->host = HOST_NONE;
        s->bound = which == HOST_PREPARING || !f->ok;
        s->ready = which == HOST_PREPARING && f->ok;
        if (f->ok) {
            slot_afresh(s);
            return;
        }
        slot_failed(st, s, f->text);
        if (which == HOST_PREPARING)
            fail_requests(st, s, f->text);
        else if (s->req >= 0 && s->req_vm < 0)
            request_slot_done(st, i, f->text);
        return;
    }
}
