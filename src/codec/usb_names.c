/*
 * usb_names.c - two binary searches in a compiled-in table. Owns no state.
 */
#include "codec/usb_names.h"

#ifdef USB_IDS_NONE

const char *usbids_vendor(uint16_t vid) {
    (void)vid;
    return "";
}

const char *usbids_product(uint16_t vid, uint16_t pid) {
    (void)vid;
    (void)pid;
    return "";
}

const char *usbids_version(void) {
    return "none";
}

const void *usbids_table(int part, size_t *size) {
    (void)part;
    *size = 0;
    return NULL;
}

#else

#include "codec/usb_names_table.h"

#include <stddef.h>

static const struct usbids_vendor *find(uint16_t vid) {
    uint32_t low = 0, high = usbids_nvendors;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (usbids_vendors[mid].vid == vid)
            return &usbids_vendors[mid];
        if (usbids_vendors[mid].vid < vid)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const char *usbids_vendor(uint16_t vid) {
    const struct usbids_vendor *v = find(vid);
    return v != NULL ? usbids_text + v->name : "";
}

const char *usbids_product(uint16_t vid, uint16_t pid) {
    const struct usbids_vendor *v = find(vid);
    if (v == NULL)
        return "";
    uint32_t low = v->first, high = v->first + v->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (usbids_pids[mid] == pid)
            return usbids_text + usbids_names[mid];
        if (usbids_pids[mid] < pid)
            low = mid + 1;
        else
            high = mid;
    }
    return "";
}

const char *usbids_version(void) {
    return usbids_date;
}

const void *usbids_table(int part, size_t *size) {
    const void *const parts[] = {usbids_vendors, usbids_pids, usbids_names, usbids_text};
    if (part < 0 || part >= 4)
        return NULL;
    *size = usbids_sizes[part];
    return parts[part];
}

#endif
