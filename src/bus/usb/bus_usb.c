/*
 * bus_usb.c - the USB bus: which device is read when, and what is reported of it. Owns the notes of uevents, the scan
 * under way and the timer of the next one; keeps no devices, the receiver of the facts does. Never waits: it orders.
 *
 * A uevent only says where something may have changed; sysfs says what. A device in the middle of a reset or a removal
 * is there, but not readable: it is neither reported anew nor gone, and a scan by the timer follows. One whose worker
 * did not answer in time is reported as unresponsive.
 */
#include "bus/usb/bus_usb.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/host_use.h"
#include "bus/modules.h"
#include "bus/usb/usb_node.h"
#include "bus/usb/usb_notes.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/uevent.h"
#include "codec/usb_place.h"
#include "os/clock.h"
#include "os/sysfs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Tokens of reads and of what the host uses. */
enum { OF_UEVENT = 0, OF_SCAN = 1 };

static const struct bus_calls *calls;
static struct usb_notes noted;

/* When everything is scanned again because something could not be read: no event follows when that ends. */
static struct {
    int64_t at;
    unsigned failures; /* in a row */
} rescan = {.at = VH_NEVER};

/* The node of a device that has just been read, until the end of the pass: open_node() then needs no order. */
static struct {
    int fd; /* -1 none */
    uint64_t incarnation;
    uint8_t devnum;
} kept = {.fd = -1};

static struct {
    bool under_way, again; /* again: another one was asked for meanwhile */
    bool coldplug, again_coldplug;
    bool listed;
    bool whole; /* nothing is missing, so what was not seen has gone */
    int left;   /* reads under way */
} scan;

