/*
 * conf_rule.c - usbPassthrough: rules and their allow and deny entries, patterns compiled. Reads the form only;
 * policy.c knows what an entry means.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/usb_place.h"
#include "config/conf_read.h"

#include <string.h>

/* ---- entries ---- */

/* Digits in quotes may be meant as a decimal number. */
static void note_hex(struct reader *r, int tok, uint32_t hex) {
    size_t n = 0;
    uint64_t decimal = 0;
    const char *s = rd_raw(r, tok, &n);
    if (n == 2 && str_uint(s, n, 99, &decimal) && decimal != hex)
        rd_note(r, tok, "a string is hexadecimal: this is %u; for %u write the number %u without quotes", (unsigned)hex,
                (unsigned)decimal, (unsigned)decimal);
}

/* A class, subclass or protocol: a JSON number is decimal, as the older daemons write it; a string is hex, as lsusb
 * prints. */
static bool read_class(struct reader *r, int tok, uint8_t *out) {
    static const char what[] = "a number from 0 to 255, or a string of two hex digits such as \"e0\"";
    size_t n = 0;
    uint32_t hex = 0;
    uint64_t u = 0;
    if (json_type(&r->j, tok) == JSON_STRING) {
        const char *s = rd_raw_hex(r, tok, &n);
        if (n < 1 || n > 2 || !str_hex(s, n, &hex)) {
            rd_expected(r, tok, what);
            return false;
        }
        *out = (uint8_t)hex;
        note_hex(r, tok, hex);
        return true;
    }
    if (!rd_uint(r, tok, 0, 255, what, &u))
        return false;
    *out = (uint8_t)u;
    return true;
}

static bool read_bus(struct reader *r, int tok, uint8_t *out) {
    uint64_t u = 0;
    if (!rd_uint(r, tok, 1, 255, "a bus number from 1 to 255", &u))
        return false;
    *out = (uint8_t)u;
    return true;
}

static bool read_port(struct reader *r, int tok, const char **out) {
    enum json_type type = json_type(&r->j, tok);
    size_t n = 0;
    const char *s = rd_raw(r, tok, &n);
    char *dst = r->c->strings + r->c->nstrings;
    if ((type != JSON_NUMBER && type != JSON_STRING) || !usb_port_path_exact(s, n)) {
        rd_expected(r, tok, "a port from 1 to 255 such as 2, or a path behind hubs such as \"2.3\"");
        return false;
    }
    if (type == JSON_NUMBER && memchr(s, '.', n)) { /* 2.10 as a number would be 2.1 */
        rd_error(r, tok, "a port path is written as a string: \"%.*s\"", (int)n, s);
        return false;
    }
    if (!str_copyn(dst, sizeof r->c->strings - r->c->nstrings, s, n)) {
        rd_error(r, tok, "no room for this string: all strings together may have %d bytes (VH_CONF_STRINGS)",
                 VH_CONF_STRINGS);
        return false;
    }
    r->c->nstrings += (uint32_t)n + 1;
    *out = dst;
    return true;
}

static bool read_removable(struct reader *r, int tok, uint8_t *out) {
    static const char *const names[] = {
        [REMOVABLE_UNKNOWN] = "unknown", [REMOVABLE_FIXED] = "fixed", [REMOVABLE_REMOVABLE] = "removable"};
    static const char what[] = "\"fixed\", \"removable\" or \"unknown\", or an array of them";
    int which = 0;
    bool sound = true;
    if (json_type(&r->j, tok) == JSON_STRING) {
        if (!rd_choice(r, tok, names, 3, what, &which))
            return false;
        *out = (uint8_t)(1 << which);
        return true;
    }
    if (!rd_array(r, tok, what))
        return false;
    if (json_size(&r->j, tok) == 0)
        rd_warn(r, tok, "an empty list: the entry matches nothing");
    for (int t = json_first(&r->j, tok); t >= 0; t = json_next(&r->j, t)) {
        if (rd_choice(r, t, names, 3, "\"fixed\", \"removable\" or \"unknown\"", &which))
            *out |= (uint8_t)(1 << which);
        else
            sound = false;
    }
    return sound;
}

