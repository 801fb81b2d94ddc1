/*
 * vm_pci_id.c - the id of a PCI device in a VM. Never says whether the VM has it.
 */
#include "codec/vm_pci_id.h"

#include "base/str.h"

#include <string.h>

static const char prefix[] = "vhp-pci-";

/* QEMU takes no ':' in an id. */
static void change(char *s, char from, char to) {
    for (; *s != '\0'; s++)
        *s = *s == from ? to : *s;
}

void vm_pci_id_print(char id[VH_OPID_MAX], const struct pci_address *a) {
    struct sbuf sb;
    sb_init(&sb, id, VH_OPID_MAX);
    sb_str(&sb, prefix);
    pci_address_print(&sb, a);
    change(id, ':', '-');
}

bool vm_pci_id_parse(const char *id, struct pci_address *a) {
    char address[PCI_ADDRESS_TEXT];
    if (!str_starts(id, prefix) || strchr(id, ':') != NULL ||
        !str_copy(address, sizeof address, id + sizeof prefix - 1))
        return false;
    change(address, '-', ':');
    return pci_address_parse(address, a);
}
