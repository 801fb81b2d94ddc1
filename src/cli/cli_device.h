/*
 * cli_device.h - a device of a list in the words of the table and of the tree.
 */
#ifndef VHOTPLUG_CLI_DEVICE_H
#define VHOTPLUG_CLI_DEVICE_H

#include "base/limits.h"
#include "codec/json.h"

enum {
    DEVICE_KIND = 64,                /* bytes of the words for its kinds */
    DEVICE_TEXT = 2 * VH_STRING_MAX, /* bytes of any of these texts: its two names */
};

const char *device_name(const struct json *j, int d, char dst[DEVICE_TEXT]); /* vendor and product */
const char *device_kind(const struct json *j, int d, char dst[DEVICE_TEXT]);
const char *device_state(const struct json *j, int d, char dst[DEVICE_TEXT]);
const char *device_vm(const struct json *j, int d, char dst[DEVICE_TEXT]); /* "vm1"; "(vm1, vm2)": may have it; "-" */
const char *device_connector(const struct json *j, int d, char dst[DEVICE_TEXT]); /* its name; "" if it has none */
const char *device_colour(const char *state);

#endif
