/*
 * bus_usb.c - the USB bus, as bus.h has it. Owns the notes of uevents and the timer of what the host uses. Never waits:
 * it orders. A uevent only says where something may have changed; sysfs says what.
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
#include "bus/usb/auth_buses.h"
#include "bus/usb/auth_default.h"
#include "bus/usb/port_hubs.h"
#include "bus/usb/port_turn.h"
#include "bus/usb/usb_node.h"
#include "bus/usb/usb_notes.h"
#include "bus/usb/usb_report.h"
#include "bus/usb/usb_scan.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/uevent.h"
#include "codec/usb_place.h"
#include "os/clock.h"
#include "os/sysfs.h"

#include <errno.h>
#include <string.h>

static struct usb_notes noted;

/* ---- orders ---- */

static void of_device(struct device_order *o, const struct device *dev) {
    memcpy(o->sys_name, dev->sys_name, sizeof o->sys_name);
    o->incarnation = dev->incarnation;
    o->busnum = dev->usb.busnum;
    o->devnum = dev->usb.devnum;
    o->storage = usb_may_back_the_host(dev);
    o->several = dev->usb.nconfigs > 1;
}

static bool usb_open_node(const struct device *dev, uint64_t token) {
    struct device_order o = {.head.kind = DEVICE_OPEN, .drive = 1};
    int fd = usb_report_node(dev);
    if (fd >= 0) {
        usb_calls()->opened(token, fd, "");
        return true;
    }
    of_device(&o, dev);
    o.configure = port_hubs_on();
    o.authorise = auth_default_on();
    return device_pool_order(&o, token, -1);
}

static bool usb_release(const struct device *dev, uint64_t token, const struct bus_release *how) {
    struct device_order o = {.head.kind = DEVICE_RELEASE, .reset = how->reset, .bind = how->bind};
    of_device(&o, dev);
    o.deauthorise = how->deauthorise;
    o.keep = port_hubs_on() || how->deauthorise; /* an offer of its own follows, if it is the host's */
    return device_pool_order(&o, token, how->pidfd);
}

static bool usb_revoke(const struct device *dev, uint64_t token, bool bind) {
    struct device_order o = {.head.kind = DEVICE_REVOKE, .bind = bind};
    of_device(&o, dev);
    return device_pool_order(&o, token, -1);
}

static bool usb_offer(const struct device *dev, uint64_t token) {
    struct device_order o = {.head.kind = DEVICE_OFFER, .configure = port_hubs_on(), .authorise = auth_default_on()};
    of_device(&o, dev);
    return port_turn(&o, token);
}

/* What it is driven by is read anew; of a hub, the first device comes soon. */
static void on_turn(const struct device_order *o, uint64_t token, bool ok) {
    usb_calls()->offered(token, ok);
    (void)usb_order_read(o->sys_name, PLUG_NEW, OF_UEVENT);
}

static void usb_hold_ports(void) {
    port_hubs_start(usb_scan_later);
}

static void on_offered(const struct device_order *o, uint64_t token, const struct device_done *d) {
    const struct device *dev = usb_calls()->reported(o->sys_name);
    if (d == NULL) {
        usb_scan_later();
    } else if (d->result != DEVICE_SAME && log_may_about(LOG_DEVICES, o->sys_name, clock_now())) {
        log_warn("not configured for the host: device=%s error=\"%s\"", o->sys_name, d->why);
    } else if (dev != NULL && device_is_hub(dev) && dev->incarnation == o->incarnation) {
        port_hub_bound(o);
    }
    port_turn_offered(o, token, d);
}

/* Whoever is late may still do it: what is there then is read. */
static void on_revoked(const struct device_order *o, uint64_t token, const struct device_done *d) {
    bool ok = d != NULL && d->result == DEVICE_SAME;
    if (d == NULL)
        usb_scan_later();
    if (!ok && log_may_about(LOG_DEVICES, o->sys_name, clock_now()))
        log_warn("not revoked: device=%s error=\"%s\"", o->sys_name, d != NULL ? d->why : "no answer in time");
    usb_calls()->revoked(token, ok, d != NULL ? d->why : "the kernel has not done it in time");
}

static void on_released(const struct device_order *o, uint64_t token, const struct device_done *d) {
    bool ok = d != NULL && d->result == DEVICE_SAME;
    if (d != NULL && !ok && log_may_about(LOG_DEVICES, o->sys_name, clock_now()))
        log_warn("not given back: device=%s error=\"%s\"", o->sys_name, d->why);
    usb_calls()->released(token, ok);
    if (o->deauthorise != 0) /* no event tells of it, if the device was not configured */
        (void)usb_order_read(o->sys_name, PLUG_NEW, OF_UEVENT);
}

/* ---- what the host uses ---- */

/* Of some uses no event tells the end: a file system leaves the mount table before the kernel has done with its disk.
 * They are read again, more and more rarely. */
static struct {
    int64_t at;
    unsigned times; /* in a row, without an event */
} uses_again = {.at = VH_NEVER};

static void report_changed_uses(void) {
    static struct device dev;
    char why[VH_PROTECT_MAX];
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        const struct usb_plug *p = usb_plug_at(i);
        const struct device *last = p != NULL ? usb_calls()->reported(p->sys_name) : NULL;
        if (last == NULL || device_is_hub(last))
            continue;
        if (!host_use_reason(p->sys_name, why, sizeof why))
            why[0] = '\0';
        if (str_eq(why, last->protect))
            continue;
        dev = *last;
        usb_report(&dev, false);
    }
}

