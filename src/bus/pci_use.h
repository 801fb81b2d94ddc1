/*
 * pci_use.h - what the host uses its PCI devices for: storage, network, console, keyboard. Reads sysfs and /proc only.
 */
#ifndef VHOTPLUG_PCI_USE_H
#define VHOTPLUG_PCI_USE_H

#include "bus/device_order.h"

/* In a device worker: adds the uses, and the first of them in words, to the rows, which have all else already. */
void pci_use_add(struct device_pci *l);

#endif
