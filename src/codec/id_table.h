/*
 * id_table.h - a compiled-in table of names by two ids, sorted; scripts/ids.py makes its contents. Two binary searches
 * at most, no decoding state. Pure.
 */
#ifndef VHOTPLUG_ID_TABLE_H
#define VHOTPLUG_ID_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct id_vendor {
    uint16_t id;
    uint16_t count; /* of its devices */
    uint32_t first; /* its first device in ids and names */
    uint32_t name;  /* offset into text */
};

enum { ID_TABLE_PARTS = 4 };

/* Devices without padding: ids and names are separate arrays. */
struct id_table {
    uint32_t nvendors;
    const struct id_vendor *vendors; /* by id */
    const uint16_t *ids;             /* by id within a vendor */
    const uint32_t *names;           /* of the device at the same index: offset into text */
    const char *text;                /* each name ends with a NUL */
    const char *date;                /* the database's own */
    size_t size[ID_TABLE_PARTS];     /* bytes of the arrays above, from vendors to text */
};

const char *id_table_vendor(const struct id_table *t, uint16_t vendor);                  /* "" if unknown */
const char *id_table_device(const struct id_table *t, uint16_t vendor, uint16_t device); /* "" if unknown */
/* The memory of the table's parts, from 0; NULL after the last. The caller may give the pages back to the kernel, which
 * reads them from the file again. */
const void *id_table_part(const struct id_table *t, int part, size_t *size);

/* Made by the build; a build without a table lacks it. */
extern const struct id_table usb_ids_table, pci_ids_table;

#endif
