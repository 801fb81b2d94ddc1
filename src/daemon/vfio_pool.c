/*
 * vfio_pool.c - see vfio_pool.h. Owns the workers and the orders that wait for one. Decides nothing: the core says what
 * is wanted of which device, and the last list of PCI devices says what the device is.
 *
 * An order is put together when a worker takes it on, from what is known then. Two orders about one IOMMU group are
 * never out at a time: a worker that is late may still be in the middle of the group, and nobody waits for it.
 */
#include "daemon/vfio_pool.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "codec/pci_address.h"
#include "config/policy_pci.h"
#include "daemon/pci_list.h"
#include "daemon/vfio_worker.h"
#include "os/clock.h"
#include "vmm/link.h"

#include <string.h>
#include <unistd.h>

struct vfio_entry {
    bool used, over; /* over: written off, its worker is still at it */
    bool restores, shared;
    int worker; /* that has it, -1 none yet */
    int slot;
    uint32_t plug; /* the token of its end */
    uint64_t number;
    char sys_name[VH_SYSNAME_MAX];
    bool grouped;
    uint32_t group;
    struct vfio_order order;
};

static struct {
    const struct core *core;
    void (*fact)(const struct fact *f);
    bool runs;
    uint64_t next_number;
    struct worker worker[VH_VFIO_WORKERS];
    struct vfio_entry entry[VH_MAX_PCI_ORDERS];
} pool;

/* ---- ends ---- */

static void end(struct vfio_entry *e, bool ok, const char *why) {
    struct fact f = {.kind = e->restores ? FACT_RESTORED : FACT_PREPARED, .token = e->plug, .ok = ok, .text = why};
    bool logged = ok || log_may_about(LOG_DEVICES, e->sys_name, clock_now());
    const char *what = e->restores ? "given back to the host's driver" : "prepared for a VM";
    if (ok)
        log_debug("%s: device=%s", what, e->sys_name);
    else if (logged)
        log_warn("not %s: device=%s error=\"%s\"", what, e->sys_name, why);
    if (e->worker < 0 || pool.worker[e->worker].state != WORKER_LATE)
        e->used = false;
    else
        e->over = true;
    pool.fact(&f);
}

/* ---- what is asked of a worker ---- */

static const struct pci_device *row_of(const struct pci_host *h, const char *sys_name, int *at) {
    struct pci_address a = {0};
    bool parsed = pci_address_parse(sys_name, &a);
    VH_ASSERT(parsed); /* the core has printed it */
    for (int i = 0; i < h->n; i++) {
        if (pci_address_order(&h->row[i].address) != pci_address_order(&a))
            continue;
        *at = i;
        return &h->row[i];
    }
    return NULL;
}

/* False if the list does not have it any more. */
static bool add_member(struct vfio_order *o, const struct pci_host *h, const struct device *d) {
    int at = 0;
    const struct pci_device *row = row_of(h, d->sys_name, &at);
    if (row == NULL || o->n == VH_MAX_GROUP)
        return false;
    unsigned despite = o->head.kind == VFIO_PREPARE ? policy_pci_despite(pool.core->conf, h, at) : 0;
    o->member[o->n++] = (struct vfio_member){.address = row->address,
                                             .vendor = row->vendor,
                                             .device = row->device,
                                             .incarnation = row->incarnation,
                                             .despite = (uint8_t)(despite & VFIO_DESPITE)};
    return true;
}

/* NULL: the device is not the same any more, and nobody waits. */
static const struct slot *slot_of(const struct vfio_entry *e) {
    const struct slot *s = &pool.core->slot[e->slot];
    return s->state == SLOT_PRESENT && s->plug == e->plug ? s : NULL;
}

