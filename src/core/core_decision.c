/*
 * core_decision.c - attach and detach by operators and admins: decisions about devices and about tags.
 *
 * A detach is a decision: the device stays with the host until a client of at least the same role attaches it. A detach
 * by tag is a tag decision: it also holds for devices that are plugged in later. An attach lifts decisions. Both have
 * two parts: first the decision is noted and saved, so that a full disk refuses the request before anything is done;
 * then the devices are moved. Between both anything may happen, so the second part checks again; it concerns the plugs
 * that were meant when the decision was noted. An attach that fails restores the decision. Never begins an operation on
 * a VM.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/access.h"
#include "core/core_internal.h"

#include <string.h>

static enum role higher(enum role a, enum role b) {
    return a > b ? a : b;
}

/* ---- the plugs that a decision is about ---- */

static void mark_meant(struct core *c, const struct request *r) {
    c->meant_gone = false;
    for (int i = 0; i < c->used; i++) {
        c->slot[i].meant = request_means(c, r, i);
        c->slot[i].lifts = false;
    }
}

static void unmark(struct slot *s) {
    s->meant = s->lifts = false;
}

static void unmark_all(struct core *c) {
    for (int i = 0; i < c->used; i++)
        unmark(&c->slot[i]);
}

void request_meant_gone(struct core *c, struct slot *s) {
    VH_ASSERT(c->saving && s->meant);
    if (s->lifts)
        saving_spare(c, s);
    unmark(s);
    c->meant_gone = true;
}

/* The request with its moves. It is held by one more part, so that it cannot end before all its moves are begun.
 * decided: a decision holds from now on, or holds no longer, whatever comes of the moves. */
static struct pending *begin_moves(struct step *st, const struct request *r, bool decided, int *index) {
    struct pending *p = pending_new(st, r, index);
    p->left = 1;
    p->audit.changes = decided;
    if (st->c->meant_gone)
        pending_fail(p, "the device was unplugged");
    return p;
}

/* ---- attach ---- */

/* False, with why filled, if the device cannot be attached to any VM. STAY_FOREIGN is no reason: the
 * device is read again first, see attach_go(). */
static bool may_leave_host(const struct core *c, const struct slot *s, struct sbuf *why) {
    switch (slot_stays_with_host(
        c, s, STAY_DEVICE | STAY_UNUSABLE | STAY_UNSETTLED | STAY_HELD | STAY_CLOSED | STAY_STOPPING)) {
    case STAY_MALFORMED:
        sb_fmt(why, "%s is unclassifiable: %s", s->dev.node, s->dev.malformed);
        return false;
    case STAY_HUB:
        sb_fmt(why, "%s is a hub: hubs stay with the host", s->dev.node);
        return false;
    case STAY_PROTECTED:
        sb_fmt(why, "%s stays with the host: it %s", s->dev.node, s->dev.protect);
        return false;
    case STAY_UNAUTHORISED:
        sb_fmt(why, "%s is not authorised on this host", s->dev.node);
        return false;
    case STAY_UNRESPONSIVE:
        sb_fmt(why, "%s does not answer", s->dev.node);
        return false;
    case STAY_UNSETTLED:
        sb_fmt(why, "%s is still being configured by the kernel: it is announced when it is ready", s->dev.node);
        return false;
    case STAY_HELD:
        sb_fmt(why, "%s is on a port that flaps: it has to stay for a while first", s->dev.node);
        return false;
    case STAY_CLOSED:
        sb_str(why, core_why_closed);
        return false;
    case STAY_STOPPING:
        sb_str(why, "the daemon is ending");
        return false;
    case STAY_NO:
    case STAY_FOREIGN:
        break;
    }
    return true;
}

/* The VM that this attach means; -1 with why filled if there is none. */
static int attach_vm(const struct core *c, const struct request *r, const struct slot *s, struct sbuf *why) {
    int named = r->vm[0] != '\0' ? conf_vm(c->conf, r->vm) : -1;
    if (!may_leave_host(c, s, why))
        return -1;
    if (r->vm[0] != '\0' && named < 0) {
        sb_fmt(why, "unknown VM '%s'", r->vm);
        return -1;
    }
    if (s->rule >= 0 ? slot_terms(c, s).first < 0 : s->lease < 0) {
        sb_fmt(why, "no rule gives %s to any VM", s->dev.node);
        return -1;
    }
    if (named >= 0 && !plan_allows(c, s, named)) {
        sb_fmt(why, "the rules do not allow %s in VM '%s'", s->dev.node, r->vm);
        return -1;
    }
    if (named >= 0)
        return named;
    if (s->rule < 0)
        return s->lease;
    return s->choice >= 0 && plan_allows(c, s, s->choice) ? s->choice : slot_terms(c, s).first;
}

