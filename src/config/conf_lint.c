/*
 * conf_lint.c - what is valid but probably not meant: entries that an earlier rule leaves nothing to decide, VMs that
 * no rule names, entries that the two readings of general.ruleMatch take differently. Runs while the tokens exist, also
 * over the valid parts of a configuration with errors, so that one run reports everything. Changes nothing.
 */
#include "base/str.h"
#include "config/conf_read.h"

#include <string.h>

/* ---- the two readings ---- */

/* The alternatives of "any". Each of the two names is one, as in both older daemons; serial and removable only
 * restrict. */
static const struct {
    uint32_t mask;
    const char *name;
} groups[] = {
    {F_VID | F_PID, "the ids"},
    {F_VENDOR_NAME, "vendorName"},
    {F_PRODUCT_NAME, "productName"},
    {F_BUS | F_PORT, "bus and port"},
    {F_DEV_CLASS | F_DEV_SUBCLASS | F_DEV_PROTOCOL, "the device class"},
    {F_IFACE, "the interface class"},
    {F_DRIVER_PATH, "driverPath"},
};

static void readings(struct reader *r, const struct entry *e, int tok) {
    char list[160];
    struct sbuf sb;
    int n = 0;
    sb_init(&sb, list, sizeof list);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!(e->fields & groups[i].mask))
            continue;
        if (n++ > 0)
            sb_str(&sb, ", ");
        sb_str(&sb, groups[i].name);
    }
    if (n > 1 && r->c->rule_match_any)
        rd_note(r, tok, "any one suffices here (%s); with \"ruleMatch\": \"all\" every one must match", list);
    else if (n > 1)
        rd_note(r, tok, "every field must match here; with \"ruleMatch\": \"any\" one of these would suffice: %s",
                list);
    else if (e->fields == F_REMOVABLE)
        rd_note(r, tok, "'removable' alone selects devices with \"ruleMatch\": \"all\" and none with \"any\"");
    else if ((e->fields & F_PORT) && !strchr(e->port, '.'))
        rd_note(r, tok,
                "port %s is the port itself with \"ruleMatch\": \"all\"; with \"any\" also what is behind a hub there",
                e->port);
}

/* ---- shadowed entries ---- */

static bool same_pattern(const struct reader *r, int a, int b, int key) {
    int x = json_get(&r->j, a, keys_name(OBJ_ENTRY, key)), y = json_get(&r->j, b, keys_name(OBJ_ENTRY, key));
    size_t nx = (size_t)(r->j.tok[x].end - r->j.tok[x].start), ny = (size_t)(r->j.tok[y].end - r->j.tok[y].start);
    return nx == ny && memcmp(r->j.text + r->j.tok[x].start, r->j.text + r->j.tok[y].start, nx) == 0;
}

/* True if each interface of class b is of class a. */
static bool class_within(const struct iface_class *a, const struct iface_class *b) {
    return (a->fields & ~b->fields) == 0 && (!(a->fields & F_IF_CLASS) || a->cls == b->cls) &&
           (!(a->fields & F_IF_SUBCLASS) || a->sub == b->sub) && (!(a->fields & F_IF_PROTOCOL) || a->proto == b->proto);
}

/* True if each class in entry b's allInterfaces is one of those in `classes`. */
static bool classes_within(const struct conf *c, const struct iface_class *classes, int n, const struct entry *b) {
    for (int i = 0; i < b->nclasses; i++) {
        int k = 0;
        while (k < n && !class_within(&classes[k], &c->classes[b->classes + i]))
            k++;
        if (k == n)
            return false;
    }
    return b->nclasses > 0;
}

/* True if every device that b matches has an interface as a's interface fields want it: because b wants it as well, or
 * because b wants each interface so, and there is one. */
static bool same_iface(const struct conf *c, const struct entry *a, const struct entry *b) {
    const struct iface_class want = {a->fields & F_IFACE, a->if_class, a->if_sub, a->if_proto};
    const struct iface_class has = {b->fields & F_IFACE, b->if_class, b->if_sub, b->if_proto};
    return class_within(&want, &has) || classes_within(c, &want, 1, b);
}

