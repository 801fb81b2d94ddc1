/*
 * policy_pci.c - see policy_pci.h. Owns the meaning of an entry's fields, of IOMMU groups and of what the host uses;
 * reads nothing of the host.
 */
#include "config/policy_pci.h"

#define IDS (PF_VENDOR | PF_DEVICE)
#define CLASSES (PF_CLASS | PF_SUBCLASS | PF_PROG_IF)

/* ---- entries and rules ---- */

unsigned policy_pci_misses(const struct pci_entry *e, const struct pci_device *d) {
    unsigned differs = 0;
    differs |= pci_address_order(&e->address) != pci_address_order(&d->address) ? PF_ADDRESS : 0;
    differs |= e->vendor != d->vendor ? PF_VENDOR : 0;
    differs |= e->device != d->device ? PF_DEVICE : 0;
    differs |= e->cls != d->cls ? PF_CLASS : 0;
    differs |= e->sub != d->sub ? PF_SUBCLASS : 0;
    differs |= e->prog_if != d->prog_if ? PF_PROG_IF : 0;
    return differs & e->fields;
}

/* The fields of the alternatives that the entry has whole. */
static unsigned alternatives(const struct pci_entry *e) {
    unsigned fields = e->fields & PF_ADDRESS;
    fields |= (e->fields & IDS) == IDS ? IDS : 0u;
    fields |= (e->fields & PF_CLASS) != 0 ? e->fields & CLASSES : 0u;
    return fields;
}

bool policy_pci_can_match(const struct conf *c, const struct pci_entry *e) {
    return e->enabled && (c->rule_match_any ? alternatives(e) : e->fields) != 0;
}

bool policy_pci_matches(const struct conf *c, const struct pci_entry *e, const struct pci_device *d) {
    static const unsigned groups[] = {PF_ADDRESS, IDS, CLASSES};
    unsigned misses = policy_pci_misses(e, d), whole = alternatives(e);
    if (!policy_pci_can_match(c, e))
        return false;
    if (!c->rule_match_any)
        return misses == 0;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if ((whole & groups[i]) != 0 && (misses & groups[i]) == 0)
            return true;
    }
    return false;
}

/* The first of n entries from `first` on that matches, -1 none. */
static int first_match(const struct conf *c, const struct pci_device *d, int first, int n) {
    for (int i = first; i < first + n; i++) {
        if (policy_pci_matches(c, &c->pci_entries[i], d))
            return i;
    }
    return -1;
}

int policy_pci_rule(const struct conf *c, const struct pci_device *d, int *entry) {
    for (int i = 0; i < c->npci_rules; i++) {
        const struct pci_rule *r = &c->pci_rules[i];
        if (!r->enabled)
            continue;
        *entry = first_match(c, d, r->allow, r->nallow);
        if (*entry >= 0 && first_match(c, d, r->deny, r->ndeny) < 0)
            return i;
    }
    *entry = -1;
    return -1;
}

/* ---- groups ---- */

static bool is_mate(const struct pci_device *row, int i, int k) {
    return i != k && row[i].grouped != 0 && row[k].grouped != 0 && row[i].group == row[k].group;
}

static bool is_shared(const struct pci_device *row, int n, int i) {
    for (int k = 0; k < n; k++) {
        if (is_mate(row, i, k))
            return true;
    }
    return false;
}

/* What its own rule says of it. */
static struct pci_fate own_fate(const struct conf *c, const struct pci_device *row, int n, int i) {
    struct pci_fate f = {.way = PCI_NO_RULE, .with = -1};
    f.rule = policy_pci_rule(c, &row[i], &f.entry);
    if (f.rule >= 0)
        f.way = c->pci_rules[f.rule].skip_if_shared && is_shared(row, n, i) ? PCI_SHARED : PCI_BY_RULE;
    return f;
}

/* The device that takes device i along; of several the first in the order of entries. -1 none. */
static int taken_by(const struct conf *c, const struct pci_device *row, int n, const struct pci_fate *fate, int i) {
    int by = -1;
    for (int k = 0; k < n; k++) {
        if (is_mate(row, i, k) && fate[k].way == PCI_BY_RULE && c->pci_rules[fate[k].rule].add_all &&
            (by < 0 || fate[k].entry < fate[by].entry))
            by = k;
    }
    return by;
}

/* Bridges go nowhere, so not along either. */
void policy_pci_judge(const struct conf *c, const struct pci_device *row, int n, struct pci_fate *fate) {
    for (int i = 0; i < n; i++)
        fate[i] = own_fate(c, row, n, i);
    for (int i = 0; i < n; i++) {
        bool may = fate[i].way == PCI_NO_RULE && (row[i].uses & PCI_BRIDGE) == 0;
        int by = may ? taken_by(c, row, n, fate, i) : -1;
        if (by >= 0)
            fate[i] = (struct pci_fate){.way = PCI_ALONG, .rule = fate[by].rule, .entry = fate[by].entry, .with = by};
    }
}