/* Is another request moving the device that this one has to wait for? One of a lower role is pushed aside, because it
 * could keep the device busy for long. A detach does not wait for one of the same role either: a VM that is silent must
 * not stand against it. */
static bool request_keeps(const struct core *c, const struct request *r, const struct slot *s) {
    if (s->req < 0)
        return false;
    enum role other = c->pending[s->req].audit.asked.who.role;
    return r->kind == REQ_DETACH ? other > r->who.role : other >= r->who.role;
}

/* Ends that other request. The new request restores what that one has lifted, if it fails. */
static void push_aside(struct step *st, const struct request *r, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->req < 0)
        return;
    struct pending *p = &st->c->pending[s->req];
    s->req = -1;
    pending_fail(p, p->audit.asked.who.role < r->who.role ? "a higher role has decided about the device meanwhile"
                                                          : "the device was taken away meanwhile");
    pending_part_done(st, p);
}

static int attach_check(struct core *c, const struct request *r, const struct slot *s, struct sbuf *why) {
    int vm = attach_vm(c, r, s, why);
    if (vm < 0)
        return -1;
    const struct vm_conf *vc = &c->conf->vms[vm];
    int chosen = remembered_chosen_above(c, s, r->who.role);
    if (request_keeps(c, r, s))
        sb_fmt(why, "%s is busy: another request is moving it", s->dev.node);
    else if (s->disconnected && s->disconnected_by > r->who.role)
        sb_fmt(why, "%s was taken away by an %s", s->dev.node, role_name(s->disconnected_by));
    else if (chosen >= 0 && chosen != vm)
        sb_fmt(why, "%s was given to VM '%s' by a higher role", s->dev.node, c->conf->vms[chosen].name);
    else if (!vc->supported)
        sb_fmt(why, "VM '%s' is of type '%s', which is not supported yet", vc->name, vc->type);
    else if (c->vm[vm].state == VM_DOWN)
        sb_fmt(why, "VM '%s' is not running", vc->name);
    return why->len == 0 ? vm : -1;
}

/* Begins to move every device meant that may be attached. */
static void attach_go(struct step *st, const struct request *r, bool decided) {
    struct core *c = st->c;
    int k = -1;
    struct pending *p = begin_moves(st, r, decided, &k);
    for (int i = 0; i < c->used; i++) {
        char text[VH_TEXT_MAX + VH_ERROR_MAX];
        struct sbuf why;
        struct slot *s = &c->slot[i];
        bool lifted = s->lifts;
        if (!s->meant)
            continue;
        unmark(s);
        sb_init(&why, text, sizeof text);
        int vm = attach_check(c, r, s, &why);
        if (vm < 0) {
            pending_refuse(p, text);
            if (lifted)
                attach_undone(st, i);
            continue;
        }
        push_aside(st, r, i);
        s->managed = true;
        s->suspended = s->guest_suspended = -1;
        if (s->claims != 0 && s->dev.kind == KIND_USB)
            s->look = LOOK_DUE; /* it may have been given back since: read before refusing */
        p->left++;
        request_take(st, i, k, vm);
    }
    pending_part_done(st, p);
}

static const char too_many[] = "too many decisions are remembered: attach some devices again first";

/* Lifts the decision about this device and exempts it from its tag decision; a failed attach restores both. False: the
 * exemption cannot be remembered. */
