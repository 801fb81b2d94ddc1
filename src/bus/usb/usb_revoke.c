/*
 * usb_revoke.c - takes a device from whoever has opened it. Owns nothing; decides nothing.
 *
 * Two steps, both of the kernel. `authorized` 0 of an interface ends its transfers and every later claim; this needs
 * the device's lock alone, so a hub that is busy with a neighbour does not delay it. But requests to the device as a
 * whole go on. Taking the device from the kernel's driver `usb` ends those: every file that is open then fails with
 * ENODEV from there on (usbdev_remove() in the kernel's devio.c). The device keeps its number and its directory.
 *
 * Only the loss of the driver ends files. A node can be opened, and the device be configured and used, while it has no
 * driver; such a file outlives that, until the device is bound and loses its driver again.
 */
#include "bus/usb/usb_revoke.h"

#include "base/log.h"
#include "base/str.h"
#include "bus/usb/usb_sysfs.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define USB_DRIVER "/sys/bus/usb/drivers/usb"

static struct sysfs_dir interfaces; /* of the call under way */

/* What cannot be ended so ends with the device's. */
static void end_transfers(int dir, const char *sys_name) {
    char attribute[VH_IFNAME_MAX + sizeof "/authorized"];
    const char *entry;
    size_t prefix = strlen(sys_name);
    sysfs_dir_of(&interfaces, dir);
    while ((entry = sysfs_dir_next(&interfaces)) != NULL) {
        if (!str_starts(entry, sys_name) || entry[prefix] != ':' || strlen(entry) >= VH_IFNAME_MAX ||
            !str_fmt(attribute, sizeof attribute, "%s/authorized", entry))
            continue;
        if (!sysfs_write(dir, attribute, "0") && errno != ENOENT)
            log_debug("not ended at once: interface=%s error=\"%s\"", entry, strerror(errno));
    }
}

static bool write_driver(const char *file, const char *sys_name) {
    int driver = sysfs_open(USB_DRIVER, O_PATH | O_DIRECTORY);
    bool ok = driver >= 0 && sysfs_write(driver, file, sys_name);
    int saved = errno;
    if (driver >= 0)
        (void)close(driver);
    errno = saved;
    return ok;
}

/* Another device that has come to this name meanwhile must not stay without its driver. */
static bool is_still_it(const struct device_order *o) {
    int dir = usb_sysfs_open_plug(o->sys_name, o->incarnation);
    if (dir >= 0) {
        (void)close(dir);
        return true;
    }
    (void)write_driver("bind", o->sys_name);
    return false;
}

/* The kernel's driver did not have it. */
static bool end_without_driver(int dir, const struct device_order *o, char *why, size_t cap) {
    enum binding binding = usb_sysfs_binding(dir);
    if (binding == BINDING_DRIVER) {
        (void)str_copy(why, cap, "its driver is not the kernel's own");
        return false;
    }
    /* By an earlier attempt, whose answer came too late. That leaves it unconfigured: else somebody uses it. */
    if (binding == BINDING_NONE && o->bind == 0)
        return true;
    if (write_driver("bind", o->sys_name) && write_driver("unbind", o->sys_name))
        return true;
    (void)str_fmt(why, cap, "no driver had it, and it cannot be bound and unbound: %s", strerror(errno));
    return false;
}

bool usb_revoke(const struct device_order *o, char *why, size_t cap) {
    int dir = usb_sysfs_open_plug(o->sys_name, o->incarnation);
    if (dir < 0) {
        (void)str_copy(why, cap, "the device is gone");
        return false;
    }
    end_transfers(dir, o->sys_name);
    bool ok = write_driver("unbind", o->sys_name);
    int error = errno;
    if (!ok && error == ENODEV)
        ok = end_without_driver(dir, o, why, cap);
    else if (!ok)
        (void)str_fmt(why, cap, USB_DRIVER "/unbind: %s", strerror(error));
    (void)close(dir);
    if (ok && !is_still_it(o)) {
        (void)str_copy(why, cap, "the device is gone");
        return false;
    }
    return ok;
}

bool usb_revoke_undo(const struct device_order *o, char *why, size_t cap) {
    int dir = usb_sysfs_open_plug(o->sys_name, o->incarnation);
    if (dir < 0) {
        (void)str_copy(why, cap, "the device is gone");
        return false;
    }
    bool ok = write_driver("bind", o->sys_name);
    int error = errno;
    ok = ok || usb_sysfs_binding(dir) == BINDING_DRIVER; /* somebody else was faster */
    if (!ok)
        (void)str_fmt(why, cap, USB_DRIVER "/bind: %s", strerror(error));
    (void)close(dir);
    return ok;
}
