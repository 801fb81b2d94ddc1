/*
 * conf_evdev.c - evdevPassthrough: rules and their allow and deny entries, patterns compiled; also its older form, one
 * object for one VM. Reads the form only; policy_evdev.c knows what an entry means.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/input_device.h"
#include "config/conf_read.h"

#include <string.h>

/* ---- entries ---- */

/* Of udev's properties those that are computed here. A name that looks like one of them is a slip. */
static const char *nearest_property(const char *name) {
    const char *found = NULL;
    int best = 3;
    for (int i = 0; i < INPUT_PROPERTIES && strlen(name) <= 63; i++) { /* the bound of str_distance() */
        int d = str_distance(name, input_property_name(i), best);
        if (d > best)
            continue;
        found = input_property_name(i);
        best = d - 1;
        if (best < 0)
            break; /* only the case differs: udev's names have one */
    }
    return found;
}

static bool read_property(struct reader *r, int tok, struct evdev_entry *e, bool denies) {
    char name[VH_NAME_MAX];
    e->property = -1;
    if (!rd_copy(r, tok, name, sizeof name, "the name of a udev property such as \"ID_INPUT_TOUCHPAD\""))
        return false;
    int found = input_property_find(name);
    const char *near = found < 0 ? nearest_property(name) : NULL;
    e->property = (int8_t)found;
    if (near != NULL)
        rd_error(r, tok, "no such property '%s': did you mean '%s'?", name, near);
    else if (found < 0 && denies && e->enabled)
        rd_error(r, tok, "the property '%s' is not known here: the entry denies nothing", name);
    else if (found < 0 && e->enabled)
        rd_warn(r, tok, "the property '%s' is not known here: it matches nothing", name);
    return near == NULL && (found >= 0 || !denies || !e->enabled);
}
_Static_assert(INPUT_PROPERTIES <= INT8_MAX, "the number of a property fits");

/* The older daemons stop looking for a rule at a number, so it cannot be meant. */
static bool read_value(struct reader *r, int tok, struct evdev_entry *e) {
    size_t n = 0;
    const char *text = rd_raw(r, tok, &n);
    if (json_type(&r->j, tok) == JSON_NUMBER && n <= 32) {
        rd_error(r, tok, "the value of a property is a text: write \"%.*s\"", (int)n, text);
        return false;
    }
    const char *value = rd_keep(r, tok);
    if (value != NULL && *value == '\0') {
        rd_expected(r, tok, "a value, such as \"1\"");
        return false;
    }
    e->value = value != NULL ? value : "";
    return value != NULL;
}

/* ID_INPUT and its kind are "1", or not there. */
static bool check_value(struct reader *r, int tok, const struct evdev_entry *e, bool denies) {
    if (e->property < 0 || e->property >= INPUT_CLASSES || str_eq(e->value, "1") || !e->enabled)
        return true;
    if (denies)
        rd_error(r, tok, "'%s' has no value but \"1\": the entry denies nothing", input_property_name(e->property));
    else
        rd_warn(r, tok, "'%s' has no value but \"1\": this matches nothing", input_property_name(e->property));
    return !denies;
}

/* misspelt: the one that is missing may be another key's slip. */
static bool read_pair(struct reader *r, struct evdev_entry *e, const int *v, bool denies, bool misspelt) {
    if (v[EENT_PROPERTY] < 0 && v[EENT_VALUE] < 0)
        return true;
    if (v[EENT_PROPERTY] < 0 || v[EENT_VALUE] < 0) {
        if (!misspelt)
            rd_error(r, v[EENT_PROPERTY] < 0 ? v[EENT_VALUE] : v[EENT_PROPERTY],
                     "'property' and 'value' need each other");
        return false;
    }
    bool named = read_property(r, v[EENT_PROPERTY], e, denies), valued = read_value(r, v[EENT_VALUE], e);
    e->fields |= EF_PROPERTY;
    return named && valued && check_value(r, v[EENT_VALUE], e, denies);
}

/* A deny entry that denies nothing opens what it should close. */
static void no_field(struct reader *r, int object, bool denies) {
    if (denies)
        rd_error(r, object, "a 'deny' entry without any field denies nothing");
    else
        rd_warn(r, object, "an entry without any field matches nothing");
}

static void read_entry(struct reader *r, int object, bool denies) {
    int v[CONF_KEYS_MAX];
    bool sound = true;
    struct evdev_entry *e = &r->c->evdev_entries[r->c->nevdev_entries];
    *e = (struct evdev_entry){.value = "", .property = -1, .line = rd_line(r, object)};
    r->scratch->evdev_entry_tok[r->c->nevdev_entries] = object;
    if (!rd_object(r, object, OBJ_EVDEV_ENTRY, v))
        return;
    bool misspelt = r->misspelt;
    r->c->nevdev_entries++;
    uint32_t mark = r->c->nstrings;
    (void)rd_description(r, v[EENT_DESCRIPTION]);
    r->c->nstrings = mark; /* checked, not kept */
    e->enabled = rd_enabled(r, v[EENT_ENABLE], v[EENT_DISABLE]);
    if (v[EENT_NAME] >= 0) {
        e->fields |= EF_NAME;
        sound &= rd_pattern(r, v[EENT_NAME], &e->name);
    }
    if (v[EENT_PATH_TAG] >= 0) {
        e->fields |= EF_PATH_TAG;
        sound &= rd_pattern(r, v[EENT_PATH_TAG], &e->path_tag);
    }
    sound &= read_pair(r, e, v, denies && e->enabled, misspelt);
    if (e->fields == 0 && sound && !misspelt)
        no_field(r, object, denies && e->enabled);
    if (!sound || misspelt)
        e->fields = 0; /* no further problem of this entry is reported */
}

