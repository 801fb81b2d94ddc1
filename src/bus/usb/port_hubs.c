/*
 * port_hubs.c - has every hub's ports held. Owns the table of hubs; knows no rule and no other device. A hub's node is
 * opened by a device worker and goes to a port worker, which keeps it.
 */
#include "bus/usb/port_hubs.h"

#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/port_pool.h"
#include "os/clock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum hub_state { HUB_FREE, HUB_OPENING, HUB_CLAIMING, HUB_HELD };

struct hub {
    enum hub_state state;
    char sys_name[VH_SYSNAME_MAX];
    uint64_t incarnation;
    uint8_t ports;
    uint8_t held[PORT_BYTES];
};

static bool on;
static struct {
    bool run;
    char why[VH_TEXT_MAX]; /* it runs no more */
    void (*later)(void);
    struct hub hub[VH_MAX_HUBS];
} hubs;

void port_hubs_start(void (*later)(void)) {
    memset(&hubs, 0, sizeof hubs);
    on = hubs.run = true;
    hubs.later = later;
}

bool port_hubs_on(void) {
    return on;
}

bool port_hubs_run(void) {
    return hubs.run;
}

void port_hubs_lost(const char *why) {
    if (!hubs.run)
        return;
    log_error("quarantine is off: %s; the host's drivers see every device that is plugged in", why);
    memset(&hubs, 0, sizeof hubs);
    (void)str_copy(hubs.why, sizeof hubs.why, why); /* an explanation may be cut */
}

static unsigned count(const uint8_t held[PORT_BYTES]) {
    unsigned n = 0;
    for (int i = 0; i < PORT_BYTES; i++)
        n += (unsigned)__builtin_popcount(held[i]);
    return n;
}

void port_hubs_status(struct bus_quarantine *s) {
    memset(s, 0, sizeof *s);
    s->runs = hubs.run;
    (void)str_copy(s->why, sizeof s->why, hubs.why); /* of the same bound */
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        const struct hub *h = &hubs.hub[i];
        s->hubs += h->state == HUB_HELD;
        s->waiting += h->state == HUB_OPENING || h->state == HUB_CLAIMING;
        s->ports += h->state == HUB_HELD ? count(h->held) : 0;
        s->refused += h->state == HUB_HELD ? h->ports - count(h->held) : 0;
    }
}

/* ---- the table ---- */

static struct hub *find(const char *sys_name) {
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        if (hubs.hub[i].state != HUB_FREE && str_eq(hubs.hub[i].sys_name, sys_name))
            return &hubs.hub[i];
    }
    return NULL;
}

static struct hub *take_row(const struct device_order *o) {
    struct hub *h = find(o->sys_name);
    for (int i = 0; i < VH_MAX_HUBS && h == NULL; i++) {
        if (hubs.hub[i].state == HUB_FREE)
            h = &hubs.hub[i];
    }
    if (h == NULL) {
        if (log_may_about(LOG_DEVICES, "hubs", clock_now()))
            log_error("too many hubs (VH_MAX_HUBS): the ports of %s are not held", o->sys_name);
        return NULL;
    }
    *h = (struct hub){.state = HUB_OPENING, .incarnation = o->incarnation};
    memcpy(h->sys_name, o->sys_name, sizeof h->sys_name);
    return h;
}

/* It is tried again when the next scan reports it. */
static void again(struct hub *h) {
    h->state = HUB_FREE;
    hubs.later();
}

void port_hub_bound(const struct device_order *o) {
    struct device_order open = *o;
    struct hub *h = find(o->sys_name);
    if (!hubs.run || (h != NULL && h->incarnation == o->incarnation))
        return;
    h = take_row(o);
    open.head.kind = DEVICE_HUB;
    if (h != NULL && !device_pool_order(&open, 0, -1))
        again(h);
}

void port_hub_seen(const struct device *dev) {
    struct device_order o = {.incarnation = dev->incarnation, .busnum = dev->busnum, .devnum = dev->devnum};
    if (!hubs.run || !device_is_hub(dev) || !dev->settled || dev->unresponsive || dev->config == 0)
        return;
    memcpy(o.sys_name, dev->sys_name, sizeof o.sys_name);
    port_hub_bound(&o);
}

void port_hub_gone(const char *sys_name) {
    struct port_order o = {.head.kind = PORT_DROP};
    struct hub *h = find(sys_name);
    if (h == NULL)
        return;
    h->state = HUB_FREE;
    memcpy(o.hub, h->sys_name, sizeof o.hub);
    (void)port_pool_order(&o, 0, -1); /* not given: its claims have ended with the hub, and the next plug drops it */
}

bool port_held(const char *sys_name) {
    char hub[VH_SYSNAME_MAX];
    uint8_t port = 0;
    const struct hub *h = hubs.run && port_above(sys_name, hub, &port) ? find(hub) : NULL;
    return h != NULL && h->state == HUB_HELD && port_is_set(h->held, port);
}

/* ---- answers ---- */

void port_hub_opened(const struct device_order *o, const struct device_done *d, int fd) {
    struct port_order hold = {.head.kind = PORT_HOLD};
    struct hub *h = find(o->sys_name);
    bool mine = h != NULL && h->state == HUB_OPENING && h->incarnation == o->incarnation;
    if (!mine || fd < 0) {
        if (fd >= 0)
            (void)close(fd);
        if (mine && (d == NULL || d->result != DEVICE_GONE))
            again(h);
        else if (mine)
            h->state = HUB_FREE;
        return;
    }
    memcpy(hold.hub, h->sys_name, sizeof hold.hub);
    hold.ports = h->ports = d->ports;
    h->state = HUB_CLAIMING;
    if (!port_pool_order(&hold, 0, fd))
        again(h);
}

static void say_refused(const struct hub *h, int error) {
    if (!log_may_about(LOG_DEVICES, h->sys_name, clock_now()))
        return;
    log_warn("ports are not held: hub=%s ports=%u reason=\"%s\"", h->sys_name, (unsigned)h->ports - count(h->held),
             error == EBUSY ? "another program holds them" : strerror(error));
}

static void on_hold(const struct port_order *o, const struct port_answer *a) {
    struct hub *h = find(o->hub);
    if (h == NULL || h->state != HUB_CLAIMING)
        return;
    bool none = count(a->held) == 0, known = a->error == EBUSY || a->error == ENODEV || a->error == EINVAL;
    if (none && a->error != 0 && !known) { /* EINVAL: the kernel has let go of the hub meanwhile */
        port_pool_lose(a->error == ENOTTY ? "this kernel knows no claims of ports (USBDEVFS_CLAIM_PORT)"
                                          : strerror(a->error));
        return;
    }
    if (none && a->error != EBUSY) {
        again(h);
        return;
    }
    memcpy(h->held, a->held, sizeof h->held);
    h->state = HUB_HELD;
    log_debug("ports are held: hub=%s ports=%u", h->sys_name, count(h->held));
    if (a->error != 0)
        say_refused(h, a->error);
}

void port_hub_answered(const struct port_order *o, const struct port_answer *a) {
    struct hub *h = find(o->hub);
    if (o->head.kind == PORT_HOLD) {
        on_hold(o, a);
    } else if (o->head.kind == PORT_CLAIM && h != NULL && a->error != 0) {
        port_set(h->held, o->port, false);
        if (a->error != ENODEV && a->error != ENOENT) /* the hub is gone */
            say_refused(h, a->error);
    }
}
