/*
 * policy.c - matches rules against devices. Owns the meaning of an entry's fields. Pure, and fast enough to run for
 * every device after every change: one bit excludes rules for other vendors, numbers are compared before texts, texts
 * before patterns.
 */
#include "config/policy.h"

#include "base/str.h"
#include "codec/modalias.h"
#include "config/connectors.h"

#include <string.h>

#define RESTRICTING (F_REMOVABLE | F_SERIAL | F_ALL_IFACES | F_CONNECTOR) /* in both readings */
#define PATTERN_FIELDS (F_VENDOR_NAME | F_PRODUCT_NAME | F_DRIVER_PATH)

static bool name_matches(const struct conf *c, const struct regex *re, const char *text) {
    return regex_match(&c->regexes, re, text, strlen(text));
}

static bool driver_matches(const struct conf *c, const struct regex *re, const struct device *dev) {
    for (int i = 0; i < VH_MAX_DRIVERS && dev->driver_path[i] != NULL; i++) {
        if (name_matches(c, re, dev->driver_path[i]))
            return true;
    }
    return false;
}

static bool port_matches(const struct conf *c, const char *port, const struct device *dev) {
    size_t n = strlen(port);
    if (str_eq(port, dev->usb.port_path))
        return true;
    return c->rule_match_any && !strchr(port, '.') && strncmp(port, dev->usb.port_path, n) == 0 &&
           dev->usb.port_path[n] == '.';
}

static bool is_of_class(const struct iface_class *want, const struct usb_iface *i) {
    return (!(want->fields & F_IF_CLASS) || want->cls == i->cls) &&
           (!(want->fields & F_IF_SUBCLASS) || want->sub == i->sub) &&
           (!(want->fields & F_IF_PROTOCOL) || want->proto == i->proto);
}

int policy_stray_iface(const struct conf *c, const struct entry *e, const struct device *dev) {
    for (int i = 0; i < dev->usb.nifaces; i++) {
        int k = 0;
        while (k < e->nclasses && !is_of_class(&c->classes[e->classes + k], &dev->usb.ifaces[i]))
            k++;
        if (k == e->nclasses)
            return i;
    }
    return -1;
}

/* What cannot be read might be anything. */
static bool all_ifaces_match(const struct conf *c, const struct entry *e, const struct device *dev) {
    return dev->usb.nifaces > 0 && dev->malformed[0] == '\0' && policy_stray_iface(c, e, dev) < 0;
}

/* One field, other than those of one interface. */
static bool field_matches(const struct conf *c, const struct entry *e, const struct device *dev, unsigned field) {
    switch (field) {
    case F_VID:
        return e->vid == dev->vid;
    case F_PID:
        return e->pid == dev->pid;
    case F_BUS:
        return e->bus == dev->usb.busnum;
    case F_DEV_CLASS:
        return e->dev_class == dev->cls;
    case F_DEV_SUBCLASS:
        return e->dev_sub == dev->sub;
    case F_DEV_PROTOCOL:
        return e->dev_proto == dev->proto;
    case F_REMOVABLE:
        return e->removable >> dev->usb.removable & 1;
    case F_PORT:
        return port_matches(c, e->port, dev);
    case F_SERIAL:
        return str_eq(e->serial, dev->serial);
    case F_VENDOR_NAME:
        return name_matches(c, &e->vendor_name, dev->vendor_name);
    case F_PRODUCT_NAME:
        return name_matches(c, &e->product_name, dev->product_name);
    case F_CONNECTOR:
        return connector_matches(c, e, dev);
    case F_ALL_IFACES:
        return all_ifaces_match(c, e, dev);
    default: /* F_DRIVER_PATH */
        return modalias_by_ids_only(dev) && driver_matches(c, &e->driver_path, dev);
    }
}

/* Those of `fields` that fail; with `first`, stops at the first one. */
static unsigned failing(const struct conf *c, const struct entry *e, const struct device *dev, unsigned fields,
                        bool first) {
    unsigned missed = 0;
    while (fields != 0 && !(first && missed != 0)) {
        unsigned field = fields & (~fields + 1); /* the lowest bit */
        fields &= fields - 1;
        if (!field_matches(c, e, dev, field))
            missed |= field;
    }
    return missed;
}

static unsigned iface_misses(const struct entry *e, const struct usb_iface *i) {
    unsigned missed = 0;
    if ((e->fields & F_IF_CLASS) && e->if_class != i->cls)
        missed |= F_IF_CLASS;
    if ((e->fields & F_IF_SUBCLASS) && e->if_sub != i->sub)
        missed |= F_IF_SUBCLASS;
    if ((e->fields & F_IF_PROTOCOL) && e->if_proto != i->proto)
        missed |= F_IF_PROTOCOL;
    return missed;
}

/* The interface fields that fail on the interface where the fewest do; without interfaces all given ones. */
static unsigned ifaces_miss(const struct entry *e, const struct device *dev) {
    unsigned best = e->fields & F_IFACE;
    for (int i = 0; i < dev->usb.nifaces && best != 0; i++) {
        unsigned missed = iface_misses(e, &dev->usb.ifaces[i]);
        if (__builtin_popcount(missed) < __builtin_popcount(best))
            best = missed;
    }
    return best;
}

