/*
 * pci_use.c - what the host uses its PCI devices for. Owns nothing after pci_use_add(); decides nothing, policy_pci.c
 * does.
 *
 * What is below a PCI device has the device's address as a component of its sysfs path, e.g.
 * .../pci0000:00/0000:00:1c.0/0000:01:00.0/nvme/nvme0/nvme0n1: a bridge, and the controller behind it.
 */
#include "bus/pci_use.h"

#include "base/log.h"
#include "base/str.h"
#include "bus/host_paths.h"
#include "os/sysfs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct device_pci *list;

/* The lowest bit counts most, and its text is kept: an explanation may be cut. */
static void add_use(struct pci_device *d, enum pci_use use, const char *what, const char *which) {
    if (d->uses == 0 || (d->uses & (~(unsigned)d->uses + 1)) > (unsigned)use)
        (void)str_fmt(d->why, sizeof d->why, "%s%s%s", what, which[0] != '\0' ? " " : "", which);
    d->uses |= (uint8_t)use;
}

static struct pci_device *find(const char *name) {
    struct pci_address a = {0};
    for (uint32_t i = 0; pci_address_parse(name, &a) && i < list->n; i++) {
        if (pci_address_order(&a) == pci_address_order(&list->row[i].address))
            return &list->row[i];
    }
    return NULL;
}

/* To each PCI device on the path. */
static void add_along(const char *path, enum pci_use use, const char *what, const char *which) {
    char part[24]; /* the longest address has 16 characters */
    for (const char *s = path; s != NULL; s = strchr(s, '/')) {
        s += *s == '/';
        struct pci_device *d = str_copyn(part, sizeof part, s, strcspn(s, "/")) ? find(part) : NULL;
        if (d != NULL)
            add_use(d, use, what, which);
    }
}

static void on_path(const char *path, enum host_path kind, const char *what, const char *which) {
    add_along(path, kind == HOST_ROUTE ? PCI_UPLINK : PCI_STORAGE, what, which);
}

/* ---- bridges and the console ---- */

enum { CLASS_BRIDGE = 6, SUBCLASS_ISA = 1 };

static bool has_attribute(const char *address, const char *name, char *value, size_t cap) {
    char path[VH_PATH_MAX];
    int dir =
        str_fmt(path, sizeof path, "/sys/bus/pci/devices/%s", address) ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    bool has = dir >= 0 && sysfs_text(dir, name, value, cap) >= 0;
    if (dir >= 0)
        (void)close(dir);
    return has;
}

/* A device of any class that has a bus behind it says which one. Its configuration space is not read: that would wake
 * it. */
static void add_own(struct pci_device *d) {
    char address[24], value[16];
    struct sbuf sb;
    sb_init(&sb, address, sizeof address);
    pci_address_print(&sb, &d->address);
    if (d->cls == CLASS_BRIDGE && d->sub == SUBCLASS_ISA)
        add_use(d, PCI_BRIDGE, "is the ISA bridge", "");
    else if (d->cls == CLASS_BRIDGE || has_attribute(address, "secondary_bus_number", value, sizeof value))
        add_use(d, PCI_BRIDGE, "is a bridge", "");
    if (!str_eq(d->driver, "vfio-pci") && has_attribute(address, "boot_vga", value, sizeof value) && str_eq(value, "1"))
        add_use(d, PCI_CONSOLE, "shows the console: the firmware started it", "");
}

static void add_frame_buffer(void) {
    char path[VH_PATH_MAX];
    if (sysfs_link("/sys/class/graphics/fb0", path, sizeof path) >= 0)
        add_along(path, PCI_CONSOLE, "shows the console: it has the frame buffer", "fb0");
}

/* ---- keyboards ---- */

/* Keys 1 to 31, Escape to S, as udev has it: power buttons and headsets have fewer. The last word has the first keys,
 * whatever the width of the kernel's words. */
static bool is_keyboard(int inputs, const char *event) {
    char name[VH_IFNAME_MAX + 32], keys[512];
    uint32_t low = 0;
    ssize_t n = str_fmt(name, sizeof name, "%s/device/capabilities/key", event)
                    ? sysfs_text(inputs, name, keys, sizeof keys)
                    : -1;
    const char *word = n > 0 ? strrchr(keys, ' ') : NULL;
    word = word != NULL ? word + 1 : keys;
    size_t len = n > 0 ? strlen(word) : 0;
    if (len > 8) {
        word += len - 8;
        len = 8;
    }
    return len > 0 && str_hex(word, len, &low) && (low & 0xfffffffe) == 0xfffffffe;
}

static void add_keyboards(void) {
    struct sysfs_dir inputs;
    const char *name;
    char link[VH_PATH_MAX], path[VH_PATH_MAX];
    if (!sysfs_dir_open(&inputs, "/sys/class/input"))
        return;
    while ((name = sysfs_dir_next(&inputs)) != NULL) {
        if (str_starts(name, "event") && is_keyboard(inputs.fd, name) &&
            str_fmt(link, sizeof link, "/sys/class/input/%s", name) && sysfs_link(link, path, sizeof path) >= 0)
            add_along(path, PCI_KEYBOARD, "has a keyboard of the host:", name);
    }
    sysfs_dir_close(&inputs);
}

void pci_use_add(struct device_pci *l) {
    list = l;
    for (uint32_t i = 0; i < l->n; i++)
        add_own(&l->row[i]);
    add_frame_buffer();
    add_keyboards();
    unsigned left_out = host_paths_walk(on_path);
    if (left_out > 0 && host_paths_may_warn())
        log_warn("too many interfaces below that of a default route: %u are not protected", left_out);
}
