/*
 * pci_sysfs.h - the PCI devices of the host, as sysfs shows them. Reads only: no device is opened, bound or given away.
 */
#ifndef VHOTPLUG_PCI_SYSFS_H
#define VHOTPLUG_PCI_SYSFS_H

#include "bus/device_order.h"

#include <stdint.h>

#define PCI_DEVICES "/sys/bus/pci/devices"

/* In a device worker: fills the answer to DEVICE_PCI. A host without PCI has an empty list. */
void pci_sysfs_list(struct device_pci *l);
/* Of the device with this address, as it is now: the inode of its directory, another one for each plug; 0 if it is
 * gone.
 */
uint64_t pci_sysfs_incarnation(const char *address);
/* The driver that has the device now; "" if none has it. */
void pci_sysfs_driver(const char *address, char driver[VH_IFNAME_MAX]);

#endif
