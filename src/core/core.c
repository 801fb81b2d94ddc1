/*
 * core.c - the step: one fact in, its actions out; and the facts about devices.
 *
 * Owns the life of a slot from plug to unplug. Never begins an operation on a VM: core_plan.c does, from the difference
 * between target and assignment.
 */
#include "core/core.h"

#include "base/log.h"
#include "base/str.h"
#include "codec/pci_address.h"
#include "codec/pci_names.h"
#include "config/connectors.h"
#include "config/policy_pci.h"
#include "core/core_internal.h"

#include <string.h>

void core_init(struct core *c, const struct conf *conf, bool attach_connected) {
    VH_ASSERT(c->conf == NULL);
    c->conf = conf;
    c->quarantine = conf->quarantine;
    c->authorises = conf->authorization.enabled;
    c->attach_connected = attach_connected;
    c->wake_at = VH_NEVER;
}

void core_earlier(struct core *c, const struct assigned *rows, int n) {
    VH_ASSERT(c->stats.facts == 0 && n >= 0);
    c->earlier = rows != NULL ? EARLIER_NOTED : EARLIER_NONE;
    c->assigned = rows;
    c->nassigned = n;
}

vm_set core_may_have(const struct core *c, int i) {
    const struct slot *s = &c->slot[i];
    vm_set vms = s->doubt | s->holders;
    if (i >= c->used || s->state != SLOT_PRESENT)
        return 0;
    if (s->vm >= 0)
        vms |= (vm_set)1 << s->vm;
    if (s->op != OP_NONE)
        vms |= (vm_set)1 << s->op_vm;
    if (s->dev.kind == KIND_PCI)
        vms |= s->claims; /* a VM that gives back what it should not have */
    return vms | s->unshown;
}

bool core_bound(const struct core *c, int i) {
    const struct slot *s = &c->slot[i];
    return i < c->used && s->state == SLOT_PRESENT && (s->bound || s->host != HOST_NONE);
}

bool core_stray(const struct core *c, int i) {
    return i < c->used && c->slot[i].state == SLOT_PRESENT && c->slot[i].stray;
}

/* ---- slots ---- */

/* Looks up the rule and what is remembered of the device. */
static void slot_judge(struct core *c, struct slot *s) {
    int before = s->rule;
    s->hub = device_is_hub(&s->dev);
    s->rule = core_kind(&s->dev)->rule(c->conf, &s->dev);
    if (s->rule >= 0 && s->rule != before && !s->hub && s->dev.kind == KIND_USB)
        c->hits[s->rule]++;
    remembered_refresh(c, s);
}

/* The same when it was known before: who had taken it away has it taken away still, although its tag is another one. */
static void slot_judge_again(struct step *st, struct slot *s) {
    enum role before = s->disconnected_by;
    slot_judge(st->c, s);
    if (s->dev.settled)
        saving_stays(st, s, before);
}

/* The same for a new plug, or when its serial number is known: also filters, selection and lease. */
static void slot_plugged(struct step *st, int i) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    slot_judge(c, s);
    claim_plugged(c, s);
    if (s->vm < 0)
        s->choice = remembered_selection(c, &s->dev);
    port_lease(c, s);
    quarantine_plugged(c, s);
}

/* ---- devices come and go ---- */

/* The device is unplugged. While a VM has its id, or is just getting it, the slot is leaving: the id must be removed
 * from that VM. */
static void unplug(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    VH_ASSERT(s->state == SLOT_PRESENT);
    if (s->meant)
        request_meant_gone(st->c, s);
    if (s->req >= 0)
        request_slot_done(st, i, "the device was unplugged");
    st->c->stats.unplugged++;
    if (s->dev.kind == KIND_USB)
        port_unplugged(st, i);
    if (s->vm >= 0) {
        st->c->stats.detached++;
        step_event(st, EV_DETACHED, i, s->vm);
    }
    if (s->announced)
        step_event(st, EV_DISCONNECTED, i, -1);
    s->state = s->vm >= 0 || s->op != OP_NONE ? SLOT_LEAVING : SLOT_DEAD;
    slot_afresh(s);
}