static void read_entries(struct reader *r, int array, bool denies, uint16_t *first, uint16_t *n) {
    *first = r->c->nevdev_entries;
    *n = 0;
    if (array < 0 || !rd_array(r, array, "an array of entries"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nevdev_entries == VH_MAX_EVDEV_ENTRIES) {
            rd_error(r, t, "more than %d allow and deny entries of evdevPassthrough in all (VH_MAX_EVDEV_ENTRIES)",
                     VH_MAX_EVDEV_ENTRIES);
            break;
        }
        read_entry(r, t, denies);
    }
    *n = (uint16_t)(r->c->nevdev_entries - *first);
}

/* ---- rules ---- */

static struct evdev_rule *begin_rule(struct reader *r, int object) {
    struct evdev_rule *rule = &r->c->evdev_rules[r->c->nevdev_rules];
    *rule = (struct evdev_rule){.description = "", .tag = "", .vm = -1, .line = rd_line(r, object)};
    r->scratch->evdev_rule_tok[r->c->nevdev_rules] = object;
    return rule;
}

static void read_rule(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    struct evdev_rule *rule = begin_rule(r, object);
    if (!rd_object(r, object, OBJ_EVDEV_RULE, v))
        return;
    bool misspelt = r->misspelt;
    r->c->nevdev_rules++;
    rule->description = rd_description(r, v[ERULE_DESCRIPTION]);
    rule->enabled = rd_enabled(r, v[ERULE_ENABLE], v[ERULE_DISABLE]);
    if (!misspelt || !rd_empty(r, v[ERULE_TARGET]))
        rd_target(r, object, v[ERULE_TARGET], GOES_NOWHERE, &rule->enabled, &rule->vm);
    rd_tag(r, v[ERULE_TAG], &rule->tag);
    read_entries(r, v[ERULE_ALLOW], false, &rule->allow, &rule->nallow);
    read_entries(r, v[ERULE_DENY], true, &rule->deny, &rule->ndeny);
    if (rd_empty(r, v[ERULE_ALLOW]) && !misspelt)
        rd_warn(r, object, "no 'allow' entry: the rule never applies");
}

/* Until autumn 2025: one object, whose rules are entries of today. The prefix of ports is not needed: a VM's free ports
 * are found without it. Without rules that object meant every input device; today's Python daemon gives away none. */
static void read_object(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    struct evdev_rule *rule = begin_rule(r, object);
    if (!rd_object(r, object, OBJ_EVDEV, v))
        return;
    bool misspelt = r->misspelt;
    uint32_t mark = r->c->nstrings;
    if (v[EVD_PREFIX] >= 0)
        (void)rd_keep(r, v[EVD_PREFIX]);
    r->c->nstrings = mark; /* checked, not kept */
    rule->enabled = rd_enabled(r, v[EVD_ENABLE], v[EVD_DISABLE]);
    if (rd_empty(r, v[EVD_TARGET]) && rd_empty(r, v[EVD_RULES]) && !misspelt)
        return; /* generators write it */
    r->c->nevdev_rules++;
    rule->description = rd_description(r, v[EVD_DESCRIPTION]);
    if (!misspelt || !rd_empty(r, v[EVD_TARGET]))
        rd_target(r, object, v[EVD_TARGET], GOES_NOWHERE, &rule->enabled, &rule->vm);
    read_entries(r, v[EVD_RULES], false, &rule->allow, &rule->nallow);
    if (rule->enabled && rd_empty(r, v[EVD_RULES]) && !misspelt)
        rd_warn(r, object, "an object without 'rules' names no device: the rule never applies");
    else if (rule->enabled)
        rd_note(r, object, "this form is of 2025; today it is an array of rules, each with 'targetVm' and 'allow'");
}

static void read_array(struct reader *r, int array) {
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nevdev_rules == VH_MAX_EVDEV_RULES) {
            rd_error(r, t, "more than %d rules of evdevPassthrough (VH_MAX_EVDEV_RULES)", VH_MAX_EVDEV_RULES);
            return;
        }
        read_rule(r, t);
    }
}

void conf_read_evdev(struct reader *r, int tok) {
    bool any = false;
    if (json_type(&r->j, tok) == JSON_OBJECT)
        read_object(r, tok);
    else if (rd_array(r, tok, "an array of rules"))
        read_array(r, tok);
    for (int i = 0; i < r->c->nevdev_rules; i++)
        any = any || (r->c->evdev_rules[i].enabled && r->c->evdev_rules[i].nallow > 0);
    if (any)
        rd_warn(r, tok,
                "rules of 'evdevPassthrough' hold when a VM is started (vmm args): no input device is given to a "
                "running VM yet");
}
