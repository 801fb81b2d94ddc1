/*
 * conf_vms.c - aligns a new configuration with the one in force: the same VM keeps its index, so that state kept by
 * index stays valid. Pure.
 *
 * A VM is the same if its name, type and socket are. A VM that is missing from the new configuration but still holds
 * devices keeps its index, as a retired row, until the devices are out. An unused index is an empty, retired row.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/conf.h"

#include <string.h>

int conf_vm(const struct conf *c, const char *name) {
    for (int i = 0; i < c->nvms; i++) {
        if (!c->vms[i].retired && str_eq(c->vms[i].name, name))
            return i;
    }
    return -1;
}

bool conf_same_vm(const struct vm_conf *a, const struct vm_conf *b) {
    return str_eq(a->name, b->name) && str_eq(a->type, b->type) && str_eq(a->socket, b->socket);
}

static int same_in(const struct conf *c, const struct vm_conf *vm) {
    for (int v = 0; v < c->nvms; v++) {
        if (conf_same_vm(&c->vms[v], vm))
            return v;
    }
    return -1;
}

/* Finds the row of each VM of fresh; false if there are not enough rows. taken[]: rows in use. */
static bool place(const struct conf *fresh, const struct conf *old, int where[VH_MAX_VMS], bool taken[VH_MAX_VMS]) {
    for (int v = 0; v < fresh->nvms; v++) {
        where[v] = same_in(old, &fresh->vms[v]);
        if (where[v] >= 0)
            taken[where[v]] = true;
    }
    for (int v = 0; v < fresh->nvms; v++) {
        for (int k = 0; where[v] < 0 && k < VH_MAX_VMS; k++) {
            if (!taken[k])
                where[v] = k;
        }
        if (where[v] < 0)
            return false;
        taken[where[v]] = true;
    }
    return true;
}

static void renumber_rules(struct conf *c, const int where[VH_MAX_VMS]) {
    for (int i = 0; i < c->nrules; i++) {
        struct rule *r = &c->rules[i];
        r->vm_mask = 0;
        for (int k = 0; k < r->nvms; k++) {
            r->vms[k] = (uint8_t)where[r->vms[k]];
            r->vm_mask |= (vm_set)1 << r->vms[k];
        }
    }
}

static void renumber_pci(struct conf *c, const int where[VH_MAX_VMS]) {
    for (int i = 0; i < c->npci_rules; i++) {
        struct pci_rule *r = &c->pci_rules[i];
        r->vm = r->vm >= 0 ? (int8_t)where[r->vm] : r->vm;
    }
}

static void renumber_inputs(struct conf *c, const int where[VH_MAX_VMS]) {
    for (int i = 0; i < c->nevdev_rules; i++) {
        struct evdev_rule *r = &c->evdev_rules[i];
        r->vm = r->vm >= 0 ? (int8_t)where[r->vm] : r->vm;
    }
    for (int i = 0; i < c->nacpi_rules; i++) {
        struct acpi_rule *r = &c->acpi_rules[i];
        r->vm = r->vm >= 0 ? (int8_t)where[r->vm] : r->vm;
    }
}

static void renumber_guests(struct api_conf *api, const int where[VH_MAX_VMS]) {
    for (int i = 0; i < api->naccess; i++) {
        if (api->access[i].vm >= 0)
            api->access[i].vm = where[api->access[i].vm];
    }
}

bool conf_align(struct conf *fresh, const struct conf *old, vm_set busy) {
    static struct vm_conf rows[VH_MAX_VMS];
    int where[VH_MAX_VMS];
    bool taken[VH_MAX_VMS] = {false};
    int n = 0;
    for (int v = 0; v < old->nvms; v++) {
        bool gone = same_in(fresh, &old->vms[v]) < 0;
        taken[v] = gone && (busy >> v & 1) != 0;
    }
    memset(rows, 0, sizeof rows);
    for (int v = 0; v < VH_MAX_VMS; v++) {
        if (taken[v]) {
            rows[v] = old->vms[v];
            n = v + 1;
        }
        rows[v].retired = true;
    }
    if (!place(fresh, old, where, taken))
        return false;
    for (int v = 0; v < fresh->nvms; v++) {
        rows[where[v]] = fresh->vms[v];
        n = where[v] >= n ? where[v] + 1 : n;
    }
    memcpy(fresh->vms, rows, (size_t)n * sizeof *rows);
    fresh->nvms = (uint16_t)n;
    renumber_rules(fresh, where);
    renumber_pci(fresh, where);
    renumber_inputs(fresh, where);
    renumber_guests(&fresh->api, where);
    return true;
}