static bool matches_all(const struct conf *c, const struct entry *e, const struct device *dev) {
    unsigned quick = e->fields & ~(unsigned)(F_IFACE | PATTERN_FIELDS);
    return failing(c, e, dev, quick, true) == 0 && ifaces_miss(e, dev) == 0 &&
           failing(c, e, dev, e->fields & PATTERN_FIELDS, true) == 0;
}

static bool group_matches(const struct conf *c, const struct entry *e, const struct device *dev, unsigned group) {
    unsigned given = e->fields & group;
    return given != 0 && failing(c, e, dev, given, true) == 0;
}

static bool matches_any(const struct conf *c, const struct entry *e, const struct device *dev) {
    static const unsigned groups[] = {F_VID | F_PID, F_BUS | F_PORT, F_DEV_CLASS | F_DEV_SUBCLASS | F_DEV_PROTOCOL};
    static const unsigned patterns[] = {F_VENDOR_NAME, F_PRODUCT_NAME, F_DRIVER_PATH};
    if (failing(c, e, dev, e->fields & RESTRICTING, true) != 0)
        return false;
    if ((e->fields & ~(unsigned)RESTRICTING) == 0 && e->fields != F_REMOVABLE)
        return true;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (group_matches(c, e, dev, groups[i]))
            return true;
    }
    if ((e->fields & F_IFACE) && ifaces_miss(e, dev) == 0)
        return true;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (group_matches(c, e, dev, patterns[i]))
            return true;
    }
    return false;
}

bool policy_entry_matches(const struct conf *c, const struct entry *e, const struct device *dev) {
    if (!e->enabled || e->fields == 0)
        return false;
    return c->rule_match_any ? matches_any(c, e, dev) : matches_all(c, e, dev);
}

uint32_t policy_entry_misses(const struct conf *c, const struct entry *e, const struct device *dev) {
    unsigned other = e->fields & ~(unsigned)F_IFACE;
    return failing(c, e, dev, other, false) | ifaces_miss(e, dev);
}

static bool one_matches(const struct conf *c, const struct device *dev, uint16_t first, uint16_t n) {
    for (unsigned i = first; i < (unsigned)first + n; i++) {
        if (policy_entry_matches(c, &c->entries[i], dev))
            return true;
    }
    return false;
}

static bool host_allows(const struct conf *c, const struct device *dev) {
    const struct authorization *a = &c->authorization;
    if (!a->enabled || dev->kind != KIND_USB || dev->malformed[0] != '\0')
        return false;
    for (int i = a->allow; i < a->allow + a->nallow; i++) {
        if (policy_entry_matches(c, &c->entries[i], dev))
            return true;
    }
    return false;
}

bool policy_authorises(const struct conf *c, const struct rule *r, const struct device *dev) {
    if (r != NULL && (r->host || r->nvms > 0))
        return r->host;
    return host_allows(c, dev);
}

bool policy_keeps_from_host(const struct conf *c, enum quarantine q, const struct rule *r, const struct device *dev) {
    if (q == QUARANTINE_OFF || (r != NULL && r->host))
        return false;
    return (r != NULL && r->nvms > 0) || (q == QUARANTINE_ALL && !host_allows(c, dev));
}

bool policy_denies(const struct conf *c, const struct device *dev) {
    for (int i = 0; i < c->nrules; i++) {
        const struct rule *rule = &c->rules[i];
        if (rule->enabled && one_matches(c, dev, rule->deny, rule->ndeny))
            return true;
    }
    return false;
}

/* A vendor's kind, one of 64, as a bit. */
static uint64_t kind_of(uint16_t vid) {
    return (uint64_t)1 << (vid * UINT32_C(0x9e3779b1) >> 26);
}

static uint64_t kinds_that_fit(const struct conf *c, const struct rule *rule) {
    uint64_t kinds = 0;
    for (unsigned i = rule->allow; i < (unsigned)rule->allow + rule->nallow && rule->enabled; i++) {
        const struct entry *e = &c->entries[i];
        if (e->enabled && e->fields != 0)
            kinds |= (e->fields & F_VID) != 0 && !c->rule_match_any ? kind_of(e->vid) : UINT64_MAX;
    }
    return kinds;
}

void policy_index(struct conf *c) {
    for (int i = 0; i < c->nrules; i++)
        c->not_of[i] = ~kinds_that_fit(c, &c->rules[i]);
}

int policy_rule(const struct conf *c, const struct device *dev) {
    uint64_t kind = kind_of(dev->vid);
    if (dev->malformed[0] != '\0') /* no allow entry matches it, so no rule can apply */
        return -1;
    for (int i = 0; i < c->nrules; i++) {
        if ((c->not_of[i] & kind) != 0)
            continue;
        const struct rule *rule = &c->rules[i];
        if (rule->enabled && one_matches(c, dev, rule->allow, rule->nallow) &&
            !one_matches(c, dev, rule->deny, rule->ndeny))
            return i;
    }
    return -1;
}
