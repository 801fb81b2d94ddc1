/*
 * conf_pci_lint.c - what is valid in pciPassthrough but probably not meant: entries that an earlier rule leaves nothing
 * to decide, entries that are written twice, and those that the two readings of general.ruleMatch take differently.
 * Changes nothing.
 */
#include "config/conf_read.h"
#include "config/policy_pci.h"

static bool same_values(const struct pci_entry *a, const struct pci_entry *b) {
    const struct pci_device as = {.address = b->address,
                                  .vendor = b->vendor,
                                  .device = b->device,
                                  .cls = b->cls,
                                  .sub = b->sub,
                                  .prog_if = b->prog_if};
    return policy_pci_misses(a, &as) == 0;
}

/* True if entry a certainly matches every device that b matches: a's fields are among b's, with the same values. In the
 * "any" reading more fields match more devices, so the fields must be the same. */
static bool covers(const struct conf *c, const struct pci_entry *a, const struct pci_entry *b) {
    if (!policy_pci_can_match(c, a) || (a->fields & ~(unsigned)b->fields) != 0 ||
        (c->rule_match_any && a->fields != b->fields))
        return false;
    return same_values(a, b);
}

/* The first of n entries from `first` on that covers the entry; -1 none. */
static int taken_by(const struct conf *c, int first, int n, int entry) {
    for (int e = first; e < first + n; e++) {
        if (covers(c, &c->pci_entries[e], &c->pci_entries[entry]))
            return e;
    }
    return -1;
}

static bool denies_nothing(const struct conf *c, const struct pci_rule *rule) {
    for (int e = rule->deny; e < rule->deny + rule->ndeny; e++) {
        if (policy_pci_can_match(c, &c->pci_entries[e]))
            return false;
    }
    return true;
}

/* True, after reporting why, if no device is left for this allow entry of rule i. */
static bool shadowed(struct reader *r, int i, int entry) {
    const struct conf *c = r->c;
    const struct pci_rule *own = &c->pci_rules[i];
    int tok = r->scratch->pci_entry_tok[entry], e = taken_by(c, own->deny, own->ndeny, entry);
    if (e >= 0) {
        rd_warn(r, tok, "never decides: the rule's own 'deny' entry on line %u takes every such device out",
                c->pci_entries[e].line);
        return true;
    }
    for (int k = 0; k < i; k++) {
        const struct pci_rule *early = &c->pci_rules[k];
        e = early->enabled && denies_nothing(c, early) ? taken_by(c, early->allow, early->nallow, entry) : -1;
        if (e < 0)
            continue;
        rd_warn(r, tok,
                "never decides: pciPassthrough[%d] (line %u) already takes every such device, by the entry on line %u",
                k, early->line, c->pci_entries[e].line);
        return true;
    }
    e = taken_by(c, own->allow, entry - own->allow, entry);
    if (e >= 0)
        rd_note(r, tok, "adds nothing: the entry on line %u of the same rule takes every such device",
                c->pci_entries[e].line);
    return false;
}

/* An entry of the older daemons: there one of these suffices, and one of them takes 0 for "not given". */
static void readings(struct reader *r, int entry) {
    const struct pci_entry *e = &r->c->pci_entries[entry];
    int tok = r->scratch->pci_entry_tok[entry];
    bool address = (e->fields & PF_ADDRESS) != 0, ids = (e->fields & (PF_VENDOR | PF_DEVICE)) != 0,
         class = (e->fields & (PF_CLASS | PF_SUBCLASS | PF_PROG_IF)) != 0;
    if (address + ids + class > 1 && r->c->rule_match_any)
        rd_note(r, tok, "address, ids or class suffices here; with \"ruleMatch\": \"all\" every field must match");
    else if (address + ids + class > 1)
        rd_note(r, tok,
                "every field must match here; with \"ruleMatch\": \"any\" the address, the ids or the class would "
                "suffice");
    if (((e->fields & PF_CLASS) != 0 && e->cls == 0) || ((e->fields & PF_SUBCLASS) != 0 && e->sub == 0) ||
        ((e->fields & PF_PROG_IF) != 0 && e->prog_if == 0))
        rd_note(r, tok, "0 is a value here; one of the older daemons takes it for a field that is not given");
}

static void lint_rule(struct reader *r, int i) {
    const struct pci_rule *rule = &r->c->pci_rules[i];
    int live = 0, dead = 0;
    for (int e = rule->allow; e < rule->allow + rule->nallow; e++) {
        if (!policy_pci_can_match(r->c, &r->c->pci_entries[e]))
            continue;
        if (r->foreign)
            readings(r, e);
        bool is_dead = shadowed(r, i, e);
        live += !is_dead;
        dead += is_dead;
    }
    if (live == 0 && dead > 1)
        rd_warn(r, r->scratch->pci_rule_tok[i], "the rule never decides: none of its entries does");
}

void conf_lint_pci(struct reader *r) {
    for (int i = 0; i < r->c->npci_rules; i++) {
        if (r->c->pci_rules[i].enabled)
            lint_rule(r, i);
    }
}
