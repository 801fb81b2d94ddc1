/*
 * model.c - questions about the model's structs that need nothing else. Pure.
 */
#include "base/model.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

bool device_is_hub(const struct device *dev) {
    if (dev->kind != KIND_USB)
        return false;
    for (int i = 0; i < dev->usb.nifaces; i++) {
        if (dev->usb.ifaces[i].cls == 9)
            return true;
    }
    return dev->cls == 9;
}

const char *role_name(enum role r) {
    static const char *const names[] = {[ROLE_NONE] = "none",
                                        [ROLE_OBSERVER] = "observer",
                                        [ROLE_GUEST] = "guest",
                                        [ROLE_OPERATOR] = "operator",
                                        [ROLE_ADMIN] = "admin"};
    return names[(unsigned)r <= ROLE_ADMIN ? r : ROLE_NONE];
}

void device_clear(struct device *dev) {
    memset(dev, 0, sizeof *dev);
    dev->serial = dev->vendor_name = dev->product_name = dev->protect = dev->malformed = dev->note = "";
    dev->stable_path = dev->twin = "";
    dev->connector = -1;
}

void device_take_texts(struct device *dev, const struct device_texts *texts) {
    dev->serial = texts->serial;
    dev->vendor_name = texts->vendor_name;
    dev->product_name = texts->product_name;
    dev->protect = texts->protect;
    dev->malformed = texts->malformed;
    dev->note = texts->note;
    dev->stable_path = texts->stable_path;
    dev->twin = texts->twin;
}

void device_copy_texts(struct device_texts *texts, const struct device *dev) {
    bool fit = str_copy(texts->serial, sizeof texts->serial, dev->serial) &&
               str_copy(texts->vendor_name, sizeof texts->vendor_name, dev->vendor_name) &&
               str_copy(texts->product_name, sizeof texts->product_name, dev->product_name) &&
               str_copy(texts->protect, sizeof texts->protect, dev->protect) &&
               str_copy(texts->malformed, sizeof texts->malformed, dev->malformed) &&
               str_copy(texts->note, sizeof texts->note, dev->note) &&
               str_copy(texts->stable_path, sizeof texts->stable_path, dev->stable_path) &&
               str_copy(texts->twin, sizeof texts->twin, dev->twin);
    VH_ASSERT(fit); /* each was read into as much room */
}

void device_note(char note[VH_NOTE_MAX], const char *text) {
    struct sbuf sb;
    size_t len = strlen(note);
    if (strstr(note, text) != NULL)
        return;
    sb_init(&sb, note + len, VH_NOTE_MAX - len);
    sb_fmt(&sb, "%s%s", len > 0 ? ", " : "", text);
    if (!sb_ok(&sb))
        VH_ASSERT(str_copy(note, VH_NOTE_MAX, text));
}
