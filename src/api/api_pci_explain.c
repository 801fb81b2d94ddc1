/*
 * api_pci_explain.c - which rule of pciPassthrough decides for a device, and why: holds every rule and entry against
 * it, in JSON, part by part. Owns the wording. Never decides: policy_pci.c does.
 */
#include "api/api_internal.h"
#include "api/api_pci.h"
#include "base/assert.h"
#include "base/limits.h"

#include <string.h>

int api_pci_find(const struct pci_host *h, const char *address) {
    struct pci_address a = {0};
    for (int i = 0; pci_address_parse(address, &a) && i < h->n; i++) {
        if (pci_address_order(&h->row[i].address) == pci_address_order(&a))
            return i;
    }
    return -1;
}

static void begin(struct sbuf *sb, const struct conf *c, const struct pci_host *h, int i) {
    sb_str(sb, "{\"result\": \"ok\", \"present\": true");
    member_text(sb, "rule_match", c->rule_match_any ? "any" : "all");
    sb_str(sb, ", \"pci_device\": ");
    pci_identity(sb, &h->row[i]);
    sb_str(sb, "}, \"rules\": [");
}

/* ---- rules and entries ---- */

static bool any_matches(const struct conf *c, const struct pci_device *d, uint16_t first, uint16_t n) {
    for (unsigned e = first; e < (unsigned)first + n; e++) {
        if (policy_pci_matches(c, &c->pci_entries[e], d))
            return true;
    }
    return false;
}

static const char *verdict(const struct conf *c, int rule, const struct pci_device *d) {
    const struct pci_rule *r = &c->pci_rules[rule];
    int entry = -1;
    if (!r->enabled)
        return "disabled";
    if (!any_matches(c, d, r->allow, r->nallow))
        return "no allow entry matches";
    if (any_matches(c, d, r->deny, r->ndeny))
        return "a deny entry matches";
    return policy_pci_rule(c, d, &entry) == rule ? "decides" : "applies, but an earlier rule decides";
}

static void rule(struct sbuf *sb, const struct conf *c, int i, const struct pci_device *d) {
    const struct pci_rule *r = &c->pci_rules[i];
    sb_fmt(sb, "%s{\"rule\": %d", i > 0 ? ", " : "", i);
    member_uint(sb, "line", r->line);
    member(sb, "description");
    json_cut(sb, r->description);
    member_text_or_null(sb, "tag", r->tag);
    sb_str(sb, ", \"vms\": [");
    if (r->vm >= 0)
        sb_json(sb, c->vms[r->vm].name);
    sb_char(sb, ']');
    member_text(sb, "verdict", verdict(c, i, d));
    sb_str(sb, ", \"entries\": [");
}

static void entry(struct sbuf *sb, const struct conf *c, const struct pci_rule *r, int k, const struct pci_device *d) {
    VH_ASSERT(r != NULL); /* only a rule has entries */
    bool allow = k < r->nallow;
    const struct pci_entry *e = &c->pci_entries[allow ? r->allow + k : r->deny + k - r->nallow];
    bool matches = policy_pci_matches(c, e, d);
    unsigned misses = !matches ? policy_pci_misses(e, d) : 0;
    const char *between = "";
    sb_fmt(sb, "%s{\"entry\": \"%s[%d]\"", k > 0 ? ", " : "", allow ? "allow" : "deny", allow ? k : k - r->nallow);
    member_uint(sb, "line", e->line);
    member_bool(sb, "matches", matches);
    if (!e->enabled)
        member_bool(sb, "enabled", false);
    sb_str(sb, ", \"misses\": [");
    for (int bit = 0; misses >> bit != 0; bit++) {
        if (!(misses >> bit & 1))
            continue;
        sb_fmt(sb, "%s\"%s\"", between, conf_pci_field_name(bit));
        between = ", ";
    }
    sb_str(sb, "]}");
}

/* ---- the end ---- */

static void group(struct sbuf *sb, const struct pci_host *h, int i) {
    const char *between = "";
    sb_str(sb, ", \"iommu_group_members\": [");
    for (int k = 0; k < h->n && h->row[i].grouped != 0; k++) {
        if (k == i || h->row[k].grouped == 0 || h->row[k].group != h->row[i].group)
            continue;
        sb_fmt(sb, "%s\"", between);
        pci_address_print(sb, &h->row[k].address);
        sb_char(sb, '"');
        between = ", ";
    }
    sb_char(sb, ']');
}