static void take_uses(const struct device_uses *u) {
    bool untold = false;
    if (u->whole != 0)
        host_use_clear(); /* else what was in use stays so */
    for (uint32_t i = 0; i < u->n; i++) {
        host_use_put(u->row[i].sys_name, u->row[i].why);
        untold |= u->row[i].untold != 0;
    }
    uses_again.at = VH_NEVER;
    if (untold)
        uses_again.at = clock_now() + backoff(++uses_again.times, VH_T_RETRY_MIN, VH_T_USES_MAX);
    report_changed_uses();
}

static void on_uses(const struct device_uses *u, bool of_scan) {
    static bool known;
    if (u == NULL || u->whole == 0)
        usb_scan_later();
    if (u != NULL) {
        known = true;
        take_uses(u);
    }
    if (of_scan)
        usb_scan_uses(known);
}

static void order_uses(void) {
    const struct device_order o = {.head.kind = DEVICE_USES};
    if (!device_pool_order(&o, OF_UEVENT, -1))
        usb_scan_later();
}

static void usb_recheck(void) {
    uses_again.times = 0;
    order_uses();
}

/* If no order can wait, the scan that follows reports the device. */
static void usb_look(const struct device *dev) {
    (void)usb_order_read(dev->sys_name, PLUG_NEW, OF_UEVENT);
}

void bus_usb_done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    char node[VH_NODE_MAX], silent[VH_TEXT_MAX];
    switch (o->head.kind) {
    case DEVICE_LIST:
        usb_scan_listed(a != NULL ? &a->list : NULL);
        break;
    case DEVICE_USES:
        on_uses(a != NULL ? &a->uses : NULL, token == OF_SCAN);
        break;
    case DEVICE_READ:
        usb_scan_read(o, token, a != NULL ? &a->read : NULL, fd);
        break;
    case DEVICE_OPEN:
        if (a == NULL) {
            usb_report_silent(o->sys_name, false);
            usb_scan_later();
        }
        usb_node_print(node, o->busnum, o->devnum);
        (void)str_fmt(silent, sizeof silent, "%s does not answer", node); /* room for more than a node's name */
        usb_calls()->opened(token, fd, a != NULL ? a->done.why : silent);
        break;
    case DEVICE_HUB:
        port_hub_opened(o, a != NULL ? &a->done : NULL, fd);
        break;
    case DEVICE_OFFER:
        on_offered(o, token, a != NULL ? &a->done : NULL);
        break;
    case DEVICE_CLOSE_BUS:
        if (!auth_bus_closed(o, a != NULL ? &a->done : NULL))
            usb_scan_later();
        break;
    case DEVICE_REVOKE:
        on_revoked(o, token, a != NULL ? &a->done : NULL);
        break;
    default:
        on_released(o, token, a != NULL ? &a->done : NULL);
        break;
    }
    usb_scan_end();
}

/* ---- ports ---- */

static void drivers_may_bind(void) {
    struct fact f = {.kind = FACT_DRIVERS};
    usb_calls()->fact(&f);
}

static void on_port(const struct port_order *o, uint64_t token, const struct port_answer *a) {
    if (port_hub_answered(o, token, a) && port_turn_missed())
        drivers_may_bind();
    if (o->head.kind != PORT_HOLD)
        port_turn_answered(token, o, a);
}

static void on_late_port(const struct port_order *o, uint64_t token) {
    port_hub_late(o->hub);
    if (o->head.kind != PORT_HOLD)
        port_turn_late(token, o);
}

const struct port_pool_calls bus_usb_port_calls = {
    .done = on_port,
    .late = on_late_port,
    .unheld = port_hub_unheld,
    .lost = port_hubs_lost,
};

/* ---- the contract of bus.h ---- */

static bool usb_start(const struct bus_calls *table) {
    struct sysfs_dir d;
    usb_report_start(table);
    port_turn_start(on_turn);
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
    if (port_hubs_on() && usb_notes_driver(&noted, ev))
        return true;
    if (!usb_notes_interface(ev, name))
        return usb_notes_add(&noted, ev);
    const struct device *last = usb_calls()->reported(name);
    if (last == NULL || !last->settled ||
        (!last->unauthorised && !str_eq(ev->action, "remove") && !usb_calls()->given(name) && !port_hubs_on()))
        return false;
    usb_notes_name(&noted, name);
    return true;
}

static void usb_read_noted(void) {
    for (int i = 0; i < noted.n; i++)
        (void)usb_order_read(noted.note[i].name, noted.note[i].phase, OF_UEVENT);
    if (noted.drivers)
        drivers_may_bind();
    if (noted.overflow)
        usb_scan(false);
    else if (noted.uses)
        usb_recheck();
    usb_notes_clear(&noted);
}

static int64_t usb_deadline(void) {
    int64_t at = usb_scan_at() < uses_again.at ? usb_scan_at() : uses_again.at;
    if (port_hubs_deadline() < at)
        at = port_hubs_deadline();
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        const struct usb_plug *p = usb_plug_at(i);
        if (p != NULL && usb_plug_settles_at(p) < at)
            at = usb_plug_settles_at(p);
    }
    return at;
}

static void usb_tick(int64_t now) {
    if (usb_scan_at() <= now)
        usb_scan(false);
    if (uses_again.at <= now) {
        uses_again.at = VH_NEVER;
        order_uses();
    }
    port_hubs_tick(now);
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct usb_plug *p = usb_plug_at(i);
        if (p == NULL || usb_plug_settles_at(p) > now)
            continue;
        if (log_may_about(LOG_DEVICES, p->sys_name, now))
            log_info("no bind event: device=%s, used all the same", p->sys_name);
        p->settled = true;
        (void)usb_order_read(p->sys_name, PLUG_BOUND, OF_UEVENT);
    }
    usb_report_end(); /* the pass ends */
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
    .revoke = usb_revoke,
    .offer = usb_offer,
    .hold_ports = usb_hold_ports,
    .quarantine = port_hubs_status,
    .authorization = auth_buses_status,
};