static bool fill(struct vfio_entry *e) {
    struct vfio_order *o = &e->order;
    const struct slot *s = slot_of(e);
    struct pci_host h;
    bool whole = false;
    memset(o, 0, sizeof *o);
    o->head.kind = e->restores ? VFIO_RESTORE : VFIO_PREPARE;
    pci_list_last(&h, &whole);
    if (s == NULL || !add_member(o, &h, &s->dev))
        return false;
    if (e->restores)
        return true;
    int vm = core_target(pool.core, s);
    o->uid = vm >= 0 ? link_peer(vm) : VFIO_ROOT;
    o->joins = e->shared;
    for (int k = 0; k < pool.core->used; k++) {
        if (k != e->slot && core_goes_along(pool.core, e->slot, k) && !add_member(o, &h, &pool.core->slot[k].dev))
            return false;
    }
    return true;
}

/* ---- which order is next ---- */

static bool same_group(const struct vfio_entry *a, const struct vfio_entry *b) {
    return str_eq(a->sys_name, b->sys_name) || (a->grouped && b->grouped && a->group == b->group);
}

static struct vfio_entry *holder_of(const struct vfio_entry *e, bool late) {
    for (int i = 0; i < VH_MAX_PCI_ORDERS; i++) {
        struct vfio_entry *other = &pool.entry[i];
        if (other != e && other->used && other->worker >= 0 && other->over == late && same_group(other, e))
            return other;
    }
    return NULL;
}

static struct vfio_entry *next_entry(void) {
    struct vfio_entry *next = NULL;
    for (int i = 0; i < VH_MAX_PCI_ORDERS; i++) {
        struct vfio_entry *e = &pool.entry[i];
        if (e->used && e->worker < 0 && (next == NULL || e->number < next->number) && holder_of(e, false) == NULL)
            next = e;
    }
    return next;
}

/* Can a worker take an order on, now or once it has done the one that it has? */
static bool any_serves(void) {
    bool serves = false;
    for (int w = 0; w < VH_VFIO_WORKERS; w++)
        serves = serves || pool.worker[w].state == WORKER_IDLE || pool.worker[w].state == WORKER_BUSY;
    return serves;
}

static void send(void) {
    for (int w = 0; w < VH_VFIO_WORKERS; w++) {
        struct vfio_entry *e = next_entry();
        if (e == NULL)
            return;
        if (pool.worker[w].state != WORKER_IDLE)
            continue;
        if (!fill(e))
            end(e, false, "the device has changed meanwhile");
        else if (holder_of(e, true) != NULL)
            end(e, false, "the kernel is still changing the driver of its group");
        else if (vfio_worker_order(&pool.worker[w], &e->order, clock_now()))
            e->worker = w;
    }
    for (struct vfio_entry *e = next_entry(); e != NULL && !any_serves(); e = next_entry())
        end(e, false, "no VFIO worker is free: the kernel keeps them busy, or they have ended");
}

void vfio_pool_order(const struct action *a) {
    const struct slot *s = &pool.core->slot[a->slot];
    int i = 0;
    VH_ASSERT(pool.runs);
    while (i < VH_MAX_PCI_ORDERS && pool.entry[i].used)
        i++;
    struct vfio_entry refused = {0}, *e = i < VH_MAX_PCI_ORDERS ? &pool.entry[i] : &refused;
    *e = (struct vfio_entry){.used = true,
                             .restores = a->kind == ACT_RESTORE,
                             .shared = a->shared,
                             .worker = -1,
                             .slot = a->slot,
                             .plug = a->token,
                             .number = pool.next_number++,
                             .grouped = s->dev.pci.grouped,
                             .group = s->dev.pci.group};
    memcpy(e->sys_name, s->dev.sys_name, sizeof e->sys_name);
    if (e == &refused)
        end(e, false, "too many PCI devices change their drivers");
}

/* ---- answers ---- */

static struct vfio_entry *entry_of(int w) {
    for (int i = 0; i < VH_MAX_PCI_ORDERS; i++) {
        if (pool.entry[i].used && pool.entry[i].worker == w)
            return &pool.entry[i];
    }
    return NULL;
}

