/*
 * fuzz_conf.c - any bytes as a configuration: no crash, every problem at a place that exists, false exactly if an
 * error was reported, and an accepted configuration decides for a device without a crash.
 */
#include "config/conf.h"
#include "config/policy.h"
#include "must.h"

#include <stdlib.h>
#include <string.h>

static struct conf conf, again;
static size_t length, lines;

static void see(const struct diag *d, void *arg) {
    bool *failed = arg;
    *failed |= d->level == DIAG_ERROR;
    MUST(d->level == DIAG_ERROR || d->level == DIAG_WARNING || d->level == DIAG_NOTE);
    MUST(d->line <= lines && d->column <= length + 1 && (d->line == 0) == (d->column == 0));
    MUST(d->text[0] != '\0' && strlen(d->path) < 256 && strlen(d->text) < 512);
}

static void check_tables(void) {
    MUST(conf.nrules <= VH_MAX_RULES && conf.nentries <= VH_MAX_ENTRIES && conf.nvms <= VH_MAX_VMS);
    for (int i = 0; i < conf.nrules; i++) {
        const struct rule *r = &conf.rules[i];
        MUST(r->allow + r->nallow <= conf.nentries && r->deny + r->ndeny <= conf.nentries);
        MUST(strlen(r->tag) < VH_NAME_MAX && r->description != NULL);
        for (int k = 0; k < r->nvms; k++)
            MUST(r->vms[k] < conf.nvms && (r->vm_mask >> r->vms[k] & 1));
        MUST(__builtin_popcountll(r->vm_mask) == r->nvms);
    }
    for (int i = 0; i < conf.nvms; i++)
        MUST(conf_vm(&conf, conf.vms[i].name) == i && conf.vms[i].socket[0] == '/');
}

/* allInterfaces, in other words than the program's. */
static bool strays(const struct entry *e, const struct usb_iface *i) {
    for (int k = 0; k < e->nclasses; k++) {
        const struct iface_class *w = &conf.classes[e->classes + k];
        unsigned wrong = (w->cls != i->cls ? F_IF_CLASS : 0) | (w->sub != i->sub ? F_IF_SUBCLASS : 0) |
                         (w->proto != i->proto ? F_IF_PROTOCOL : 0);
        MUST(w->fields != 0 && (w->fields & ~F_IFACE) == 0);
        if ((wrong & w->fields) == 0)
            return false;
    }
    return true;
}

static void check_entry(const struct entry *e, const struct device *dev) {
    MUST(e->classes + e->nclasses <= conf.nclasses && conf.nclasses <= VH_MAX_CLASSES);
    MUST(((e->fields & F_ALL_IFACES) != 0) == (e->nclasses > 0));
    unsigned misses = policy_entry_misses(&conf, e, dev);
    bool is = policy_entry_matches(&conf, e, dev);
    if (!conf.rule_match_any && e->enabled && e->fields != 0)
        MUST(is == (misses == 0));
    if ((e->fields & F_ALL_IFACES) != 0) {
        bool stray = strays(e, &dev->ifaces[0]) || strays(e, &dev->ifaces[1]);
        MUST(((misses & F_ALL_IFACES) != 0) == stray && (policy_stray_iface(&conf, e, dev) >= 0) == stray);
        MUST(!is || !stray);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct device dev = {
        .vid = 0x046d,
        .pid = 0xc52b,
        .busnum = 1,
        .port_path = "2.3",
        .vendor_name = "Logitech",
        .product_name = "Mouse",
        .protect = "",
        .malformed = "",
        .note = "",
        .driver_path = {"/lib/modules/x.ko"},
        .serial = "1",
        .nifaces = 2,
        .ifaces = {{255, 1, 2, 0}, {3, 1, 1, 1}},
    };
    bool failed = false;
    length = size;
    lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    bool ok = conf_parse(&conf, (const char *)data, size, see, &failed);
    MUST(ok == !failed);
    if (ok) {
        check_tables();
        int rule = policy_rule(&conf, &dev);
        MUST(rule >= -1 && rule < conf.nrules);
        for (int i = 0; i < conf.nentries; i++)
            check_entry(&conf.entries[i], &dev);
        MUST(conf_parse_again(&again, &conf, (const char *)data, size, NULL, NULL)); /* a reload of the same file */
    }
    return 0;
}
