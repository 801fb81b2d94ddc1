/*
 * api_pci.c - PCI devices as the older daemons list them. Owns the wording; policy_pci.c says what becomes of a device,
 * and no VM has one yet.
 */
#include "api/api_pci.h"

#include "api/api_internal.h"
#include "base/limits.h"
#include "codec/pci_names.h"

#include <string.h>

/* ---- which, and in what order ---- */

/* A list is of what goes to a VM by the rules. */
static bool is_listed(const struct conf *c, const struct pci_host *h, const struct request *r, int i) {
    const struct pci_fate *f = &h->fate[i];
    bool goes = f->way == PCI_BY_RULE || f->way == PCI_ALONG;
    if (r->sel.by_tag)
        return goes && str_eq(c->pci_rules[f->rule].tag, r->sel.tag);
    return goes || r->all;
}

/* -1 after the last. */
static int next_listed(const struct conf *c, const struct pci_host *h, const struct request *r, uint64_t cursor) {
    int best = -1;
    for (int i = 0; i < h->n; i++) {
        uint64_t place = policy_pci_place(h, i);
        if (place >= cursor && (best < 0 || place < policy_pci_place(h, best)) && is_listed(c, h, r, i))
            best = i;
    }
    return best;
}

/* ---- one device ---- */

static void hex4(struct sbuf *sb, const char *name, const char *before, uint16_t v) {
    member(sb, name);
    sb_fmt(sb, "\"%s%04x\"", before, (unsigned)v);
}

/* What no table knows has the name that the Rust daemon gives. */
static void name(struct sbuf *sb, const char *key, const char *known, const char *before, uint16_t id) {
    if (known[0] != '\0')
        member_text(sb, key, known);
    else
        hex4(sb, key, before, id);
}

static void address(struct sbuf *sb, const char *name, const struct pci_address *a) {
    member(sb, name);
    sb_char(sb, '"');
    pci_address_print(sb, a);
    sb_char(sb, '"');
}

void pci_identity(struct sbuf *sb, const struct pci_device *d) {
    sb_str(sb, "{\"address\": \"");
    pci_address_print(sb, &d->address);
    sb_char(sb, '"');
    member_text_or_null(sb, "driver", d->driver);
    member_uint(sb, "vendor_id", d->vendor);
    member_uint(sb, "device_id", d->device);
    hex4(sb, "vid", "", d->vendor);
    hex4(sb, "did", "", d->device);
    name(sb, "vendor_name", pci_names_vendor(d->vendor), "PCI vendor ", d->vendor);
    name(sb, "device_name", pci_names_device(d->vendor, d->device), "PCI device ", d->device);
    member_uint(sb, "pci_class", d->cls);
    member_uint(sb, "pci_subclass", d->sub);
    member_uint(sb, "pci_prog_if", d->prog_if);
    hex4(sb, "pci_subsystem_vendor_id", "", d->sub_vendor);
    hex4(sb, "pci_subsystem_id", "", d->sub_device);
    if (d->grouped != 0)
        member_uint(sb, "iommu_group", d->group);
    else
        member_text_or_null(sb, "iommu_group", "");
}

/* What the host needs, only those may know who see everything. */
static void kept(struct sbuf *sb, const struct conf *c, const struct pci_host *h, int i) {
    char text[VH_TEXT_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    (void)policy_pci_kept(c, h, i, &why);
    member_text_or_null(sb, "protected", text);
}

static void device(struct sbuf *sb, const struct conf *c, const struct pci_host *h, const struct request *r, int i) {
    const struct pci_device *d = &h->row[i];
    const struct pci_fate *f = &h->fate[i];
    int vm = policy_pci_vm(c, h, i);
    pci_identity(sb, d);
    if (f->way == PCI_ALONG)
        member_bool(sb, "iommu_member", true);
    sb_str(sb, ", \"allowed_vms\": [");
    if (vm >= 0)
        sb_json(sb, c->vms[vm].name);
    sb_str(sb, "], \"vm\": null, \"disconnected\": false");
    member_text_or_null(sb, "tag", f->rule >= 0 ? c->pci_rules[f->rule].tag : "");
    if (d->behind != 0)
        address(sb, "parent", &d->parent);
    else
        member_text_or_null(sb, "parent", "");
    if (r->who.role >= ROLE_OPERATOR)
        kept(sb, c, h, i);
    sb_char(sb, '}');
}

/* The cursor is 1 and the place after that of the last device. */
bool api_pci_part(const struct conf *c, const struct pci_host *h, bool whole, const struct request *r, uint64_t *cursor,
                  struct sbuf *sb) {
    bool first = *cursor == 0;
    int i = next_listed(c, h, r, *cursor);
    if (first)
        sb_str(sb, "{\"result\": \"ok\", \"pci_devices\": [");
    if (i < 0) {
        sb_char(sb, ']');
        if (!whole)
            member_bool(sb, "incomplete", true);
        reply_end(sb, r->id);
        return false;
    }
    sb_str(sb, first ? "" : ", ");
    device(sb, c, h, r, i);
    *cursor = policy_pci_place(h, i) + 1;
    return true;
}