/* Whom an earlier daemon gave the device to; NULL: nothing was noted of it. */
static const struct assigned *noted(const struct core *c, const struct device *d) {
    for (int i = 0; i < c->nassigned; i++) {
        const struct assigned *a = &c->assigned[i];
        if (a->incarnation == d->incarnation && str_eq(a->sys_name, d->sys_name))
            return a;
    }
    return NULL;
}

static struct assigned noted_or_nobody(const struct core *c, const struct device *d) {
    static const struct assigned nobody;
    const struct assigned *a = noted(c, d);
    return a != NULL ? *a : nobody;
}

/* An earlier daemon may have attached it to a VM that is not down, by other rules. A VM that was listed before the
 * device was read is listed again. If nothing was noted, a VM that has it by our id has it by an older daemon. */
static void doubt_earlier(struct core *c, struct slot *s, const struct assigned *row) {
    const vm_set all = ~(vm_set)0, known = row->vms;
    vm_set doubt = c->earlier == EARLIER_UNKNOWN ? all : known;
    vm_set adopt = c->earlier == EARLIER_NOTED ? known : all;
    for (int v = 0; v < c->conf->nvms; v++) {
        if (!c->conf->vms[v].supported || (c->vm[v].told && c->vm[v].state == VM_DOWN))
            continue;
        s->adoptable |= adopt & (vm_set)1 << v;
        s->doubt |= doubt & (vm_set)1 << v;
        if (s->dev.kind == KIND_USB)
            s->unshown |= known & (vm_set)1 << v;
        vm_look(c, v);
    }
    s->vm_port = row->port;
    s->vm_socket = row->socket;
}

/* As it was read now. Which connector it is at depends on the configuration. */
static void keep_device(struct core *c, int i, const struct device *d) {
    texts_keep(c, i, d);
    c->slot[i].dev.connector = connector_of(c->conf, &c->slot[i].dev);
}

/* A new plug of a device of any kind; -1 if there is no room. */
static int take_slot(struct step *st, const struct device *d) {
    struct core *c = st->c;
    int i = slot_alloc(c);
    if (i < 0)
        return -1;
    struct slot *s = &c->slot[i];
    s->state = SLOT_PRESENT;
    keep_device(c, i, d);
    c->place[i] = core_kind(d)->place(d);
    s->plug = ++c->next_plug; /* the token of orders about it */
    s->plugged_at = st->now;
    c->stats.plugged++;
    return i;
}

static void plug(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    int i = take_slot(st, f->device);
    if (i < 0)
        return;
    struct slot *s = &c->slot[i];
    s->seen = true;
    s->managed = !f->coldplug || c->attach_connected;
    if (!f->coldplug)
        port_plugged(st, i);
    slot_plugged(st, i);
    const struct assigned earlier = noted_or_nobody(c, &s->dev);
    if (!s->hub && (f->coldplug || earlier.vms != 0 || earlier.more != 0)) { /* one of the start may be read late */
        doubt_earlier(c, s, &earlier);
        revoke_plugged(c, s, &earlier);
    }
    authorize_plugged(c, s, f->coldplug);
    if (f->coldplug)
        quarantine_found(c, s);
    if (f->coldplug && s->managed && s->choice < 0)
        s->choice = slot_terms(c, s).first; /* at start, no client can answer */
    slot_announce(st, i);
}

/* Two plugs on one port are two devices, even of the same kind. */
static bool same_plug(const struct device *a, const struct device *b) {
    return a->incarnation == b->incarnation && a->vid == b->vid && a->pid == b->pid;
}

