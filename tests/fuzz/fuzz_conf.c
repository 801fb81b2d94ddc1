/*
 * fuzz_conf.c - any bytes as a configuration: no crash, every problem at a place that exists, false exactly if an
 * error was reported, and an accepted configuration decides for a device without a crash.
 */
#include "config/conf.h"
#include "config/policy.h"
#include "must.h"

#include <stdlib.h>
#include <string.h>

static struct conf conf;
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
        .nifaces = 1,
        .ifaces = {{255, 1, 2, 0}},
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
        for (int i = 0; i < conf.nentries; i++) {
            bool clean = policy_entry_misses(&conf, &conf.entries[i], &dev) == 0;
            bool is = policy_entry_matches(&conf, &conf.entries[i], &dev);
            if (!conf.rule_match_any && conf.entries[i].enabled && conf.entries[i].fields != 0)
                MUST(is == clean);
        }
    }
    return 0;
}
