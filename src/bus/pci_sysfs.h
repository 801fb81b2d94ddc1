/*
 * pci_sysfs.h - the PCI devices of the host, as sysfs shows them. Reads only: no device is opened, bound or given away.
 */
#ifndef VHOTPLUG_PCI_SYSFS_H
#define VHOTPLUG_PCI_SYSFS_H

#include "bus/device_order.h"

/* In a device worker: fills the answer to DEVICE_PCI. A host without PCI has an empty list. */
void pci_sysfs_list(struct device_pci *l);

#endif
