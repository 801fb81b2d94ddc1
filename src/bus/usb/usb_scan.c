/*
 * usb_scan.c - which USB devices are read when. Owns the scan under way and the timer of the next one. Never waits: it
 * orders.
 *
 * A device in the middle of a reset or a removal is there, but not readable: it is neither reported anew nor gone, and
 * a scan by the timer follows. One whose worker did not answer in time is reported as unresponsive.
 */
#include "bus/usb/usb_scan.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/port_hubs.h"
#include "bus/usb/usb_report.h"
#include "codec/usb_place.h"
#include "os/clock.h"

#include <string.h>

/* When everything is scanned again because something could not be read: no event follows when that ends. */
static struct {
    int64_t at;
    unsigned failures; /* in a row */
} rescan = {.at = VH_NEVER};

static struct {
    bool under_way, again; /* again: another one was asked for meanwhile */
    bool coldplug, again_coldplug;
    bool listed;
    bool whole; /* nothing is missing, so what was not seen has gone */
    int left;   /* reads under way */
} scan;

void usb_scan_later(void) {
    if (rescan.at != VH_NEVER)
        return;
    rescan.failures++;
    rescan.at = clock_now() + backoff(rescan.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

int64_t usb_scan_at(void) {
    return rescan.at;
}

/* Audio, HID, printers, smart cards and video provide no block device and no network interface. */
bool usb_may_back_the_host(const struct device *dev) {
    for (int i = 0; i < dev->usb.nifaces; i++) {
        uint8_t c = dev->usb.ifaces[i].cls;
        if (c != 0x01 && c != 0x03 && c != 0x07 && c != 0x0b && c != 0x0e)
            return true;
    }
    return false;
}

bool usb_order_read(const char *name, enum plug_phase phase, uint64_t token) {
    struct device_order o = {.head.kind = DEVICE_READ, .bound = phase == PLUG_BOUND};
    const struct usb_plug *p = usb_plug_find(name);
    const struct device *last = usb_calls()->reported(name);
    bool ok = str_copy(o.sys_name, sizeof o.sys_name, name);
    VH_ASSERT(ok); /* device_name_valid() has checked its length */
    if (p != NULL) {
        o.incarnation = p->incarnation;
        o.settled = p->settled;
    }
    if (p != NULL && last != NULL && p->incarnation == last->incarnation) {
        o.vid = last->vid;
        o.pid = last->pid;
        o.busnum = last->usb.busnum;
        o.devnum = last->usb.devnum;
        o.several = last->usb.nconfigs > 1;
        o.config = last->usb.config;
        o.complete = p->complete;
        o.named = last->settled;
        o.storage = usb_may_back_the_host(last);
        o.given = usb_calls()->given(name);
        o.idle = port_hubs_on() && last->settled && last->usb.config == 0 && last->usb.nconfigs > 0;
        o.open = (phase == PLUG_BOUND || p->settled) && token == OF_UEVENT && usb_calls()->wanted(last);
    }
    o.configure = port_hubs_on();
    if (device_pool_order(&o, token, -1))
        return true;
    usb_scan_later();
    return false;
}

static void end_if_all_are_read(void) {
    struct fact f = {.kind = FACT_SCAN_END, .coldplug = scan.coldplug};
    if (!scan.under_way || !scan.listed || scan.left > 0)
        return;
    scan.under_way = false;
    if (scan.whole)
        usb_calls()->fact(&f);
    else
        usb_scan_later();
    if (rescan.at == VH_NEVER)
        rescan.failures = 0;
}

/* Without a whole list there is nothing to compare with: what cannot be listed has not gone. */
static void scan_failed(void) {
    scan.listed = true;
    scan.whole = false;
}

/* What the host uses comes first: a device must not be reported as free before that is known. */
void usb_scan(bool coldplug) {
    const struct device_order uses = {.head.kind = DEVICE_USES};
    rescan.at = VH_NEVER;
    if (scan.under_way) {
        scan.again_coldplug = scan.again ? scan.again_coldplug && coldplug : coldplug;
        scan.again = true;
        return;
    }
    memset(&scan, 0, sizeof scan);
    scan.under_way = true;
    scan.coldplug = coldplug;
    if (!device_pool_order(&uses, OF_SCAN, -1)) {
        scan.under_way = false;
        usb_scan_later();
    }
}

bool usb_scanning(void) {
    return scan.under_way;
}

static bool is_as_reported(const struct device_row *r) {
    const struct usb_plug *p = usb_plug_find(r->sys_name);
    const struct device *last = usb_calls()->reported(r->sys_name);
    return p != NULL && last != NULL && p->complete && p->incarnation == r->incarnation &&
           last->incarnation == r->incarnation && last->usb.devnum == r->devnum && !last->unresponsive &&
           last->unauthorised == (r->unauthorised != 0) && last->settled == p->settled;
}

/* A name that comes twice would be read once, but counted twice. */
static bool is_repeated(const struct device_list *l, uint32_t row) {
    uint32_t i = 0;
    while (i < row && !str_eq(l->row[i].sys_name, l->row[row].sys_name))
        i++;
    return i < row;
}

void usb_scan_listed(const struct device_list *l) {
    static struct device dev;
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = scan.coldplug};
    scan_failed();
    if (l == NULL || (l->whole == 0 && l->n == 0))
        return;
    scan.whole = l->whole != 0;
    usb_calls()->fact(&f);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct device_row *r = &l->row[i];
        if (is_repeated(l, i))
            continue;
        if (is_as_reported(r)) {
            dev = *usb_calls()->reported(r->sys_name);
            usb_report(&dev, scan.coldplug);
        } else if (usb_order_read(r->sys_name, scan.coldplug ? PLUG_BOUND : PLUG_NEW, OF_SCAN)) {
            scan.left++;
        } else {
            usb_report_seen(r->sys_name);
        }
    }
}

void usb_scan_uses(bool known) {
    const struct device_order list = {.head.kind = DEVICE_LIST};
    if (!known || !device_pool_order(&list, OF_SCAN, -1))
        scan_failed();
}

/* A READ of the scan joins one of a uevent, and the other way round: then it counts for both. */
void usb_scan_read(const struct device_order *o, uint64_t token, const struct device_read *r, int fd) {
    bool of_scan = (token & OF_SCAN) != 0 && scan.under_way;
    if (r == NULL)
        usb_report_silent(o->sys_name, of_scan);
    if (r == NULL || !usb_report_read(o, r, fd, of_scan && scan.coldplug))
        usb_scan_later();
    scan.left -= of_scan;
}

void usb_scan_end(void) {
    end_if_all_are_read();
    if (!scan.under_way && scan.again)
        usb_scan(scan.again_coldplug);
}
