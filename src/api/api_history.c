/*
 * api_history.c - keeps the last events and tells them again. Owns the form of what is kept and its wording; the caller
 * has the memory. Tells nobody more than the event itself told.
 */
#include "api/api_history.h"

#include "api/api_internal.h"
#include "api/history_place.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/usb_place.h"
#include "config/access.h"
#include "config/connectors.h"

_Static_assert(sizeof(struct history) <= 28672, "it is small");
_Static_assert(VH_MAX_VMS < HISTORY_NO_VM && VH_MAX_RULES < HISTORY_NO_RULE, "rows are kept in few bits");

/* ---- why ---- */

enum why {
    WHY_NONE,
    WHY_UNPLUGGED,
    WHY_VM_DOWN,
    WHY_TAKEN,
    WHY_SUSPENDED,
    WHY_GUEST,
    WHY_STOPPING,
    WHY_OTHER_VM,
    WHY_RULES,
    WHY_NO_LONGER,
    WHY_HAD_IT,
    WHY_UNCLASSIFIABLE,
    WHY_HOST,
    WHY_NO_RULE,
};

static const char *const reasons[] = {
    [WHY_NONE] = "",
    [WHY_UNPLUGGED] = "it was unplugged",
    [WHY_VM_DOWN] = "the VM is down",
    [WHY_TAKEN] = "somebody took it away",
    [WHY_SUSPENDED] = "suspended",
    [WHY_GUEST] = "the guest detached it",
    [WHY_STOPPING] = "the daemon is ending",
    [WHY_OTHER_VM] = "it goes to another VM",
    [WHY_RULES] = "the rules do not give it to that VM",
    [WHY_NO_LONGER] = "that VM has it no longer",
    [WHY_HAD_IT] = "that VM had it already",
    [WHY_UNCLASSIFIABLE] = "it is unclassifiable",
    [WHY_HOST] = "it stays with the host",
    [WHY_NO_RULE] = "no rule applies",
};

static bool rule_allows(const struct core *c, const struct slot *s, int vm) {
    return s->rule >= 0 && (s->dev.kind == KIND_PCI ? c->conf->pci_rules[s->rule].vm == vm
                                                    : (c->conf->rules[s->rule].vm_mask >> vm & 1) != 0);
}

static enum why why_detached(const struct core *c, const struct slot *s, int vm) {
    int target = s->state == SLOT_PRESENT ? core_target(c, s) : -1;
    if (s->state != SLOT_PRESENT)
        return WHY_UNPLUGGED;
    if (c->vm[vm].state == VM_DOWN)
        return WHY_VM_DOWN;
    if (s->disconnected)
        return WHY_TAKEN;
    if (s->suspended == vm || s->guest_suspended == vm)
        return WHY_SUSPENDED;
    if (s->guest_detached == vm)
        return WHY_GUEST;
    if (c->stopping)
        return WHY_STOPPING;
    if ((s->req >= 0 && s->req_vm >= 0) || (target >= 0 && target != vm))
        return WHY_OTHER_VM;
    return rule_allows(c, s, vm) ? WHY_NO_LONGER : WHY_RULES;
}

static enum why why_idle(const struct slot *s) {
    if (s->dev.malformed[0] != '\0')
        return WHY_UNCLASSIFIABLE;
    if (s->dev.protect[0] != '\0')
        return WHY_HOST;
    if (s->rule < 0)
        return WHY_NO_RULE;
    return s->disconnected ? WHY_TAKEN : WHY_NONE;
}

static enum why why(const struct core *c, const struct action *a) {
    const struct slot *s = &c->slot[a->slot];
    switch (a->event) {
    case EV_DETACHED:
        return why_detached(c, s, a->vm);
    case EV_CONNECTED:
        return why_idle(s);
    case EV_ATTACHED:
        return s->adopted ? WHY_HAD_IT : WHY_NONE;
    case EV_DISCONNECTED:
    case EV_SELECT_VM:
        break;
    }
    return WHY_NONE;
}

/* ---- keeping ---- */

