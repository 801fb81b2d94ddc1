/*
 * model.c - questions about the model's structs that need nothing else. Pure.
 */
#include "base/model.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

bool device_is_hub(const struct device *dev) {
    for (int i = 0; i < dev->nifaces; i++) {
        if (dev->ifaces[i].cls == 9)
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

void device_note(struct device *dev, const char *text) {
    struct sbuf sb;
    size_t len = strlen(dev->note);
    if (strstr(dev->note, text) != NULL)
        return;
    sb_init(&sb, dev->note + len, sizeof dev->note - len);
    sb_fmt(&sb, "%s%s", len > 0 ? ", " : "", text);
    if (!sb_ok(&sb))
        VH_ASSERT(str_copy(dev->note, sizeof dev->note, text));
}
