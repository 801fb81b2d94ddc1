/*
 * usb_names_table.h - the shape of the compiled-in table of USB names; scripts/usbids.py writes its contents.
 */
#ifndef VHOTPLUG_USB_NAMES_TABLE_H
#define VHOTPLUG_USB_NAMES_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct usb_names_vendor {
    uint16_t vid;
    uint16_t count; /* of its products */
    uint32_t first; /* its first product in usb_names_products */
    uint32_t name;  /* offset into usb_names_text */
};

/* Products without padding: pids and names are separate arrays. */
extern const uint32_t usb_names_nvendors;
extern const struct usb_names_vendor usb_names_vendors[]; /* by vid */
extern const uint16_t usb_names_pids[];                   /* by pid within a vendor */
extern const uint32_t usb_names_products[]; /* of the product at the same index: offset into usb_names_text */
extern const char usb_names_text[];         /* each name ends with a NUL */
extern const char usb_names_date[];
extern const size_t usb_names_sizes[4]; /* bytes of the arrays above, in their order from usb_names_vendors */

#endif