/* A VM has all interfaces of its devices. A driver of the host on one of them means that the VM has lost it. */
static void see_driver(struct step *st, int i, const char *driver) {
    struct slot *s = &st->c->slot[i];
    if (driver == NULL || s->vm < 0 || s->op != OP_NONE || str_eq(st->c->driver[i], driver))
        return;
    bool copied = str_copy(st->c->driver[i], sizeof st->c->driver[i], driver);
    VH_ASSERT(copied); /* of the same bound */
    if (driver[0] != '\0')
        step_add(st, ACT_DRIVER)->slot = i;
}

static void device_fact(struct step *st, const struct fact *f) {
    int i = slot_find(st->c, f->device->sys_name);
    if (i >= 0 && !same_plug(&st->c->slot[i].dev, f->device)) {
        unplug(st, i);
        i = -1;
    }
    if (i < 0) {
        plug(st, f);
        return;
    }
    struct slot *s = &st->c->slot[i];
    /* What it is may not have been known before, like its serial number. */
    bool known_now = (f->device->settled && !s->dev.settled) ||
                     (!f->device->unauthorised && s->dev.unauthorised && s->dev.settled && !st->c->authorises);
    bool unusable = f->device->unresponsive || (f->device->unauthorised && !st->c->authorises);
    if (unusable && s->question == QUESTION_OPEN)
        s->question = QUESTION_NONE; /* asked anew once it can be used */
    keep_device(st->c, i, f->device);
    s->seen = true;
    see_driver(st, i, f->driver);
    revoke_seen(st, s, f);
    if (known_now)
        slot_plugged(st, i);
    else
        slot_judge_again(st, s);
    bool asked = !f->unread && claim_was_read(st, s);
    if (!f->unread)
        verify_was_read(s);
    for (int v = 0; !asked && s->foreign >= 0 && v < st->c->conf->nvms; v++) {
        if ((s->claims >> v & 1) != 0)
            vm_look(st->c, v); /* the change may be the reset by which that VM gives it back */
    }
    slot_announce(st, i);
}

static void scan_begin(struct step *st, const struct fact *f) {
    (void)f;
    st->c->unread = false;
    for (int i = 0; i < st->c->used; i++)
        st->c->slot[i].seen = false;
}

static void scan_end(struct step *st, const struct fact *f) {
    (void)f;
    for (int i = 0; i < st->c->used; i++) {
        const struct slot *s = &st->c->slot[i];
        if (s->state == SLOT_PRESENT && s->dev.kind == KIND_USB && !s->seen)
            unplug(st, i);
    }
    if (!st->c->unread)
        vm_match_again(st->c);
}

static void seen_fact(struct step *st, const struct fact *f) {
    int i = slot_find(st->c, f->sys_name);
    if (i < 0) {
        st->c->unread = true;
        return;
    }
    st->c->slot[i].seen = true;
    /* It cannot be read now, and no claim holds it up for longer; but what we gave to a VM, and what looks like
     * something that the VM has, is taken for claimed until a reading shows that it is not. */
    if (claim_was_read(st, &st->c->slot[i]) && st->c->slot[i].unshown != 0)
        st->c->slot[i].dev.claimed = true;
}

static void gone_fact(struct step *st, const struct fact *f) {
    int i = slot_find(st->c, f->sys_name);
    if (i >= 0)
        unplug(st, i);
}

/* ---- PCI devices ---- */

/* Room for what the texts of a PCI device point to until they are kept. */
struct pci_texts {
    char vendor[8], product[8];
    char why[VH_PROTECT_MAX];
};

static const char *name_or_id(const char *name, uint16_t id, char text[8]) {
    (void)str_fmt(text, 8, "%04x", (unsigned)id);
    return name[0] != '\0' ? name : text;
}

