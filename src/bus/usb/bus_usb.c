/*
 * bus_usb.c - the USB bus: when devices are read, and what is reported of them. Owns the notes of uevents and the timer
 * of the next scan; keeps no devices, the receiver of the facts does.
 *
 * A uevent only says where something may have changed; sysfs says what. A device that cannot be read now is not
 * reported at all: another event follows, or a scan by the timer.
 */
#include "bus/usb/bus_usb.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/host_use.h"
#include "bus/modules.h"
#include "bus/usb/usb_node.h"
#include "bus/usb/usb_notes.h"
#include "bus/usb/usb_read.h"
#include "bus/usb/usb_sysfs.h"
#include "os/clock.h"
#include "os/sysfs.h"

#include <errno.h>
#include <string.h>

static struct usb_notes noted;

/* When everything is scanned again because the kernel lacked descriptors or memory: no event follows when that ends. */
static struct {
    int64_t at;
    unsigned failures; /* in a row */
} rescan = {.at = VH_NEVER};

static void rescan_later(void) {
    if (rescan.at != VH_NEVER)
        return;
    rescan.failures++;
    rescan.at = clock_now() + backoff(rescan.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

/* Reads one device and reports it. In the middle of a reset or a removal nothing is reported. */
static void read_device(const char *name, enum plug_phase phase, bool coldplug, fact_fn *emit) {
    static struct device dev;
    unsigned troubles = sysfs_troubles();
    int dir;
    usb_node_drop_dir();
    enum usb_read_result result = usb_read(name, phase, &dev, &dir);
    if (result == USB_READ_FLUX || sysfs_troubles() != troubles)
        rescan_later();
    if (result == USB_READ_OK) {
        struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
        usb_node_keep_dir(&dev, dir);
        emit(&f);
    } else if (result == USB_READ_GONE) {
        struct fact f = {.kind = FACT_GONE, .sys_name = name};
        usb_plug_remove(name);
        emit(&f);
    }
}

static bool usb_start(reported_fn *reported) {
    struct sysfs_dir d;
    usb_read_start(reported);
    modules_open();
    usb_node_start();
    if (sysfs_dir_open(&d, USB_DEVICES))
        sysfs_dir_close(&d);
    else
        log_warn("no %s (%s): no USB devices until it is there", USB_DEVICES, strerror(errno));
    return true;
}

static void usb_scan(bool coldplug, fact_fn *emit) {
    static struct sysfs_dir d;
    const char *name;
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = coldplug};
    bool there = sysfs_dir_open(&d, USB_DEVICES);
    rescan.at = VH_NEVER;
    if (!there && errno != ENOENT) { /* devices that cannot be listed have not gone */
        rescan_later();
        return;
    }
    emit(&f);
    host_use_read();
    if (there) {
        while ((name = sysfs_dir_next(&d)) != NULL) {
            char copy[VH_SYSNAME_MAX];
            if (usb_sysfs_is_device(name) && str_copy(copy, sizeof copy, name))
                read_device(copy, coldplug ? PLUG_BOUND : PLUG_NEW, coldplug, emit);
        }
        usb_node_drop_dir();
        sysfs_dir_close(&d);
    }
    if (there && d.failed) {
        rescan_later();
        return;
    }
    f.kind = FACT_SCAN_END;
    emit(&f);
    if (rescan.at == VH_NEVER)
        rescan.failures = 0;
}

static void usb_recheck(fact_fn *emit) {
    char why[VH_TEXT_MAX], name[VH_SYSNAME_MAX];
    host_use_read();
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        const struct usb_plug *p = usb_plug_at(i);
        if (p == NULL || p->protected == host_use_reason(p->sys_name, why, sizeof why))
            continue;
        memcpy(name, p->sys_name, sizeof name); /* the row may change while the device is read */
        read_device(name, PLUG_NEW, false, emit);
    }
}

static bool usb_uevent(const struct uevent *ev) {
    return usb_notes_add(&noted, ev);
}

static void usb_read_noted(fact_fn *emit) {
    for (int i = 0; i < noted.n; i++)
        read_device(noted.note[i].name, noted.note[i].phase, false, emit);
    if (noted.overflow)
        usb_scan(false, emit);
    else if (noted.uses)
        usb_recheck(emit);
    usb_notes_clear(&noted);
}

static int64_t usb_deadline(void) {
    int64_t at = rescan.at;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        const struct usb_plug *p = usb_plug_at(i);
        if (p != NULL && usb_plug_settles_at(p) < at)
            at = usb_plug_settles_at(p);
    }
    return at;
}

static void settle_by_time(int64_t now, fact_fn *emit) {
    char name[VH_SYSNAME_MAX];
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct usb_plug *p = usb_plug_at(i);
        if (p == NULL || usb_plug_settles_at(p) > now)
            continue;
        log_info("no bind event: device=%s, used all the same", p->sys_name);
        p->settled = true;
        memcpy(name, p->sys_name, sizeof name); /* the row may change while the device is read */
        read_device(name, PLUG_BOUND, false, emit);
    }
}

static void usb_tick(int64_t now, fact_fn *emit) {
    if (rescan.at <= now)
        usb_scan(false, emit);
    settle_by_time(now, emit);
    usb_node_drop_dir(); /* the pass ends */
}

const struct bus bus_usb = {
    .name = "usb",
    .below = "/usb", /* the root hub, "usb1" */
    .start = usb_start,
    .scan = usb_scan,
    .uevent = usb_uevent,
    .read_noted = usb_read_noted,
    .deadline = usb_deadline,
    .tick = usb_tick,
    .recheck = usb_recheck,
    .open_node = usb_node_open,
    .release = usb_node_release,
};
