/*
 * port_hubs.c - has every hub's ports held. Owns the table of hubs; knows no rule and no other device. A hub's node is
 * opened by a device worker and goes to the port workers, which keep it.
 */
#include "bus/usb/port_hubs.h"

#include "base/duration.h"
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
    bool late, trying; /* the kernel is busy with it; what was refused is being tried again */
    char sys_name[VH_SYSNAME_MAX];
    uint64_t incarnation;
    uint8_t ports;
    uint8_t held[PORT_BYTES];
    unsigned refusals; /* in a row, while a port of it is another process's */
    bool told;         /* and that was logged: it is no process that is just ending */
    int64_t again_at;  /* then they are tried again at this time */
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

/* The kernel ends the claims of a process that was killed a while after its end was decided. */
static bool is_unsure(const struct hub *h) {
    return h->state == HUB_HELD && h->refusals > 0 && !h->told;
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
        s->hubs += h->state == HUB_HELD && !is_unsure(h);
        s->waiting += h->state == HUB_OPENING || h->state == HUB_CLAIMING || is_unsure(h);
        s->ports += h->state == HUB_HELD ? count(h->held) : 0;
        s->refused += h->state == HUB_HELD && h->told ? h->ports - count(h->held) : 0;
        s->late += h->state != HUB_FREE && h->late;
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
    *h = (struct hub){.state = HUB_OPENING, .incarnation = o->incarnation, .again_at = VH_NEVER};
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
    struct device_order o = {.incarnation = dev->incarnation, .busnum = dev->usb.busnum, .devnum = dev->usb.devnum};
    if (!hubs.run || !device_is_hub(dev) || !dev->settled || dev->unresponsive || dev->usb.config == 0)
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

/* The hub whose port this device is plugged into; NULL if it has none that is known. */
static struct hub *hub_above(const char *sys_name, uint8_t *port) {
    char hub[VH_SYSNAME_MAX];
    return port_above(sys_name, hub, port) ? find(hub) : NULL;
}

bool port_held(const char *sys_name) {
    uint8_t port = 0;
    const struct hub *h = hub_above(sys_name, &port);
    return h != NULL && h->state == HUB_HELD && port_is_set(h->held, port);
}

bool port_coming(const char *sys_name) {
    uint8_t port = 0;
    const struct hub *h = hub_above(sys_name, &port);
    if (h == NULL || h->late)
        return false;
    return h->state == HUB_OPENING || h->state == HUB_CLAIMING || (is_unsure(h) && !port_is_set(h->held, port));
}

void port_open(const char *sys_name) {
    uint8_t port = 0;
    struct hub *h = hub_above(sys_name, &port);
    if (h == NULL || h->state != HUB_HELD)
        return;
    port_set(h->held, port, false);
    h->again_at = clock_now();
}

/* ---- answers ---- */

static bool order_hold(struct hub *h, int fd) {
    struct port_order o = {.head.kind = PORT_HOLD, .ports = h->ports, .again = fd < 0};
    memcpy(o.hub, h->sys_name, sizeof o.hub);
    memcpy(o.held, h->held, sizeof o.held);
    return port_pool_order(&o, h->incarnation, fd);
}

static void say_unopened(const struct hub *h, const struct device_done *d) {
    if (d != NULL && d->result == DEVICE_REFUSED && log_may_about(LOG_DEVICES, h->sys_name, clock_now()))
        log_info("ports are not held yet: hub=%s reason=\"%s\"", h->sys_name, d->why);
}

void port_hub_opened(const struct device_order *o, const struct device_done *d, int fd) {
    struct hub *h = find(o->sys_name);
    bool mine = h != NULL && h->state == HUB_OPENING && h->incarnation == o->incarnation;
    if (!mine || fd < 0) {
        if (fd >= 0)
            (void)close(fd);
        if (mine)
            say_unopened(h, d);
        if (mine && (d == NULL || d->result != DEVICE_GONE))
            again(h);
        else if (mine)
            h->state = HUB_FREE;
        return;
    }
    h->ports = d->ports;
    h->state = HUB_CLAIMING;
    if (!order_hold(h, fd))
        again(h);
}

/* They are tried again: often while it may be a process that is just ending, then more and more rarely. */
static void refused(struct hub *h, int error) {
    bool told = h->told;
    h->refusals++;
    h->told = told || error != EBUSY || h->refusals > VH_PORT_TRIES;
    h->again_at = clock_now() + backoff(h->told ? h->refusals : 1, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
    if (!h->told || told || !log_may_about(LOG_DEVICES, h->sys_name, clock_now()))
        return;
    log_warn("ports are not held: hub=%s ports=%u reason=\"%s\"", h->sys_name, (unsigned)h->ports - count(h->held),
             error == EBUSY ? "another program holds them" : strerror(error));
}

static void all_are_held(struct hub *h) {
    if (h->told && log_may_about(LOG_DEVICES, h->sys_name, clock_now()))
        log_info("ports are held at last: hub=%s ports=%u", h->sys_name, count(h->held));
    else
        log_debug("ports are held: hub=%s ports=%u", h->sys_name, count(h->held));
    h->refusals = 0;
    h->told = false;
    h->again_at = VH_NEVER;
}

/* True if ports are held that were not. */
static bool on_hold(struct hub *h, const struct port_answer *a) {
    unsigned before = count(h->held);
    bool none = count(a->held) == 0, known = a->error == EBUSY || a->error == ENODEV || a->error == EINVAL;
    if (none && a->error != 0 && !known) { /* EINVAL: the kernel has let go of the hub meanwhile */
        port_pool_lose(a->error == ENOTTY ? "this kernel knows no claims of ports (USBDEVFS_CLAIM_PORT)"
                                          : strerror(a->error));
        return false;
    }
    if (none && a->error != EBUSY) {
        again(h);
        return false;
    }
    for (int i = 0; i < PORT_BYTES; i++)
        h->held[i] |= a->held[i];
    h->state = HUB_HELD;
    if (count(h->held) == h->ports)
        all_are_held(h);
    else
        refused(h, a->error != 0 ? a->error : EBUSY);
    return count(h->held) > before;
}

bool port_hub_answered(const struct port_order *o, uint64_t token, const struct port_answer *a) {
    struct hub *h = find(o->hub);
    if (h == NULL || a == NULL)
        return false;
    h->late = false;
    if (o->head.kind == PORT_HOLD && token == h->incarnation && (h->state == HUB_CLAIMING || h->trying)) {
        h->trying = false;
        return on_hold(h, a);
    }
    if (o->head.kind == PORT_CLAIM && a->error != 0) {
        port_set(h->held, o->port, false);
        if (a->error != ENODEV && a->error != ENOENT) /* the hub is gone */
            refused(h, a->error);
    }
    return false;
}

void port_hub_late(const char *sys_name) {
    struct hub *h = find(sys_name);
    if (h != NULL)
        h->late = true;
}

void port_hub_unheld(const char *sys_name) {
    struct hub *h = find(sys_name);
    if (h != NULL)
        again(h);
}

int64_t port_hubs_deadline(void) {
    int64_t at = VH_NEVER;
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        const struct hub *h = &hubs.hub[i];
        if (h->state == HUB_HELD && !h->trying && h->again_at < at)
            at = h->again_at;
    }
    return at;
}

void port_hubs_tick(int64_t now) {
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        struct hub *h = &hubs.hub[i];
        if (h->state != HUB_HELD || h->trying || h->again_at > now)
            continue;
        h->trying = order_hold(h, -1);
        if (!h->trying) /* too many orders wait */
            h->again_at = now + ms_to_ns(VH_T_RETRY_MAX);
    }
}
