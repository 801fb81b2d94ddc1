/*
 * fuzz_usb_desc.c - any bytes as a device's descriptors: refused with a reason, or parsed within bounds, as a
 * second reading has it.
 */
#include "codec/usb_desc.h"
#include "desc_plain.h"
#include "must.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct device dev;
    static char note[VH_NOTE_MAX];
    const char *why = NULL;
    char text[VH_MAX_IFACES * 7 + 8];
    struct sbuf sb;
    unsigned char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    memset(&dev, 0, sizeof dev);
    bool ok = usb_desc_parse(copy, size, &dev, note, &why);
    dev.note = note;
    if (ok) {
        MUST(size >= 18 && dev.usb.nifaces <= VH_MAX_IFACES);
        MUST(dev.vid == (data[8] | data[9] << 8) && dev.pid == (data[10] | data[11] << 8));
        sb_init(&sb, text, sizeof text);
        usb_desc_interfaces(&sb, &dev);
        MUST(sb_ok(&sb));
        MUST(dev.usb.nifaces == 0 ? text[0] == '\0' : strlen(text) % 7 == 1);
    } else {
        MUST(why != NULL && why[0] != '\0' && strlen(why) < VH_MALFORMED_MAX);
    }
    static struct plain plain;
    plain_read(&plain, data, size);
    MUST(ok == (why == NULL) && plain_agrees(&plain, &dev, ok));
    free(copy);
    return 0;
}
