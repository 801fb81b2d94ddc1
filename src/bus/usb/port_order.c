/*
 * port_order.c - the form of orders and answers about ports, and where a device is plugged in. Owns nothing; pure.
 */
#include "bus/usb/port_order.h"

#include "base/str.h"
#include "bus/device_order.h"

#include <string.h>

bool port_is_set(const uint8_t held[PORT_BYTES], uint8_t port) {
    return (held[port / 8] >> port % 8 & 1) != 0;
}

void port_set(uint8_t held[PORT_BYTES], uint8_t port, bool on) {
    uint8_t bit = (uint8_t)(1u << port % 8);
    held[port / 8] = on ? held[port / 8] | bit : held[port / 8] & (uint8_t)~bit;
}

static bool held_are_there(const struct port_order *o) {
    for (unsigned port = 0; port < 8u * PORT_BYTES; port++) {
        if (port_is_set(o->held, (uint8_t)port) && (port == 0 || port > o->ports))
            return false;
    }
    return true;
}

bool port_order_valid(const struct port_order *o, bool with_fd) {
    bool keep = o->head.kind == PORT_KEEP, all = o->head.kind == PORT_HOLD;
    bool one = o->head.kind == PORT_CLAIM || o->head.kind == PORT_RELEASE;
    if (memchr(o->hub, '\0', sizeof o->hub) == NULL || !device_name_valid(o->hub))
        return false;
    if (!keep && !all && !one && o->head.kind != PORT_DROP)
        return false;
    return keep == with_fd && (keep || all) == (o->ports != 0) && one == (o->port != 0) && o->again <= 1 &&
           held_are_there(o);
}

bool port_answer_valid(const struct port_order *o, const struct port_answer *a, size_t n) {
    if (n != sizeof *a || a->error < 0 || a->error > WORKER_ERRNO_MAX)
        return false;
    bool all = o->head.kind == PORT_HOLD;
    for (unsigned port = 0; port < 8u * PORT_BYTES; port++) {
        bool held = port_is_set(a->held, (uint8_t)port), there = all && port >= 1 && port <= o->ports;
        if ((held && !there) || (there && !held && (a->error == 0 || port_is_set(o->held, (uint8_t)port))))
            return false;
    }
    return true;
}

bool port_above(const char *sys_name, char hub[VH_SYSNAME_MAX], uint8_t *port) {
    const char *dot = strrchr(sys_name, '.'), *dash = strchr(sys_name, '-');
    const char *mark = dot != NULL ? dot : dash;
    uint64_t number = 0;
    if (mark == NULL || !str_uint(mark + 1, strlen(mark + 1), UINT8_MAX, &number) || number == 0)
        return false;
    *port = (uint8_t)number;
    if (dot != NULL)
        return str_copyn(hub, VH_SYSNAME_MAX, sys_name, (size_t)(dot - sys_name));
    return str_fmt(hub, VH_SYSNAME_MAX, "usb%.*s", (int)(dash - sys_name), sys_name);
}