static vm_set told(const struct core *c, const struct action *a) {
    struct principal guest = {.role = ROLE_GUEST};
    vm_set vms = 0;
    for (int v = 0; v < c->conf->nvms; v++) {
        guest.vm = v;
        vms |= (vm_set)api_event_concerns(c, &guest, a->event, a->slot, a->vm) << v;
    }
    return vms;
}

static const char *tag_of(const struct conf *conf, enum device_kind about, int rule) {
    return about == KIND_PCI ? conf->pci_rules[rule].tag : conf->rules[rule].tag;
}

static uint16_t tagged(const struct conf *conf, enum device_kind about, const char *tag) {
    int n = about == KIND_PCI ? conf->npci_rules : conf->nrules;
    for (int i = 0; tag[0] != '\0' && i < n; i++) {
        if (str_eq(tag_of(conf, about, i), tag))
            return (uint16_t)i;
    }
    return HISTORY_NO_RULE;
}

void history_add(struct history *h, const struct core *c, const struct action *a, int64_t at_ms) {
    const struct slot *s = &c->slot[a->slot];
    struct history_event *e = &h->event[h->n % VH_MAX_HISTORY];
    if (h->n >= VH_MAX_HISTORY)
        h->lost |= e->told;
    h->n++;
    *e = (struct history_event){
        .at_ms = at_ms,
        .told = told(c, a),
        .vid = s->dev.vid,
        .pid = s->dev.pid,
        .rule = tagged(c->conf, s->dev.kind, core_tag(c, s)),
        .kind = (uint8_t)a->event,
        .about = (uint8_t)s->dev.kind,
        .vm = a->vm >= 0 ? (uint8_t)a->vm : HISTORY_NO_VM,
        .why = (uint8_t)why(c, a),
    };
    if (s->dev.kind == KIND_USB) {
        e->busnum = s->dev.usb.busnum;
        e->devnum = s->dev.usb.devnum;
    }
    const char *path = s->dev.kind == KIND_USB ? s->dev.usb.port_path : s->dev.sys_name;
    bool fits = str_copy(e->port_path, sizeof e->port_path, path);
    VH_ASSERT(fits); /* of the same bound, and the longest address has 16 characters */
    e->place = history_place_keep(h, &s->dev);
    str_shorten(e->name, VH_HISTORY_NAME, s->dev.product_name);
}

void history_reload(struct history *h, const struct conf *old, const struct conf *fresh, vm_set changed) {
    h->lost &= ~changed;
    for (uint64_t k = 0; k < h->n && k < VH_MAX_HISTORY; k++) {
        struct history_event *e = &h->event[k];
        e->told &= ~changed;
        if (e->vm != HISTORY_NO_VM && (changed >> e->vm & 1) != 0)
            e->vm = HISTORY_NO_VM;
        if (e->rule != HISTORY_NO_RULE)
            e->rule = tagged(fresh, e->about, tag_of(old, e->about, e->rule));
    }
}

/* ---- telling ---- */

static bool concerns(const struct history_event *e, const struct principal *who) {
    if (who->role == ROLE_GUEST)
        return (e->told >> who->vm & 1) != 0;
    return access_sees_all(who) || (who->role == ROLE_OBSERVER && e->kind != EV_SELECT_VM);
}

/* Its name in sysfs and its connector, as the configuration in force has it. */
static void where(const struct history *h, const struct history_event *e, const struct core *c,
                  struct history_where *w) {
    bool fits = e->about == KIND_PCI
                    ? str_copy(w->dev.sys_name, sizeof w->dev.sys_name, e->port_path)
                    : str_fmt(w->dev.sys_name, sizeof w->dev.sys_name, "%u-%s", (unsigned)e->busnum, e->port_path);
    VH_ASSERT(fits); /* as the kernel's name, which has that bound */
    history_place_tell(h, e, c->conf, w);
}

static bool at_connector(const struct history *h, const struct history_event *e, const struct core *c,
                         const char *connector) {
    static struct history_where w;
    where(h, e, c, &w);
    return connector_has(c->conf, connector, &w.dev, false);
}

