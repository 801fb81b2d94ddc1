/*
 * usb_notes.h - what uevents have named since the last reading. An event says only where something may have changed;
 * sysfs says what. So several events of one device lead to one reading.
 */
#ifndef VHOTPLUG_USB_NOTES_H
#define VHOTPLUG_USB_NOTES_H

#include "base/limits.h"
#include "bus/usb/usb_plugs.h"

#include <stdbool.h>

struct uevent;

struct usb_notes {
    int n;
    bool overflow; /* more devices than there are rows: a scan is needed */
    bool drivers;  /* a driver for USB devices was loaded */
    bool uses;     /* storage or a network interface changed, which the host may use */
    struct usb_note {
        char name[VH_SYSNAME_MAX];
        enum plug_phase phase;
    } note[VH_UEVENT_NOTED];
};

bool usb_notes_add(struct usb_notes *notes, const struct uevent *ev);    /* false if it concerns no USB device */
bool usb_notes_driver(struct usb_notes *notes, const struct uevent *ev); /* false if it tells of no loaded driver */
/* Is the event about an interface? Then `name` is that of its device. */
bool usb_notes_interface(const struct uevent *ev, char name[VH_SYSNAME_MAX]);
void usb_notes_name(struct usb_notes *notes, const char *name); /* a device that is to be read */
void usb_notes_clear(struct usb_notes *notes);

#endif
