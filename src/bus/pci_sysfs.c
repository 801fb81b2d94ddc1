/*
 * pci_sysfs.c - reads /sys/bus/pci/devices. Owns nothing between two lists; decides nothing.
 */
#include "bus/pci_sysfs.h"

#include "base/str.h"
#include "bus/pci_use.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* "0x8086". False if there is no such number, or it is larger. */
static bool read_hex(int dir, const char *name, uint32_t max, uint32_t *v) {
    char text[16];
    ssize_t n = sysfs_text(dir, name, text, sizeof text);
    return n > 2 && str_starts(text, "0x") && str_hex(text + 2, (size_t)n - 2, v) && *v <= max;
}

static uint16_t read_id(int dir, const char *name) {
    uint32_t v = 0;
    return read_hex(dir, name, UINT16_MAX, &v) ? (uint16_t)v : 0;
}

/* The last part of where the device's link of this name leads. False, with "", if there is none. */
static bool read_link(const char *device, const char *name, char *dst, size_t cap) {
    char path[VH_PATH_MAX], target[VH_PATH_MAX];
    bool fits = str_fmt(path, sizeof path, PCI_DEVICES "/%s/%s", device, name);
    dst[0] = '\0';
    if (!fits || sysfs_link(path, target, sizeof target) < 0)
        return false;
    const char *slash = strrchr(target, '/');
    if (str_copy(dst, cap, slash != NULL ? slash + 1 : target))
        return true;
    dst[0] = '\0'; /* longer than any that the kernel makes */
    return false;
}

void pci_sysfs_driver(const char *address, char driver[VH_IFNAME_MAX]) {
    (void)read_link(address, "driver", driver, VH_IFNAME_MAX);
}

uint64_t pci_sysfs_incarnation(const char *address) {
    char path[VH_PATH_MAX];
    struct sys_stat st;
    bool fits = str_fmt(path, sizeof path, PCI_DEVICES "/%s", address);
    int dir = fits ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    uint64_t inode = dir >= 0 && sys_stat(dir, "", AT_EMPTY_PATH, &st) ? st.ino : 0;
    if (dir >= 0)
        (void)close(dir);
    return inode;
}

/* The bridge is the component before the device in its path: .../0000:00:1c.0/0000:01:00.0. */
static void read_parent(const char *device, struct pci_device *r) {
    char path[VH_PATH_MAX], target[VH_PATH_MAX];
    if (!str_fmt(path, sizeof path, PCI_DEVICES "/%s", device) || sysfs_link(path, target, sizeof target) < 0)
        return;
    char *slash = strrchr(target, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    slash = strrchr(target, '/');
    r->behind = slash != NULL && pci_address_parse(slash + 1, &r->parent);
}

static bool read_row(int dir, const char *name, struct pci_device *r) {
    uint32_t v = 0;
    uint64_t group = 0;
    char link[VH_IFNAME_MAX];
    struct sys_stat st;
    if (!read_hex(dir, "vendor", UINT16_MAX, &v))
        return false; /* it goes just now */
    r->vendor = (uint16_t)v;
    r->device = read_id(dir, "device");
    r->incarnation = sys_stat(dir, "", AT_EMPTY_PATH, &st) ? st.ino : 0;
    r->sub_vendor = read_id(dir, "subsystem_vendor");
    r->sub_device = read_id(dir, "subsystem_device");
    if (read_hex(dir, "class", 0xffffff, &v)) {
        r->cls = (uint8_t)(v >> 16);
        r->sub = (uint8_t)(v >> 8 & 0xff);
        r->prog_if = (uint8_t)(v & 0xff);
    }
    read_parent(name, r);
    pci_sysfs_driver(name, r->driver);
    if (read_link(name, "iommu_group", link, sizeof link) && str_uint(link, strlen(link), UINT32_MAX, &group)) {
        r->grouped = 1;
        r->group = (uint32_t)group;
    }
    return true;
}

/* Rows are in the order of addresses, whatever that of the directory is. */
static void add(struct device_pci *l, const char *name, const struct pci_address *a) {
    struct pci_device d;
    char path[VH_PATH_MAX];
    bool fits = str_fmt(path, sizeof path, PCI_DEVICES "/%s", name);
    int dir = fits ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    if (dir < 0)
        return; /* unplugged since */
    memset(&d, 0, sizeof d);
    d.address = *a;
    if (read_row(dir, name, &d)) {
        uint32_t i = l->n;
        while (i > 0 && pci_address_order(&l->row[i - 1].address) > pci_address_order(a))
            i--;
        memmove(&l->row[i + 1], &l->row[i], (l->n - i) * sizeof l->row[0]);
        l->row[i] = d;
        l->n++;
    }
    (void)close(dir);
}

void pci_sysfs_list(struct device_pci *l) {
    static struct sysfs_dir d;
    struct pci_address a = {0};
    const char *name;
    unsigned troubles = sysfs_troubles();
    l->n = 0;
    l->whole = 1;
    if (!sysfs_dir_open(&d, PCI_DEVICES)) {
        l->whole = errno == ENOENT;
        return;
    }
    while ((name = sysfs_dir_next(&d)) != NULL) {
        if (!pci_address_parse(name, &a))
            continue;
        if (l->n == VH_MAX_PCI) {
            l->whole = 0;
            break;
        }
        add(l, name, &a);
    }
    sysfs_dir_close(&d);
    if (l->n > 0)
        pci_use_add(l);
    if (d.failed || sysfs_troubles() != troubles)
        l->whole = 0;
}
