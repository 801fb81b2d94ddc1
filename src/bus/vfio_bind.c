/*
 * vfio_bind.c - writes driver_override, unbind and drivers_probe below /sys/bus/pci. Owns nothing; asks nobody whether
 * it may.
 *
 * driver_override says which driver alone may have the device. The kernel forgets it when the device is unplugged. A
 * probe that no driver wants, or that fails, ends without an error: only the link `driver` tells.
 */
#include "bus/vfio_bind.h"

#include "base/assert.h"
#include "base/str.h"
#include "bus/pci_sysfs.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NO_OVERRIDE "\n" /* a write of nothing changes nothing */

bool vfio_bind_possible(void) {
    int dir = sysfs_open("/sys/bus/pci/drivers/" VFIO_DRIVER, O_RDONLY | O_DIRECTORY);
    if (dir >= 0)
        (void)close(dir);
    return dir >= 0;
}

/* file: below /sys/bus/pci. */
static bool put(const char *file, const char *text, const char *address, struct vfio_answer *a) {
    int dir = sysfs_open("/sys/bus/pci", O_RDONLY | O_DIRECTORY);
    bool ok = dir >= 0 && sysfs_write(dir, file, text);
    if (!ok) {
        const char *name = strrchr(file, '/');
        (void)vfio_refuse(a, VFIO_FAILED, "cannot write %s of %s: %s", name != NULL ? name + 1 : file, address,
                          strerror(errno));
    }
    if (dir >= 0)
        (void)close(dir);
    return ok;
}

static bool override_with(const char *address, const char *text, struct vfio_answer *a) {
    char file[VH_PATH_MAX];
    bool ok = str_fmt(file, sizeof file, "devices/%s/driver_override", address);
    VH_ASSERT(ok);
    return put(file, text, address, a);
}

static bool unbind(const char *address, const char *driver, struct vfio_answer *a) {
    char file[VH_PATH_MAX];
    bool ok = str_fmt(file, sizeof file, "drivers/%s/unbind", driver);
    VH_ASSERT(ok);
    return driver[0] == '\0' || put(file, address, address, a);
}

bool vfio_bind_take(const struct pci_device *d, struct vfio_answer *a) {
    char address[PCI_ADDRESS_TEXT], driver[VH_IFNAME_MAX];
    pci_address_text(address, &d->address);
    if (!override_with(address, VFIO_DRIVER, a) || !unbind(address, d->driver, a) ||
        !put("drivers_probe", address, address, a))
        return false;
    pci_sysfs_driver(address, driver);
    if (str_eq(driver, VFIO_DRIVER))
        return true;
    return vfio_refuse(a, VFIO_FAILED, "vfio-pci does not take %s: the kernel's log says why", address);
}

bool vfio_bind_taken(const struct pci_device *d) {
    char path[VH_PATH_MAX], address[PCI_ADDRESS_TEXT], text[VH_IFNAME_MAX];
    pci_address_text(address, &d->address);
    bool fits = str_fmt(path, sizeof path, PCI_DEVICES "/%s", address);
    int dir = fits && d->driver[0] == '\0' ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    bool meant = dir >= 0 && sysfs_text(dir, "driver_override", text, sizeof text) >= 0 && str_eq(text, VFIO_DRIVER);
    if (dir >= 0)
        (void)close(dir);
    return meant || str_eq(d->driver, VFIO_DRIVER);
}

bool vfio_bind_free(const struct pci_device *d, struct vfio_answer *a) {
    char address[PCI_ADDRESS_TEXT], driver[VH_IFNAME_MAX];
    pci_address_text(address, &d->address);
    if (!override_with(address, NO_OVERRIDE, a))
        return false;
    pci_sysfs_driver(address, driver);
    return !str_eq(driver, VFIO_DRIVER) || unbind(address, driver, a);
}

bool vfio_bind_offer(const struct pci_device *d, struct vfio_answer *a, bool *driven) {
    char address[PCI_ADDRESS_TEXT], driver[VH_IFNAME_MAX];
    pci_address_text(address, &d->address);
    bool ok = put("drivers_probe", address, address, a);
    pci_sysfs_driver(address, driver);
    *driven = driver[0] != '\0';
    return ok || *driven;
}

bool vfio_bind_enabled(const struct pci_device *d) {
    char path[VH_PATH_MAX], address[PCI_ADDRESS_TEXT];
    uint64_t times = 0;
    pci_address_text(address, &d->address);
    bool fits = str_fmt(path, sizeof path, PCI_DEVICES "/%s", address);
    int dir = fits ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    bool known = dir >= 0 && sysfs_uint(dir, "enable", 10, UINT32_MAX, &times);
    if (dir >= 0)
        (void)close(dir);
    return !known || times > 0;
}
