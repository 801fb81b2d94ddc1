/*
 * usbids.h - names from the USB ID database, compiled in as a compact sorted table (scripts/usbids.py makes
 * it from usb.ids; built without it, every lookup is ""). Two binary searches at most, no decoding state. Pure.
 */
#ifndef VHOTPLUG_USBIDS_H
#define VHOTPLUG_USBIDS_H

#include <stdbool.h>
#include <stdint.h>

const char *usbids_vendor(uint16_t vid);                /* "" if unknown; static text */
const char *usbids_product(uint16_t vid, uint16_t pid); /* "" if unknown; static text */
const char *usbids_version(void);                       /* the database's own date, or "none" */

#endif