static void rescan_later(void) {
    if (rescan.at != VH_NEVER)
        return;
    rescan.failures++;
    rescan.at = clock_now() + backoff(rescan.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

/* ---- orders ---- */

static bool order(uint32_t kind, uint64_t token) {
    struct device_order o = {.head.kind = kind};
    return device_pool_order(&o, token, -1);
}

/* Audio, HID, printers, smart cards and video provide no block device and no network interface. */
static bool may_back_the_host(const struct device *dev) {
    for (int i = 0; i < dev->nifaces; i++) {
        uint8_t c = dev->ifaces[i].cls;
        if (c != 0x01 && c != 0x03 && c != 0x07 && c != 0x0b && c != 0x0e)
            return true;
    }
    return false;
}

/* What lasts as long as the plug is read once. */
static bool order_read(const char *name, enum plug_phase phase, uint64_t token) {
    struct device_order o = {.head.kind = DEVICE_READ, .bound = phase == PLUG_BOUND};
    const struct usb_plug *p = usb_plug_find(name);
    const struct device *last = calls->reported(name);
    bool ok = str_copy(o.sys_name, sizeof o.sys_name, name);
    VH_ASSERT(ok); /* device_name_valid() has checked its length */
    if (p != NULL) {
        o.incarnation = p->incarnation;
        o.settled = p->settled;
    }
    if (p != NULL && last != NULL && p->incarnation == last->incarnation) {
        o.vid = last->vid;
        o.pid = last->pid;
        o.busnum = last->busnum;
        o.devnum = last->devnum;
        o.several = last->nconfigs > 1;
        o.config = last->config;
        o.complete = p->complete;
        o.named = last->settled;
        o.storage = may_back_the_host(last);
        o.given = calls->given(name);
        o.open = (phase == PLUG_BOUND || p->settled) && token == OF_UEVENT && calls->wanted(last);
    }
    if (device_pool_order(&o, token, -1))
        return true;
    rescan_later();
    return false;
}

static void of_device(struct device_order *o, const struct device *dev) {
    memcpy(o->sys_name, dev->sys_name, sizeof o->sys_name);
    o->incarnation = dev->incarnation;
    o->busnum = dev->busnum;
    o->devnum = dev->devnum;
    o->storage = may_back_the_host(dev);
}

static void drop_kept(void) {
    if (kept.fd >= 0)
        (void)close(kept.fd);
    kept.fd = -1;
}

static void keep(int fd, const struct device *dev) {
    drop_kept();
    kept.fd = fd;
    kept.incarnation = dev->incarnation;
    kept.devnum = dev->devnum;
}

static bool usb_open_node(const struct device *dev, uint64_t token) {
    struct device_order o = {.head.kind = DEVICE_OPEN};
    if (kept.fd >= 0 && kept.incarnation == dev->incarnation && kept.devnum == dev->devnum) {
        int fd = kept.fd;
        kept.fd = -1;
        calls->opened(token, fd, "");
        return true;
    }
    of_device(&o, dev);
    return device_pool_order(&o, token, -1);
}

static bool usb_release(const struct device *dev, uint64_t token, int pidfd) {
    struct device_order o = {.head.kind = DEVICE_RELEASE};
    of_device(&o, dev);
    return device_pool_order(&o, token, pidfd);
}

/* ---- reports ---- */

/* By the last snapshot of what the host uses. */
static void protect(struct device *dev) {
    dev->protect[0] = '\0';
    if (device_is_hub(dev))
        (void)str_copy(dev->protect, sizeof dev->protect, "is a hub");
    else
        (void)host_use_reason(dev->sys_name, dev->protect, sizeof dev->protect);
}

/* driver: of the host, on one of its interfaces; NULL if nobody has looked. */
static void report_driven(struct device *dev, bool coldplug, const char *driver) {
    struct usb_plug *p = usb_plug_find(dev->sys_name);
    struct fact f = {.kind = FACT_DEVICE, .device = dev, .coldplug = coldplug, .driver = driver};
    protect(dev);
    if (p != NULL)
        p->protected = dev->protect[0] != '\0';
    calls->fact(&f);
}

static void report(struct device *dev, bool coldplug) {
    report_driven(dev, coldplug, NULL);
}

static void report_gone(const char *name) {
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    usb_plug_remove(name);
    calls->fact(&f);
}

/* It is there, but what it is cannot be read now: it stays as it was reported. */
static void report_seen(const char *name) {
    struct fact f = {.kind = FACT_SEEN, .sys_name = name};
    calls->fact(&f);
}

/* The paths live in the worker's memory; here they get their one place. */
static void take_drivers(struct device *dev, const char *drivers) {
    memset(dev->driver_path, 0, sizeof dev->driver_path);
    for (int i = 0; i < VH_MAX_DRIVERS && drivers[0] != '\0'; i++, drivers += strlen(drivers) + 1) {
        dev->driver_path[i] = modules_intern(drivers);
        if (dev->driver_path[i] == NULL)
            (void)str_copy(dev->malformed, sizeof dev->malformed, "no room for the path of its driver");
    }
}

static void take_names(struct device *dev, const struct device *read) {
    memcpy(dev->vendor_name, read->vendor_name, sizeof dev->vendor_name);
    memcpy(dev->product_name, read->product_name, sizeof dev->product_name);
    memcpy(dev->serial, read->serial, sizeof dev->serial);
    dev->config = read->config;
    dev->settled = true;
}

/* False if what the answer is about was not reported, or has changed since. */
static bool merge(struct device *dev, const char *name, const struct device_read *r) {
    const struct device *last = calls->reported(name);
    if (r->result == DEVICE_FULL) {
        *dev = r->dev;
        dev->incarnation = r->incarnation;
        dev->unresponsive = false;
        dev->unauthorised = r->unauthorised != 0;
        dev->claimed = r->claimed != 0;
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
    if (r->result == DEVICE_NAMES)
        take_names(dev, &r->dev);
    return true;
}

/* fd: its opened node, or -1. */
static void on_read(const struct device_order *o, const struct device_read *r, int fd, bool coldplug) {
    static struct device dev;
    if (r->result == DEVICE_GONE) {
        report_gone(o->sys_name);
        return;
    }
    if (r->troubled != 0 || r->result == DEVICE_FLUX)
        rescan_later();
    struct usb_plug *p = usb_plug_find(o->sys_name);
    if (p != NULL && p->incarnation == r->incarnation)
        p->settled |= o->bound != 0; /* the bind event does not come again */
    if (r->result == DEVICE_FLUX || !merge(&dev, o->sys_name, r)) {
        if (fd >= 0)
            (void)close(fd);
        report_seen(o->sys_name);
        return;
    }
    p = usb_plug_add(o->sys_name, r->incarnation, o->bound != 0);
    if (p != NULL) {
        p->settled |= o->bound != 0;
        p->complete = r->complete != 0 && r->unauthorised == 0;
    } else {
        dev.settled = true;
    }
    keep(fd, &dev);
    report_driven(&dev, coldplug, o->given != 0 ? r->driver : NULL);
}

/* Nothing is known but that there is such a device. */
static void on_silence(const char *name, const struct device_row *row) {
    static struct device dev;
    const struct device *last = calls->reported(name);
    rescan_later();
    if (last == NULL && row == NULL)
        return;
    if (last != NULL) {
        dev = *last;
    } else {
        memset(&dev, 0, sizeof dev);
        (void)str_copy(dev.sys_name, sizeof dev.sys_name, name);
        (void)str_copy(dev.vendor_name, sizeof dev.vendor_name, "Unknown vendor");
        (void)str_copy(dev.product_name, sizeof dev.product_name, "Unknown device");
    }
    dev.unresponsive = true;
    report(&dev, false);
}

/* ---- scans ---- */

static void scan_end(void) {
    struct fact f = {.kind = FACT_SCAN_END, .coldplug = scan.coldplug};
    if (!scan.under_way || !scan.listed || scan.left > 0)
        return;
    scan.under_way = false;
    if (scan.whole)
        calls->fact(&f);
    else
        rescan_later();
    if (rescan.at == VH_NEVER)
        rescan.failures = 0;
}

/* Without a whole list there is nothing to compare with: what cannot be listed has not gone. */
static void scan_failed(void) {
    scan.listed = true;
    scan.whole = false;
}

/* What the host uses comes first: a device must not be reported as free before that is known. */
static void usb_scan(bool coldplug) {
    rescan.at = VH_NEVER;
    if (scan.under_way) {
        scan.again_coldplug = scan.again ? scan.again_coldplug && coldplug : coldplug;
        scan.again = true;
        return;
    }
    memset(&scan, 0, sizeof scan);
    scan.under_way = true;
    scan.coldplug = coldplug;
    if (!order(DEVICE_USES, OF_SCAN)) {
        scan.under_way = false;
        rescan_later();
    }
}

static bool usb_scanning(void) {
    return scan.under_way;
}

static bool is_as_reported(const struct device_row *r) {
    const struct usb_plug *p = usb_plug_find(r->sys_name);
    const struct device *last = calls->reported(r->sys_name);
    return p != NULL && last != NULL && p->complete && p->incarnation == r->incarnation &&
           last->incarnation == r->incarnation && last->devnum == r->devnum && !last->unresponsive &&
           last->unauthorised == (r->unauthorised != 0) && last->settled == p->settled;
}

/* A name that comes twice would be read once, but counted twice. */
static bool is_repeated(const struct device_list *l, uint32_t row) {
    uint32_t i = 0;
    while (i < row && !str_eq(l->row[i].sys_name, l->row[row].sys_name))
        i++;
    return i < row;
}

static void on_list(const struct device_list *l) {
    static struct device dev;
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = scan.coldplug};
    scan_failed();
    if (l == NULL || (l->whole == 0 && l->n == 0))
        return;
    scan.whole = l->whole != 0;
    calls->fact(&f);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct device_row *r = &l->row[i];
        if (is_repeated(l, i))
            continue;
        if (is_as_reported(r)) {
            dev = *calls->reported(r->sys_name);
            report(&dev, scan.coldplug);
        } else if (order_read(r->sys_name, scan.coldplug ? PLUG_BOUND : PLUG_NEW, OF_SCAN)) {
            scan.left++;
        } else {
            report_seen(r->sys_name);
        }
    }
}

/* A READ of the scan joins one of a uevent, and the other way round: then it counts for both. */
static void read_done(const struct device_order *o, uint64_t token, const struct device_read *r, int fd) {
    static const struct device_row there = {.devnum = 0};
    bool of_scan = (token & OF_SCAN) != 0 && scan.under_way;
    if (r != NULL)
        on_read(o, r, fd, of_scan && scan.coldplug);
    else
        on_silence(o->sys_name, of_scan ? &there : NULL);
    scan.left -= of_scan;
}

/* ---- what the host uses ---- */

static void report_changed_uses(void) {
    static struct device dev;
    char why[VH_TEXT_MAX];
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        const struct usb_plug *p = usb_plug_at(i);
        const struct device *last = p != NULL ? calls->reported(p->sys_name) : NULL;
        if (last == NULL || device_is_hub(last) || p->protected == host_use_reason(p->sys_name, why, sizeof why))
            continue;
        dev = *last;
        report(&dev, false);
    }
}

