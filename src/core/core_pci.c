/*
 * core_pci.c - requests about devices of a kind that is not given to VMs, lists of what is not only the core's, and the
 * arguments that a VM starts with. Nothing to do is success, because scripts of the older daemons restart a VM whose
 * resume fails; what cannot be done fails in plain words. Never changes the state.
 */
#include "base/str.h"
#include "core/core_internal.h"

/* The VM's own words for its start: none, unless the configuration gives it something. */
void request_vmm_args(struct step *st, const struct request *r) {
    const struct conf *conf = st->c->conf;
    int vm = conf_vm(conf, r->vm);
    unsigned rules = vm >= 0 ? conf_other_rules(conf, vm) : 0;
    struct sbuf sb;
    if (vm >= 0 && rules != 0 && (!r->require_pci || (rules & OTHER_PCI) != 0)) {
        step_add(st, ACT_SERVE)->client = r->client;
        return;
    }
    if (vm >= 0 && !r->require_pci) {
        reply_ok(st, r->client);
        return;
    }
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    if (vm < 0)
        sb_fmt(&sb, "unknown VM '%s'", r->vm);
    else
        sb_fmt(&sb, "no rule of pciPassthrough is for VM '%s'", r->vm);
}

/* While no PCI device is given to VMs, none was taken away. A kill switch asks for a tag: devices that are in no VM
 * would tell it that they are blocked, and they might be in a VM by somebody else's doing. */
static bool lists_none(const struct core *c, const struct request *r) {
    bool of_pci = !c->gives_pci && ((r->sel.by_tag && !r->all) || r->disconnected == TRI_YES);
    return r->about != KIND_EVDEV && (of_pci || r->who.role == ROLE_GUEST);
}

void request_other_kind(struct step *st, const struct request *r) {
    bool moves = r->kind == REQ_ATTACH || r->kind == REQ_DETACH;
    if (r->kind == REQ_LIST && !lists_none(st->c, r))
        step_add(st, ACT_SERVE)->client = r->client;
    else if (r->kind != REQ_LIST && r->who.role == ROLE_GUEST && (moves || st->c->gives_pci))
        reply_failed_text(st, r, "not allowed: a guest moves no PCI devices");
    else if (moves)
        reply_failed_text(st, r, "no PCI device is given to VMs: no rule was about them when the daemon started");
    else
        reply_ok(st, r->client);
}
