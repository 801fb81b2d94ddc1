/*
 * fuzz_usbids.c - ids in pairs: the two binary searches find what a plain look through the whole table finds.
 */
#include "codec/usb_names.h"
#include "must.h"

#include <stdbool.h>
#include <string.h>

#ifndef USB_IDS_NONE
#include "codec/usb_names_table.h"

/* By vid, the last one of that number in the whole table; looked through once. */
static const struct usbids_vendor *by_vid[0x10000];

static const char *plain_vendor(uint16_t vid, const struct usbids_vendor **v) {
    static bool looked;
    for (uint32_t i = 0; !looked && i < usbids_nvendors; i++)
        by_vid[usbids_vendors[i].vid] = &usbids_vendors[i];
    looked = true;
    *v = by_vid[vid];
    return *v != NULL ? usbids_text + (*v)->name : "";
}

static const char *plain_product(const struct usbids_vendor *v, uint16_t pid) {
    for (uint32_t i = 0; v != NULL && i < v->count; i++) {
        if (usbids_pids[v->first + i] == pid)
            return usbids_text + usbids_names[v->first + i];
    }
    return "";
}
#endif

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    for (size_t at = 0; at + 4 <= size && at < 16; at += 4) {
        uint16_t vid = (uint16_t)(data[at] | data[at + 1] << 8), pid = (uint16_t)(data[at + 2] | data[at + 3] << 8);
        const char *vendor = usbids_vendor(vid), *product = usbids_product(vid, pid);
        MUST(vendor != NULL && product != NULL && (vendor[0] != '\0' || product[0] == '\0'));
#ifndef USB_IDS_NONE
        const struct usbids_vendor *v;
        MUST(strcmp(plain_vendor(vid, &v), vendor) == 0 && strcmp(plain_product(v, pid), product) == 0);
#endif
    }
    return 0;
}
