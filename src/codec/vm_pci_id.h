/*
 * vm_pci_id.h - the id that a PCI device of the host gets in a VM: "vhp-pci-0000-01-00.0", written and read. Pure.
 *
 * Other ids with this prefix are of whoever started the VM: "vhp-pci-0" is one that a command line has.
 */
#ifndef VHOTPLUG_VM_PCI_ID_H
#define VHOTPLUG_VM_PCI_ID_H

#include "base/limits.h"
#include "codec/pci_address.h"

#include <stdbool.h>

void vm_pci_id_print(char id[VH_OPID_MAX], const struct pci_address *a);
bool vm_pci_id_parse(const char *id, struct pci_address *a); /* only exactly as it is printed */

#endif
