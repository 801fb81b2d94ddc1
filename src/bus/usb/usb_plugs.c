/*
 * usb_plugs.c - the table of plugs. Owns its rows; never reads sysfs and reports nothing.
 */
#include "bus/usb/usb_plugs.h"

#include "base/duration.h"
#include "base/str.h"
#include "os/clock.h"

static struct usb_plug plugs[VH_MAX_DEVICES];

struct usb_plug *usb_plug_find(const char *sys_name) {
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        if (plugs[i].incarnation != 0 && str_eq(plugs[i].sys_name, sys_name))
            return &plugs[i];
    }
    return NULL;
}

struct usb_plug *usb_plug_add(const char *sys_name, uint64_t incarnation, bool settled) {
    struct usb_plug *p = usb_plug_find(sys_name);
    for (int i = 0; p == NULL && i < VH_MAX_DEVICES; i++) {
        if (plugs[i].incarnation == 0)
            p = &plugs[i];
    }
    if (p != NULL && p->incarnation != incarnation) {
        *p = (struct usb_plug){.incarnation = incarnation, .first_seen = clock_now(), .settled = settled};
        if (!str_copy(p->sys_name, sizeof p->sys_name, sys_name))
            p->incarnation = 0;
    }
    return p;
}

void usb_plug_remove(const char *sys_name) {
    struct usb_plug *p = usb_plug_find(sys_name);
    if (p != NULL)
        p->incarnation = 0;
}

struct usb_plug *usb_plug_at(int i) {
    return plugs[i].incarnation != 0 ? &plugs[i] : NULL;
}

int64_t usb_plug_settles_at(const struct usb_plug *p) {
    return p->settled ? VH_NEVER : p->first_seen + ms_to_ns(VH_T_SETTLE);
}
