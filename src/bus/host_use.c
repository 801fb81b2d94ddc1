/*
 * host_use.c - which USB devices the host uses, by the paths of host_paths.c. Owns the snapshot; decides nothing.
 *
 * A block device or network interface below a USB device has that device's name as a component of its sysfs path, e.g.
 * .../usb1/1-2/1-2:1.0/host3/target3:0:0/3:0:0:0/block/sda/sda1. The innermost such component names the device.
 */
#include "bus/host_use.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "bus/host_paths.h"
#include "os/pages.h"
#include "os/sysfs.h"

#include <ctype.h>
#include <string.h>

static struct use {
    char sys_name[VH_SYSNAME_MAX];
    char why[VH_TEXT_MAX];
    bool untold;
} uses[VH_MAX_DEVICES]; /* one for each device, because a disk may be mounted a hundred times */
static int nuses, too_many;

/* The innermost USB device on a sysfs path; false if there is none. A root hub is none: the host keeps it anyway. */
static bool usb_device_of(const char *path, char name[VH_SYSNAME_MAX]) {
    char part[VH_SYSNAME_MAX];
    bool found = false;
    for (const char *s = path; s != NULL; s = strchr(s, '/')) {
        s += *s == '/';
        if (isdigit((unsigned char)*s) && str_copyn(part, sizeof part, s, strcspn(s, "/")) && device_name_valid(part))
            found = str_copy(name, VH_SYSNAME_MAX, part);
    }
    return found;
}

static const struct use *find_use(const char *sys_name) {
    for (int i = 0; i < nuses; i++) {
        if (str_eq(uses[i].sys_name, sys_name))
            return &uses[i];
    }
    return NULL;
}

static void add_use(const char *path, enum host_path kind, const char *what, const char *which) {
    char name[VH_SYSNAME_MAX];
    if (!usb_device_of(path, name) || find_use(name) != NULL)
        return;
    if (nuses == VH_MAX_DEVICES) {
        too_many++;
        return;
    }
    memcpy(uses[nuses].sys_name, name, sizeof name);
    (void)str_fmt(uses[nuses].why, sizeof uses[nuses].why, "%s %s", what, which); /* an explanation may be cut */
    uses[nuses].untold = kind != HOST_MOUNT;
    nuses++;
}

void host_use_read(void) {
    nuses = too_many = 0;
    unsigned left_out = host_paths_walk(add_use);
    too_many += (int)left_out;
    if (too_many > 0 && host_paths_may_warn())
        log_warn("the host uses more than %d USB devices: %d uses are not protected", VH_MAX_DEVICES, too_many);
}

bool host_use_busy(const char *sys_name, char *why, size_t cap) {
    struct sysfs_dir blocks;
    const char *name;
    char link[VH_PATH_MAX], path[VH_PATH_MAX], of[VH_SYSNAME_MAX];
    bool busy = false;
    if (!sysfs_dir_open(&blocks, "/sys/class/block"))
        return false;
    while (!busy && (name = sysfs_dir_next(&blocks)) != NULL) {
        bool its = str_fmt(link, sizeof link, "/sys/class/block/%s", name) &&
                   sysfs_link(link, path, sizeof path) >= 0 && usb_device_of(path, of) && str_eq(of, sys_name);
        busy = its && host_paths_busy(name);
        if (busy)
            (void)str_fmt(why, cap, "is in use on this host: /dev/%s", name);
    }
    sysfs_dir_close(&blocks);
    return busy;
}

bool host_use_reason(const char *sys_name, char *why, size_t cap) {
    const struct use *u = find_use(sys_name);
    return u != NULL && (str_copy(why, cap, u->why) || true);
}

bool host_use_at(int i, const char **sys_name, const char **why, bool *untold) {
    if (i >= nuses)
        return false;
    *untold = uses[i].untold;
    *sys_name = uses[i].sys_name;
    *why = uses[i].why;
    return true;
}

void host_use_clear(void) {
    nuses = too_many = 0;
}

void host_use_put(const char *sys_name, const char *why) {
    if (find_use(sys_name) != NULL || nuses == VH_MAX_DEVICES)
        return;
    bool ok = str_copy(uses[nuses].sys_name, sizeof uses[nuses].sys_name, sys_name);
    VH_ASSERT(ok);
    (void)str_copy(uses[nuses].why, sizeof uses[nuses].why, why); /* an explanation may be cut */
    nuses++;
}

void host_use_drop(void) {
    if (nuses > 0 || too_many > 0) /* else the variables may never have been written here */
        host_use_clear();
    pages_give_back(uses, sizeof uses);
    host_paths_drop();
}
