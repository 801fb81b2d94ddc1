/*
 * pci_names.h - names from the PCI ID database, compiled in as a compact sorted table, which scripts/ids.py makes
 * from pci.ids. In a build without the table every lookup is "". Two binary searches at most, no decoding state. Pure.
 */
#ifndef VHOTPLUG_PCI_NAMES_H
#define VHOTPLUG_PCI_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *pci_names_vendor(uint16_t vid);               /* "" if unknown; static text */
const char *pci_names_device(uint16_t vid, uint16_t did); /* "" if unknown; static text */
const char *pci_names_version(void);                      /* the database's own date, or "none" */
/* The memory of the table's parts, from 0; NULL after the last. The caller may give the pages back to the kernel, which
 * reads them from the file again. */
const void *pci_names_table(int part, size_t *size);

#endif
