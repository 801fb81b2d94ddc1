/*
 * pci_address.c - see pci_address.h. Never looks whether anything is there.
 */
#include "codec/pci_address.h"

#include <string.h>

void pci_address_print(struct sbuf *sb, const struct pci_address *a) {
    sb_fmt(sb, "%04x:%02x:%02x.%x", (unsigned)a->domain, (unsigned)a->bus, (unsigned)a->devfn >> 3, a->devfn & 7u);
}

void pci_address_text(char dst[PCI_ADDRESS_TEXT], const struct pci_address *a) {
    struct sbuf sb;
    sb_init(&sb, dst, PCI_ADDRESS_TEXT);
    pci_address_print(&sb, a);
}

bool pci_address_parse(const char *name, struct pci_address *a) {
    char exact[PCI_ADDRESS_TEXT];
    uint32_t domain = 0, bus = 0, device = 0, function = 0;
    size_t n = strcspn(name, ":");
    if (strnlen(name, sizeof exact) >= sizeof exact || strlen(name + n) != strlen(":00:1f.3") || name[n + 3] != ':' ||
        name[n + 6] != '.')
        return false;
    if (!str_hex(name, n, &domain) || !str_hex(name + n + 1, 2, &bus) || !str_hex(name + n + 4, 2, &device) ||
        !str_hex(name + n + 7, 1, &function) || device > 31 || function > 7)
        return false;
    struct pci_address found = {.domain = domain, .bus = (uint8_t)bus, .devfn = (uint8_t)(device << 3 | function)};
    pci_address_text(exact, &found);
    if (!str_eq(name, exact)) /* upper case, or zeros that the kernel does not write */
        return false;
    *a = found;
    return true;
}

uint64_t pci_address_order(const struct pci_address *a) {
    return (uint64_t)a->domain << 16 | (uint64_t)a->bus << 8 | a->devfn;
}
