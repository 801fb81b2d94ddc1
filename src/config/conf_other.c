/*
 * conf_other.c - for which VMs there are rules for what is not on USB. Reads nothing.
 */
#include "config/conf.h"

const char *conf_other_bus(const struct conf *c, int vm) {
    for (int i = 0; i < c->npci_rules; i++) {
        if (c->pci_rules[i].enabled && c->pci_rules[i].vm == vm)
            return "pciPassthrough";
    }
    for (int i = 0; i < c->nevdev_rules; i++) {
        if (c->evdev_rules[i].enabled && c->evdev_rules[i].vm == vm)
            return "evdevPassthrough";
    }
    for (int i = 0; i < c->nacpi_rules; i++) {
        if (c->acpi_rules[i].enabled && c->acpi_rules[i].vm == vm)
            return "acpiPassthrough";
    }
    return NULL;
}
