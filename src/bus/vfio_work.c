/*
 * vfio_work.c - the orders about devices that VFIO gives away. Owns the order of the steps: all questions come before
 * the first write, and a group is changed as a whole or not at all.
 */
#include "bus/vfio_work.h"

#include "base/log.h"
#include "base/str.h"
#include "bus/vfio_bind.h"
#include "bus/vfio_group.h"
#include "bus/vfio_node.h"
#include "os/outlive.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

_Static_assert(VH_MAX_GROUP <= 32, "a set of members is a uint32_t");

/* ---- is it out? ---- */

/* Has no VM a member? `enable` counts for a device and costs nothing. The group's node is the last proof: a VM that
 * opens it while it is open here fails, so it is asked last. */
static bool is_out(const struct vfio_group *g, struct vfio_answer *a) {
    char name[PCI_ADDRESS_TEXT];
    for (int i = 0; i < g->n; i++) {
        pci_address_text(name, &g->member[i]->address);
        if (str_eq(g->member[i]->driver, VFIO_DRIVER) && vfio_bind_enabled(g->member[i]))
            return vfio_refuse(a, VFIO_BUSY, "a VM has %s", name);
    }
    int fd = g->there ? vfio_node_group(g->number) : -1;
    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0 || !g->there || errno == ENOENT)
        return true;
    if (errno == EBUSY)
        return vfio_refuse(a, VFIO_BUSY, "a VM has a device of IOMMU group %u", (unsigned)g->number);
    return vfio_refuse(a, VFIO_FAILED, "cannot open /dev/vfio/%u: %s", (unsigned)g->number, strerror(errno));
}

/* ---- back to the host ---- */

/* Those of the set, all of them out of vfio-pci first. False with the first failure; the others are given back all the
 * same. */
static bool give_back(const struct pci_device *const row[], int n, uint32_t set, struct vfio_answer *a) {
    struct vfio_answer further;
    bool ok = true;
    for (int i = 0; i < n; i++) {
        if ((set >> i & 1) != 0)
            ok = vfio_bind_free(row[i], ok ? a : &further) && ok;
    }
    for (int i = 0; i < n; i++) {
        bool driven = false;
        if ((set >> i & 1) == 0)
            continue;
        ok = vfio_bind_offer(row[i], ok ? a : &further, &driven) && ok;
        a->undriven += !driven;
    }
    return ok;
}

static bool restore_group(const struct pci_device *d, struct vfio_answer *a) {
    struct vfio_group g;
    uint32_t taken = 0;
    if (!vfio_group_of(d, &g, a) || !is_out(&g, a))
        return false;
    for (int i = 0; i < g.n; i++)
        taken |= (uint32_t)vfio_bind_taken(g.member[i]) << i;
    bool ok = give_back(g.member, g.n, taken, a);
    a->group = ok ? g.number : 0;
    return ok;
}

static bool restore(const struct vfio_order *o, struct vfio_answer *a) {
    const struct pci_device *d = vfio_group_find(&o->member[0], a);
    return d != NULL && restore_group(d, a);
}

/* ---- to a VM ---- */

/* The row of one that may be given away, as far as itself is concerned. NULL, with why not. */
static const struct pci_device *find_member(const struct vfio_member *m, struct vfio_answer *a) {
    const struct pci_device *d = vfio_group_find(m, a);
    char name[PCI_ADDRESS_TEXT];
    pci_address_text(name, &m->address);
    if (d != NULL && d->grouped == 0) {
        (void)vfio_refuse(a, VFIO_NO_IOMMU,
                          "%s is in no IOMMU group: is the IOMMU on, in the firmware and for the kernel?", name);
        return NULL;
    }
    return d != NULL && !vfio_group_used(d, m->despite, a) ? d : NULL;
}

