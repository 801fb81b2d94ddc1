/*
 * usb_names_table.h - the shape of the compiled-in table of USB names; scripts/usbids.py writes its contents.
 */
#ifndef VHOTPLUG_USBIDS_TABLE_H
#define VHOTPLUG_USBIDS_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct usbids_vendor {
    uint16_t vid;
    uint16_t count; /* of its products */
    uint32_t first; /* its first product in usbids_products */
    uint32_t name;  /* offset into usbids_text */
};

/* Numbers without padding: pid and name lie in arrays of their own. */
extern const uint32_t usbids_nvendors;
extern const struct usbids_vendor usbids_vendors[]; /* by vid */
extern const uint16_t usbids_pids[];                /* by pid within a vendor */
extern const uint32_t usbids_names[];               /* of the product at the same index: offset into usbids_text */
extern const char usbids_text[];                    /* each name ends with a NUL */
extern const char usbids_date[];
extern const size_t usbids_sizes[4]; /* bytes of the arrays above, in their order from usbids_vendors */

#endif