static void take_uses(const struct device_uses *u) {
    if (u->whole != 0)
        host_use_clear(); /* else what was in use stays so */
    for (uint32_t i = 0; i < u->n; i++)
        host_use_put(u->row[i].sys_name, u->row[i].why);
    report_changed_uses();
}

static void on_uses(const struct device_uses *u, bool of_scan) {
    static bool known;
    if (u == NULL || u->whole == 0)
        rescan_later();
    if (u != NULL) {
        known = true;
        take_uses(u);
    }
    if (of_scan && (!known || !order(DEVICE_LIST, 0)))
        scan_failed();
}

static void usb_recheck(void) {
    if (!order(DEVICE_USES, OF_UEVENT))
        rescan_later();
}

/* If no order can wait, the scan that follows reports the device. */
static void usb_look(const struct device *dev) {
    (void)order_read(dev->sys_name, PLUG_NEW, OF_UEVENT);
}

void bus_usb_done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    char node[VH_NODE_MAX], silent[VH_TEXT_MAX];
    switch (o->head.kind) {
    case DEVICE_LIST:
        on_list(a != NULL ? &a->list : NULL);
        break;
    case DEVICE_USES:
        on_uses(a != NULL ? &a->uses : NULL, token == OF_SCAN);
        break;
    case DEVICE_READ:
        read_done(o, token, a != NULL ? &a->read : NULL, fd);
        break;
    case DEVICE_OPEN:
        if (a == NULL)
            on_silence(o->sys_name, NULL);
        usb_node_print(node, o->busnum, o->devnum);
        (void)str_fmt(silent, sizeof silent, "%s does not answer", node); /* room for more than a node's name */
        calls->opened(token, fd, a != NULL ? a->done.why : silent);
        break;
    default:
        calls->released(token);
        break;
    }
    scan_end();
    if (!scan.under_way && scan.again)
        usb_scan(scan.again_coldplug);
}