static bool read_serial(struct reader *r, int tok, const char **out) {
    const char *s = rd_keep(r, tok);
    if (s && *s == '\0') {
        rd_expected(r, tok, "a serial number");
        return false;
    }
    if (s && utf16_units(s) > VH_STRING_UNITS) {
        rd_error(r, tok, "no device has such a serial number: USB has at most %d characters", VH_STRING_UNITS);
        return false;
    }
    *out = s ? s : "";
    return s != NULL;
}

/* Subclasses and product ids differ in meaning from one class and vendor to the next. */
static void lonely_field(struct reader *r, const int *v, enum conf_object o, int key, int whole) {
    if (v[key] >= 0 && v[whole] < 0)
        rd_warn(r, v[key], "'%s' without '%s' means little: it differs from one to the next", keys_name(o, key),
                keys_name(o, whole));
}

/* One class of allInterfaces. False after an error. */
static bool read_iface_class(struct reader *r, int object, struct iface_class *out) {
    static const uint16_t bits[] = {
        [CLS_CLASS] = F_IF_CLASS, [CLS_SUBCLASS] = F_IF_SUBCLASS, [CLS_PROTOCOL] = F_IF_PROTOCOL};
    uint8_t *const values[] = {&out->cls, &out->sub, &out->proto};
    int v[CONF_KEYS_MAX];
    *out = (struct iface_class){0};
    if (!rd_object(r, object, OBJ_CLASS, v) || r->misspelt)
        return false;
    bool sound = true;
    for (int key = CLS_CLASS; key <= CLS_PROTOCOL; key++) {
        if (v[key] < 0)
            continue;
        out->fields |= bits[key];
        sound &= read_class(r, v[key], values[key]);
    }
    if (out->fields == 0) {
        rd_error(r, object, "a class without any field: each interface would be of it");
        return false;
    }
    if (sound)
        lonely_field(r, v, OBJ_CLASS, CLS_SUBCLASS, CLS_CLASS);
    return sound;
}

static bool read_all_ifaces(struct reader *r, struct entry *e, int array) {
    static const char what[] = "an array of classes such as [ { \"interfaceClass\": 3 } ]";
    bool sound = true;
    e->classes = r->c->nclasses;
    e->nclasses = 0;
    if (!rd_array(r, array, what))
        return false;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nclasses == VH_MAX_CLASSES) {
            rd_error(r, t, "more than %d classes in all (VH_MAX_CLASSES)", VH_MAX_CLASSES);
            return false;
        }
        if (read_iface_class(r, t, &r->c->classes[r->c->nclasses]))
            r->c->nclasses++;
        else
            sound = false;
    }
    e->nclasses = (uint16_t)(r->c->nclasses - e->classes);
    if (json_size(&r->j, array) == 0) {
        rd_error(r, array, "an empty list: no device would match");
        return false;
    }
    return sound;
}

static bool read_field(struct reader *r, struct entry *e, enum entry_key key, int tok) {
    switch (key) {
    case ENT_VENDOR_ID:
        return rd_id(r, tok, &e->vid);
    case ENT_PRODUCT_ID:
        return rd_id(r, tok, &e->pid);
    case ENT_VENDOR_NAME:
        return rd_pattern(r, tok, &e->vendor_name);
    case ENT_PRODUCT_NAME:
        return rd_pattern(r, tok, &e->product_name);
    case ENT_SERIAL:
        return read_serial(r, tok, &e->serial);
    case ENT_BUS:
        return read_bus(r, tok, &e->bus);
    case ENT_PORT:
        return read_port(r, tok, &e->port);
    case ENT_DEV_CLASS:
        return read_class(r, tok, &e->dev_class);
    case ENT_DEV_SUBCLASS:
        return read_class(r, tok, &e->dev_sub);
    case ENT_DEV_PROTOCOL:
        return read_class(r, tok, &e->dev_proto);
    case ENT_IF_CLASS:
        return read_class(r, tok, &e->if_class);
    case ENT_IF_SUBCLASS:
        return read_class(r, tok, &e->if_sub);
    case ENT_IF_PROTOCOL:
        return read_class(r, tok, &e->if_proto);
    case ENT_REMOVABLE:
        return read_removable(r, tok, &e->removable);
    case ENT_DRIVER_PATH:
        return rd_pattern(r, tok, &e->driver_path);
    case ENT_ALL_IFACES:
        return read_all_ifaces(r, e, tok);
    case ENT_CONNECTOR:
        return conf_read_places(r, e, tok);
    case ENT_DIRECT:
    case ENT_DESCRIPTION:
    case ENT_ENABLE:
    case ENT_DISABLE:
    case ENTRY_KEYS:
        break;
    }
    return false;
}

