/*
 * api_pci.c - PCI devices as the older daemons list them. Owns the wording; no VM has any of them yet.
 */
#include "api/api_pci.h"

#include "api/api_internal.h"
#include "base/limits.h"

#include <string.h>

enum { CLASS_BRIDGE = 6 };

/* A bridge is given to nobody, as a hub. */
static const struct device_pci_row *next_listed(const struct device_pci *l, bool all, uint64_t cursor) {
    const struct device_pci_row *best = NULL;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; i < l->n; i++) {
        uint64_t place = pci_address_order(&l->row[i].address) + 1;
        if (place < cursor || place >= lowest || (!all && l->row[i].cls == CLASS_BRIDGE))
            continue;
        best = &l->row[i];
        lowest = place;
    }
    return best;
}

static void hex4(struct sbuf *sb, const char *name, const char *before, uint16_t v) {
    member(sb, name);
    sb_fmt(sb, "\"%s%04x\"", before, (unsigned)v);
}

/* The names are those of the Rust daemon: there is no room for a table of all that were ever made. */
static void device(struct sbuf *sb, const struct device_pci_row *r) {
    sb_str(sb, "{\"address\": \"");
    pci_address_print(sb, &r->address);
    sb_char(sb, '"');
    member_text_or_null(sb, "driver", r->driver);
    member_uint(sb, "vendor_id", r->vendor);
    member_uint(sb, "device_id", r->device);
    hex4(sb, "vid", "", r->vendor);
    hex4(sb, "did", "", r->device);
    hex4(sb, "vendor_name", "PCI vendor ", r->vendor);
    hex4(sb, "device_name", "PCI device ", r->device);
    member_uint(sb, "pci_class", r->cls);
    member_uint(sb, "pci_subclass", r->sub);
    member_uint(sb, "pci_prog_if", r->prog_if);
    hex4(sb, "pci_subsystem_vendor_id", "", r->sub_vendor);
    hex4(sb, "pci_subsystem_id", "", r->sub_device);
    member(sb, "iommu_group");
    if (r->grouped != 0)
        sb_uint(sb, r->group);
    else
        sb_str(sb, "null");
    sb_str(sb, ", \"allowed_vms\": [], \"vm\": null, \"disconnected\": false}");
}

/* The cursor is 1 and the place after that of the last device. */
bool api_pci_part(const struct device_pci *l, const struct request *r, uint64_t *cursor, struct sbuf *sb) {
    bool first = *cursor == 0;
    const struct device_pci_row *row = next_listed(l, r->all, *cursor);
    if (first)
        sb_str(sb, "{\"result\": \"ok\", \"pci_devices\": [");
    if (row == NULL) {
        sb_char(sb, ']');
        if (l->whole == 0)
            member_bool(sb, "incomplete", true);
        reply_end(sb, r->id);
        return false;
    }
    sb_str(sb, first ? "" : ", ");
    device(sb, row);
    *cursor = pci_address_order(&row->address) + 2;
    return true;
}