/* The rows of the order's members, which are all of the group of the first one. */
static bool find_members(const struct vfio_order *o, const struct pci_device *row[], struct vfio_group *g,
                         struct vfio_answer *a) {
    char name[PCI_ADDRESS_TEXT];
    row[0] = find_member(&o->member[0], a);
    if (row[0] == NULL || !vfio_group_of(row[0], g, a))
        return false;
    for (uint32_t i = 1; i < o->n; i++) {
        row[i] = find_member(&o->member[i], a);
        if (row[i] == NULL)
            return false;
        pci_address_text(name, &row[i]->address);
        if (!vfio_group_has(g, row[i]))
            return vfio_refuse(a, VFIO_GONE, "%s is not in the same IOMMU group any more", name);
    }
    return true;
}

/* Is there no member with a driver of the host but those that the order names? */
static bool others_allow(const struct vfio_order *o, const struct pci_device *const row[], const struct vfio_group *g,
                         struct vfio_answer *a) {
    char name[PCI_ADDRESS_TEXT];
    for (int i = 0; i < g->n; i++) {
        const struct pci_device *d = g->member[i];
        bool named = false;
        for (uint32_t k = 0; k < o->n; k++)
            named = named || row[k] == d;
        if (named || d->driver[0] == '\0' || str_eq(d->driver, VFIO_DRIVER))
            continue;
        pci_address_text(name, &d->address);
        return vfio_refuse(a, VFIO_STAYS, "shares its IOMMU group with %s, which stays with its driver %s", name,
                           d->driver);
    }
    return true;
}

/* The same VM has another member: nothing is left to be bound, and the node is that VM's. */
static bool may_join(const struct vfio_order *o, const struct pci_device *const row[], struct vfio_answer *a) {
    char name[PCI_ADDRESS_TEXT];
    for (uint32_t i = 0; i < o->n; i++) {
        pci_address_text(name, &row[i]->address);
        if (!str_eq(row[i]->driver, VFIO_DRIVER))
            return vfio_refuse(a, VFIO_BUSY, "a VM has a device of its IOMMU group, and %s is not on vfio-pci", name);
    }
    pci_address_text(name, &row[0]->address);
    return !vfio_bind_enabled(row[0]) || vfio_refuse(a, VFIO_BUSY, "a VM has %s", name);
}

/* *taken: those that were bound here. */
static bool take_members(const struct vfio_order *o, const struct pci_device *const row[], uint32_t *taken,
                         struct vfio_answer *a) {
    for (uint32_t i = 0; i < o->n; i++) {
        if (str_eq(row[i]->driver, VFIO_DRIVER))
            continue;
        if (vfio_group_used(row[i], o->member[i].despite, a)) /* by now */
            return false;
        *taken |= 1u << i;
        if (!vfio_bind_take(row[i], a))
            return false;
    }
    return true;
}

/* Lets the VM's user, and nobody else but root, open the node; the kernel has made it anew perhaps. */
static bool open_to(const struct vfio_order *o, uint32_t group, struct vfio_answer *a) {
    int fd = vfio_node_group(group);
    if (fd < 0)
        return vfio_refuse(a, errno == EBUSY ? VFIO_BUSY : VFIO_FAILED, "cannot open /dev/vfio/%u: %s", (unsigned)group,
                           strerror(errno));
    bool ok = vfio_node_allow(fd, o->uid);
    if (!ok)
        (void)vfio_refuse(a, VFIO_FAILED, "cannot let uid %u open /dev/vfio/%u: %s", (unsigned)o->uid, (unsigned)group,
                          strerror(errno));
    (void)close(fd);
    return ok;
}

static bool hand_over(const struct vfio_order *o, const struct pci_device *d, struct vfio_answer *a,
                      int out[WORKER_FDS]) {
    char name[PCI_ADDRESS_TEXT];
    struct vfio_order own = *o;
    pci_address_text(name, &d->address);
    a->opened = o->by_fd != 0 && vfio_node_device(name, out);
    if (a->opened != 0)
        own.uid = VFIO_ROOT; /* the VMM opens nothing */
    return o->joins != 0 || open_to(&own, d->group, a);
}