_Static_assert(1 << ENT_VENDOR_ID == F_VID && 1 << ENT_SERIAL == F_SERIAL && 1 << ENT_IF_CLASS == F_IF_CLASS &&
                   1 << ENT_DRIVER_PATH == F_DRIVER_PATH && 1 << ENT_ALL_IFACES == F_ALL_IFACES &&
                   1 << ENT_CONNECTOR == F_CONNECTOR,
               "keys and field bits are in one order");

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
    struct entry *e = &r->c->entries[r->c->nentries];
    memset(e, 0, sizeof *e);
    e->port = e->serial = "";
    e->line = rd_line(r, object);
    r->scratch->entry_tok[r->c->nentries] = object;
    if (!rd_object(r, object, OBJ_ENTRY, v))
        return;
    bool misspelt = r->misspelt;
    r->c->nentries++;
    e->description = rd_description(r, v[ENT_DESCRIPTION]);
    e->enabled = rd_enabled(r, v[ENT_ENABLE], v[ENT_DISABLE]);
    for (int key = ENT_VENDOR_ID; key <= ENT_CONNECTOR; key++) {
        if (v[key] < 0)
            continue;
        e->fields |= UINT32_C(1) << key;
        sound &= read_field(r, e, (enum entry_key)key, v[key]);
    }
    sound &= rd_bool(r, v[ENT_DIRECT], &e->direct);
    if (v[ENT_DIRECT] >= 0 && v[ENT_CONNECTOR] < 0)
        rd_warn(r, v[ENT_DIRECT], "'direct' without 'connector' means nothing");
    if (e->fields == 0 && !misspelt)
        no_field(r, object, denies && e->enabled);
    if (!sound || misspelt) {
        e->fields = 0; /* no further problem of this entry is reported */
        return;
    }
    lonely_field(r, v, OBJ_ENTRY, ENT_PRODUCT_ID, ENT_VENDOR_ID);
    lonely_field(r, v, OBJ_ENTRY, ENT_DEV_SUBCLASS, ENT_DEV_CLASS);
    lonely_field(r, v, OBJ_ENTRY, ENT_IF_SUBCLASS, ENT_IF_CLASS);
}

void conf_read_entries(struct reader *r, int array, bool denies, uint16_t *first, uint16_t *n) {
    *first = r->c->nentries;
    *n = 0;
    if (array < 0 || !rd_array(r, array, "an array of entries"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nentries == VH_MAX_ENTRIES) {
            rd_error(r, t, "more than %d allow and deny entries in all (VH_MAX_ENTRIES)", VH_MAX_ENTRIES);
            break;
        }
        read_entry(r, t, denies);
    }
    *n = (uint16_t)(r->c->nentries - *first);
}

/* ---- rules ---- */

static void read_rule_vm(struct reader *r, struct rule *rule, int tok) {
    int vm = -1;
    if (!rd_vm(r, tok, &vm))
        return;
    if (rule->vm_mask >> vm & 1) {
        rd_warn(r, tok, "the VM '%s' is named twice", r->c->vms[vm].name);
        return;
    }
    if (rule->enabled && r->c->vms[vm].type[0] != '\0' && (r->c->vms[vm].kinds & VM_KIND_USB) == 0)
        rd_error(r, tok, "the VM '%s' is of type '%s', which takes no USB devices", r->c->vms[vm].name,
                 r->c->vms[vm].type);
    rule->vms[rule->nvms++] = (uint8_t)vm;
    rule->vm_mask |= (vm_set)1 << vm;
}

