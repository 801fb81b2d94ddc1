/*
 * conf_pci.c - pciPassthrough: rules and their allow and deny entries. Reads the form only; policy_pci.c knows what an
 * entry means.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/conf_read.h"
#include "config/policy_pci.h"

#include <ctype.h>
#include <string.h>

/* ---- entries ---- */

static bool read_address(struct reader *r, int tok, struct pci_address *out) {
    enum { SHORT = 5 }; /* "0000:" */
    char text[32] = "0000:";
    size_t n = 0;
    const char *s = rd_raw(r, tok, &n);
    if (json_type(&r->j, tok) == JSON_STRING && str_copyn(text + SHORT, sizeof text - SHORT, s, n)) {
        for (char *c = text; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        if (pci_address_parse(text + SHORT, out))
            return true;
        if (pci_address_parse(text, out)) { /* as lspci prints it: the older daemons match nothing by it */
            rd_error(r, tok, "a PCI address begins with its domain: write \"%s\"", text);
            return false;
        }
    }
    rd_expected(r, tok, "a PCI address such as \"0000:00:14.3\"");
    return false;
}

/* A string matches nothing in the older daemons, so it cannot be meant. */
static bool read_class(struct reader *r, int tok, uint8_t *out) {
    int64_t v = 0;
    if (json_type(&r->j, tok) != JSON_NUMBER || !json_int(&r->j, tok, 0, UINT8_MAX, &v)) {
        rd_expected(r, tok, "a number from 0 to 255 without quotes, such as 2 for network adapters");
        return false;
    }
    *out = (uint8_t)v;
    return true;
}

static bool read_field(struct reader *r, struct pci_entry *e, enum pci_entry_key key, int tok) {
    switch (key) {
    case PENT_ADDRESS:
        return read_address(r, tok, &e->address);
    case PENT_VENDOR:
        return rd_id(r, tok, &e->vendor);
    case PENT_DEVICE:
        return rd_id(r, tok, &e->device);
    case PENT_CLASS:
        return read_class(r, tok, &e->cls);
    case PENT_SUBCLASS:
        return read_class(r, tok, &e->sub);
    case PENT_PROG_IF:
        return read_class(r, tok, &e->prog_if);
    case PENT_DESCRIPTION:
    case PENT_ENABLE:
    case PENT_DISABLE:
    case PCI_ENTRY_KEYS:
        break;
    }
    return false;
}

_Static_assert(1 << PENT_ADDRESS == PF_ADDRESS && 1 << PENT_VENDOR == PF_VENDOR && 1 << PENT_DEVICE == PF_DEVICE &&
                   1 << PENT_CLASS == PF_CLASS && 1 << PENT_SUBCLASS == PF_SUBCLASS && 1 << PENT_PROG_IF == PF_PROG_IF,
               "keys and field bits are in one order");

static void check_fields(struct reader *r, const struct pci_entry *e, int object, bool denies) {
    const char *text = e->fields == 0 ? "an entry without any field"
                                      : "an entry with neither 'address', nor 'vendorId' and 'deviceId', nor "
                                        "'deviceClass'";
    if (!e->enabled || policy_pci_can_match(r->c, e))
        return;
    if (denies) /* it opens what it should close */
        rd_error(r, object, "%s denies nothing", text);
    else
        rd_warn(r, object, "%s matches nothing", text);
}

static void read_entry(struct reader *r, int object, bool denies) {
    int v[CONF_KEYS_MAX];
    bool sound = true;
    struct pci_entry *e = &r->c->pci_entries[r->c->npci_entries];
    memset(e, 0, sizeof *e);
    e->line = rd_line(r, object);
    r->scratch->pci_entry_tok[r->c->npci_entries] = object;
    if (!rd_object(r, object, OBJ_PCI_ENTRY, v))
        return;
    bool misspelt = r->misspelt;
    r->c->npci_entries++;
    uint32_t mark = r->c->nstrings;
    (void)rd_description(r, v[PENT_DESCRIPTION]);
    r->c->nstrings = mark; /* checked, not kept */
    e->enabled = rd_enabled(r, v[PENT_ENABLE], v[PENT_DISABLE]);
    for (int key = PENT_ADDRESS; key <= PENT_PROG_IF; key++) {
        if (v[key] < 0)
            continue;
        e->fields |= (uint8_t)(1 << key);
        sound &= read_field(r, e, (enum pci_entry_key)key, v[key]);
    }
    if (!sound || misspelt) {
        e->fields = 0; /* no further problem of this entry is reported */
        return;
    }
    check_fields(r, e, object, denies);
    if ((e->fields & PF_DEVICE) != 0 && (e->fields & PF_VENDOR) == 0)
        rd_warn(r, v[PENT_DEVICE], "'deviceId' without 'vendorId' means little: it differs from one to the next");
    if ((e->fields & (PF_SUBCLASS | PF_PROG_IF)) != 0 && (e->fields & PF_CLASS) == 0)
        rd_warn(r, v[PENT_SUBCLASS] >= 0 ? v[PENT_SUBCLASS] : v[PENT_PROG_IF],
                "without 'deviceClass' this means little: it differs from one to the next");
}

static void read_entries(struct reader *r, int array, bool denies, uint16_t *first, uint16_t *n) {
    *first = r->c->npci_entries;
    *n = 0;
    if (array < 0 || !rd_array(r, array, "an array of entries"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->npci_entries == VH_MAX_PCI_ENTRIES) {
            rd_error(r, t, "more than %d allow and deny entries of pciPassthrough in all (VH_MAX_PCI_ENTRIES)",
                     VH_MAX_PCI_ENTRIES);
            break;
        }
        read_entry(r, t, denies);
    }
    *n = (uint16_t)(r->c->npci_entries - *first);
}

/* ---- rules ---- */

static void read_flags(struct reader *r, struct pci_rule *rule, const int *v) {
    (void)rd_bool(r, v[PRULE_SKIP], &rule->skip_on_suspend);
    (void)rd_bool(r, v[PRULE_ADD_ALL], &rule->add_all);
    (void)rd_bool(r, v[PRULE_SKIP_SHARED], &rule->skip_if_shared);
    (void)rd_bool(r, v[PRULE_OVMF], &rule->auto_ovmf);
    (void)rd_bool(r, v[PRULE_QEMU_ROOT], &rule->qemu_root_bus);
    (void)rd_bool(r, v[PRULE_CROSVM_ROOT], &rule->crosvm_root_bus);
    if (rule->enabled && rule->add_all && rule->skip_if_shared)
        rd_warn(r, v[PRULE_ADD_ALL],
                "without effect beside 'pciIommuSkipIfShared': a device that has others in its "
                "group stays with the host");
}

/* A VM of a type that is given no device at all has a warning of its own. */
static void warn_of_type(struct reader *r, const struct pci_rule *rule, int tok) {
    if (!rule->enabled || rule->vm < 0)
        return;
    const struct vm_conf *vm = &r->c->vms[rule->vm];
    if (vm->given != 0 && (vm->given & VM_KIND_PCI) == 0)
        rd_warn(r, tok, "the VM '%s' is of type '%s', which is given no PCI devices: they stay with the host", vm->name,
                vm->type);
}

static void read_rule(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    struct pci_rule *rule = &r->c->pci_rules[r->c->npci_rules];
    *rule = (struct pci_rule){.description = "", .tag = "", .vm = -1, .line = rd_line(r, object)};
    r->scratch->pci_rule_tok[r->c->npci_rules] = object;
    if (!rd_object(r, object, OBJ_PCI_RULE, v))
        return;
    bool misspelt = r->misspelt;
    r->c->npci_rules++;
    rule->description = rd_description(r, v[PRULE_DESCRIPTION]);
    rule->enabled = rd_enabled(r, v[PRULE_ENABLE], v[PRULE_DISABLE]);
    if (!misspelt || !rd_empty(r, v[PRULE_TARGET]))
        rd_target(r, object, v[PRULE_TARGET], GOES_NOWHERE, &rule->enabled, &rule->vm);
    warn_of_type(r, rule, v[PRULE_TARGET]);
    rd_tag(r, v[PRULE_TAG], &rule->tag);
    read_flags(r, rule, v);
    read_entries(r, v[PRULE_ALLOW], false, &rule->allow, &rule->nallow);
    read_entries(r, v[PRULE_DENY], true, &rule->deny, &rule->ndeny);
    if (rd_empty(r, v[PRULE_ALLOW]) && !misspelt)
        rd_warn(r, object, "no 'allow' entry: the rule never applies");
}

void conf_read_pci(struct reader *r, int array) {
    if (!rd_array(r, array, "an array of rules"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->npci_rules == VH_MAX_PCI_RULES) {
            rd_error(r, t, "more than %d rules of pciPassthrough (VH_MAX_PCI_RULES)", VH_MAX_PCI_RULES);
            break;
        }
        read_rule(r, t);
    }
}