/* Why no VM has it: what keeps it comes first, for the rules cannot change that. */
static void reason(struct sbuf *sb, const struct core *core, const struct pci_host *h, int i) {
    const struct conf *c = core->conf;
    const struct slot *s = api_pci_slot(core, &h->row[i]);
    const struct pci_fate *f = &h->fate[i];
    struct sbuf kept = *sb; /* written where the whole reason goes */
    sb_str(&kept, "stays with the host: it ");
    if (policy_pci_kept(c, h, i, &kept)) {
        *sb = kept;
        return;
    }
    if (f->way == PCI_NO_RULE)
        sb_str(sb, "no rule applies");
    else if (f->way == PCI_SHARED)
        sb_str(sb, "stays with the host: its IOMMU group has other members (pciIommuSkipIfShared)");
    else if (c->pci_rules[f->rule].vm < 0)
        sb_str(sb, "its rule names no VM that is configured");
    else if (h->row[i].grouped == 0)
        sb_str(sb, "it is in no IOMMU group: the host has no IOMMU, or does not use it");
    else if (!core->gives_pci)
        sb_str(sb, "no rule was about PCI devices when the daemon started: it has to be started anew");
    else if (s != NULL)
        core_reason(core, s, sb);
}

static void end(struct sbuf *sb, const struct core *core, const struct pci_host *h, int i, const char *id) {
    const struct conf *c = core->conf;
    const struct slot *s = api_pci_slot(core, &h->row[i]);
    const struct pci_fate *f = &h->fate[i];
    char text[VH_ERROR_MAX];
    struct sbuf why;
    int vm = policy_pci_vm(c, h, i);
    sb_str(sb, "], \"decides\": ");
    if (f->way == PCI_BY_RULE || f->way == PCI_SHARED)
        sb_uint(sb, (uint64_t)f->rule);
    else
        sb_str(sb, "null");
    group(sb, h, i);
    if (f->way == PCI_ALONG) {
        sb_str(sb, ", \"goes_along_with\": \"");
        pci_address_print(sb, &h->row[f->with].address);
        sb_char(sb, '"');
    }
    sb_init(&why, text, sizeof text);
    bool kept = policy_pci_kept(c, h, i, &why);
    member_text_or_null(sb, "target", vm >= 0 && !kept ? c->vms[vm].name : "");
    member_text_or_null(sb, "vm", s != NULL && s->vm >= 0 ? c->vms[s->vm].name : "");
    member_text(sb, "state", s != NULL ? core_state_name(core, s) : "idle");
    sb_init(&why, text, sizeof text);
    reason(&why, core, h, i);
    member_text_or_null(sb, "reason", text);
    if (policy_pci_loses_route(c, h, i))
        member_text(sb, "note", "the host loses its default route with it");
    reply_end(sb, id);
}

static void end_of_gone(struct sbuf *sb, const char *id) {
    sb_str(sb, "], \"decides\": null, \"reason\": \"it was unplugged meanwhile\"");
    reply_end(sb, id);
}

/* ---- the parts ---- */

/* As cursors, places are numbered from 1, rule after rule: row 0 is the rule itself, row 1 + k its entry k. */
enum { RULE_ROWS = 1 << 12 };
_Static_assert((int)VH_MAX_PCI_ENTRIES + 1 < (int)RULE_ROWS, "a rule has room for its rows");

bool api_pci_explain_part(const struct core *core, const struct pci_host *h, const struct request *r, uint64_t *cursor,
                          struct sbuf *sb) {
    const struct conf *c = core->conf;
    int i = api_pci_find(h, r->sel.address), at = (int)(*cursor - 1) / RULE_ROWS, row = (int)(*cursor - 1) % RULE_ROWS;
    if (*cursor == 0) { /* the caller has looked for the device */
        VH_ASSERT(i >= 0);
        begin(sb, c, h, i);
        *cursor = 1;
        return true;
    }
    if (i < 0 || (row == 0 && at >= c->npci_rules)) {
        if (row > 0)
            sb_str(sb, "]}");
        if (i >= 0)
            end(sb, core, h, i, r->id);
        else
            end_of_gone(sb, r->id);
        return false;
    }
    /* NULL in the middle of a rule: a reload has removed that rule. */
    const struct pci_rule *current = at < c->npci_rules ? &c->pci_rules[at] : NULL;
    int entries = current != NULL ? current->nallow + current->ndeny : 0;
    if (row == 0)
        rule(sb, c, at, &h->row[i]);
    else if (row <= entries)
        entry(sb, c, current, row - 1, &h->row[i]);
    if (row < entries) {
        *cursor += 1;
    } else {
        sb_str(sb, "]}");
        *cursor = 1 + (uint64_t)(at + 1) * RULE_ROWS;
    }
    return true;
}
