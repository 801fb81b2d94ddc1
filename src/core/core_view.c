/*
 * core_view.c - the state in words: what a list shows, and why a device is where it is. Never changes the state.
 */
#include "base/str.h"
#include "codec/usb_place.h"
#include "config/access.h"
#include "config/connectors.h"
#include "core/core.h"
#include "core/core_internal.h"

bool core_selects(const struct core *c, const struct selector *sel, const struct slot *s) {
    const struct device *d = &s->dev;
    if (!core_kind(d)->selects(sel, d))
        return false;
    if (sel->by_connector && !connector_has(c->conf, sel->connector, d, false))
        return false;
    if (sel->by_vid && d->vid != sel->vid)
        return false;
    if (sel->by_pid && d->pid != sel->pid)
        return false;
    if (sel->by_tag && !str_eq(slot_tag(c, s), sel->tag))
        return false;
    return true;
}

const char *core_tag(const struct core *c, const struct slot *s) {
    return slot_tag(c, s);
}

int core_target(const struct core *c, const struct slot *s) {
    return plan_target(c, s);
}

bool core_asks(const struct core *c, const struct slot *s) {
    return plan_asks(c, s);
}

bool core_tag_known(const struct core *c, enum device_kind kind, const char *tag) {
    for (int i = 0; kind == KIND_USB && i < c->conf->nrules; i++) {
        if (str_eq(c->conf->rules[i].tag, tag))
            return true;
    }
    for (int i = 0; kind == KIND_PCI && i < c->conf->npci_rules; i++) {
        if (str_eq(c->conf->pci_rules[i].tag, tag))
            return true;
    }
    return false;
}

bool core_tag_seen(const struct core *c, const struct principal *who, const char *tag) {
    for (int i = 0; i < c->conf->nrules; i++) {
        const struct rule *r = &c->conf->rules[i];
        bool seen = who->role != ROLE_GUEST;
        for (int k = 0; k < r->nvms; k++)
            seen = seen || r->vms[k] == who->vm;
        if (seen && str_eq(r->tag, tag))
            return true;
    }
    return false;
}

enum role core_tag_taken(const struct core *c, enum device_kind kind, const char *tag) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        const struct tag_decision *l = &c->remembered.tag_decision[i];
        if (l->now != ROLE_NONE && l->kind == kind && str_eq(l->tag, tag))
            return l->now;
    }
    return ROLE_NONE;
}

bool core_visible(const struct core *c, const struct slot *s, const struct request *r) {
    if (s->state != SLOT_PRESENT || s->dev.kind != r->about ||
        (r->who.role == ROLE_GUEST && !core_guest_sees(c, s, r->who.vm)))
        return false;
    if ((r->sel.by_tag || r->sel.by_connector) && !core_selects(c, &r->sel, s))
        return false;
    if (r->disconnected != TRI_ANY && s->disconnected != (r->disconnected == TRI_YES))
        return false;
    if (r->all)
        return true;
    if (s->hub)
        return false;
    return s->rule >= 0 || s->vm >= 0 || s->foreign >= 0 || s->lease >= 0 || s->dev.malformed[0] != '\0' ||
           c->conf->nrules == 0;
}

uint64_t core_place(const struct core *c, int slot) {
    enum { INDEX_BITS = 64 - USB_PLACE_BITS };
    _Static_assert(CORE_SLOTS <= 1 << INDEX_BITS, "each slot has a number of its own");
    return c->place[slot] << INDEX_BITS | (uint64_t)slot;
}

const char *core_state_name(const struct core *c, const struct slot *s) {
    if (s->op != OP_NONE || s->req >= 0 || s->ejecting)
        return "pending";
    if (s->vm >= 0 || s->foreign >= 0)
        return "attached";
    int target = plan_target(c, s);
    if (s->failures > 0 && target >= 0)
        return "failed";
    return target >= 0 || plan_asks(c, s) ? "waiting" : "idle";
}

static void reason_full(const struct core *c, const struct slot *s, int target, struct sbuf *sb) {
    char text[VH_TEXT_MAX];
    ports_why_full(c, s, target, text);
    sb_str(sb, text);
}

static void reason_waiting(const struct core *c, const struct slot *s, int target, struct sbuf *sb) {
    const struct vm *vm = &c->vm[target];
    const struct vm_conf *vc = &c->conf->vms[target];
    if (!vc->supported)
        sb_fmt(sb, "VM '%s' is of type '%s', which is not supported yet", vc->name, vc->type);
    else if (vm->state == VM_DOWN)
        sb_fmt(sb, "VM '%s' is not running", vc->name);
    else if (ports_full(c, s, target))
        reason_full(c, s, target, sb);
    else if (s->failures > 0)
        sb_str(sb, c->reason[s - c->slot]);
    else if (s->releasing)
        sb_str(sb, "being reset after its last VM");
    else if (s->doubt != 0 && vm->state == VM_UP)
        sb_str(sb, "another VM that may have it has not answered yet");
    else if (vm->reason[0] != '\0')
        sb_str(sb, vm->reason);
    else
        sb_fmt(sb, "on its way to VM '%s'", vc->name);
}