/* Device i of the list, and what the rules make of it among the others. */
/* Else it would be taken from the host's driver for a VM that is never given it. */
static void never_given(const struct conf *conf, int vm, struct sbuf *why) {
    if (vm >= 0 && (conf->vms[vm].given & VM_KIND_PCI) == 0)
        sb_fmt(why, "is for VM '%s', and VMs of type '%s' are given no PCI devices", conf->vms[vm].name,
               conf->vms[vm].type);
}

static void pci_stays(const struct conf *conf, const struct pci_host *h, int i, struct pci_texts *t) {
    struct sbuf why;
    t->why[0] = '\0';
    sb_init(&why, t->why, sizeof t->why); /* a reason may be cut */
    if (h->fate[i].way == PCI_SHARED)
        sb_str(&why, "shares its IOMMU group, which its rule does not want");
    else if (!policy_pci_kept(conf, h, i, &why))
        never_given(conf, policy_pci_vm(conf, h, i), &why);
}

static void pci_device_of(const struct conf *conf, const struct pci_host *h, int i, struct device *d,
                          struct pci_texts *t) {
    const struct pci_device *row = &h->row[i];
    struct sbuf sb;
    device_clear(d);
    d->kind = KIND_PCI;
    sb_init(&sb, d->sys_name, sizeof d->sys_name);
    pci_address_print(&sb, &row->address);
    memcpy(d->node, d->sys_name, sizeof d->node);
    /* Without an inode a device that replaces it at its address is told from it only if it is another model, or if a
     * list came without any. */
    d->incarnation = row->incarnation != 0 ? row->incarnation : UINT64_C(1) << 63 | pci_address_order(&row->address);
    d->vid = row->vendor;
    d->pid = row->device;
    d->cls = row->cls;
    d->sub = row->sub;
    d->proto = row->prog_if;
    d->vendor_name = name_or_id(pci_names_vendor(row->vendor), row->vendor, t->vendor);
    d->product_name = name_or_id(pci_names_device(row->vendor, row->device), row->device, t->product);
    d->settled = true;
    d->binding = row->driver[0] != '\0' ? BINDING_DRIVER : BINDING_NONE;
    d->pci = (struct pci_part){.rule = (int16_t)h->fate[i].rule,
                               .grouped = row->grouped != 0,
                               .group = row->group,
                               .sub_vendor = row->sub_vendor,
                               .sub_device = row->sub_device};
    memcpy(d->pci.driver, row->driver, sizeof d->pci.driver);
    pci_stays(conf, h, i, t);
    d->protect = t->why;
}

static void pci_plug(struct step *st, const struct device *d, bool coldplug) {
    struct core *c = st->c;
    int i = take_slot(st, d);
    if (i < 0)
        return;
    struct slot *s = &c->slot[i];
    s->managed = true; /* it is there from the start, and no client is asked */
    slot_plugged(st, i);
    const struct assigned earlier = noted_or_nobody(c, &s->dev);
    s->bound = (earlier.more & ASSIGNED_BOUND) != 0;
    if (coldplug || earlier.vms != 0 || earlier.more != 0)
        doubt_earlier(c, s, &earlier);
    slot_announce(st, i);
}

/* Is it bound to the driver that VMs use it by? While something is done to it, only the end of that tells. One without
 * a driver that was bound so is meant for VMs still: the kernel offers it to no other driver. */
static void pci_see_driver(struct slot *s, const char *driver) {
    if (s->host != HOST_NONE || s->op != OP_NONE || s->vm >= 0)
        return;
    s->bound = str_eq(driver, "vfio-pci") || (s->bound && driver[0] == '\0');
    s->ready = s->ready && driver[0] != '\0' && s->bound;
}