/* What was bound here goes back if nobody has got it in between; the answer is that of the failure. */
static void undo(const struct vfio_group *g, const struct pci_device *const row[], int n, uint32_t taken) {
    struct vfio_answer a = {0};
    if (taken != 0 && (!is_out(g, &a) || !give_back(row, n, taken, &a)))
        log_warn("PCI devices stay without their drivers: %s", a.why);
}

static bool prepare(const struct vfio_order *o, struct vfio_answer *a, int out[WORKER_FDS]) {
    const struct pci_device *row[VH_MAX_GROUP] = {NULL};
    struct vfio_group g;
    uint32_t taken = 0;
    if (!find_members(o, row, &g, a) || !others_allow(o, row, &g, a) || (o->joins != 0 && !may_join(o, row, a)))
        return false;
    if (!vfio_bind_possible())
        return vfio_refuse(a, VFIO_NO_MODULE, "the kernel has no driver vfio-pci: is the module loaded?");
    if (o->joins == 0 && (!is_out(&g, a) || !take_members(o, row, &taken, a))) {
        undo(&g, row, (int)o->n, taken);
        return false;
    }
    if (!hand_over(o, row[0], a, out)) {
        undo(&g, row, (int)o->n, taken);
        return false;
    }
    a->group = g.number;
    return true;
}

/* ---- the orders ---- */

/* A device that the host removes, or unbinds, has no driver any more while a VM holds on to it. */
static bool look(const struct vfio_order *o, struct vfio_answer *a) {
    struct vfio_group g;
    const struct pci_device *d = vfio_group_find(&o->member[0], a);
    if (d == NULL || !vfio_group_of(d, &g, a))
        return false;
    if (!is_out(&g, a)) {
        a->wanted = a->result == VFIO_BUSY && d->driver[0] == '\0';
        return false;
    }
    a->group = g.number;
    return true;
}

size_t vfio_work(const void *order, int fd, void *answer, int out[WORKER_FDS]) {
    const struct vfio_order *o = order;
    struct vfio_answer *a = answer;
    bool done = false;
    if (!vfio_order_valid(o, fd >= 0))
        return 0;
    memset(a, 0, sizeof *a);
    if (!vfio_group_look() && o->head.kind == VFIO_PREPARE)
        (void)vfio_refuse(a, VFIO_UNKNOWN, "what the host uses its PCI devices for cannot be told");
    else if (o->head.kind == VFIO_PREPARE)
        done = prepare(o, a, out);
    else
        done = o->head.kind == VFIO_LOOK ? look(o, a) : restore(o, a);
    if (done)
        a->result = VFIO_DONE;
    else
        a->opened = a->undriven = 0;
    for (int i = 0; i < WORKER_FDS && !done; i++) {
        if (out[i] >= 0)
            (void)close(out[i]);
        out[i] = -1;
    }
    vfio_group_drop();
    return sizeof *a;
}

/* ---- the end ---- */

/* One of the processes gives a group back. What a VM has stays with it. */
static bool is_mine(const struct pci_device *d) {
    const uint64_t of_groups = UINT64_C(1) << 62; /* no inode of sysfs has it */
    return d->incarnation != 0 && outlive_noted(d->incarnation) && vfio_bind_taken(d) &&
           outlive_take(d->grouped != 0 ? of_groups | d->group : d->incarnation);
}

void vfio_work_leave(void) {
    struct vfio_answer a = {0};
    char name[PCI_ADDRESS_TEXT];
    (void)vfio_group_look(); /* what could not be read of uses by the host does not matter here */
    for (uint32_t i = 0; vfio_group_row(i) != NULL; i++) {
        const struct pci_device *d = vfio_group_row(i);
        if (!is_mine(d) || restore_group(d, &a) || a.result == VFIO_BUSY)
            continue;
        pci_address_text(name, &d->address);
        log_warn("stays without its driver: device=%s error=\"%s\"", name, a.why);
    }
    vfio_group_drop();
}