/* ---- the contract of bus.h ---- */

static bool usb_start(const struct bus_calls *table) {
    struct sysfs_dir d;
    calls = table;
    modules_open();
    usb_node_start();
    if (sysfs_dir_open(&d, USB_DEVICES))
        sysfs_dir_close(&d);
    else
        log_warn("no %s (%s): no USB devices until it is there", USB_DEVICES, strerror(errno));
    return true;
}

/* The interfaces of a device that was not settled are told of by its own bind event, which comes last. */
static bool usb_uevent(const struct uevent *ev) {
    char name[VH_SYSNAME_MAX];
    if (!usb_notes_interface(ev, name))
        return usb_notes_add(&noted, ev);
    const struct device *last = calls->reported(name);
    if (last == NULL || !last->settled || (!last->unauthorised && !str_eq(ev->action, "remove") && !calls->given(name)))
        return false;
    usb_notes_name(&noted, name);
    return true;
}

static void usb_read_noted(void) {
    for (int i = 0; i < noted.n; i++)
        (void)order_read(noted.note[i].name, noted.note[i].phase, OF_UEVENT);
    if (noted.overflow)
        usb_scan(false);
    else if (noted.uses)
        usb_recheck();
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

static void usb_tick(int64_t now) {
    if (rescan.at <= now)
        usb_scan(false);
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct usb_plug *p = usb_plug_at(i);
        if (p == NULL || usb_plug_settles_at(p) > now)
            continue;
        if (log_may_about(LOG_DEVICES, p->sys_name, now))
            log_info("no bind event: device=%s, used all the same", p->sys_name);
        p->settled = true;
        (void)order_read(p->sys_name, PLUG_BOUND, OF_UEVENT);
    }
    drop_kept(); /* the pass ends */
}

const struct bus bus_usb = {
    .name = "usb",
    .below = "/usb", /* the root hub, "usb1" */
    .start = usb_start,
    .scan = usb_scan,
    .scanning = usb_scanning,
    .uevent = usb_uevent,
    .read_noted = usb_read_noted,
    .deadline = usb_deadline,
    .tick = usb_tick,
    .recheck = usb_recheck,
    .look = usb_look,
    .open_node = usb_open_node,
    .release = usb_release,
};
