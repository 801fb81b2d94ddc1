/*
 * conf_lost.c - what a reload would lose by mistake: a rule that never applies in the new configuration and applied in
 * the one in force. Decides which rule of the one in force a new rule was; never changes anything.
 *
 * To take a rule out, or to disable it, is a decision. A rule that is there, enabled, and never applies is a mistake,
 * and would cost devices their VMs.
 */
#include "base/str.h"
#include "config/conf_read.h"

#include <stdint.h>
#include <string.h>

/* ---- one entry in two configurations ---- */

static bool same_pattern(const struct conf *ca, const struct regex *a, const struct conf *cb, const struct regex *b) {
    return regex_same(&ca->regexes, a, &cb->regexes, b);
}

static bool same_ids(const struct entry *a, const struct entry *b) {
    return a->fields == b->fields && a->vid == b->vid && a->pid == b->pid && a->bus == b->bus &&
           a->dev_class == b->dev_class && a->dev_sub == b->dev_sub && a->dev_proto == b->dev_proto &&
           a->if_class == b->if_class && a->if_sub == b->if_sub && a->if_proto == b->if_proto &&
           a->removable == b->removable && str_eq(a->port, b->port) && str_eq(a->serial, b->serial);
}

static bool same_classes(const struct conf *ca, const struct entry *a, const struct conf *cb, const struct entry *b) {
    bool same = a->nclasses == b->nclasses;
    for (int i = 0; i < a->nclasses && same; i++) {
        const struct iface_class *x = &ca->classes[a->classes + i], *y = &cb->classes[b->classes + i];
        same = x->fields == y->fields && x->cls == y->cls && x->sub == y->sub && x->proto == y->proto;
    }
    return same;
}

static const char *place_name(const struct conf *c, const struct entry_place *p) {
    return p->path != NULL ? p->path : c->connectors[p->connector].name;
}

static bool same_places(const struct conf *ca, const struct entry *a, const struct conf *cb, const struct entry *b) {
    bool same = a->nplaces == b->nplaces && a->direct == b->direct;
    for (int i = 0; i < a->nplaces && same; i++)
        same = str_eq(place_name(ca, &ca->places[a->places + i]), place_name(cb, &cb->places[b->places + i]));
    return same;
}

/* Fields that are not given are 0 or empty in both. */
static bool same_entry(const struct conf *ca, const struct entry *a, const struct conf *cb, const struct entry *b) {
    return same_ids(a, b) && same_classes(ca, a, cb, b) && same_places(ca, a, cb, b) &&
           same_pattern(ca, &a->vendor_name, cb, &b->vendor_name) &&
           same_pattern(ca, &a->product_name, cb, &b->product_name) &&
           same_pattern(ca, &a->driver_path, cb, &b->driver_path);
}

/* Do the two rules have an entry in common? */
static bool share_entry(const struct conf *ca, const struct rule *a, const struct conf *cb, const struct rule *b) {
    for (int i = 0; i < a->nallow; i++) {
        for (int k = 0; k < b->nallow; k++) {
            const struct entry *x = &ca->entries[a->allow + i], *y = &cb->entries[b->allow + k];
            if (x->fields != 0 && same_entry(ca, x, cb, y))
                return true;
        }
    }
    return false;
}

/* ---- one rule in two configurations ---- */

static bool same_vms(const struct conf *ca, const struct rule *a, const struct conf *cb, const struct rule *b) {
    bool same = a->nvms == b->nvms && a->nvms > 0;
    for (int i = 0; i < a->nvms && same; i++)
        same = str_eq(ca->vms[a->vms[i]].name, cb->vms[b->vms[i]].name);
    return same;
}

/* How much new rule i looks like old rule k; 0: not at all. The same file read again fits itself best. */
static int likeness(const struct conf *fresh, int i, const struct conf *old, int k) {
    const struct rule *a = &fresh->rules[i], *b = &old->rules[k];
    int points = i == k && fresh->nrules == old->nrules ? 1 : 0;
    points += a->description[0] != '\0' && str_eq(a->description, b->description) ? 6 : 0;
    points += a->tag[0] != '\0' && str_eq(a->tag, b->tag) ? 3 : 0;
    points += same_vms(fresh, a, old, b) ? 2 : 0;
    return points + (share_entry(fresh, a, old, b) ? 6 : 0);
}

static bool applied(const struct rule *rule) {
    return rule->enabled && !rule->idle;
}

/* How much the rule that applies and looks most like old rule k does. */
static int best_applied(const struct conf *fresh, const struct conf *old, int k) {
    int best = 0;
    for (int j = 0; j < fresh->nrules; j++) {
        int points = applied(&fresh->rules[j]) ? likeness(fresh, j, old, k) : 0;
        best = points > best ? points : best;
    }
    return best;
}

/* Is there a rule that applies and looks like old rule k as much as idle new rule i does? Then that one is old rule k.
 * best: of each old rule, -1 before it was needed. Without it the work would grow with the number of idle rules times
 * that of all entries, squared. */
static bool lives_on(const struct conf *fresh, int i, const struct conf *old, int k, int8_t best[VH_MAX_RULES]) {
    if (best[k] < 0)
        best[k] = (int8_t)best_applied(fresh, old, k); /* a few points */
    return best[k] >= likeness(fresh, i, old, k);
}

/* The old rule that looks most like new rule i; of equals one that applied: what is said can be answered, while a
 * device that is lost is lost. -1: none looks like it. */
static int find_old(const struct conf *fresh, int i, const struct conf *old) {
    int best = 0, found = -1;
    for (int k = 0; k < old->nrules; k++) {
        int points = likeness(fresh, i, old, k);
        if (points > best || (points > 0 && points == best && applied(&old->rules[k]))) {
            best = points;
            found = k;
        }
    }
    return found;
}

static bool is_lost(const struct conf *fresh, int i, const struct conf *old, int8_t best[VH_MAX_RULES]) {
    int k = fresh->rules[i].idle ? find_old(fresh, i, old) : -1;
    return k >= 0 && applied(&old->rules[k]) && !lives_on(fresh, i, old, k, best);
}

void conf_lost(struct reader *r, const struct conf *old) {
    int8_t best[VH_MAX_RULES];
    memset(best, -1, sizeof best);
    for (int i = 0; i < r->c->nrules; i++) {
        if (is_lost(r->c, i, old, best))
            rd_error(r, r->scratch->rule_tok[i],
                     "the rule applies in the configuration in force and never would in this one: disable it or take "
                     "it out if that is meant");
    }
}
