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
#include "base/str.h"
#include "bus/device_order.h"
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

/* True if there is nothing more to do with it. */
static bool is_left(const char *name, uint64_t incarnation, int dir) {
    struct device_order o = {.incarnation = incarnation};
    char driver[VH_IFNAME_MAX], why[VH_TEXT_MAX];
    if (outlive_noted(incarnation) || usb_sysfs_unauthorised(dir))
        return true;
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
    struct mine *m = looks && sys_stat(dir, "", AT_EMPTY_PATH, &st) ? take(st.ino) : NULL;
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

void usb_leave(bool all) {
    configures = all;
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
