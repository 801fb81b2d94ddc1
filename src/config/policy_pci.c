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

/* Is the device meant by its address, and not only by what it is? */
static bool is_named(const struct conf *c, const struct pci_device *d) {
    int entry = -1, rule = policy_pci_rule(c, d, &entry);
    const struct pci_rule *r = rule >= 0 ? &c->pci_rules[rule] : NULL;
    for (int i = 0; r != NULL && i < r->nallow; i++) {
        const struct pci_entry *e = &c->pci_entries[r->allow + i];
        if ((e->fields & PF_ADDRESS) != 0 && (policy_pci_misses(e, d) & PF_ADDRESS) == 0 && policy_pci_matches(c, e, d))
            return true;
    }
    return false;
}

/* ---- groups ---- */

static bool is_mate(const struct pci_hosts *h, int i, int k) {
    return i != k && h->row[i].grouped != 0 && h->row[k].grouped != 0 && h->row[i].group == h->row[k].group;
}

static bool is_shared(const struct pci_hosts *h, int i) {
    for (int k = 0; k < h->n; k++) {
        if (is_mate(h, i, k))
            return true;
    }
    return false;
}

/* What its own rule says of it. */
static struct pci_fate own_fate(const struct conf *c, const struct pci_hosts *h, int i) {
    struct pci_fate f = {.way = PCI_NO_RULE, .with = -1};
    f.rule = policy_pci_rule(c, &h->row[i], &f.entry);
    if (f.rule >= 0)
        f.way = c->pci_rules[f.rule].skip_if_shared && is_shared(h, i) ? PCI_SHARED : PCI_BY_RULE;
    return f;
}

/* Bridges go nowhere, so not along either. Of several devices that would take it along, the first in the order of
 * entries does. */
struct pci_fate policy_pci_fate(const struct conf *c, const struct pci_hosts *h, int i) {
    struct pci_fate own = own_fate(c, h, i);
    if (own.way != PCI_NO_RULE || (h->row[i].uses & PCI_BRIDGE) != 0)
        return own;
    for (int k = 0; k < h->n; k++) {
        struct pci_fate f = is_mate(h, i, k) ? own_fate(c, h, k) : own;
        if (f.way != PCI_BY_RULE || !c->pci_rules[f.rule].add_all || (own.with >= 0 && f.entry >= own.entry))
            continue;
        own = (struct pci_fate){.way = PCI_ALONG, .rule = f.rule, .entry = f.entry, .with = k};
    }
    return own;
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

/* The uses that the rules leave with the host. A keyboard may come and go, so naming the controller's address is a
 * decision; and a VM for the network is what an adapter is often meant for. */
static unsigned binding_uses(const struct conf *c, const struct pci_device *d) {
    unsigned uses = d->uses;
    if ((uses & PCI_KEYBOARD) != 0 && is_named(c, d))
        uses &= ~(unsigned)PCI_KEYBOARD;
    if (!c->protect_uplink)
        uses &= ~(unsigned)PCI_UPLINK;
    return uses;
}

static void put_use(const struct pci_device *d, unsigned uses, struct sbuf *why) {
    unsigned first = uses & (~uses + 1), told = d->uses & (~(unsigned)d->uses + 1);
    sb_str(why, first == told && d->why[0] != '\0' ? d->why : use_text(first));
}

/* The VM that the rules send it to, -1 none. */
static int vm_of(const struct conf *c, const struct pci_hosts *h, int i) {
    struct pci_fate f = policy_pci_fate(c, h, i);
    bool goes = f.way == PCI_BY_RULE || f.way == PCI_ALONG;
    return goes ? c->pci_rules[f.rule].vm : -1;
}

/* What else in its group keeps it: vfio gives a whole group to one VM. */
static bool kept_by_mate(const struct conf *c, const struct pci_hosts *h, int i, struct sbuf *why) {
    int vm = vm_of(c, h, i);
    for (int k = 0; k < h->n; k++) {
        const struct pci_device *mate = &h->row[k];
        if (!is_mate(h, i, k) || (mate->uses & PCI_BRIDGE) != 0)
            continue;
        unsigned uses = binding_uses(c, mate);
        int other = uses == 0 && vm >= 0 ? vm_of(c, h, k) : -1;
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

bool policy_pci_kept(const struct conf *c, const struct pci_hosts *h, int i, struct sbuf *why) {
    unsigned uses = binding_uses(c, &h->row[i]);
    if (uses == 0)
        return kept_by_mate(c, h, i, why);
    put_use(&h->row[i], uses, why);
    return true;
}

bool policy_pci_loses_route(const struct conf *c, const struct pci_hosts *h, int i) {
    char text[VH_TEXT_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    return (h->row[i].uses & PCI_UPLINK) != 0 && !c->protect_uplink && vm_of(c, h, i) >= 0 &&
           !policy_pci_kept(c, h, i, &why);
}