static void worker_ended(int w) {
    struct vfio_entry *e = entry_of(w);
    if (e != NULL && e->over)
        e->used = false;
    else if (e != NULL)
        end(e, false, "its VFIO worker has ended");
}

static void answered(int w, size_t n, int fds[WORKER_FDS]) {
    struct vfio_entry *e = entry_of(w);
    VH_ASSERT(e != NULL && !e->over);
    const struct vfio_answer *a = vfio_worker_answer(&pool.worker[w], &e->order, n, fds);
    if (a == NULL) {
        worker_ended(w);
        return;
    }
    if (a->undriven > 0 && log_may_about(LOG_DEVICES, e->sys_name, clock_now()))
        log_info("the host has no driver for %u PCI devices that are given back: device=%s", (unsigned)a->undriven,
                 e->sys_name);
    char why[VH_TEXT_MAX];
    memcpy(why, a->why, sizeof why); /* another answer may be read before the end of what follows */
    end(e, a->result == VFIO_DONE, why);
}

static void read_one(int w) {
    int fds[WORKER_FDS];
    size_t n = 0;
    struct vfio_entry *e;
    switch (worker_read(&pool.worker[w], &n, fds)) {
    case WORKER_NOTHING:
        break;
    case WORKER_ANSWER:
        answered(w, n, fds);
        break;
    case WORKER_DROPPED:
        e = entry_of(w);
        if (e != NULL)
            e->used = false;
        break;
    case WORKER_ENDED:
        worker_ended(w);
        break;
    }
}

/* ---- for the loop ---- */

bool vfio_pool_start(const struct core *core, void (*fact)(const struct fact *f)) {
    pool.core = core;
    pool.fact = fact;
    for (int w = 0; w < VH_VFIO_WORKERS; w++) {
        if (!vfio_worker_start(&pool.worker[w]))
            return false;
    }
    pool.runs = true;
    return true;
}

bool vfio_pool_runs(void) {
    return pool.runs;
}

void vfio_pool_stop(void) {
    for (int w = 0; w < VH_VFIO_WORKERS && pool.runs; w++)
        worker_stop(&pool.worker[w]);
    memset(pool.entry, 0, sizeof pool.entry);
    pool.runs = false;
}

void vfio_pool_count(struct worker_counts *n) {
    *n = (struct worker_counts){0};
    for (int w = 0; w < VH_VFIO_WORKERS; w++)
        worker_count(&pool.worker[w], n);
}

void vfio_pool_fill(struct pollset *ps) {
    for (int w = 0; w < VH_VFIO_WORKERS && pool.runs; w++)
        worker_fill(&pool.worker[w], ps);
}

void vfio_pool_ready(const struct pollset *ps) {
    for (int w = 0; w < VH_VFIO_WORKERS && pool.runs; w++) {
        if (pool.worker[w].state != WORKER_GONE && worker_ready(&pool.worker[w], ps))
            read_one(w);
    }
}

int64_t vfio_pool_deadline(void) {
    int64_t at = VH_NEVER;
    for (int w = 0; w < VH_VFIO_WORKERS && pool.runs; w++) {
        if (pool.worker[w].state == WORKER_BUSY && pool.worker[w].deadline < at)
            at = pool.worker[w].deadline;
        if (pool.worker[w].state == WORKER_IDLE && next_entry() != NULL)
            return 0;
    }
    return pool.runs && !any_serves() && next_entry() != NULL ? 0 : at;
}

void vfio_pool_tick(int64_t now) {
    for (int w = 0; w < VH_VFIO_WORKERS && pool.runs; w++) {
        struct vfio_entry *e = worker_expired(&pool.worker[w], now) ? entry_of(w) : NULL;
        if (e != NULL)
            end(e, false, "the kernel has not changed its driver in time");
    }
    if (pool.runs)
        send();
}
