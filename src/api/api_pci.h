/*
 * api_pci.h - the reply to `pci_list`: what the host's sysfs showed. Pure.
 */
#ifndef VHOTPLUG_API_PCI_H
#define VHOTPLUG_API_PCI_H

#include "base/model.h"
#include "base/str.h"
#include "bus/device_order.h"

#include <stdbool.h>
#include <stdint.h>

/* Part by part like usb_list, by address: the list may be another one between two parts. */
bool api_pci_part(const struct device_pci *l, const struct request *r, uint64_t *cursor, struct sbuf *sb);

#endif
