/*
 * conf_evdev.h - evdevPassthrough as structs: rules, and their allow and deny entries. policy_evdev.h says what they
 * mean.
 */
#ifndef VHOTPLUG_CONF_EVDEV_H
#define VHOTPLUG_CONF_EVDEV_H

#include "base/limits.h"
#include "codec/regex.h"

#include <stdbool.h>
#include <stdint.h>

enum evdev_field { EF_NAME = 1 << 0, EF_PATH_TAG = 1 << 1, EF_PROPERTY = 1 << 2 };

/* One allow or deny entry. */
struct evdev_entry {
    uint8_t fields; /* enum evdev_field: the given ones of those below */
    bool enabled;
    int8_t property;   /* by input_property_find(); -1: one that is not known here, which no device has */
    uint32_t line;     /* in the file, from 1 */
    const char *value; /* of the property; case does not matter */
    struct regex name, path_tag;
};

struct evdev_rule {
    const char *description, *tag; /* "" if none */
    bool enabled;
    int8_t vm;                           /* -1: not in 'vms'; the rule decides all the same */
    uint16_t allow, nallow, deny, ndeny; /* ranges in conf.evdev_entries */
    uint32_t line;
};

#endif