static void pci_see(struct step *st, const struct pci_host *h, int i, bool coldplug, bool listed[CORE_SLOTS]) {
    struct core *c = st->c;
    struct device d;
    struct pci_texts t;
    pci_device_of(c->conf, h, i, &d, &t);
    int slot = slot_find(c, d.sys_name);
    if (slot >= 0 && !same_plug(&c->slot[slot].dev, &d)) {
        unplug(st, slot);
        slot = -1;
    }
    if (slot < 0 && (d.pci.rule >= 0 || noted(c, &d) != NULL))
        pci_plug(st, &d, coldplug);
    else if (slot >= 0)
        keep_device(c, slot, &d);
    int now = slot_find(c, d.sys_name);
    if (now < 0)
        return;
    listed[now] = true;
    if (slot >= 0)
        slot_judge_again(st, &c->slot[now]);
    pci_see_driver(&c->slot[now], h->row[i].driver);
}

/* The list is whole: a device that is not in it is gone. One for which no rule decides needs no slot, unless an earlier
 * daemon has left it to a VM, or to the driver that VMs use it by. */
static void pci_fact(struct step *st, const struct fact *f) {
    bool listed[CORE_SLOTS] = {false};
    for (int i = 0; i < f->pci->n; i++)
        pci_see(st, f->pci, i, f->coldplug, listed);
    for (int i = 0; i < st->c->used; i++) {
        const struct slot *s = &st->c->slot[i];
        if (s->state == SLOT_PRESENT && s->dev.kind == KIND_PCI && !listed[i])
            unplug(st, i);
    }
}

/* By the rules of the new configuration. */
static void pci_reload(struct core *c, const struct pci_host *h) {
    struct device d;
    struct pci_texts t;
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].state == SLOT_PRESENT && c->slot[i].dev.kind == KIND_PCI)
            c->slot[i].dev.pci.rule = -1;
    }
    for (int i = 0; h != NULL && i < h->n; i++) {
        pci_device_of(c->conf, h, i, &d, &t);
        int slot = slot_find(c, d.sys_name);
        if (slot >= 0 && same_plug(&c->slot[slot].dev, &d))
            keep_device(c, slot, &d);
    }
}

/* True if index v names another VM (or none) in the new configuration: choices made for the old VM no longer apply. */
static bool is_other_vm(const struct conf *old, const struct conf *fresh, int v) {
    VH_ASSERT(v < old->nvms);
    return v >= 0 && (v >= fresh->nvms || fresh->vms[v].retired || !conf_same_vm(&old->vms[v], &fresh->vms[v]));
}

static void forget_other_vms(struct core *c, const struct conf *old) {
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (is_other_vm(old, c->conf, s->choice))
            s->choice = s->state == SLOT_PRESENT ? remembered_selection(c, &s->dev) : -1;
        if (is_other_vm(old, c->conf, s->lease))
            s->lease = -1;
        if (is_other_vm(old, c->conf, s->guest_suspended))
            s->guest_suspended = -1;
        if (is_other_vm(old, c->conf, s->guest_detached))
            s->guest_detached = -1;
    }
    for (int v = 0; v < old->nvms; v++) {
        if (is_other_vm(old, c->conf, v))
            port_forget_vm(c, v);
    }
}

/* The VMs keep their indices; VMs may be added, and all rules may change. A question is asked anew if the VMs to choose
 * from have changed, or if it could not be answered for a time. */
static void reload_fact(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    const struct conf *old = c->conf, *conf = f->conf;
    bool closed = core_closed(c);
    c->conf = conf;
    pci_reload(c, f->pci);
    memset(c->hits, 0, sizeof c->hits);
    closed = core_closed(c) != closed;
    if (closed)
        step_add(st, ACT_STATE);
    forget_other_vms(c, old);
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->state != SLOT_FREE)
            s->dev.connector = connector_of(conf, &s->dev);
        if (s->state != SLOT_PRESENT)
            continue;
        vm_set before = terms_by(old, s).vms;
        s->rule = -1; /* another rule, even in the same place */
        slot_judge_again(st, s);
        port_lease(c, s);
        if (s->req >= 0 && s->req_vm >= 0 && !plan_allows(c, s, s->req_vm))
            request_slot_done(st, i, "a new configuration does not allow it");
        if (s->vm < 0 && (closed || before != slot_terms(c, s).vms))
            s->question = QUESTION_NONE;
        slot_afresh(s);
        quarantine_reload(s);
        revoke_reload(s);
    }
}

