/*
 * pci_address.h - the address of a PCI device as the kernel writes it: "0000:00:1f.3". Pure.
 */
#ifndef VHOTPLUG_PCI_ADDRESS_H
#define VHOTPLUG_PCI_ADDRESS_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct pci_address {
    uint32_t domain;
    uint8_t bus, devfn; /* devfn: device << 3 | function */
};

enum { PCI_ADDRESS_TEXT = 24 }; /* the longest has 16 characters */

bool pci_address_parse(const char *name, struct pci_address *a); /* only exactly as the kernel writes it */
void pci_address_print(struct sbuf *sb, const struct pci_address *a);
void pci_address_text(char dst[PCI_ADDRESS_TEXT], const struct pci_address *a);
uint64_t pci_address_order(const struct pci_address *a); /* grows with the address; never UINT64_MAX */

#endif
