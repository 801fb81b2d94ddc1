/*
 * input_place.c - see input_place.h. Owns the table of subsystems that name a place. Reads no link.
 */
#include "codec/input_place.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

/* ID_BUS and ID_PATH are two readings of the same parents. */
static const struct {
    const char *subsystem, *prefix; /* prefix: before the name in the path; NULL: it names no place */
    enum input_bus bus;
    bool sure; /* a path without such a part may be another device's tomorrow: udev gives none */
} kinds[] = {
    {"bluetooth", NULL, INPUT_BLUETOOTH, false},
    {"serio", "serio-", INPUT_I8042, false},
    {"rmi4", NULL, INPUT_RMI, false},
    {"usb", "usb-0:", INPUT_USB, false},
    {"i2c", NULL, INPUT_I2C, false},
    {"platform", "platform-", INPUT_PLATFORM, true},
    {"acpi", "acpi-", INPUT_ACPI, true},
    {"pci", "pci-", INPUT_PCI, true},
    {"xen", "xen-", INPUT_NO_BUS, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds, NO_KIND = KINDS };

const char *input_bus_name(enum input_bus b) {
    static const char *const names[INPUT_BUSES] = {
        [INPUT_NO_BUS] = "",           [INPUT_BLUETOOTH] = "bluetooth",
        [INPUT_I8042] = "i8042",       [INPUT_RMI] = "rmi",
        [INPUT_USB] = "usb",           [INPUT_I2C] = "i2c",
        [INPUT_PLATFORM] = "platform", [INPUT_ACPI] = "acpi",
        [INPUT_PCI] = "pci",
    };
    VH_ASSERT(b < INPUT_BUSES);
    return names[b];
}

void input_place_begin(struct input_place *p) {
    *p = (struct input_place){.at = VH_INPUT_PATH - 1, .last = NO_KIND};
}

static void prepend(struct input_place *p, const char *s, size_t n) {
    if (p->full || n > p->at) {
        p->full = true;
        return;
    }
    p->at -= n;
    memcpy(p->text + p->at, s, n);
}

/* What of a parent's name says its place; NULL: it does not. */
static const char *part(const char *subsystem, const char *name) {
    if (strcmp(subsystem, "usb") == 0) { /* "1-2.3:1.0": bus numbers change; "usb1" has no port */
        const char *dash = strchr(name, '-');
        return dash != NULL ? dash + 1 : NULL;
    }
    if (strcmp(subsystem, "serio") != 0)
        return name;
    size_t n = strlen(name);
    while (n > 0 && name[n - 1] >= '0' && name[n - 1] <= '9')
        n--;
    return name[n] != '\0' ? name + n : NULL;
}

void input_place_add(struct input_place *p, const char *subsystem, const char *name) {
    uint8_t kind = 0;
    while (kind < KINDS && strcmp(subsystem, kinds[kind].subsystem) != 0)
        kind++;
    if (kind == NO_KIND) {
        p->last = NO_KIND;
        return;
    }
    p->met |= (uint16_t)(1 << kinds[kind].bus);
    if (kind == p->last)
        return;
    const char *place = kinds[kind].prefix != NULL ? part(subsystem, name) : NULL;
    p->last = place != NULL ? kind : NO_KIND;
    if (place == NULL)
        return;
    if (p->at < VH_INPUT_PATH - 1)
        prepend(p, "-", 1);
    prepend(p, place, strlen(place));
    prepend(p, kinds[kind].prefix, strlen(kinds[kind].prefix));
}

void input_place_path(const struct input_place *p, char path[VH_INPUT_PATH]) {
    bool sure = false;
    for (int i = 0; i < KINDS; i++)
        sure = sure || (kinds[i].sure && (p->met >> kinds[i].bus & 1) != 0);
    memset(path, 0, VH_INPUT_PATH);
    if (sure && !p->full)
        memcpy(path, p->text + p->at, VH_INPUT_PATH - p->at);
}

enum input_bus input_place_bus(const struct input_place *p, uint16_t bustype) {
    enum { BUS_OF_BLUETOOTH = 5 };
    if (bustype == BUS_OF_BLUETOOTH)
        return INPUT_BLUETOOTH;
    for (int b = INPUT_BLUETOOTH; b < INPUT_BUSES; b++) {
        if ((p->met >> b & 1) != 0)
            return (enum input_bus)b;
    }
    return INPUT_NO_BUS;
}

static bool is_plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-';
}

/* Each run of other characters is one underscore, and none is first or last. */
void input_path_tag(const char path[VH_INPUT_PATH], char tag[VH_INPUT_PATH]) {
    size_t n = 0, len = strnlen(path, VH_INPUT_PATH - 1);
    for (size_t i = 0; i < len; i++) {
        if (is_plain(path[i]))
            tag[n++] = path[i];
        else if (n > 0 && tag[n - 1] != '_')
            tag[n++] = '_';
    }
    while (n > 0 && tag[n - 1] == '_')
        n--;
    tag[n] = '\0';
}