static bool same_numbers(const struct entry *a, const struct entry *b) {
    uint32_t f = a->fields;
    return (!(f & F_VID) || a->vid == b->vid) && (!(f & F_PID) || a->pid == b->pid) &&
           (!(f & F_BUS) || a->bus == b->bus) && (!(f & F_DEV_CLASS) || a->dev_class == b->dev_class) &&
           (!(f & F_DEV_SUBCLASS) || a->dev_sub == b->dev_sub) &&
           (!(f & F_DEV_PROTOCOL) || a->dev_proto == b->dev_proto) &&
           (!(f & F_REMOVABLE) || (b->removable & ~a->removable) == 0);
}

/* True if the two name the same connectors, or the same stable paths, and a takes what is behind a hub if b does. */
static bool same_places(const struct conf *c, const struct entry *a, const struct entry *b) {
    bool same = a->nplaces == b->nplaces && (!a->direct || b->direct);
    for (int i = 0; i < a->nplaces && same; i++) {
        const struct entry_place *x = &c->places[a->places + i], *y = &c->places[b->places + i];
        same = (x->path == NULL) == (y->path == NULL) &&
               (x->path == NULL ? x->connector == y->connector : str_eq(x->path, y->path));
    }
    return same;
}

/* True if entry a certainly matches every device that b matches: a's fields are among b's, with the same values. In the
 * "any" reading more fields match more devices, so the fields must be the same. */
static bool covers(const struct reader *r, int ia, int ib) {
    static const int patterns[] = {ENT_VENDOR_NAME, ENT_PRODUCT_NAME, ENT_DRIVER_PATH};
    const struct entry *a = &r->c->entries[ia], *b = &r->c->entries[ib];
    unsigned other = a->fields & ~(unsigned)F_IFACE; /* those are compared by same_iface() */
    if (!a->enabled || a->fields == 0 || (other & ~(unsigned)b->fields) != 0 ||
        (r->c->rule_match_any && a->fields != b->fields))
        return false;
    if (!same_iface(r->c, a, b) ||
        ((a->fields & F_ALL_IFACES) && !classes_within(r->c, &r->c->classes[a->classes], a->nclasses, b)))
        return false;
    if (!same_numbers(a, b) || ((a->fields & F_PORT) && !str_eq(a->port, b->port)) ||
        ((a->fields & F_SERIAL) && !str_eq(a->serial, b->serial)) ||
        ((a->fields & F_CONNECTOR) && !same_places(r->c, a, b)))
        return false;
    for (size_t i = 0; i < 3; i++) {
        if ((a->fields >> patterns[i] & 1) &&
            !same_pattern(r, r->scratch->entry_tok[ia], r->scratch->entry_tok[ib], patterns[i]))
            return false;
    }
    return true;
}

/* True if no device matches the entry, though it is not disabled. */
static bool is_empty(const struct conf *c, const struct entry *e) {
    bool removable = (e->fields & F_REMOVABLE) != 0;
    return e->enabled &&
           (e->fields == 0 || (removable && e->removable == 0) || (c->rule_match_any && e->fields == F_REMOVABLE));
}

static bool denies_nothing(const struct conf *c, const struct rule *rule) {
    for (int e = rule->deny; e < rule->deny + rule->ndeny; e++) {
        if (c->entries[e].enabled && c->entries[e].fields != 0)
            return false;
    }
    return true;
}

/* The first of n entries from `first` on that covers `entry`; -1 none. */
static int taken_by(const struct reader *r, int first, int n, int entry) {
    for (int e = first; e < first + n; e++) {
        if (covers(r, e, entry))
            return e;
    }
    return -1;
}

/* True, after reporting why, if no device is left for this allow entry of `rule`. */
static bool shadowed(struct reader *r, int rule, int entry) {
    const struct conf *c = r->c;
    const struct rule *own = &c->rules[rule];
    int tok = r->scratch->entry_tok[entry], e = taken_by(r, own->deny, own->ndeny, entry);
    if (e >= 0) {
        rd_warn(r, tok, "never decides: the rule's own 'deny' entry on line %u takes every such device out",
                c->entries[e].line);
        return true;
    }
    for (int i = 0; i < rule; i++) {
        const struct rule *early = &c->rules[i];
        e = early->enabled && denies_nothing(c, early) ? taken_by(r, early->allow, early->nallow, entry) : -1;
        if (e < 0)
            continue;
        rd_warn(r, tok,
                "never decides: usbPassthrough[%d] (line %u) already takes every such device, by the entry on line %u",
                i, early->line, c->entries[e].line);
        return true;
    }
    e = taken_by(r, own->allow, entry - own->allow, entry);
    if (e >= 0)
        rd_note(r, tok, "adds nothing: the entry on line %u of the same rule takes every such device",
                c->entries[e].line);
    return false;
}

