/*
 * api.c - lists, events and short replies of the JSON API as text. Owns the wording of the protocol (docs/api.md) and
 * no state. Never acts on requests: core_request.c does. Never sees a socket: server.c does.
 */
#include "api/api.h"

#include "api/api_internal.h"
#include "base/limits.h"
#include "base/str.h"
#include "codec/json.h"
#include "config/access.h"

#include <string.h>

/* ---- replies ---- */

void api_ok(struct sbuf *sb, const char *id) {
    sb_str(sb, "{\"result\": \"ok\"");
    reply_end(sb, id);
}

void api_done(struct sbuf *sb, const struct request *r) {
    sb_str(sb, "{\"result\": \"ok\"");
    if (r->kind == REQ_LIST && r->about == KIND_PCI)
        sb_str(sb, ", \"pci_devices\": []");
    if (r->kind == REQ_VMM_ARGS)
        sb_str(sb, ", \"vmm_args\": []");
    reply_end(sb, r->id);
}

void api_failed(struct sbuf *sb, const char *id, const char *error) {
    sb_str(sb, "{\"result\": \"failed\", \"error\": ");
    sb_json(sb, error);
    reply_end(sb, id);
}

void api_version(struct sbuf *sb, const char *id) {
    sb_str(sb, "{\"result\": \"ok\"");
    member_text(sb, "version", VH_VERSION);
    reply_end(sb, id);
}

/* ---- devices ---- */

/* The name of the VM, or null if there is none or the client may not know it. */
static void member_vm(struct sbuf *sb, const char *name, const struct core *c, const struct principal *who, int vm) {
    bool known = vm >= 0 && (access_sees_all(who) || (who->role == ROLE_GUEST && who->vm == vm));
    member_text_or_null(sb, name, known ? c->conf->vms[vm].name : "");
}

static void allowed_vms(struct sbuf *sb, const struct core *c, const struct principal *who, const struct slot *s) {
    const struct rule *r = s->rule >= 0 ? &c->conf->rules[s->rule] : NULL;
    int n = r != NULL ? r->nvms : s->lease >= 0, shown = 0;
    sb_char(sb, '[');
    for (int i = 0; i < n; i++) {
        int vm = r != NULL ? r->vms[i] : s->lease;
        if (!access_sees_all(who) && (who->role != ROLE_GUEST || who->vm != vm))
            continue;
        if (shown++ > 0)
            sb_str(sb, ", ");
        sb_json(sb, c->conf->vms[vm].name);
    }
    sb_char(sb, ']');
}

/* Why the device is where it is. A reason may name VMs and paths of the host: only clients that see everything get it.
 * Guests get reasons in words of their own. */
static void situation_reason(struct sbuf *sb, const struct core *c, const struct principal *who, const struct slot *s) {
    char text[VH_ERROR_MAX];
    struct sbuf reason;
    sb_init(&reason, text, sizeof text);
    if (who->role == ROLE_GUEST)
        sb_str(&reason, core_guest_reason(c, s, who->vm));
    else if (access_sees_all(who))
        core_reason(c, s, &reason);
    member_text_or_null(sb, "reason", text);
}

