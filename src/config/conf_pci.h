/*
 * conf_pci.h - pciPassthrough as structs: rules, and their allow and deny entries. policy_pci.h says what they mean.
 */
#ifndef VHOTPLUG_CONF_PCI_H
#define VHOTPLUG_CONF_PCI_H

#include "codec/pci_address.h"

#include <stdbool.h>
#include <stdint.h>

enum pci_field {
    PF_ADDRESS = 1 << 0,
    PF_VENDOR = 1 << 1,
    PF_DEVICE = 1 << 2,
    PF_CLASS = 1 << 3,
    PF_SUBCLASS = 1 << 4,
    PF_PROG_IF = 1 << 5,
    PF_ALL = (1 << 6) - 1,
};

/* One allow or deny entry. */
struct pci_entry {
    struct pci_address address;
    uint16_t vendor, device;
    uint8_t cls, sub, prog_if;
    uint8_t fields; /* enum pci_field: the given ones of those above */
    bool enabled;
    uint32_t line; /* in the file, from 1 */
};

struct pci_rule {
    const char *description, *tag; /* "" if none */
    uint32_t line;
    uint16_t allow, nallow, deny, ndeny; /* ranges in conf.pci_entries */
    int8_t vm;                           /* -1: its VM is unknown, so its devices stay with the host */
    bool enabled;
    bool skip_on_suspend;
    bool add_all;        /* pciIommuAddAll: the whole IOMMU group goes along */
    bool skip_if_shared; /* pciIommuSkipIfShared: no device whose group has another member */
    bool auto_ovmf, qemu_root_bus, crosvm_root_bus;
};

#endif