enum { LAST_ENTRY = INT16_MAX }; /* what no rule decides for comes last */
_Static_assert((int)VH_MAX_PCI_ENTRIES < (int)LAST_ENTRY, "every entry has its place");

uint64_t policy_pci_place(const struct pci_host *h, int i) {
    uint64_t entry = h->fate[i].entry >= 0 ? (uint64_t)h->fate[i].entry : LAST_ENTRY;
    return (entry << 48 | pci_address_order(&h->row[i].address)) + 1;
}

int policy_pci_vm(const struct conf *c, const struct pci_host *h, int i) {
    bool goes = h->fate[i].way == PCI_BY_RULE || h->fate[i].way == PCI_ALONG;
    return goes ? c->pci_rules[h->fate[i].rule].vm : -1;
}

/* ---- what stays with the host ---- */

static const char *use_text(unsigned use) {
    switch (use) {
    case PCI_BRIDGE:
        return "is a bridge";
    case PCI_STORAGE:
        return "holds storage in use";
    case PCI_CONSOLE:
        return "shows the console";
    case PCI_KEYBOARD:
        return "has the host's keyboard";
    default:
        return "carries the default route";
    }
}

/* Is the device meant by its address, and not only by what it is? */
static bool is_named(const struct conf *c, const struct pci_host *h, int i) {
    const struct pci_rule *r = h->fate[i].way == PCI_BY_RULE ? &c->pci_rules[h->fate[i].rule] : NULL;
    for (int k = 0; r != NULL && k < r->nallow; k++) {
        const struct pci_entry *e = &c->pci_entries[r->allow + k];
        if ((e->fields & PF_ADDRESS) != 0 && (policy_pci_misses(e, &h->row[i]) & PF_ADDRESS) == 0 &&
            policy_pci_matches(c, e, &h->row[i]))
            return true;
    }
    return false;
}

/* The uses that the rules leave with the host. A keyboard may come and go, so naming the controller's address is a
 * decision; and a VM for the network is what an adapter is often meant for. */
static unsigned binding_uses(const struct conf *c, const struct pci_host *h, int i) {
    unsigned uses = h->row[i].uses;
    if ((uses & PCI_KEYBOARD) != 0 && is_named(c, h, i))
        uses &= ~(unsigned)PCI_KEYBOARD;
    if (!c->protect_uplink)
        uses &= ~(unsigned)PCI_UPLINK;
    return uses;
}

unsigned policy_pci_despite(const struct conf *c, const struct pci_host *h, int i) {
    return h->row[i].uses & ~binding_uses(c, h, i);
}

static void put_use(const struct pci_device *d, unsigned uses, struct sbuf *why) {
    unsigned first = uses & (~uses + 1), told = d->uses & (~(unsigned)d->uses + 1);
    sb_str(why, first == told && d->why[0] != '\0' ? d->why : use_text(first));
}

/* What else in its group keeps it: vfio gives a whole group to one VM. */
static bool kept_by_mate(const struct conf *c, const struct pci_host *h, int i, struct sbuf *why) {
    int vm = policy_pci_vm(c, h, i);
    for (int k = 0; k < h->n; k++) {
        const struct pci_device *mate = &h->row[k];
        if (!is_mate(h->row, i, k) || (mate->uses & PCI_BRIDGE) != 0)
            continue;
        unsigned uses = binding_uses(c, h, k);
        int other = uses == 0 && vm >= 0 ? policy_pci_vm(c, h, k) : -1;
        if (uses == 0 && (other < 0 || other == vm))
            continue;
        sb_str(why, "shares its IOMMU group with ");
        pci_address_print(why, &mate->address);
        sb_str(why, uses != 0 ? ", which " : ", which is for VM ");
        if (uses != 0)
            put_use(mate, uses, why);
        else
            sb_fmt(why, "'%s'", c->vms[other].name);
        return true;
    }
    return false;
}

bool policy_pci_kept(const struct conf *c, const struct pci_host *h, int i, struct sbuf *why) {
    unsigned uses = binding_uses(c, h, i);
    if (uses == 0)
        return kept_by_mate(c, h, i, why);
    put_use(&h->row[i], uses, why);
    return true;
}

bool policy_pci_loses_route(const struct conf *c, const struct pci_host *h, int i) {
    char text[VH_TEXT_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    return (h->row[i].uses & PCI_UPLINK) != 0 && !c->protect_uplink && policy_pci_vm(c, h, i) >= 0 &&
           !policy_pci_kept(c, h, i, &why);
}
