/*
 * auth_device.c - authorises a device and ends that. Owns nothing; decides nothing.
 *
 * As the kernel authorises a device it configures it, and binds drivers to its interfaces before the write has
 * returned. Interfaces that are not authorised when they are made get no driver, and the write that authorises one of
 * them offers it to none. So for a VM the bus makes unauthorised interfaces for that moment. Where a port is held the
 * device stays unconfigured, and there are none.
 */
#include "bus/usb/auth_device.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/usb/auth_default.h"
#include "bus/usb/usb_driver.h"
#include "os/sysfs.h"

#include <errno.h>
#include <string.h>

static struct sysfs_dir interfaces; /* of the call under way */

static bool write_authorized(int dir, const char *value, char *why, size_t cap) {
    if (sysfs_write(dir, "authorized", value))
        return true;
    (void)str_fmt(why, cap, "it cannot be %s: %s", value[0] == '1' ? "authorised" : "kept from being used",
                  strerror(errno));
    return false;
}

bool auth_device_interfaces(int dir, const char *sys_name) {
    char attribute[VH_IFNAME_MAX + sizeof "/authorized"];
    const char *entry;
    size_t prefix = strlen(sys_name);
    uint64_t authorised = 1;
    bool any = false;
    sysfs_dir_of(&interfaces, dir);
    while ((entry = sysfs_dir_next(&interfaces)) != NULL) {
        if (!str_starts(entry, sys_name) || entry[prefix] != ':' || strlen(entry) >= VH_IFNAME_MAX ||
            !str_fmt(attribute, sizeof attribute, "%s/authorized", entry))
            continue;
        if (!sysfs_uint(dir, attribute, 10, 1, &authorised) || authorised != 0)
            continue;
        any = true;
        if (!sysfs_write(dir, attribute, "1"))
            log_warn("an interface is not authorised: interface=%s error=\"%s\"", entry, strerror(errno));
    }
    return any;
}

bool auth_device_for_vm(int dir, const char *sys_name, char *why, size_t cap) {
    char bus[VH_SYSNAME_MAX];
    auth_default_bus(sys_name, bus);
    if (!auth_default_interfaces(bus, true)) {
        (void)str_fmt(why, cap, "the host's drivers cannot be kept from it: %s/interface_authorized_default: %s", bus,
                      strerror(errno));
        return false;
    }
    bool ok = write_authorized(dir, "1", why, cap);
    if (!auth_default_interfaces(bus, false))
        log_error("interfaces of other devices stay unauthorised: bus=%s error=\"%s\"", bus, strerror(errno));
    if (ok)
        (void)auth_device_interfaces(dir, sys_name);
    return ok;
}

/* Another worker may just have closed the bus to interfaces: then the drivers have not been offered them. */
bool auth_device_for_host(int dir, const char *sys_name, char *why, size_t cap) {
    if (!write_authorized(dir, "1", why, cap))
        return false;
    (void)auth_device_interfaces(dir, sys_name);
    usb_driver_offer(sys_name);
    return true;
}

bool auth_device_end(int dir, char *why, size_t cap) {
    return write_authorized(dir, "0", why, cap);
}
