/*
 * conf_other.c - the arrays of rules for buses other than USB and PCI, of which this version only needs to know for
 * which VMs their rules are. Reports nothing: conf_read.c warns once that they are not acted on.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/conf.h"
#include "config/conf_read.h"

static const char *const arrays[OTHER_BUSES] = {
    [OTHER_EVDEV] = "evdevPassthrough",
    [OTHER_ACPI] = "acpiPassthrough",
};

/* As the older daemons read it: `disable` decides, else `enable`. */
static bool is_enabled(const struct json *j, int rule) {
    bool disable = false, enable = true;
    if (json_bool(j, json_get(j, rule, "disable"), &disable))
        return !disable;
    return !json_bool(j, json_get(j, rule, "enable"), &enable) || enable;
}

/* A rule without a VM, or for an unknown one, is for nobody. */
static void read_target(struct reader *r, int rule, int bus) {
    char name[VH_NAME_MAX];
    if (json_type(&r->j, rule) != JSON_OBJECT || !is_enabled(&r->j, rule))
        return;
    if (!json_string(&r->j, json_get(&r->j, rule, "targetVm"), name, sizeof name) || name[0] == '\0')
        return;
    int vm = conf_vm(r->c, name);
    if (vm >= 0)
        r->c->other_bus[bus] |= (vm_set)1 << vm;
}

void conf_read_other(struct reader *r) {
    for (int bus = 0; bus < OTHER_BUSES; bus++) {
        int rules = json_get(&r->j, 0, arrays[bus]);
        r->c->other_bus[bus] = 0;
        if (json_type(&r->j, rules) == JSON_OBJECT && json_size(&r->j, json_get(&r->j, rules, "rules")) > 0)
            read_target(r, rules, bus); /* evdevPassthrough until autumn 2025: one VM and its rules */
        for (int t = json_type(&r->j, rules) == JSON_ARRAY ? json_first(&r->j, rules) : -1; t >= 0;
             t = json_next(&r->j, t))
            read_target(r, t, bus);
    }
}

const char *conf_other_bus(const struct conf *c, int vm) {
    for (int i = 0; i < c->npci_rules; i++) {
        if (c->pci_rules[i].enabled && c->pci_rules[i].vm == vm)
            return "pciPassthrough";
    }
    for (int bus = 0; bus < OTHER_BUSES; bus++) {
        if (c->other_bus[bus] >> vm & 1)
            return arrays[bus];
    }
    return NULL;
}
