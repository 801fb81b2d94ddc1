/*
 * usb_leave.c - after the end of the loop: configures for the host what its held ports kept unconfigured, or what was
 * revoked, and is no guest's. Owns the list of what this process has taken on. Decides nothing: what the loop has noted
 * (os/outlive.h) is a guest's, and anything else is the host's, because a host without its keyboard is the worst
 * outcome.
 *
 * Each device is taken on by one process before a question about it may block, so a device that never answers costs the
 * others nothing. The ports are the port workers' until these have ended; a device in a port that is still held stays
 * unconfigured when the kernel is to choose its configuration, and is tried again.
 */
#include "bus/usb/usb_leave.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "bus/usb/auth_default.h"
#include "bus/usb/auth_device.h"
#include "bus/usb/usb_driver.h"
#include "bus/usb/usb_node.h"
#include "bus/usb/usb_sysfs.h"
#include "os/outlive.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 250, TRIES = VH_T_LEAVE / WAIT_MS };

static struct mine {
    uint64_t incarnation;
    bool done;
} mine[VH_MAX_DEVICES];
static int nmine;
static bool configures; /* with quarantine; else only what has no driver is looked at, because it was revoked */

static struct mine *take(uint64_t incarnation) {
    for (int i = 0; i < nmine; i++) {
        if (mine[i].incarnation == incarnation)
            return &mine[i];
    }
    if (nmine == VH_MAX_DEVICES || !outlive_take(incarnation))
        return NULL;
    mine[nmine].incarnation = incarnation;
    return &mine[nmine++];
}

/* Without the daemon it would be authorised, and it is no guest's. */
static bool is_to_be_authorised(const char *name, uint64_t incarnation, int dir) {
    return auth_default_on() && usb_sysfs_unauthorised(dir) && !outlive_noted(incarnation) &&
           auth_default_was(name, incarnation);
}

/* By one process, and apart from what follows: another process may only now take its authorisation, and then it is that
 * one which gives it back. */
static void authorise(const char *name, uint64_t incarnation, int dir) {
    const uint64_t of_authorisation = UINT64_C(1) << 63; /* no inode of sysfs has it */
    char why[VH_TEXT_MAX];
    if (!auth_default_on() || outlive_noted(incarnation))
        return;
    if (is_to_be_authorised(name, incarnation, dir)) {
        if (outlive_take(incarnation | of_authorisation) && !auth_device_for_host(dir, name, why, sizeof why))
            log_error("not put back: device=%s error=\"%s\"", name, why);
    } else if (!usb_sysfs_unauthorised(dir) && auth_device_interfaces(dir, name)) {
        usb_driver_offer(name); /* a worker was killed while it authorised the device */
    }
}

/* True if there is nothing more to do with it. */
static bool is_left(const char *name, uint64_t incarnation, int dir) {
    struct device_order o = {.incarnation = incarnation};
    char driver[VH_IFNAME_MAX], why[VH_TEXT_MAX];
    if (outlive_noted(incarnation))
        return true;
    if (usb_sysfs_unauthorised(dir))
        return !is_to_be_authorised(name, incarnation, dir);
    (void)str_copy(o.sys_name, sizeof o.sys_name, name); /* device_name_valid() has checked its length */
    if (usb_sysfs_config(dir) == 0)
        return usb_node_bind(&o, why, sizeof why) && usb_sysfs_config(dir) != 0;
    if (!usb_driver_look(dir, name, driver) && driver[0] == '\0')
        usb_driver_offer(name);
    return true;
}

static void leave_device(const char *name, bool *again) {
    struct sys_stat st;
    int dir = usb_sysfs_open(name);
    if (dir < 0)
        return;
    /* What has a driver now may lose it to an order that another process still carries out: that one takes it on. */
    bool looks = configures || usb_sysfs_binding(dir) == BINDING_NONE;
    bool known = sys_stat(dir, "", AT_EMPTY_PATH, &st);
    if (known)
        authorise(name, st.ino, dir);
    struct mine *m = looks && known ? take(st.ino) : NULL;
    if (m != NULL && !m->done) {
        m->done = is_left(name, st.ino, dir);
        *again = *again || !m->done;
    }
    (void)close(dir);
}

/* False if all is done. Root hubs have a configuration. */
static bool leave_devices(void) {
    static struct sysfs_dir d;
    const char *name;
    bool again = false;
    if (!sysfs_dir_open(&d, USB_DEVICES))
        return false;
    while ((name = sysfs_dir_next(&d)) != NULL) {
        if (device_name_valid(name) && !str_starts(name, "usb"))
            leave_device(name, &again);
    }
    sysfs_dir_close(&d);
    return again;
}

/* What a hub is enumerating came while nothing was authorised, and is not there yet. To read its configuration takes
 * its lock, which the kernel holds until it has done with that. */
static void wait_for_hubs(void) {
    static struct sysfs_dir d;
    const char *name;
    uint64_t ports = 0;
    if (!sysfs_dir_open(&d, USB_DEVICES))
        return;
    while ((name = sysfs_dir_next(&d)) != NULL) {
        int dir = device_name_valid(name) ? usb_sysfs_open(name) : -1;
        if (dir < 0)
            continue;
        if (sysfs_uint(dir, "maxchild", 10, UINT8_MAX, &ports) && ports > 0) {
            (void)usb_sysfs_config(dir);
            (void)leave_devices(); /* hubs that wait for a device are no reason for the others to */
        }
        (void)close(dir);
    }
    sysfs_dir_close(&d);
}

static void put_back(void) {
    auth_default_put_back(); /* first: what comes from here on is authorised as ever */
    (void)leave_devices();
    wait_for_hubs();
}

void usb_leave(bool all) {
    configures = all;
    if (auth_default_on())
        put_back();
    if (!all) { /* no port is held */
        (void)leave_devices();
        return;
    }
    bool free = outlive_free(WAIT_MS), again = leave_devices();
    for (int i = 0; i < TRIES && !free; i++) { /* one look after the last port worker has ended is enough */
        free = outlive_free(WAIT_MS);
        if (again || free)
            again = leave_devices();
    }
}
