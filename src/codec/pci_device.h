/*
 * pci_device.h - a PCI device of the host as sysfs shows it: what rules are held against, and what lists tell. Structs
 * only.
 */
#ifndef VHOTPLUG_PCI_DEVICE_H
#define VHOTPLUG_PCI_DEVICE_H

#include "base/limits.h"
#include "codec/pci_address.h"

#include <stdint.h>

/* What the host uses a device for; the first one counts most. */
enum pci_use {
    PCI_BRIDGE = 1 << 0,   /* to another bus, or to what has no bus of its own, as ISA and LPC */
    PCI_STORAGE = 1 << 1,  /* a mounted file system, swap, or a part of either is below it */
    PCI_CONSOLE = 1 << 2,  /* the console is shown by it */
    PCI_KEYBOARD = 1 << 3, /* a keyboard of the host is below it */
    PCI_UPLINK = 1 << 4,   /* a default route goes by it */
    PCI_USES = 1 << 5,
};

/* Flags are 0 or 1, so that any byte is a valid value of the struct. */
struct pci_device {
    struct pci_address address, parent; /* parent: the bridge that it is behind */
    uint64_t incarnation;               /* the inode of its sysfs directory: differs between two plugs; 0: not known */
    uint16_t vendor, device, sub_vendor, sub_device; /* 0: not known */
    uint8_t cls, sub, prog_if;
    uint8_t behind;  /* it is behind `parent`, else on a root bus */
    uint8_t grouped; /* it is in IOMMU group `group` */
    uint8_t uses;    /* enum pci_use */
    uint32_t group;
    char driver[VH_IFNAME_MAX]; /* "" none */
    char why[VH_PROTECT_MAX];   /* the first use in words, "" if there is none: "holds the mounted file system /" */
};

#endif
