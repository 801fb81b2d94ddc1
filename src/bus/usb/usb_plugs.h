/*
 * usb_plugs.h - what the daemon knows about each plug of a device until it is unplugged: whether the kernel has
 * finished with it, and what was reported of it.
 *
 * While the kernel probes a device it holds the device's lock, which the string attributes and open() of the node take
 * as well, and a faulty device can make that last for seconds. A plug settles when that is over: with the `bind` event
 * of the usb_device, which is the last event of a plug, or after VH_T_SETTLE.
 */
#ifndef VHOTPLUG_USB_PLUGS_H
#define VHOTPLUG_USB_PLUGS_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* How far a plug is when it is seen for the first time. */
enum plug_phase { PLUG_NEW, PLUG_BOUND };

struct usb_plug {
    uint64_t incarnation; /* 0: the row is free */
    int64_t first_seen;
    bool settled;
    bool complete; /* every attribute could be read, and all were reported */
    char sys_name[VH_SYSNAME_MAX];
};

struct usb_plug *usb_plug_find(const char *sys_name); /* NULL if there is none */
/* The row of this plug, made if there is none. NULL if the table is full: then the device counts as settled. */
struct usb_plug *usb_plug_add(const char *sys_name, uint64_t incarnation, bool settled);
void usb_plug_remove(const char *sys_name);
/* Row i of VH_MAX_DEVICES; NULL if it is free. Reading a device may change any row. */
struct usb_plug *usb_plug_at(int i);

/* When the plug settles without a bind event; VH_NEVER if it has settled. */
int64_t usb_plug_settles_at(const struct usb_plug *p);

#endif
