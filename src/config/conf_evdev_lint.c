/*
 * conf_evdev_lint.c - what is valid in evdevPassthrough but probably not meant: entries that an earlier one leaves
 * nothing to decide, and those that the two readings of general.ruleMatch take differently. Changes nothing.
 */
#include "base/str.h"
#include "config/conf_read.h"

#include <strings.h>

/* Does entry a certainly match every device that b matches? With "all", if it has b's fields or fewer, of the same
 * values; with "any", if it has those or more. */
static bool covers(const struct conf *c, const struct evdev_entry *a, const struct evdev_entry *b) {
    unsigned few = c->rule_match_any ? b->fields : a->fields, many = c->rule_match_any ? a->fields : b->fields;
    if (!a->enabled || a->fields == 0 || (few & ~many) != 0)
        return false;
    return (!(few & EF_NAME) || regex_same(&c->regexes, &a->name, &c->regexes, &b->name)) &&
           (!(few & EF_PATH_TAG) || regex_same(&c->regexes, &a->path_tag, &c->regexes, &b->path_tag)) &&
           (!(few & EF_PROPERTY) || (a->property == b->property && strcasecmp(a->value, b->value) == 0));
}

static const struct evdev_entry *taken_by(const struct conf *c, int first, int n, int entry) {
    for (int e = first; e < first + n && e < entry; e++) {
        if (covers(c, &c->evdev_entries[e], &c->evdev_entries[entry]))
            return &c->evdev_entries[e];
    }
    return NULL;
}

/* A deny entry of the earlier rule may leave it something. */
static void shadowed(struct reader *r, int rule, int entry) {
    const struct conf *c = r->c;
    for (int i = 0; i <= rule; i++) {
        const struct evdev_rule *earlier = &c->evdev_rules[i];
        if (!earlier->enabled || (earlier->ndeny > 0 && i < rule))
            continue;
        const struct evdev_entry *e = taken_by(c, earlier->allow, earlier->nallow, entry);
        if (e == NULL)
            continue;
        rd_warn(r, r->scratch->evdev_entry_tok[entry], "the entry on line %u matches every device that this one does",
                e->line);
        return;
    }
}

static void readings(struct reader *r, const struct evdev_entry *e, int tok) {
    bool several = (e->fields & (e->fields - 1)) != 0;
    if (several && r->c->rule_match_any)
        rd_note(r, tok, "any one field suffices here; with \"ruleMatch\": \"all\" every one must match");
    else if (several)
        rd_note(r, tok, "every field must match here; with \"ruleMatch\": \"any\" one of them would suffice");
}

void conf_lint_evdev(struct reader *r) {
    for (int i = 0; i < r->c->nevdev_rules; i++) {
        const struct evdev_rule *rule = &r->c->evdev_rules[i];
        for (int e = rule->allow; e < rule->allow + rule->nallow + rule->ndeny && rule->enabled; e++) {
            const struct evdev_entry *entry = &r->c->evdev_entries[e];
            if (!entry->enabled || entry->fields == 0)
                continue;
            if (r->foreign)
                readings(r, entry, r->scratch->evdev_entry_tok[e]);
            if (e < rule->allow + rule->nallow)
                shadowed(r, i, e);
        }
    }
}