static void reason_foreign(const struct slot *s, struct sbuf *sb) {
    sb_str(sb, s->foreign >= 0 ? "somebody else attached it there" : "a VM says that it has it: this is being checked");
}

static void reason_now(const struct core *c, const struct slot *s, struct sbuf *sb) {
    int target = plan_target(c, s);
    if (s->ejecting) {
        sb_fmt(sb, "the guest of VM '%s' has not let go of it yet", c->conf->vms[s->vm].name);
        return;
    }
    if (s->vm >= 0 && target == s->vm) {
        const char *driver = c->driver[s - c->slot];
        if (driver[0] != '\0')
            sb_fmt(sb, "the host's driver '%s' has an interface of it", driver);
        else if (s->dev.unauthorised)
            sb_str(sb, "not authorised on this host: its VM cannot use it");
        return;
    }
    /* STAY_HUB is not asked: the bus names it as what protects the device. STAY_UNSETTLED and
     * STAY_CLOSED come after what the rules say, and STAY_STOPPING would be the reason of every device. A VM may have a
     * device that does not answer. */
    unsigned asked = STAY_MALFORMED | STAY_PROTECTED | STAY_FOREIGN | STAY_HELD;
    enum stay stay = slot_stays_with_host(c, s, s->vm < 0 ? asked | STAY_UNUSABLE : asked);
    if (stay == STAY_MALFORMED)
        sb_fmt(sb, "unclassifiable: %s", s->dev.malformed);
    else if (stay == STAY_PROTECTED)
        sb_fmt(sb, "stays with the host: it %s", s->dev.protect);
    else if (stay == STAY_FOREIGN)
        reason_foreign(s, sb);
    else if (stay == STAY_UNAUTHORISED)
        sb_str(sb, "not authorised on this host");
    else if (stay == STAY_UNRESPONSIVE)
        sb_str(sb, "the device does not answer (its reading or opening was not finished in time)");
    else if (stay == STAY_HELD)
        sb_str(sb, "its port flaps: it has to stay for a while first");
    else if (s->vm < 0 && slot_held(s) && s->revoke == REVOKE_UNCERTAIN)
        sb_fmt(sb, "taken away, but not certainly: %s", c->revoke_why[s - c->slot]);
    else if (s->vm >= 0)
        sb_fmt(sb, "%s", s->failures > 0 ? c->reason[s - c->slot] : "being taken out of its VM");
    else if (target >= 0)
        reason_waiting(c, s, target, sb);
    else if (s->disconnected)
        sb_fmt(sb, "disconnected by an %s", role_name(s->disconnected_by));
    else if (s->guest_detached >= 0)
        sb_fmt(sb, "detached by the guest of VM '%s'", c->conf->vms[s->guest_detached].name);
    else if (s->suspended >= 0)
        sb_str(sb, "suspended");
    else if (s->rule < 0 && c->authorises && s->dev.unauthorised && core_keeps_from_host(c, s))
        sb_str(sb, "no rule applies, and hostAllow does not name it: not authorised");
    else if (s->rule < 0)
        sb_str(sb, "no rule applies");
    else if (slot_terms(c, s).host)
        sb_str(sb, "its rule leaves it to the host");
    else if (slot_terms(c, s).first < 0)
        sb_str(sb, "its rule names no VM that is configured");
    else if (slot_stays_with_host(c, s, STAY_CLOSED) != STAY_NO)
        sb_str(sb, core_why_closed);
    else if (!s->dev.settled)
        sb_str(sb, "the kernel is still configuring it");
    else if (!s->managed)
        sb_str(sb, "was there before the daemon started (see --attach-connected)");
    else
        sb_str(sb, "waiting for a choice of VM");
}

const char *core_taken(const struct core *c, const struct slot *s, struct sbuf *why) {
    if (s->vm >= 0 && s->revoke != REVOKE_CERTAIN)
        return plan_target(c, s) != s->vm ? "not_taken" : NULL;
    if (s->revoke == REVOKE_CERTAIN)
        return "revoked";
    if (s->revoke == REVOKE_UNDER_WAY)
        sb_str(why, "it is being revoked");
    else if (s->revoke == REVOKE_UNCERTAIN)
        sb_str(why, c->revoke_why[s - c->slot]);
    return why->len > 0 ? "uncertain" : NULL;
}

/* A claim that no reading bears out keeps the device from nobody. The first one is named. */
static void reason_claim(const struct core *c, const struct slot *s, struct sbuf *sb) {
    int v = 0;
    if (s->claims == 0 || s->vm >= 0 || s->foreign >= 0 || s->look != LOOK_NONE)
        return;
    while ((s->claims >> v & 1) == 0)
        v++;
    sb_fmt(sb, "%sVM '%s' lists it%s", sb->len > 0 ? "; " : "", c->conf->vms[v].name,
           s->dev.kind == KIND_USB ? ", but no program has claimed it" : "");
}

void core_reason(const struct core *c, const struct slot *s, struct sbuf *sb) {
    reason_now(c, s, sb);
    reason_claim(c, s, sb);
}
