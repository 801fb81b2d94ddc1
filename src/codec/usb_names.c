/*
 * usb_names.c - see usb_names.h: two binary searches in a compiled-in table. Owns no state.
 */
#include "codec/usb_names.h"

#ifdef USB_IDS_NONE

const char *usb_names_vendor(uint16_t vid) {
    (void)vid;
    return "";
}

const char *usb_names_product(uint16_t vid, uint16_t pid) {
    (void)vid;
    (void)pid;
    return "";
}

const char *usb_names_version(void) {
    return "none";
}

const void *usb_names_table(int part, size_t *size) {
    (void)part;
    *size = 0;
    return NULL;
}

#else

#include "codec/usb_names_table.h"

#include <stddef.h>

static const struct usb_names_vendor *find(uint16_t vid) {
    uint32_t low = 0, high = usb_names_nvendors;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (usb_names_vendors[mid].vid == vid)
            return &usb_names_vendors[mid];
        if (usb_names_vendors[mid].vid < vid)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const char *usb_names_vendor(uint16_t vid) {
    const struct usb_names_vendor *v = find(vid);
    return v != NULL ? usb_names_text + v->name : "";
}

const char *usb_names_product(uint16_t vid, uint16_t pid) {
    const struct usb_names_vendor *v = find(vid);
    if (v == NULL)
        return "";
    uint32_t low = v->first, high = v->first + v->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (usb_names_pids[mid] == pid)
            return usb_names_text + usb_names_products[mid];
        if (usb_names_pids[mid] < pid)
            low = mid + 1;
        else
            high = mid;
    }
    return "";
}

const char *usb_names_version(void) {
    return usb_names_date;
}

const void *usb_names_table(int part, size_t *size) {
    const void *const parts[] = {usb_names_vendors, usb_names_pids, usb_names_products, usb_names_text};
    if (part < 0 || part >= 4)
        return NULL;
    *size = usb_names_sizes[part];
    return parts[part];
}

#endif
