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
    uint16_t mask;
    const char *name;
} groups[] = {
    {F_VID | F_PID, "the ids"},
    {F_VENDOR_NAME, "vendorName"},
    {F_PRODUCT_NAME, "productName"},
    {F_BUS | F_PORT, "bus and port"},
    {F_DEV_CLASS | F_DEV_SUBCLASS | F_DEV_PROTOCOL, "the device class"},
    {F_IF_CLASS | F_IF_SUBCLASS | F_IF_PROTOCOL, "the interface class"},
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

static bool same_numbers(const struct entry *a, const struct entry *b) {
    uint16_t f = a->fields;
    return (!(f & F_VID) || a->vid == b->vid) && (!(f & F_PID) || a->pid == b->pid) &&
           (!(f & F_BUS) || a->bus == b->bus) && (!(f & F_DEV_CLASS) || a->dev_class == b->dev_class) &&
           (!(f & F_DEV_SUBCLASS) || a->dev_sub == b->dev_sub) &&
           (!(f & F_DEV_PROTOCOL) || a->dev_proto == b->dev_proto) &&
           (!(f & F_IF_CLASS) || a->if_class == b->if_class) && (!(f & F_IF_SUBCLASS) || a->if_sub == b->if_sub) &&
           (!(f & F_IF_PROTOCOL) || a->if_proto == b->if_proto) &&
           (!(f & F_REMOVABLE) || (b->removable & ~a->removable) == 0);
}

/* True if entry a certainly matches every device that b matches: a's fields are among b's, with the same values. In the
 * "any" reading more fields match more devices, so the fields must be the same. */
static bool covers(const struct reader *r, int ia, int ib) {
    static const int patterns[] = {ENT_VENDOR_NAME, ENT_PRODUCT_NAME, ENT_DRIVER_PATH};
    const struct entry *a = &r->c->entries[ia], *b = &r->c->entries[ib];
    if (!a->enabled || a->fields == 0 || (a->fields & ~b->fields) || (r->c->rule_match_any && a->fields != b->fields))
        return false;
    if (!same_numbers(a, b) || ((a->fields & F_PORT) && !str_eq(a->port, b->port)) ||
        ((a->fields & F_SERIAL) && !str_eq(a->serial, b->serial)))
        return false;
    for (size_t i = 0; i < 3; i++) {
        if ((a->fields >> patterns[i] & 1) &&
            !same_pattern(r, r->scratch->entry_tok[ia], r->scratch->entry_tok[ib], patterns[i]))
            return false;
    }
    return true;
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

/* ---- the whole ---- */

static void lint_rule(struct reader *r, int i) {
    const struct rule *rule = &r->c->rules[i];
    int live = 0, dead = 0;
    for (int e = rule->allow; e < rule->allow + rule->nallow + rule->ndeny; e++) {
        const struct entry *entry = &r->c->entries[e];
        if (!entry->enabled || entry->fields == 0)
            continue;
        readings(r, entry, r->scratch->entry_tok[e]);
        if (e >= rule->allow + rule->nallow)
            continue;
        bool is_dead = shadowed(r, i, e);
        live += !is_dead;
        dead += is_dead;
    }
    if (live == 0 && dead > 1)
        rd_warn(r, r->scratch->rule_tok[i], "the rule never decides: none of its entries does");
}

void conf_lint(struct reader *r) {
    vm_set used = 0;
    for (int i = 0; i < r->c->nrules; i++)
        used |= r->c->rules[i].enabled ? r->c->rules[i].vm_mask : 0;
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
