/*
 * usb_report.c - what the USB bus reports of devices: makes facts of what a worker has read. Owns the node of the
 * device that was read last, until the end of the pass; keeps no devices, the receiver of the facts does. Orders
 * nothing.
 */
#include "bus/usb/usb_report.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/str.h"
#include "bus/host_use.h"
#include "bus/modules.h"
#include "bus/usb/auth_buses.h"
#include "bus/usb/port_hubs.h"
#include "bus/usb/usb_plugs.h"
#include "codec/usb_place.h"

#include <string.h>
#include <unistd.h>

static const struct bus_calls *calls;

/* open_node() then needs no order. */
static struct {
    int fd; /* -1 none */
    uint64_t incarnation;
    uint8_t devnum;
} kept = {.fd = -1};

void usb_report_start(const struct bus_calls *table) {
    calls = table;
}

const struct bus_calls *usb_calls(void) {
    return calls;
}

void usb_report_end(void) {
    if (kept.fd >= 0)
        (void)close(kept.fd);
    kept.fd = -1;
}

static void keep(int fd, const struct device *dev) {
    usb_report_end();
    kept.fd = fd;
    kept.incarnation = dev->incarnation;
    kept.devnum = dev->usb.devnum;
}

/* By the last snapshot of what the host uses. */
static void protect(struct device *dev) {
    static char why[VH_PROTECT_MAX];
    dev->protect = "";
    if (device_is_hub(dev))
        dev->protect = "is a hub";
    else if (host_use_reason(dev->sys_name, why, sizeof why))
        dev->protect = why;
}

static void report(struct fact *f, struct device *dev) {
    f->kind = FACT_DEVICE;
    f->device = dev;
    protect(dev);
    calls->fact(f);
    port_hub_seen(dev);
    auth_buses_seen(dev);
}

void usb_report(struct device *dev, bool coldplug) {
    struct fact f = {.coldplug = coldplug, .unread = true};
    report(&f, dev);
}

static void report_gone(const char *name) {
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    usb_plug_remove(name);
    port_hub_gone(name);
    auth_buses_gone(name);
    calls->fact(&f);
}

/* It is there, but what it is cannot be read now: it stays as it was reported. */
void usb_report_seen(const char *name) {
    struct fact f = {.kind = FACT_SEEN, .sys_name = name};
    calls->fact(&f);
}

/* The paths live in the worker's memory; here they get their one place. */
static void take_drivers(struct device *dev, const char *drivers) {
    memset(dev->driver_path, 0, sizeof dev->driver_path);
    for (int i = 0; i < VH_MAX_DRIVERS && drivers[0] != '\0'; i++, drivers += strlen(drivers) + 1) {
        dev->driver_path[i] = modules_intern(drivers);
        if (dev->driver_path[i] == NULL)
            dev->malformed = "no room for the path of its driver";
    }
}

static void take_names(struct device *dev, const struct device_read *r) {
    static char note[VH_NOTE_MAX];
    dev->vendor_name = r->texts.vendor_name;
    dev->product_name = r->texts.product_name;
    dev->serial = r->texts.serial;
    if (r->texts.note[0] != '\0') { /* about its strings: its descriptors were not read */
        bool copied = str_copy(note, sizeof note, dev->note);
        VH_ASSERT(copied); /* of the same bound */
        device_note(note, r->texts.note);
        dev->note = note;
    }
    dev->usb.config = r->dev.usb.config;
    dev->settled = true;
}

/* False if what the answer is about was not reported, or has changed since. The device's texts stay where they are: in
 * the answer, or with the receiver of the facts. */
static bool merge(struct device *dev, const char *name, const struct device_read *r) {
    const struct device *last = calls->reported(name);
    if (r->result == DEVICE_FULL) {
        *dev = r->dev;
        device_take_texts(dev, &r->texts);
        dev->incarnation = r->incarnation;
        dev->unresponsive = false;
        dev->unauthorised = r->unauthorised != 0;
        dev->claimed = r->claimed != 0;
        dev->driven = r->driven != 0;
        dev->binding = (enum binding)r->binding;
        dev->settled = r->strings != 0;
        take_drivers(dev, r->drivers);
        return true;
    }
    if (last == NULL || last->incarnation != r->incarnation)
        return false;
    *dev = *last;
    dev->unresponsive = false;
    dev->unauthorised = r->unauthorised != 0;
    dev->claimed = r->claimed != 0;
    dev->driven = r->driven != 0;
    dev->binding = (enum binding)r->binding;
    if (r->result == DEVICE_NAMES)
        take_names(dev, r);
    return true;
}

/* fd: its opened node, or -1. */
bool usb_report_read(const struct device_order *o, const struct device_read *r, int fd, bool coldplug) {
    static struct device dev;
    bool again = r->troubled != 0 || r->result == DEVICE_FLUX;
    if (r->result == DEVICE_GONE) {
        report_gone(o->sys_name);
        return true;
    }
    struct usb_plug *p = usb_plug_find(o->sys_name);
    if (p != NULL && p->incarnation == r->incarnation)
        p->settled |= o->bound != 0; /* the bind event does not come again */
    if (r->result == DEVICE_FLUX || !merge(&dev, o->sys_name, r)) {
        if (fd >= 0)
            (void)close(fd);
        usb_report_seen(o->sys_name);
        return !again;
    }
    p = usb_plug_add(o->sys_name, r->incarnation, o->bound != 0);
    if (p != NULL) {
        p->settled |= o->bound != 0;
        p->complete = r->complete != 0 && r->unauthorised == 0;
    } else {
        dev.settled = true;
    }
    keep(fd, &dev);
    struct fact f = {.coldplug = coldplug, .driver = o->given != 0 ? r->driver : NULL}; /* else nobody has looked */
    report(&f, &dev);
    return !again;
}

/* Nothing is known but that there is such a device. */
void usb_report_silent(const char *name, bool there) {
    static struct device dev;
    const struct device *last = calls->reported(name);
    if (last == NULL && !there)
        return;
    if (last != NULL) {
        dev = *last;
    } else {
        device_clear(&dev);
        (void)str_copy(dev.sys_name, sizeof dev.sys_name, name);
        dev.vendor_name = "Unknown vendor";
        dev.product_name = "Unknown device";
    }
    dev.unresponsive = true;
    struct fact f = {.coldplug = false};
    report(&f, &dev);
}

int usb_report_node(const struct device *dev) {
    int fd = kept.fd;
    if (fd < 0 || kept.incarnation != dev->incarnation || kept.devnum != dev->usb.devnum)
        return -1;
    kept.fd = -1;
    return fd;
}
