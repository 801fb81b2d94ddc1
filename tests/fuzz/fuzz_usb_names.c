/*
 * fuzz_usb_names.c - ids in pairs: the two binary searches find what a plain look through the whole table finds.
 */
#include "codec/usb_names.h"
#include "must.h"

#include <stdbool.h>
#include <string.h>

#ifndef USB_IDS_NONE
#include "codec/id_table.h"

#define TABLE usb_ids_table

/* By vid, the last one of that number in the whole table; looked through once. */
static const struct id_vendor *by_vid[0x10000];

static const char *plain_vendor(uint16_t vid, const struct id_vendor **v) {
    static bool looked;
    for (uint32_t i = 0; !looked && i < TABLE.nvendors; i++)
        by_vid[TABLE.vendors[i].id] = &TABLE.vendors[i];
    looked = true;
    *v = by_vid[vid];
    return *v != NULL ? TABLE.text + (*v)->name : "";
}

static const char *plain_product(const struct id_vendor *v, uint16_t pid) {
    for (uint32_t i = 0; v != NULL && i < v->count; i++) {
        if (TABLE.ids[v->first + i] == pid)
            return TABLE.text + TABLE.names[v->first + i];
    }
    return "";
}
#endif

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    for (size_t at = 0; at + 4 <= size && at < 16; at += 4) {
        uint16_t vid = (uint16_t)(data[at] | data[at + 1] << 8), pid = (uint16_t)(data[at + 2] | data[at + 3] << 8);
        const char *vendor = usb_names_vendor(vid), *product = usb_names_product(vid, pid);
        MUST(vendor != NULL && product != NULL && (vendor[0] != '\0' || product[0] == '\0'));
#ifndef USB_IDS_NONE
        const struct id_vendor *v;
        MUST(strcmp(plain_vendor(vid, &v), vendor) == 0 && strcmp(plain_product(v, pid), product) == 0);
#endif
    }
    return 0;
}
