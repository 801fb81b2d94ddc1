/*
 * usb_notes.c - which uevents concern a USB device, and what they say of its plug. Owns nothing: the notes are the
 * caller's. Never reads sysfs.
 */
#include "bus/usb/usb_notes.h"

#include "base/str.h"
#include "bus/device_order.h"
#include "codec/uevent.h"

#include <string.h>

static void note(struct usb_notes *notes, const char *name, const char *action) {
    int i = 0;
    while (i < notes->n && !str_eq(notes->note[i].name, name))
        i++;
    if (i == VH_UEVENT_NOTED) {
        notes->overflow = true;
        return;
    }
    if (i == notes->n) {
        (void)str_copy(notes->note[i].name, VH_SYSNAME_MAX, name); /* device_name_valid() has checked its length */
        notes->note[notes->n++].phase = PLUG_NEW;
    }
    if (str_eq(action, "bind"))
        notes->note[i].phase = PLUG_BOUND;
    else if (str_eq(action, "add") || str_eq(action, "remove"))
        notes->note[i].phase = PLUG_NEW; /* an earlier bind was of another plug */
}

bool usb_notes_add(struct usb_notes *notes, const struct uevent *ev) {
    const char *name = uevent_name(ev->devpath);
    if (str_eq(ev->subsystem, "block") || str_eq(ev->subsystem, "net")) {
        if (strstr(ev->devpath, "/usb") == NULL)
            return false;
        notes->uses = true;
        return true;
    }
    if (!str_eq(ev->subsystem, "usb") || !str_eq(ev->devtype, "usb_device") || !device_name_valid(name))
        return false;
    note(notes, name, ev->action);
    return true;
}

bool usb_notes_driver(struct usb_notes *notes, const struct uevent *ev) {
    if (!str_eq(ev->subsystem, "drivers") || !str_eq(ev->action, "add") ||
        !str_starts(ev->devpath, "/bus/usb/drivers/"))
        return false;
    notes->drivers = true;
    return true;
}

bool usb_notes_interface(const struct uevent *ev, char name[VH_SYSNAME_MAX]) {
    const char *interface = uevent_name(ev->devpath);
    return str_eq(ev->subsystem, "usb") && str_eq(ev->devtype, "usb_interface") &&
           str_copyn(name, VH_SYSNAME_MAX, interface, strcspn(interface, ":")) && device_name_valid(name);
}

void usb_notes_name(struct usb_notes *notes, const char *name) {
    note(notes, name, "");
}

void usb_notes_clear(struct usb_notes *notes) {
    notes->n = 0;
    notes->overflow = notes->uses = notes->drivers = false;
}
