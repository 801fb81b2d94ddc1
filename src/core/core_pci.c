/*
 * core_pci.c - requests about PCI devices and about the arguments that a VM starts with, while no device but those on
 * USB is given to a VM that runs. Nothing to do is success, because scripts of the older daemons restart a VM whose
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

/* No PCI device is given to a VM yet, so none was taken away, and none is a guest's. A kill switch asks for a tag:
 * devices that are in no VM would tell it that they are blocked, and they might be in a VM by somebody else's doing. */
static bool lists_none(const struct request *r) {
    return (r->sel.by_tag && !r->all) || r->disconnected == TRI_YES || r->who.role == ROLE_GUEST;
}

void request_other_kind(struct step *st, const struct request *r) {
    if (r->kind == REQ_LIST && (r->about == KIND_EVDEV || !lists_none(r)))
        step_add(st, ACT_SERVE)->client = r->client;
    else if (r->kind == REQ_ATTACH || r->kind == REQ_DETACH)
        reply_failed_text(st, r, "not supported yet: PCI devices are not given to VMs");
    else
        reply_ok(st, r->client);
}
