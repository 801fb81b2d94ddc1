/*
 * core_claim.c - owns claims: what VMs say of devices that they did not get from us. Never begins an operation.
 *
 * A VM may lie, so its word alone stands against nothing: not against a detach, and not against what another VM got
 * from us. A claim about a free device is compared with a reading of the device. If a program has claimed an interface
 * of it, the device stays where it is; else the claim is shown and counts for nothing. Opening a device for a VM looks
 * once more, so a claim that a reading missed by a moment does no harm.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/vm_id.h"
#include "core/core_internal.h"

static bool fits(const struct vmm_found *f, const struct device *d) {
    if (d->kind != KIND_USB)
        return false;
    bool known = f->busnum != 0 || f->devnum != 0 || f->vid != 0 || f->pid != 0 || f->port[0] != '\0';
    return known && (f->busnum == 0 || f->busnum == d->usb.busnum) && (f->devnum == 0 || f->devnum == d->usb.devnum) &&
           (f->vid == 0 || f->vid == d->vid) && (f->pid == 0 || f->pid == d->pid) &&
           (f->port[0] == '\0' || str_eq(f->port, d->usb.port_path));
}

void claims_end(struct core *c, int v) {
    for (int i = 0; i < c->used; i++)
        c->slot[i].claims &= ~((vm_set)1 << v);
    for (int i = 0; i < VH_MAX_FILTERS; i++) {
        if (c->filter[i].used && c->filter[i].vm == v) /* the other rows may never have been written */
            c->filter[i].used = false;
    }
}

/* Each VM has its own share of the table. A device that a forgotten filter takes is found claimed when it is opened. */
static void remember_filter(struct core *c, int v, const struct vmm_found *f) {
    int n = 0, at = -1;
    for (int i = 0; i < VH_MAX_FILTERS; i++) {
        n += c->filter[i].used && c->filter[i].vm == v;
        if (!c->filter[i].used && at < 0)
            at = i;
    }
    if (n == VH_VM_FILTERS) {
        c->stats.claims_refused++;
        return;
    }
    VH_ASSERT(at >= 0); /* VH_MAX_FILTERS */
    c->filter[at] = (struct filter){.used = true, .vm = v, .fits = *f};
}

void claim_slot(struct core *c, struct slot *s, int v) {
    s->claims |= (vm_set)1 << v;
    if (s->dev.kind != KIND_USB)
        return; /* whoever has a PCI device keeps it from being prepared for another VM: nothing is to be read */
    s->look = LOOK_DUE;
    c->stats.claims_refused += s->vm >= 0;
}

void claim_take(struct core *c, int v, const struct vmm_found *f) {
    if (f->filter)
        remember_filter(c, v, f);
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && !s->hub && s->vm != v && fits(f, &s->dev))
            claim_slot(c, s, v);
    }
}

/* The device has just been read. */
void claim_plugged(const struct core *c, struct slot *s) {
    for (int i = 0; i < VH_MAX_FILTERS; i++) {
        if (c->filter[i].used && !s->hub && s->vm < 0 && fits(&c->filter[i].fits, &s->dev))
            s->claims |= (vm_set)1 << c->filter[i].vm;
    }
}

bool claim_was_read(struct step *st, struct slot *s) {
    bool asked = s->look == LOOK_UNDER_WAY;
    if (asked)
        s->look = LOOK_NONE;
    s->look_at = st->now + VH_T_RETRY_MAX * VH_NSEC_PER_MSEC;
    return asked;
}

/* The VM had the device by an id of ours: drivers of the host get it back as after any detach. */
void claim_given_back(struct step *st, int v, const char *id) {
    char own[VH_OPID_MAX];
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if (s->dev.kind == KIND_USB)
            vm_id_print(own, s->dev.usb.busnum, s->dev.usb.devnum);
        if (s->dev.kind == KIND_USB && s->state == SLOT_PRESENT && s->foreign == v && s->op == OP_NONE &&
            str_eq(own, id))
            slot_release(st, i, -1);
    }
}

static int first_of(vm_set set) {
    int v = 0;
    while ((set >> v & 1) == 0)
        v++;
    return v;
}

void claim_judge(struct step *st, int i) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    if (s->dev.kind != KIND_USB)
        return;
    if (s->claims == 0 || s->vm >= 0) {
        s->look = s->claims == 0 ? LOOK_NONE : LOOK_DUE; /* what was read while a VM of ours had it says nothing */
        s->foreign = -1;
        return;
    }
    if (s->look == LOOK_NONE && s->dev.claimed && plan_target(c, s) >= 0) {
        if (s->look_at <= st->now)
            s->look = LOOK_DUE; /* the program may have let go; no uevent tells that */
        else if (s->look_at < c->wake_at)
            c->wake_at = s->look_at;
    }
    if (s->look == LOOK_DUE && s->op == OP_NONE && !s->releasing && !s->reset_due) {
        s->look = LOOK_UNDER_WAY;
        step_add(st, ACT_LOOK)->slot = i;
    }
    if (s->look == LOOK_NONE)
        s->foreign = s->dev.claimed ? first_of(s->claims) : -1;
    else if (s->foreign >= 0 && (s->claims >> s->foreign & 1) == 0)
        s->foreign = -1;
}
