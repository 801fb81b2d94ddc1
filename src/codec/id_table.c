/*
 * id_table.c - see id_table.h. Owns no state.
 */
#include "codec/id_table.h"

static const struct id_vendor *find(const struct id_table *t, uint16_t vendor) {
    uint32_t low = 0, high = t->nvendors;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (t->vendors[mid].id == vendor)
            return &t->vendors[mid];
        if (t->vendors[mid].id < vendor)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

const char *id_table_vendor(const struct id_table *t, uint16_t vendor) {
    const struct id_vendor *v = find(t, vendor);
    return v != NULL ? t->text + v->name : "";
}

const char *id_table_device(const struct id_table *t, uint16_t vendor, uint16_t device) {
    const struct id_vendor *v = find(t, vendor);
    if (v == NULL)
        return "";
    uint32_t low = v->first, high = v->first + v->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (t->ids[mid] == device)
            return t->text + t->names[mid];
        if (t->ids[mid] < device)
            low = mid + 1;
        else
            high = mid;
    }
    return "";
}

const void *id_table_part(const struct id_table *t, int part, size_t *size) {
    const void *const parts[ID_TABLE_PARTS] = {t->vendors, t->ids, t->names, t->text};
    if (part < 0 || part >= ID_TABLE_PARTS)
        return NULL;
    *size = t->size[part];
    return parts[part];
}
