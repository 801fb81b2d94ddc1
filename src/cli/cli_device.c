/*
 * cli_device.c - see cli_device.h. Pure: the texts hold what the device says, and whoever prints them makes that safe.
 */
#include "cli/cli_device.h"

#include "base/str.h"
#include "cli/cli_kind.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

const char *device_name(const struct json *j, int d, char dst[DEVICE_TEXT]) {
    char vendor[VH_STRING_MAX], product[VH_STRING_MAX];
    (void)text_get(j, d, "vendor_name", vendor, sizeof vendor);
    (void)text_get(j, d, text_null(j, d, "device_name") ? "product_name" : "device_name", product, sizeof product);
    (void)str_fmt(dst, DEVICE_TEXT, "%s%s%s", vendor, vendor[0] != '\0' && product[0] != '\0' ? " " : "", product);
    return dst;
}

/* By its interfaces; a device of none, as one that is not configured, by its own class. */
const char *device_kind(const struct json *j, int d, char dst[DEVICE_TEXT]) {
    char interfaces[VH_MAX_IFACES * 7 + 2];
    int64_t class[3] = {0};
    if (text_get(j, d, "interfaces", interfaces, sizeof interfaces)[0] == '\0') {
        (void)json_int(j, json_get(j, d, "device_class"), 0, 255, &class[0]);
        (void)json_int(j, json_get(j, d, "device_subclass"), 0, 255, &class[1]);
        (void)json_int(j, json_get(j, d, "device_protocol"), 0, 255, &class[2]);
        (void)str_fmt(interfaces, sizeof interfaces, ":%02x%02x%02x:", (unsigned)class[0], (unsigned)class[1],
                      (unsigned)class[2]);
    }
    return kind_of(interfaces, dst, DEVICE_KIND)[0] != '\0' ? dst : "-";
}

const char *device_state(const struct json *j, int d, char dst[DEVICE_TEXT]) {
    (void)text_get(j, d, "state", dst, DEVICE_TEXT);
    return text_true(j, d, "disconnected") && str_eq(dst, "idle") ? "taken away" : dst;
}

const char *device_vm(const struct json *j, int d, char dst[DEVICE_TEXT]) {
    char name[VH_NAME_MAX];
    struct sbuf sb; /* what does not fit is beyond any terminal's width: harmless */
    if (text_get(j, d, "vm", dst, DEVICE_TEXT)[0] != '\0')
        return dst;
    sb_init(&sb, dst, DEVICE_TEXT);
    for (int a = json_first(j, json_get(j, d, "allowed_vms")); a >= 0; a = json_next(j, a)) {
        sb_str(&sb, sb.len == 0 ? "(" : ", ");
        sb_str(&sb, text_of(j, a, name, sizeof name));
    }
    sb_str(&sb, sb.len == 0 ? "-" : ")");
    return dst;
}

const char *device_connector(const struct json *j, int d, char dst[DEVICE_TEXT]) {
    if (strchr(text_get(j, d, "connector", dst, DEVICE_TEXT), '/') != NULL)
        dst[0] = '\0'; /* a stable path */
    return dst;
}

const char *device_colour(const char *state) {
    static const char *const colours[][2] = {{"attached", "32"}, {"waiting", "33"},    {"pending", "36"},
                                             {"failed", "31"},   {"taken away", "35"}, {"idle", "2"}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
        if (str_eq(state, colours[i][0]))
            return colours[i][1];
    }
    return "0";
}