static bool selected(const struct history *h, const struct history_event *e, const struct core *c,
                     const struct selector *sel) {
    const char *tag = e->rule != HISTORY_NO_RULE ? tag_of(c->conf, e->about, e->rule) : "";
    return (!sel->by_node || (sel->node_bus == e->busnum && sel->node_dev == e->devnum)) &&
           (!sel->by_bus || sel->bus == e->busnum) && (!sel->by_port || str_eq(sel->port, e->port_path)) &&
           (!sel->by_vid || sel->vid == e->vid) && (!sel->by_pid || sel->pid == e->pid) &&
           (!sel->by_tag || str_eq(sel->tag, tag)) && (!sel->by_connector || at_connector(h, e, c, sel->connector));
}

static void member_id(struct sbuf *sb, const char *name, uint16_t id) {
    member(sb, name);
    sb_char(sb, '"');
    sb_hex(sb, id, 4);
    sb_char(sb, '"');
}

static void event(struct sbuf *sb, const struct history *h, const struct core *c, const struct principal *who,
                  const struct history_event *e) {
    static struct history_where w;
    char connector[VH_STABLE_PATH_MAX];
    bool sees_vm = e->vm != HISTORY_NO_VM && (access_sees_all(who) || (who->role == ROLE_GUEST && who->vm == e->vm));
    where(h, e, c, &w);
    connector_name(c->conf, &w.dev, connector);
    sb_str(sb, "{\"time\": ");
    sb_fmt(sb, "%lld.%03d", (long long)(e->at_ms / 1000), (int)(e->at_ms % 1000));
    member_text(sb, "event", api_event_name(e->about, (enum event_kind)e->kind));
    member_text(sb, "sys_name", w.dev.sys_name);
    member_text_or_null(sb, "connector", connector);
    member_id(sb, "vid", e->vid);
    member_id(sb, "pid", e->pid);
    member_text(sb, "product_name", e->name);
    member_text_or_null(sb, "vm", sees_vm ? c->conf->vms[e->vm].name : "");
    member_text_or_null(sb, "reason", access_sees_all(who) ? reasons[e->why] : "");
    sb_char(sb, '}');
}

/* What is left of a reply: events `next` to `next + left - 1`, and whether one was written. As a cursor it is not 0.
 * Events that come while the client reads are not for this reply. */
struct rest {
    uint64_t next;
    unsigned left;
    bool begun;
};

static uint64_t cursor_of(const struct rest *p) {
    _Static_assert(VH_MAX_HISTORY < 1 << 9, "nine bits");
    return p->next << 11 | (uint64_t)p->left << 2 | (uint64_t)p->begun << 1 | 1;
}

static struct rest rest_of(const struct history *h, uint64_t cursor) {
    unsigned kept = (unsigned)(h->n < VH_MAX_HISTORY ? h->n : VH_MAX_HISTORY);
    if (cursor == 0)
        return (struct rest){.next = h->n - kept, .left = kept};
    return (struct rest){.next = cursor >> 11, .left = (unsigned)(cursor >> 2 & 511), .begun = (cursor >> 1 & 1) != 0};
}

/* Were there earlier events for this client that are not kept any more? */
static bool has_lost(const struct history *h, const struct principal *who) {
    return who->role == ROLE_GUEST ? (h->lost >> who->vm & 1) != 0 : h->n > VH_MAX_HISTORY;
}

bool api_history_part(const struct history *h, const struct core *c, const struct request *r, uint64_t *cursor,
                      struct sbuf *sb) {
    struct rest p = rest_of(h, *cursor);
    if (*cursor == 0)
        sb_str(sb, "{\"result\": \"ok\", \"events\": [");
    while (p.left > 0) {
        const struct history_event *e = &h->event[p.next % VH_MAX_HISTORY];
        bool kept = h->n - p.next <= VH_MAX_HISTORY;
        p.next++;
        p.left--;
        if (!kept || !concerns(e, &r->who) || !selected(h, e, c, &r->sel))
            continue;
        sb_str(sb, p.begun ? ", " : "");
        event(sb, h, c, &r->who, e);
        p.begun = true;
        *cursor = cursor_of(&p);
        return true;
    }
    sb_char(sb, ']');
    if (has_lost(h, &r->who))
        member_bool(sb, "more", true);
    reply_end(sb, r->id);
    return false;
}
