/*
 * auth_buses.c - the buses that are closed. Owns their table; the files are written by a device worker. A root hub that
 * comes later is closed as it is seen, long before the kernel looks at what is plugged in there.
 */
#include "bus/usb/auth_buses.h"

#include "base/log.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/auth_default.h"

#include <string.h>

enum bus_state { BUS_FREE, BUS_CLOSING, BUS_CLOSED, BUS_OPEN };

static struct {
    enum bus_state state;
    uint64_t incarnation;
    char name[VH_SYSNAME_MAX];
} buses[VH_MAX_BUSES];
static char reason[VH_TEXT_MAX]; /* why one of them is open */

static int find(const char *name) {
    int i = 0;
    while (i < VH_MAX_BUSES && (buses[i].state == BUS_FREE || !str_eq(buses[i].name, name)))
        i++;
    return i;
}

static int take_row(const struct device *dev) {
    int i = find(dev->sys_name);
    for (int k = 0; k < VH_MAX_BUSES && i == VH_MAX_BUSES; k++)
        i = buses[k].state == BUS_FREE ? k : i;
    if (i == VH_MAX_BUSES) {
        (void)str_copy(reason, sizeof reason, "there are more buses than VH_MAX_BUSES");
        return -1;
    }
    buses[i].state = BUS_CLOSING;
    buses[i].incarnation = dev->incarnation;
    memcpy(buses[i].name, dev->sys_name, sizeof buses[i].name);
    return i;
}

void auth_buses_seen(const struct device *dev) {
    struct device_order o = {.head.kind = DEVICE_CLOSE_BUS, .incarnation = dev->incarnation};
    if (!auth_default_on() || !str_starts(dev->sys_name, "usb"))
        return;
    int i = find(dev->sys_name);
    if (i < VH_MAX_BUSES && buses[i].incarnation == dev->incarnation)
        return;
    i = take_row(dev);
    memcpy(o.sys_name, dev->sys_name, sizeof o.sys_name);
    if (i >= 0 && !device_pool_order(&o, 0, -1))
        buses[i].state = BUS_FREE; /* the next scan reports it again */
}

void auth_buses_gone(const char *sys_name) {
    int i = find(sys_name);
    if (i < VH_MAX_BUSES)
        buses[i].state = BUS_FREE;
}

bool auth_bus_closed(const struct device_order *o, const struct device_done *d) {
    int i = find(o->sys_name);
    if (i == VH_MAX_BUSES || buses[i].incarnation != o->incarnation)
        return true;
    if (d == NULL || d->result == DEVICE_GONE) {
        buses[i].state = BUS_FREE;
        return false;
    }
    buses[i].state = d->result == DEVICE_SAME ? BUS_CLOSED : BUS_OPEN;
    if (d->result == DEVICE_SAME) {
        log_info("usbAuthorization: the kernel authorises nothing by itself: bus=%s", o->sys_name);
        return true;
    }
    (void)str_copy(reason, sizeof reason, d->why); /* of the same bound */
    log_error("usbAuthorization: the kernel authorises what is plugged in: bus=%s error=\"%s\"", o->sys_name, d->why);
    return true;
}

void auth_buses_status(struct bus_authorization *s) {
    memset(s, 0, sizeof *s);
    for (int i = 0; i < VH_MAX_BUSES; i++) {
        s->closed += buses[i].state == BUS_CLOSED;
        s->waiting += buses[i].state == BUS_CLOSING;
        s->open += buses[i].state == BUS_OPEN;
    }
    (void)str_copy(s->why, sizeof s->why, s->open > 0 ? reason : ""); /* of the same bound */
}