static void read_rule_vms(struct reader *r, struct rule *rule, int object, int target, int allowed) {
    if (rd_empty(r, target) && rd_empty(r, allowed)) { /* the older daemons skip such a rule as well */
        rd_warn(r, object, "neither 'targetVm' nor 'allowedVms' names a VM: the rule never applies");
        rule->idle = rule->enabled;
        rule->enabled = false;
        return;
    }
    if (!rd_empty(r, target) && !rd_empty(r, allowed)) {
        rd_error(r, allowed, "'targetVm' and 'allowedVms' cannot both be given");
        return;
    }
    bool named = !rd_empty(r, target);
    if (named) {
        read_rule_vm(r, rule, target);
    } else if (rd_array(r, allowed, "an array of names of VMs")) {
        for (int t = json_first(&r->j, allowed); t >= 0; t = json_next(&r->j, t))
            read_rule_vm(r, rule, t);
    }
    rule->single = named || rule->nvms == 1;
    rule->idle = rule->enabled && rule->nvms == 0;
    if (rule->nvms == 0 && r->report.count[DIAG_ERROR] == 0)
        rd_warn(r, named ? target : allowed, GOES_NOWHERE);
}

static void read_speed(struct reader *r, int tok, struct rule *rule) {
    static const char *const names[USB_SPEEDS] = {"low", "full", "high", "super"};
    int n = 0;
    if (tok >= 0 && rd_choice(r, tok, names, USB_SPEEDS, "\"low\", \"full\", \"high\" or \"super\"", &n))
        rule->min_speed = (uint8_t)(1u << n);
}

static void read_rule(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    struct rule *rule = &r->c->rules[r->c->nrules];
    memset(rule, 0, sizeof *rule);
    rule->tag = "";
    rule->reset_on_release = true; /* a device that comes back should keep nothing of a guest's session */
    rule->line = rd_line(r, object);
    r->scratch->rule_tok[r->c->nrules] = object;
    if (!rd_object(r, object, OBJ_RULE, v))
        return;
    bool misspelt = r->misspelt;
    r->c->nrules++;
    rule->description = rd_description(r, v[RULE_DESCRIPTION]);
    rule->enabled = rd_enabled(r, v[RULE_ENABLE], v[RULE_DISABLE]);
    bool sound = rd_bool(r, v[RULE_HOST], &rule->host);
    if (rule->host && (!rd_empty(r, v[RULE_TARGET]) || !rd_empty(r, v[RULE_ALLOWED])))
        rd_error(r, v[RULE_HOST], "a rule with 'host' names no VM: its devices stay with the host");
    else if (sound && !rule->host && (!misspelt || !rd_empty(r, v[RULE_TARGET]) || !rd_empty(r, v[RULE_ALLOWED])))
        read_rule_vms(r, rule, object, v[RULE_TARGET], v[RULE_ALLOWED]);
    rd_tag(r, v[RULE_TAG], &rule->tag);
    read_speed(r, v[RULE_SPEED], rule);
    (void)rd_bool(r, v[RULE_SKIP], &rule->skip_on_suspend);
    (void)rd_bool(r, v[RULE_RESET], &rule->reset_on_release);
    conf_read_entries(r, v[RULE_ALLOW], false, &rule->allow, &rule->nallow);
    conf_read_entries(r, v[RULE_DENY], true, &rule->deny, &rule->ndeny);
    if (rd_empty(r, v[RULE_ALLOW]) && !misspelt)
        rd_warn(r, object, "no 'allow' entry: the rule never applies");
}

void conf_read_rules(struct reader *r, int array) {
    if (!rd_array(r, array, "an array of rules"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nrules == VH_MAX_RULES) {
            rd_error(r, t, "more than %d rules (VH_MAX_RULES)", VH_MAX_RULES);
            return;
        }
        read_rule(r, t);
    }
}
