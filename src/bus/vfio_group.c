/*
 * vfio_group.c - see vfio_group.h. Owns the list of PCI devices that the order under way looks at; decides what keeps a
 * group with the host, and changes nothing.
 */
#include "bus/vfio_group.h"

#include "base/assert.h"
#include "base/str.h"
#include "bus/host_paths.h"
#include "bus/pci_sysfs.h"
#include "os/pages.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static _Alignas(4096) struct device_pci host; /* whole pages, which are given back */

bool vfio_refuse(struct vfio_answer *a, enum vfio_result result, const char *fmt, ...) {
    struct sbuf sb;
    va_list ap;
    a->result = result;
    sb_init(&sb, a->why, sizeof a->why);
    va_start(ap, fmt);
    sb_vfmt(&sb, fmt, ap); /* an explanation may be cut */
    va_end(ap);
    return false;
}

bool vfio_group_look(void) {
    pci_sysfs_list(&host);
    return host.whole != 0;
}

void vfio_group_drop(void) {
    pages_give_back(&host, sizeof host);
    host_paths_drop();
}

const struct pci_device *vfio_group_row(uint32_t i) {
    return i < host.n ? &host.row[i] : NULL;
}

static const struct pci_device *row_of(const struct pci_address *a) {
    for (uint32_t i = 0; i < host.n; i++) {
        if (pci_address_order(&host.row[i].address) == pci_address_order(a))
            return &host.row[i];
    }
    return NULL;
}

const struct pci_device *vfio_group_find(const struct vfio_member *m, struct vfio_answer *a) {
    const struct pci_device *d = row_of(&m->address);
    char name[PCI_ADDRESS_TEXT];
    pci_address_text(name, &m->address);
    if (d == NULL)
        (void)vfio_refuse(a, VFIO_GONE, "there is no PCI device %s any more", name);
    else if (d->vendor != m->vendor || d->device != m->device || pci_sysfs_incarnation(name) != m->incarnation) {
        (void)vfio_refuse(a, VFIO_GONE, "another device is at %s now", name);
        d = NULL;
    }
    return d;
}

/* ---- groups ---- */

/* A device with a bus behind it. VFIO does not ask who drives it, and vfio-pci does not take it. */
static bool is_to_a_bus(const char *name) {
    char path[VH_PATH_MAX];
    struct sys_stat st;
    bool fits = str_fmt(path, sizeof path, PCI_DEVICES "/%s", name);
    int dir = fits ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    bool is = dir >= 0 && sys_stat(dir, "secondary_bus_number", 0, &st);
    if (dir >= 0)
        (void)close(dir);
    return is;
}

static bool add_member(struct vfio_group *g, const char *name, struct vfio_answer *a) {
    struct pci_address address = {0};
    const struct pci_device *d = pci_address_parse(name, &address) ? row_of(&address) : NULL;
    if (d == NULL)
        return vfio_refuse(a, VFIO_STAYS, "shares its IOMMU group with %s, which is no PCI device", name);
    if (is_to_a_bus(name))
        return true;
    if (g->n == VH_MAX_GROUP)
        return vfio_refuse(a, VFIO_UNKNOWN, "its IOMMU group has more than %d members", VH_MAX_GROUP);
    int i = g->n++;
    while (i > 0 && g->member[i - 1] > d) { /* in the order of rows, whatever that of the directory is */
        g->member[i] = g->member[i - 1];
        i--;
    }
    g->member[i] = d;
    return true;
}

bool vfio_group_of(const struct pci_device *d, struct vfio_group *g, struct vfio_answer *a) {
    static struct sysfs_dir dir;
    char path[VH_PATH_MAX];
    const char *name;
    memset(g, 0, sizeof *g);
    g->there = d->grouped != 0;
    g->number = d->group;
    if (!g->there) {
        g->member[g->n++] = d;
        return true;
    }
    bool ok = str_fmt(path, sizeof path, IOMMU_GROUPS "/%u/devices", (unsigned)g->number);
    VH_ASSERT(ok);
    if (!sysfs_dir_open(&dir, path))
        return vfio_refuse(a, VFIO_UNKNOWN, "the members of its IOMMU group cannot be read: %s", strerror(errno));
    while (ok && (name = sysfs_dir_next(&dir)) != NULL)
        ok = add_member(g, name, a);
    if (ok && (dir.failed || !vfio_group_has(g, d)))
        ok = vfio_refuse(a, VFIO_UNKNOWN, "the members of its IOMMU group cannot be read");
    sysfs_dir_close(&dir);
    return ok;
}

bool vfio_group_has(const struct vfio_group *g, const struct pci_device *d) {
    int i = 0;
    while (i < g->n && g->member[i] != d)
        i++;
    return i < g->n;
}

/* ---- what the host uses ---- */

/* Is the address a component of the path, .../0000:05:00.0/nvme/nvme0/nvme0n1? */
static bool is_below(const char *path, const char *address) {
    size_t n = strlen(address);
    for (const char *s = strstr(path, address); s != NULL; s = strstr(s + 1, address)) {
        if (s > path && s[-1] == '/' && s[n] == '/')
            return true;
    }
    return false;
}

static bool has_busy_block(const char *address, struct vfio_answer *a) {
    static struct sysfs_dir blocks;
    char link[VH_PATH_MAX], path[VH_PATH_MAX];
    const char *name;
    bool busy = false;
    if (!sysfs_dir_open(&blocks, "/sys/class/block"))
        return false; /* the kernel has none */
    while (!busy && (name = sysfs_dir_next(&blocks)) != NULL) {
        busy = str_fmt(link, sizeof link, "/sys/class/block/%s", name) && sysfs_link(link, path, sizeof path) >= 0 &&
               is_below(path, address) && host_paths_busy(name);
        if (busy)
            (void)vfio_refuse(a, VFIO_IN_USE, "%s is in use on this host: /dev/%s", address, name);
    }
    if (!busy && blocks.failed) {
        busy = true;
        (void)vfio_refuse(a, VFIO_UNKNOWN, "the block devices below %s cannot be read", address);
    }
    sysfs_dir_close(&blocks);
    return busy;
}

bool vfio_group_used(const struct pci_device *d, uint8_t despite, struct vfio_answer *a) {
    char name[PCI_ADDRESS_TEXT];
    pci_address_text(name, &d->address);
    unsigned uses = d->uses & ~(unsigned)despite;
    bool told = (uses & (unsigned)d->uses & (~(unsigned)d->uses + 1)) != 0; /* is `why` of one that counts? */
    if (uses != 0) {
        (void)vfio_refuse(a, VFIO_IN_USE, "%s stays with the host: it %s", name,
                          told ? d->why : "carries the default route");
        return true;
    }
    return has_busy_block(name, a);
}
