/*
 * usb_driver.c - the drivers of a device's interfaces, as sysfs shows them. Owns nothing; never unbinds a driver.
 *
 * The kernel names interfaces "<device>:<configuration>.<interface>". An interface with a driver has a link `driver`.
 */
#include "bus/usb/usb_driver.h"

#include "base/log.h"
#include "base/str.h"
#include "bus/usb/usb_sysfs.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* On the stack, which an idle worker gives back. */
struct walk {
    size_t prefix;
    char name[VH_IFNAME_MAX], driver[VH_IFNAME_MAX]; /* of the current interface; driver "" if it has none */
    struct sysfs_dir dir;
};

static bool walk_begin(struct walk *w, const char *sys_name) {
    char path[VH_PATH_MAX];
    w->prefix = strlen(sys_name);
    return str_fmt(path, sizeof path, USB_DEVICES "/%s", sys_name) && sysfs_dir_open(&w->dir, path);
}

/* False if the entry is no interface, or its name is longer than any that the kernel makes. */
static bool take(struct walk *w, const char *sys_name, const char *entry) {
    char path[VH_PATH_MAX], target[VH_PATH_MAX];
    if (!str_starts(entry, sys_name) || entry[w->prefix] != ':' || !str_copy(w->name, sizeof w->name, entry))
        return false;
    w->driver[0] = '\0';
    if (!str_fmt(path, sizeof path, USB_DEVICES "/%s/driver", entry) || sysfs_link(path, target, sizeof target) < 0)
        return true;
    const char *slash = strrchr(target, '/');
    return str_copy(w->driver, sizeof w->driver, slash != NULL ? slash + 1 : target);
}

/* False after the last. */
static bool walk_next(struct walk *w, const char *sys_name) {
    const char *entry;
    while ((entry = sysfs_dir_next(&w->dir)) != NULL) {
        if (take(w, sys_name, entry))
            return true;
    }
    return false;
}

bool usb_driver_claimed(int dir, const char *sys_name, char interface[VH_IFNAME_MAX]) {
    struct walk walk;
    bool claimed = false;
    walk.prefix = strlen(sys_name);
    sysfs_dir_of(&walk.dir, dir);
    while (!claimed && walk_next(&walk, sys_name))
        claimed = str_eq(walk.driver, "usbfs");
    if (claimed)
        memcpy(interface, walk.name, sizeof walk.name);
    return claimed;
}

bool usb_driver_look(int dir, const char *sys_name, char driver[VH_IFNAME_MAX]) {
    struct walk walk;
    bool claimed = false;
    driver[0] = '\0';
    walk.prefix = strlen(sys_name);
    sysfs_dir_of(&walk.dir, dir);
    while (walk_next(&walk, sys_name)) {
        if (str_eq(walk.driver, "usbfs"))
            claimed = true;
        else if (driver[0] == '\0')
            memcpy(driver, walk.driver, sizeof walk.driver);
    }
    return claimed;
}

void usb_driver_offer(const char *sys_name) {
    struct walk walk;
    if (!walk_begin(&walk, sys_name))
        return;
    int bus = sysfs_open("/sys/bus/usb", O_PATH | O_DIRECTORY);
    while (bus >= 0 && walk_next(&walk, sys_name)) {
        /* ENODEV: no driver wants it */
        if (walk.driver[0] == '\0' && !sysfs_write(bus, "drivers_probe", walk.name) && errno != ENODEV)
            log_debug("drivers_probe: interface=%s error=\"%s\"", walk.name, strerror(errno));
    }
    if (bus >= 0)
        (void)close(bus);
    sysfs_dir_close(&walk.dir);
}
