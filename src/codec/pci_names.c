/*
 * pci_names.c - see pci_names.h: looks into a compiled-in table. Owns no state.
 */
#include "codec/pci_names.h"

#ifdef PCI_IDS_NONE

const char *pci_names_vendor(uint16_t vid) {
    (void)vid;
    return "";
}

const char *pci_names_device(uint16_t vid, uint16_t did) {
    (void)vid;
    (void)did;
    return "";
}

const char *pci_names_version(void) {
    return "none";
}

const void *pci_names_table(int part, size_t *size) {
    (void)part;
    *size = 0;
    return NULL;
}

#else

#include "codec/id_table.h"

const char *pci_names_vendor(uint16_t vid) {
    return id_table_vendor(&pci_ids_table, vid);
}

const char *pci_names_device(uint16_t vid, uint16_t did) {
    return id_table_device(&pci_ids_table, vid, did);
}

const char *pci_names_version(void) {
    return pci_ids_table.date;
}

const void *pci_names_table(int part, size_t *size) {
    return id_table_part(&pci_ids_table, part, size);
}

#endif
