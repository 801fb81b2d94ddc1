/*
 * cli_match.c - holds devices of a list against what was asked for. Pure.
 */
#include "cli/cli_match.h"

#include "base/str.h"
#include "cli/cli_device.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

bool match_vm(const struct json *j, int device, const char *vm) {
    if (vm == NULL || json_string_is(j, json_get(j, device, "vm"), vm))
        return true;
    for (int a = json_first(j, json_get(j, device, "allowed_vms")); a >= 0; a = json_next(j, a)) {
        if (json_string_is(j, a, vm))
            return true;
    }
    return false;
}

static bool match_number(const struct json *j, int t, const char *text) {
    uint64_t wanted = 0;
    int64_t value = 0;
    return str_uint(text, strlen(text), 255, &wanted) && json_int(j, t, 0, 255, &value) && wanted == (uint64_t)value;
}

static bool match_port(const struct json *j, int d, const char *text, bool root) {
    return root ? match_number(j, json_get(j, d, "portnum"), text)
                : json_string_is(j, json_get(j, d, "port_path"), text);
}

static bool match_ids(const struct json *j, int t, const char *text) {
    char id[8];
    return json_string(j, t, id, sizeof id) && strcasecmp(id, text) == 0;
}

/* The daemon has looked for the connector. A hub there is meant only if its own place is named. */
static bool match_connector(const struct json *j, int d, const char *connector) {
    char text[DEVICE_TEXT];
    return !str_eq(device_kind(j, d, text), "hub") || json_string_is(j, json_get(j, d, "stable_path"), connector);
}

static bool match_call(const struct call *c, const struct json *j, int d, bool root) {
    const char *const *v = c->value;
    return (v[F_DEVNODE] == NULL || json_string_is(j, json_get(j, d, "device_node"), v[F_DEVNODE])) &&
           (v[F_TAG] == NULL || json_string_is(j, json_get(j, d, "tag"), v[F_TAG])) &&
           (v[F_CONNECTOR] == NULL || match_connector(j, d, v[F_CONNECTOR])) &&
           (v[F_BUS] == NULL || match_number(j, json_get(j, d, "busnum"), v[F_BUS])) &&
           (v[F_PORT] == NULL || match_port(j, d, v[F_PORT], root)) &&
           (v[F_VID] == NULL || match_ids(j, json_get(j, d, "vid"), v[F_VID])) &&
           (v[F_PID] == NULL || match_ids(j, json_get(j, d, "pid"), v[F_PID]));
}

static int search(const struct call *c, const struct json *j, int d, bool root) {
    while (d >= 0 && !match_call(c, j, d, root))
        d = json_next(j, d);
    return d;
}

int match_next(const struct call *c, const struct json *j, int device) {
    return search(c, j, device, false);
}

int match_first(const struct call *c, const struct json *j) {
    int first = json_first(j, json_get(j, 0, "usb_devices")), d = search(c, j, first, false);
    return d >= 0 || c->value[F_PORT] == NULL ? d : search(c, j, first, true);
}
