/*
 * usb_names.h - names from the USB ID database, compiled in as a compact sorted table, which scripts/ids.py makes
 * from usb.ids. In a build without the table every lookup is "". Two binary searches at most, no decoding state. Pure.
 */
#ifndef VHOTPLUG_USB_NAMES_H
#define VHOTPLUG_USB_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *usb_names_vendor(uint16_t vid);                /* "" if unknown; static text */
const char *usb_names_product(uint16_t vid, uint16_t pid); /* "" if unknown; static text */
const char *usb_names_version(void);                       /* the database's own date, or "none" */
/* The memory of the table's parts, from 0; NULL after the last. The caller may give the pages back to the kernel, which
 * reads them from the file again. */
const void *usb_names_table(int part, size_t *size);

#endif
