/*
 * input_device.c - see input_device.h. Owns the list of properties.
 */
#include "codec/input_device.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

enum { PROPERTY_BUS = INPUT_CLASSES, PROPERTY_PATH, PROPERTY_PATH_TAG };
_Static_assert(PROPERTY_PATH_TAG + 1 == INPUT_PROPERTIES, "every property has a number");

const char *input_property_name(int property) {
    static const char *const names[] = {"ID_BUS", "ID_PATH", "ID_PATH_TAG"};
    VH_ASSERT(property >= 0 && property < INPUT_PROPERTIES);
    return property < INPUT_CLASSES ? input_class_name((enum input_class)property) : names[property - INPUT_CLASSES];
}

int input_property_find(const char *name) {
    for (int i = 0; i < INPUT_PROPERTIES; i++) {
        if (str_eq(name, input_property_name(i)))
            return i;
    }
    return -1;
}

const char *input_property_value(const struct input_device *d, int property, char room[VH_INPUT_PATH]) {
    switch (property) {
    case PROPERTY_BUS:
        return input_bus_name((enum input_bus)d->bus);
    case PROPERTY_PATH:
        return d->path;
    case PROPERTY_PATH_TAG:
        input_path_tag(d->path, room);
        return room;
    default:
        VH_ASSERT(property >= 0 && property < INPUT_CLASSES);
        return d->classes >> property & 1 ? "1" : "";
    }
}

static bool is_text(const char *s, size_t cap) {
    size_t len = strnlen(s, cap), at = 0, step = 1;
    while (at < len && (step = utf8_len(s + at, len - at, NULL)) > 0)
        at += step;
    return len < cap && step > 0;
}

bool input_device_valid(const struct input_device *d) {
    return (d->classes >> INPUT_ANY & 1) != 0 && d->classes >> INPUT_CLASSES == 0 && d->bus < INPUT_BUSES &&
           is_text(d->name, sizeof d->name) && is_text(d->phys, sizeof d->phys) && is_text(d->path, sizeof d->path);
}
