/*
 * api_pci.c - PCI devices as the older daemons list them. Owns the wording; policy_pci.c says what becomes of a device,
 * the core where it is.
 */
#include "api/api_pci.h"

#include "api/api_internal.h"
#include "base/assert.h"
#include "base/limits.h"
#include "codec/pci_names.h"
#include "config/access.h"

#include <string.h>

/* ---- which, and in what order ---- */

const struct slot *api_pci_slot(const struct core *c, const struct pci_device *d) {
    char name[PCI_ADDRESS_TEXT];
    pci_address_text(name, &d->address);
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->dev.kind == KIND_PCI && str_eq(s->dev.sys_name, name))
            return s;
    }
    return NULL;
}

/* A list is of what goes to a VM by the rules, and of what is still in one. */
static bool is_listed(const struct core *core, const struct pci_host *h, const struct request *r, int i) {
    const struct pci_fate *f = &h->fate[i];
    const struct slot *s = api_pci_slot(core, &h->row[i]);
    bool goes = f->way == PCI_BY_RULE || f->way == PCI_ALONG;
    if (r->disconnected != TRI_ANY && (s != NULL && s->disconnected) != (r->disconnected == TRI_YES))
        return false;
    if (r->sel.by_tag)
        return goes && str_eq(core->conf->pci_rules[f->rule].tag, r->sel.tag);
    return goes || r->all || (s != NULL && s->vm >= 0);
}

/* -1 after the last. */
static int next_listed(const struct core *c, const struct pci_host *h, const struct request *r, uint64_t cursor) {
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

/* Still open. */
static void address_object(struct sbuf *sb, const struct pci_address *a) {
    sb_str(sb, "{\"address\": \"");
    pci_address_print(sb, a);
    sb_char(sb, '"');
}

void pci_identity(struct sbuf *sb, const struct pci_device *d) {
    address_object(sb, &d->address);
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

void pci_device_of(struct sbuf *sb, const struct device *d, bool brief) {
    struct pci_device row = {.vendor = d->vid,
                             .device = d->pid,
                             .sub_vendor = d->pci.sub_vendor,
                             .sub_device = d->pci.sub_device,
                             .cls = d->cls,
                             .sub = d->sub,
                             .prog_if = d->proto,
                             .grouped = d->pci.grouped,
                             .group = d->pci.group};
    bool parsed = pci_address_parse(d->sys_name, &row.address);
    VH_ASSERT(parsed); /* the core has printed it */
    memcpy(row.driver, d->pci.driver, sizeof row.driver);
    if (brief)
        address_object(sb, &row.address);
    else
        pci_identity(sb, &row);
}

/* What only those may know who see everything. */
static void situation(struct sbuf *sb, const struct core *core, const struct slot *s) {
    char text[VH_ERROR_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    if (s != NULL)
        core_reason(core, s, &why);
    member_text(sb, "state", s != NULL ? core_state_name(core, s) : "idle");
    member_text_or_null(sb, "reason", text);
}

static void device(struct sbuf *sb, const struct core *core, const struct pci_host *h, const struct request *r, int i) {
    const struct conf *c = core->conf;
    const struct pci_device *d = &h->row[i];
    const struct pci_fate *f = &h->fate[i];
    const struct slot *s = api_pci_slot(core, d);
    bool all = r->who.role >= ROLE_OPERATOR;
    int vm = policy_pci_vm(c, h, i);
    pci_identity(sb, d);
    if (f->way == PCI_ALONG)
        member_bool(sb, "iommu_member", true);
    sb_str(sb, ", \"allowed_vms\": [");
    if (vm >= 0)
        sb_json(sb, c->vms[vm].name);
    sb_char(sb, ']');
    member_text_or_null(sb, "vm", s != NULL && s->vm >= 0 && access_sees_all(&r->who) ? c->vms[s->vm].name : "");
    member_bool(sb, "disconnected", s != NULL && s->disconnected);
    member_text_or_null(sb, "tag", f->rule >= 0 ? c->pci_rules[f->rule].tag : "");
    if (d->behind != 0)
        address(sb, "parent", &d->parent);
    else
        member_text_or_null(sb, "parent", "");
    if (all)
        kept(sb, c, h, i);
    if (all && core->gives_pci)
        situation(sb, core, s);
    sb_char(sb, '}');
}

/* The cursor is 1 and the place after that of the last device. */
bool api_pci_part(const struct core *c, const struct pci_host *h, bool whole, const struct request *r, uint64_t *cursor,
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
