/*
 * policy_evdev.c - matches rules of evdevPassthrough against input devices. Owns the meaning of an entry's fields.
 */
#include "config/policy_evdev.h"

#include <string.h>
#include <strings.h>

static bool field_matches(const struct conf *c, const struct evdev_entry *e, const struct input_device *d,
                          unsigned field) {
    char room[VH_INPUT_PATH];
    switch (field) {
    case EF_NAME: /* what a device has not got matches no pattern, not even one that takes an empty text */
        return d->name[0] != '\0' && regex_match(&c->regexes, &e->name, d->name, strlen(d->name));
    case EF_PATH_TAG:
        input_path_tag(d->path, room);
        return room[0] != '\0' && regex_match(&c->regexes, &e->path_tag, room, strlen(room));
    default: /* EF_PROPERTY; its value is never empty */
        return e->property >= 0 && strcasecmp(input_property_value(d, e->property, room), e->value) == 0;
    }
}

bool policy_evdev_entry_matches(const struct conf *c, const struct evdev_entry *e, const struct input_device *d) {
    unsigned given = 0, matched = 0;
    for (unsigned field = EF_NAME; field <= EF_PROPERTY && e->enabled; field <<= 1) {
        if (!(e->fields & field))
            continue;
        given++;
        matched += field_matches(c, e, d, field);
    }
    return c->rule_match_any ? matched > 0 : given > 0 && matched == given;
}

/* The first of n entries from `first` on that matches, -1 none. */
static int first_match(const struct conf *c, const struct input_device *d, int first, int n) {
    for (int i = first; i < first + n; i++) {
        if (policy_evdev_entry_matches(c, &c->evdev_entries[i], d))
            return i;
    }
    return -1;
}

int policy_evdev_rule(const struct conf *c, const struct input_device *d, int *entry) {
    for (int i = 0; i < c->nevdev_rules && d->bus != INPUT_USB; i++) {
        const struct evdev_rule *rule = &c->evdev_rules[i];
        if (!rule->enabled)
            continue;
        *entry = first_match(c, d, rule->allow, rule->nallow);
        if (*entry >= 0 && first_match(c, d, rule->deny, rule->ndeny) < 0)
            return i;
    }
    *entry = -1;
    return -1;
}
