/*
 * conf_other.c - for which VMs there are rules for what is not on USB. Reads nothing.
 */
#include "config/conf.h"

unsigned conf_other_rules(const struct conf *c, int vm) {
    unsigned kinds = 0;
    for (int i = 0; i < c->npci_rules; i++)
        kinds |= c->pci_rules[i].enabled && c->pci_rules[i].vm == vm ? OTHER_PCI : 0u;
    for (int i = 0; i < c->nevdev_rules; i++)
        kinds |= c->evdev_rules[i].enabled && c->evdev_rules[i].vm == vm ? OTHER_EVDEV : 0u;
    for (int i = 0; i < c->nacpi_rules; i++)
        kinds |= c->acpi_rules[i].enabled && c->acpi_rules[i].vm == vm ? OTHER_ACPI : 0u;
    return kinds;
}

bool conf_gives_pci(const struct conf *c) {
    bool any = false;
    for (int i = 0; i < c->npci_rules; i++)
        any = any || c->pci_rules[i].enabled;
    return any;
}