static void stop_fact(struct step *st, const struct fact *f) {
    (void)f;
    st->c->stopping = true;
    for (int i = 0; i < st->c->used; i++) {
        const struct slot *s = &st->c->slot[i];
        if (s->state == SLOT_PRESENT && s->req >= 0 && s->req_vm >= 0)
            request_slot_done(st, i, "the daemon is ending");
    }
}

static void client_gone_fact(struct step *st, const struct fact *f) {
    request_client_gone(st, f->client);
    verify_client_gone(st->c, f->client);
    announce_never(st->c, f->client);
}

static void disk_answers(struct step *st, const struct fact *f) {
    (void)f;
    st->c->save_at = st->now;
}

/* What has become due is for the plan. */
static void time_passed(struct step *st, const struct fact *f) {
    (void)st, (void)f;
}

typedef void handler(struct step *st, const struct fact *f);
static handler *const handlers[] = {
    [FACT_SCAN_BEGIN] = scan_begin,
    [FACT_SCAN_END] = scan_end,
    [FACT_DEVICE] = device_fact,
    [FACT_SEEN] = seen_fact,
    [FACT_GONE] = gone_fact,
    [FACT_VM_SOCKET] = vm_fact,
    [FACT_VM_ANSWERS] = vm_fact,
    [FACT_VM_DOWN] = vm_fact,
    [FACT_OP_DONE] = vm_op_done,
    [FACT_VM_OUT] = vm_out,
    [FACT_PCI] = pci_fact,
    [FACT_PREPARED] = host_fact,
    [FACT_RESTORED] = host_fact,
    [FACT_REQUEST] = request_fact,
    [FACT_CLIENT_GONE] = client_gone_fact,
    [FACT_SAVED] = request_save_ended,
    [FACT_DISK_ANSWERS] = disk_answers,
    [FACT_RELEASED] = revoke_released,
    [FACT_REVOKED] = revoke_fact,
    [FACT_OFFERED] = quarantine_offered,
    [FACT_DRIVERS] = quarantine_drivers,
    [FACT_RELOAD] = reload_fact,
    [FACT_STOP] = stop_fact,
    [FACT_TIME] = time_passed,
};

/* May a list differ after this step? A request that only asks changes nothing, but its step also does what has become
 * due: then it has an action that is not for the asker alone. */
static bool may_change(const struct fact *f, const struct actions *out, bool due) {
    bool asks =
        f->kind == FACT_CLIENT_GONE || (f->kind == FACT_REQUEST && !core_moves(f->request) && !f->request->verify);
    for (int i = 0; i < out->n; i++)
        asks = asks && out->a[i].client.gen != 0;
    return due || !asks;
}

void core_step(struct core *c, const struct fact *f, int64_t now, struct actions *out) {
    struct step st = {.c = c, .now = now, .out = out};
    bool due = c->wake_at <= now;
    out->n = 0;
    out->ntexts = 0;
    out->naudits = 0;
    c->stats.facts++;
    slots_reap(c);
    if ((size_t)f->kind < sizeof handlers / sizeof *handlers)
        handlers[f->kind](&st, f);
    plan(&st);
    texts_settle(c);
    c->changes += may_change(f, out, due);
}

const struct device *core_device(const struct core *c, const char *sys_name) {
    int i = slot_find(c, sys_name);
    return i >= 0 ? &c->slot[i].dev : NULL;
}

bool core_device_given(const struct core *c, const char *sys_name) {
    int i = slot_find(c, sys_name);
    return i >= 0 && c->slot[i].vm >= 0;
}

int64_t core_deadline(const struct core *c) {
    return c->wake_at;
}