/* Left out unless somebody has taken it away from a VM. */
static void device_taken(struct sbuf *sb, const struct core *c, const struct slot *s) {
    char text[VH_ERROR_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    const char *word = core_taken(c, s, &why);
    if (word == NULL)
        return;
    member_text(sb, "taken_away", word);
    if (text[0] != '\0')
        member_text(sb, "taken_away_why", text);
}

static void device_situation(struct sbuf *sb, const struct core *c, const struct principal *who, const struct slot *s) {
    bool guest = who->role == ROLE_GUEST;
    int vm = s->vm >= 0 ? s->vm : s->foreign;
    bool foreign = s->vm < 0 && s->foreign >= 0 && (!guest || s->foreign == who->vm);
    member(sb, "allowed_vms");
    allowed_vms(sb, c, who, s);
    member_vm(sb, "vm", c, who, vm);
    member_bool(sb, "foreign", foreign);
    member_bool(sb, "disconnected", s->disconnected);
    member_text_or_null(sb, "tag", core_tag(c, s));
    member_text(sb, "state", guest ? core_guest_state(c, s, who->vm) : core_state_name(c, s));
    situation_reason(sb, c, who, s);
    if (c->quarantine != QUARANTINE_OFF && access_sees_all(who)) {
        member_bool(sb, "driven", s->dev.driven);
        member_bool(sb, "quarantined", core_quarantined(s));
    }
    if (c->authorises && access_sees_all(who))
        member_bool(sb, "authorized", !s->dev.unauthorised);
    if (access_sees_all(who))
        device_taken(sb, c, s);
    if (s->dev.note[0] != '\0' && access_sees_all(who))
        member_text(sb, "note", s->dev.note);
}

/* Is a program of the host using it, and what is not known of where it is? Of a list for which both were asked. */
static void device_verified(struct sbuf *sb, const struct core *c, const struct slot *s) {
    char text[VH_ERROR_MAX];
    struct sbuf what;
    sb_init(&what, text, sizeof text);
    core_uncertain(c, s, &what);
    member_bool(sb, "claimed", s->dev.claimed);
    member_text_or_null(sb, "uncertain", text);
}

void api_list_entry(struct sbuf *sb, const struct core *c, const struct request *r, int slot) {
    const struct slot *s = &c->slot[slot];
    bool all = access_sees_all(&r->who);
    device_identity(sb, c->conf, &s->dev, all);
    device_situation(sb, c, &r->who, s);
    if (r->verify && all)
        device_verified(sb, c, s);
    sb_char(sb, '}');
}

/* Will devices of the tag that are plugged in later be kept from VMs? null: no rule has this tag, as far as the client
 * may know. */
static void tag_situation(struct sbuf *sb, const struct core *c, const struct principal *who, const char *tag) {
    member(sb, "tag_disconnected");
    sb_str(sb, !core_tag_seen(c, who, tag) ? "null" : core_tag_taken(c, KIND_USB, tag) != ROLE_NONE ? "true" : "false");
}

/* The device to list next: of those whose place is not below the cursor, the one with the lowest place. Devices come
 * and go between two parts of a list; their places stay. */
static int next_listed(const struct core *c, const struct request *r, uint64_t cursor) {
    int best = -1;
    uint64_t lowest = UINT64_MAX;
    for (int i = 0; i < c->used; i++) {
        uint64_t place = core_place(c, i);
        if (place < cursor || place >= lowest || !core_visible(c, &c->slot[i], r))
            continue;
        best = i;
        lowest = place;
    }
    return best;
}

/* By bus and port. The cursor is 0 only until the first device is written. */
bool api_list_part(const struct core *c, const struct request *r, uint64_t *cursor, struct sbuf *sb) {
    bool first = *cursor == 0;
    int i = next_listed(c, r, *cursor);
    if (first)
        sb_str(sb, "{\"result\": \"ok\", \"usb_devices\": [");
    if (i < 0) {
        sb_char(sb, ']');
        if (r->sel.by_tag)
            tag_situation(sb, c, &r->who, r->sel.tag);
        reply_end(sb, r->id);
        return false;
    }
    if (!first)
        sb_str(sb, ", ");
    api_list_entry(sb, c, r, i);
    *cursor = core_place(c, i) + 1;
    return true;
}

/* Clients with the same number see the same devices and read the same words about them. */
static unsigned reader(const struct principal *who) {
    enum { SEES_ALL, OBSERVER, FIRST_GUEST }; /* then a number for the guest of each VM */
    if (access_sees_all(who))
        return SEES_ALL;
    return who->role == ROLE_GUEST ? FIRST_GUEST + (unsigned)who->vm : OBSERVER;
}

unsigned api_list_view(const struct request *r) {
    _Static_assert(1 + 2 * (2 + VH_MAX_VMS) <= 256, "a view fits into a byte");
    if (r->id[0] != '\0' || r->sel.by_tag || r->sel.by_connector || r->disconnected != TRI_ANY || r->verify)
        return 0;
    return 1 + 2 * reader(&r->who) + r->all;
}

/* ---- events ---- */

const char *api_event_name(enum device_kind about, enum event_kind kind) {
    static const char usb[][17] = {
        [EV_CONNECTED] = "usb_connected", [EV_DISCONNECTED] = "usb_disconnected", [EV_ATTACHED] = "usb_attached",
        [EV_DETACHED] = "usb_detached",   [EV_SELECT_VM] = "usb_select_vm",
    };
    static const char pci[EV_SELECT_VM + 1][17] = {
        /* EV_SELECT_VM is never sent: one rule names one VM */
        [EV_CONNECTED] = "pci_connected",
        [EV_DISCONNECTED] = "pci_disconnected",
        [EV_ATTACHED] = "pci_attached",
        [EV_DETACHED] = "pci_detached",
    };
    return about == KIND_PCI ? pci[kind] : usb[kind];
}

bool api_event_concerns(const struct core *c, const struct principal *who, enum event_kind kind, int slot, int vm) {
    const struct slot *s = &c->slot[slot];
    switch (who->role) {
    case ROLE_ADMIN:
    case ROLE_OPERATOR:
        return true;
    case ROLE_OBSERVER:
        return kind != EV_SELECT_VM; /* it cannot answer */
    case ROLE_GUEST:
        if (kind == EV_ATTACHED || kind == EV_DETACHED)
            return vm == who->vm; /* a guest does not learn of other VMs */
        return core_guest_sees(c, s, who->vm);
    case ROLE_NONE:
        break;
    }
    return false;
}

void api_event(struct sbuf *sb, const struct core *c, const struct principal *who, enum event_kind kind, int slot,
               int vm) {
    const struct device *d = &c->slot[slot].dev;
    sb_str(sb, "{\"event\": \"");
    sb_str(sb, api_event_name(d->kind, kind));
    sb_str(sb, d->kind == KIND_PCI ? "\", \"pci_device\": " : "\", \"usb_device\": ");
    if (d->kind == KIND_PCI)
        pci_device_of(sb, d, kind == EV_DISCONNECTED);
    else
        device_identity(sb, c->conf, d, access_sees_all(who));
    sb_char(sb, '}');
    if (kind == EV_ATTACHED || kind == EV_DETACHED)
        member_vm(sb, "vm", c, who, vm);
    if (kind == EV_SELECT_VM) {
        member(sb, "allowed_vms");
        allowed_vms(sb, c, who, &c->slot[slot]);
    }
    sb_str(sb, "}\n");
}

void api_state_event(struct sbuf *sb, const struct core *c) {
    if (c->remembered.corrupt[0] == '\0') {
        sb_str(sb, "{\"event\": \"state_acknowledged\"}\n");
        return;
    }
    sb_str(sb, "{\"event\": \"state_corrupt\", \"error\": ");
    sb_json(sb, c->remembered.corrupt);
    member_bool(sb, "closed", core_closed(c));
    sb_str(sb, "}\n");
}