static bool lift(struct core *c, const struct request *r, struct slot *s, bool *lifted) {
    char text[VH_TEXT_MAX + VH_ERROR_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    if (!s->disconnected || attach_check(c, r, s, &why) < 0)
        return true;
    *lifted = s->lifts = true;
    return saving_decide(c, &s->dev, ROLE_NONE) && (request_is_tag(r) || saving_exempt(c, s, r->who.role));
}

static bool refuse_decided_tag(struct step *st, const struct request *r, enum role by) {
    struct sbuf sb;
    if (by <= r->who.role)
        return false;
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    sb_fmt(&sb, "what has the tag '%s' was taken away by an %s", r->sel.tag, role_name(by));
    return true;
}

void request_attach(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int n = 0;
    bool room = true;
    if (!request_select(st, r, &n))
        return;
    enum role tag_author = request_is_tag(r) ? remembered_tag_decision(c, r->about, r->sel.tag) : ROLE_NONE;
    if (refuse_decided_tag(st, r, tag_author))
        return;
    bool lifted = tag_author != ROLE_NONE;
    mark_meant(c, r);
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].meant && !lift(c, r, &c->slot[i], &lifted))
            room = false;
    }
    if (tag_author != ROLE_NONE)
        (void)saving_decide_tag(c, r->about, r->sel.tag, ROLE_NONE);
    if (lifted && room) {
        if (saving_decided(st, r))
            request_saved(st, r, NULL);
        return;
    }
    saving_undo(c);
    if (room) {
        attach_go(st, r, false);
        return;
    }
    unmark_all(c);
    reply_failed_text(st, r, too_many);
}

/* ---- detach ---- */

/* Why the device cannot be detached; NULL if it can. */
static const char *detach_obstacle(const struct core *c, const struct request *r, const struct slot *s) {
    if (request_keeps(c, r, s))
        return "the device is busy: another request is moving it";
    if (!s->dev.settled) /* the decision is kept by serial number, which is not known yet */
        return "the device is still being configured by the kernel: it is announced when it is ready";
    if (s->dev.malformed[0] != '\0' && s->dev.vid == 0 && s->dev.pid == 0) /* nor when it can be read again */
        return "its vendor and product cannot be read: no decision about it can be kept, and it stays with the host";
    return NULL;
}

/* A decision about a tag is also about devices that were plugged in while it was saved. */
static void detach_go(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int k = -1;
    struct pending *p = begin_moves(st, r, true, &k);
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (!s->meant && !(request_is_tag(r) && request_means(c, r, i)))
            continue;
        unmark(s);
        const char *obstacle = detach_obstacle(c, r, s);
        if (obstacle != NULL) {
            pending_refuse(p, obstacle);
            continue;
        }
        push_aside(st, r, i);
        s->restore_by = ROLE_NONE;
        if (s->claims != 0 && s->dev.kind == KIND_USB)
            s->look = LOOK_DUE; /* the decision holds; the reply says whether the device is still somewhere */
        if (s->question == QUESTION_OPEN)
            s->question = QUESTION_CLOSED;
        p->left++;
        request_take(st, i, k, -1);
    }
    pending_part_done(st, p);
}

/* Decides about each device meant that can be detached. A decision by a higher role keeps its author. Returns NULL, or
 * why no decision was made. */
static const char *decide_devices(struct core *c, const struct request *r) {
    const char *error = NULL;
    bool any = false;
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (!s->meant)
            continue;
        const char *obstacle = detach_obstacle(c, r, s);
        if (obstacle != NULL)
            error = obstacle;
        else if (!saving_decide(c, &s->dev, higher(remembered_decision(c, &s->dev), r->who.role)))
            return too_many;
        else
            any = true;
    }
    return any ? NULL : error;
}

void request_detach(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int n = 0;
    if (!request_select(st, r, &n))
        return;
    const char *error = NULL;
    mark_meant(c, r);
    if (!request_is_tag(r))
        error = decide_devices(c, r);
    else if (!saving_decide_tag(c, r->about, r->sel.tag,
                                higher(remembered_tag_decision(c, r->about, r->sel.tag), r->who.role)))
        error = "too many tags are kept away: attach some again first";
    if (error != NULL) {
        saving_undo(c);
        unmark_all(c);
        reply_failed_text(st, r, error);
        return;
    }
    if (saving_decided(st, r))
        request_saved(st, r, NULL);
}

/* ---- the second part ---- */

void request_saved(struct step *st, const struct request *r, const char *why) {
    if (why != NULL) {
        struct sbuf sb;
        unmark_all(st->c);
        sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
        sb_fmt(&sb, "nothing was changed, because the decision cannot be saved: %s", why);
        return;
    }
    if (r->kind == REQ_ATTACH)
        attach_go(st, r, request_is_tag(r)); /* what was decided about a device is decided again if that one fails */
    else
        detach_go(st, r);
}
