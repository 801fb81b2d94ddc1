/*
 * fuzz_conf.c - any bytes as a configuration: no crash, every problem at a place that exists, false exactly if an
 * error was reported, and an accepted configuration decides for a device without a crash.
 */
#include "config/conf.h"
#include "config/policy.h"
#include "config/policy_pci.h"
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
        bool stray = strays(e, &dev->usb.ifaces[0]) || strays(e, &dev->usb.ifaces[1]);
        MUST(((misses & F_ALL_IFACES) != 0) == stray && (policy_stray_iface(&conf, e, dev) >= 0) == stray);
        MUST(!is || !stray);
    }
}

/* ---- PCI: entries and groups, in other words than the program's ---- */

static const struct pci_device host[] = {
    {.address = {0, 0, 0x14 << 3 | 3}, .vendor = 0x8086, .device = 0x51f1, .cls = 2, .sub = 128, .uses = PCI_UPLINK},
    {.address = {0, 0, 0x1f << 3}, .vendor = 0x8086, .cls = 6, .sub = 1, .uses = PCI_BRIDGE, .grouped = 1, .group = 1},
    {.address = {0, 0, 0x1f << 3 | 3}, .vendor = 0x8086, .cls = 4, .sub = 3, .grouped = 1, .group = 1},
    {.address = {0, 0, 0x1f << 3 | 4}, .vendor = 0x10de, .cls = 12, .uses = PCI_KEYBOARD, .grouped = 1, .group = 1},
};
enum { HOST = sizeof host / sizeof *host };

static bool pci_fits(const struct pci_entry *e, const struct pci_device *d) {
    bool address = pci_address_order(&e->address) == pci_address_order(&d->address),
         ids = e->vendor == d->vendor && e->device == d->device;
    unsigned f = e->fields;
    bool class = (!(f & PF_CLASS) || e->cls == d->cls) && (!(f & PF_SUBCLASS) || e->sub == d->sub) &&
                 (!(f & PF_PROG_IF) || e->prog_if == d->prog_if);
    if (!e->enabled || f == 0)
        return false;
    if (conf.rule_match_any)
        return ((f & PF_ADDRESS) && address) || ((f & PF_VENDOR) && (f & PF_DEVICE) && ids) ||
               ((f & PF_CLASS) && class);
    return (!(f & PF_ADDRESS) || address) && (!(f & PF_VENDOR) || e->vendor == d->vendor) &&
           (!(f & PF_DEVICE) || e->device == d->device) && class;
}

static void check_pci(void) {
    struct pci_fate fates[HOST];
    const struct pci_host h = {.row = host, .fate = fates, .n = HOST};
    policy_pci_judge(&conf, host, HOST, fates);
    MUST(conf.npci_rules <= VH_MAX_PCI_RULES && conf.npci_entries <= VH_MAX_PCI_ENTRIES);
    for (int i = 0; i < conf.npci_rules; i++) {
        const struct pci_rule *r = &conf.pci_rules[i];
        MUST(r->allow + r->nallow <= conf.npci_entries && r->deny + r->ndeny <= conf.npci_entries);
        MUST(strlen(r->tag) < VH_NAME_MAX && r->description != NULL && r->vm >= -1 && r->vm < conf.nvms);
    }
    for (int i = 0; i < HOST; i++) {
        char text[VH_TEXT_MAX];
        struct sbuf why;
        for (int e = 0; e < conf.npci_entries; e++)
            MUST(policy_pci_matches(&conf, &conf.pci_entries[e], &host[i]) == pci_fits(&conf.pci_entries[e], &host[i]));
        struct pci_fate f = fates[i];
        MUST((f.way == PCI_NO_RULE) == (f.rule < 0) && (f.way == PCI_ALONG) == (f.with >= 0));
        MUST(f.rule < 0 || conf.pci_rules[f.rule].enabled);
        sb_init(&why, text, sizeof text);
        bool kept = policy_pci_kept(&conf, &h, i, &why);
        MUST(sb_ok(&why) && kept == (why.len > 0) && (kept || !(host[i].uses & PCI_BRIDGE)));
        MUST(!policy_pci_loses_route(&conf, &h, i) || (i == 0 && !kept && f.rule >= 0));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct device dev = {
        .vid = 0x046d,
        .pid = 0xc52b,
        .usb.busnum = 1,
        .usb.port_path = "2.3",
        .vendor_name = "Logitech",
        .product_name = "Mouse",
        .protect = "",
        .malformed = "",
        .note = "",
        .driver_path = {"/lib/modules/x.ko"},
        .serial = "1",
        .usb.nifaces = 2,
        .usb.ifaces = {{255, 1, 2, 0}, {3, 1, 1, 1}},
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
        check_pci();
        int rule = policy_rule(&conf, &dev);
        MUST(rule >= -1 && rule < conf.nrules);
        for (int i = 0; i < conf.nentries; i++)
            check_entry(&conf.entries[i], &dev);
        MUST(conf_parse_again(&again, &conf, (const char *)data, size, NULL, NULL)); /* a reload of the same file */
    }
    return 0;
}