/* ---- composite devices ---- */

enum { CLASS_INPUT = 3, CLASS_STORAGE = 8 };

/* True if the entry takes devices by the class of one of their interfaces alone, whatever else they are. */
static bool by_one_interface(const struct conf *c, const struct entry *e) {
    unsigned other = e->fields & ~(unsigned)(F_IFACE | F_REMOVABLE);
    if (c->rule_match_any)
        other &= F_SERIAL | F_ALL_IFACES | F_CONNECTOR; /* the rest are alternatives */
    return e->enabled && (e->fields & F_IF_CLASS) != 0 && other == 0;
}

static bool denies_class(const struct conf *c, const struct rule *rule, uint8_t cls) {
    for (int i = rule->deny; i < rule->deny + rule->ndeny; i++) {
        const struct entry *e = &c->entries[i];
        if (by_one_interface(c, e) && e->if_class == cls && (e->fields & (F_IFACE | F_REMOVABLE)) == F_IF_CLASS)
            return true;
    }
    return false;
}

/* The classic trap: what types into a VM may be a stick, and what is written to may type. */
static void composite(struct reader *r, const struct rule *rule, int entry) {
    const struct entry *e = &r->c->entries[entry];
    bool input = e->if_class == CLASS_INPUT;
    if (!by_one_interface(r->c, e) || (!input && e->if_class != CLASS_STORAGE) ||
        denies_class(r->c, rule, input ? CLASS_STORAGE : CLASS_INPUT))
        return;
    rd_note(r, r->scratch->entry_tok[entry],
            "one such interface suffices: also a %s is taken; "
            "\"allInterfaces\": [ { \"interfaceClass\": %d } ] takes what is nothing else",
            input ? "keyboard that is a stick as well" : "stick that is a keyboard as well", e->if_class);
}

/* ---- the whole ---- */

static void lint_rule(struct reader *r, int i) {
    struct rule *rule = &r->c->rules[i];
    int live = 0, dead = 0, empty = 0;
    for (int e = rule->allow; e < rule->allow + rule->nallow + rule->ndeny; e++) {
        const struct entry *entry = &r->c->entries[e];
        empty += e < rule->allow + rule->nallow && is_empty(r->c, entry);
        if (!entry->enabled || entry->fields == 0)
            continue;
        if (r->foreign)
            readings(r, entry, r->scratch->entry_tok[e]);
        if (e >= rule->allow + rule->nallow)
            continue;
        composite(r, rule, e);
        bool is_dead = shadowed(r, i, e);
        live += !is_dead && !is_empty(r->c, entry);
        dead += is_dead;
    }
    /* Entries that are disabled are so on purpose. */
    rule->idle = rule->idle || (live == 0 && (dead > 0 || empty > 0 || rule->nallow == 0));
    if (live == 0 && dead > 1)
        rd_warn(r, r->scratch->rule_tok[i], "the rule never decides: none of its entries does");
}

void conf_lint(struct reader *r) {
    vm_set used = 0;
    for (int i = 0; i < r->c->nrules; i++)
        used |= r->c->rules[i].enabled ? r->c->rules[i].vm_mask : 0;
    for (int i = 0; i < r->c->npci_rules; i++)
        used |= r->c->pci_rules[i].enabled && r->c->pci_rules[i].vm >= 0 ? (vm_set)1 << r->c->pci_rules[i].vm : 0;
    for (int i = 0; i < r->c->nevdev_rules; i++)
        used |= r->c->evdev_rules[i].enabled && r->c->evdev_rules[i].vm >= 0 ? (vm_set)1 << r->c->evdev_rules[i].vm : 0;
    for (int i = 0; i < r->c->nacpi_rules; i++)
        used |= r->c->acpi_rules[i].enabled && r->c->acpi_rules[i].vm >= 0 ? (vm_set)1 << r->c->acpi_rules[i].vm : 0;
    bool all_read = r->report.count[DIAG_ERROR] == 0; /* else a rule that could not be read may use it */
    for (int vm = 0; vm < r->c->nvms && all_read; vm++) {
        if (!(used >> vm & 1))
            rd_note(r, r->scratch->vm_tok[vm], "no rule uses the VM '%s'", r->c->vms[vm].name);
    }
    for (int i = 0; i < r->c->nrules; i++) {
        if (r->c->rules[i].enabled)
            lint_rule(r, i);
    }
}
