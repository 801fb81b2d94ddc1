/*
 * core_request.c - a request begins: suspend and resume, requests of guests, subscriptions, explain and the rest.
 * Attach and detach by operators and admins are decisions, see core_decision.c.
 *
 * Never begins an operation on a VM. A request changes where its devices should be; its reply follows when the plan has
 * moved them or an operation has failed.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/access.h"
#include "core/core_internal.h"

#include <string.h>

/* ---- suspend and resume ---- */

static bool suspends(const struct core *c, const struct slot *s, int vm) {
    if (s->state != SLOT_PRESENT || s->vm < 0 || s->req >= 0 || (vm >= 0 && s->vm != vm))
        return false;
    return !slot_terms(c, s).skip_on_suspend;
}

/* A guest resumes only what it suspended itself: suspend_or_resume() checks that. */
static bool resumes(const struct core *c, const struct slot *s, int vm) {
    if (s->state != SLOT_PRESENT || s->suspended < 0 || s->req >= 0 || (vm >= 0 && s->suspended != vm))
        return false;
    /* One that cannot go there now is left to the rules. STAY_UNSETTLED is no reason: a VM had it as it was. */
    if (slot_stays_with_host(c, s, STAY_DEVICE | STAY_FOREIGN | STAY_UNRESPONSIVE | STAY_HELD | STAY_CLOSED) != STAY_NO)
        return false;
    return !s->disconnected && plan_allows(c, s, s->suspended);
}

static void suspend_or_resume(struct step *st, const struct request *r) {
    struct core *c = st->c;
    bool down = r->kind == REQ_SUSPEND, guest = r->who.role == ROLE_GUEST;
    int vm = guest ? r->who.vm : r->vm[0] != '\0' ? conf_vm(c->conf, r->vm) : -1;
    if (guest && !guest_names_itself(c, r)) {
        reply_failed_text(st, r, "not allowed: a guest suspends and resumes its own VM only");
        return;
    }
    if (r->vm[0] != '\0' && vm < 0 && r->about == KIND_PCI) {
        reply_ok(st, r->client); /* as the older daemons: a script would restart it */
        return;
    }
    if (r->vm[0] != '\0' && vm < 0) {
        struct sbuf sb;
        sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
        sb_fmt(&sb, "unknown VM '%s'", r->vm);
        return;
    }
    int k = -1;
    struct pending *p = pending_new(st, r, &k);
    p->left = 1; /* held here, so that the request cannot end inside the loop */
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->dev.kind != r->about || !(down ? suspends(c, s, vm) : resumes(c, s, vm)) ||
            (guest && !down && s->guest_suspended != vm))
            continue;
        int to = down ? -1 : s->suspended;
        if (guest)
            s->suspended = s->guest_suspended = down ? vm : -1;
        else if (down)
            remembered_suspend(st, s, s->vm);
        p->left++;
        request_take(st, i, k, to);
    }
    if (!down && !guest)
        remembered_resume(st, vm, 1u << r->about);
    pending_part_done(st, p);
}

/* ---- requests of guests ---- */

/* Replies why no device was moved. A device that the guest may not see is answered like one that does not exist. */
static void guest_refuse(struct step *st, const struct request *r) {
    const struct core *c = st->c;
    const struct slot *found = NULL;
    struct sbuf sb;
    int n = 0;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->dev.kind == KIND_USB && core_guest_sees(c, s, r->who.vm) &&
            core_selects(c, &r->sel, s)) {
            found = s;
            n++;
        }
    }
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    if (n == 1)
        sb_fmt(&sb, "%s %s", found->dev.node, guest_why_not(c, r, found));
    else if (n > 1)
        sb_fmt(&sb, "none of the devices that fit %s", r->kind == REQ_ATTACH ? "is free" : "is attached here");
    else
        sb_str(&sb, "no such USB device:");
    if (n == 0)
        core_describe(&sb, &r->sel);
}

static void guest_move(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int vm = r->who.vm, n = 0, k = -1;
    if (!guest_names_itself(c, r)) {
        reply_failed_text(st, r, "not allowed: a guest moves devices of its own VM only");
        return;
    }
    for (int i = 0; i < c->used; i++)
        n += request_means(c, r, i);
    if (n == 0) {
        guest_refuse(st, r);
        return;
    }
    if (n > 1 && !r->sel.by_tag) {
        request_refuse_ambiguous(st, r);
        return;
    }
    struct pending *p = pending_new(st, r, &k);
    p->left = 1; /* held here, so that the request cannot end inside the loop */
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (!request_means(c, r, i))
            continue;
        if (s->req >= 0) {
            pending_refuse(p, "it is being moved at the moment");
            continue;
        }
        if (r->kind == REQ_ATTACH)
            s->managed = true;
        else
            s->guest_detached = vm;
        if (s->question == QUESTION_OPEN)
            s->question = QUESTION_CLOSED;
        p->left++;
        request_take(st, i, k, r->kind == REQ_ATTACH ? vm : -1);
    }
    pending_part_done(st, p);
}

/* ---- the rest ---- */

static void subscribe(struct step *st, const struct request *r) {
    struct action *sub = step_add(st, ACT_SUBSCRIBE);
    sub->client = r->client;
    sub->audits = r->kind == REQ_AUDIT;
    if (sub->audits) {
        struct audit audit = {.asked = *r, .outcome = AUDIT_OK};
        pending_audit(st, &audit, 0);
    }
    reply_ok(st, r->client);
    announce_later(st, r);
}

/* A second one is answered like the first: the answer to that may have been lost. */
static void acknowledge(struct step *st, const struct request *r) {
    struct audit audit = {.asked = *r, .outcome = AUDIT_OK};
    audit.changes = remembered_acknowledge(st);
    pending_audit(st, &audit, 0);
    reply_ok(st, r->client);
}

static void explain(struct step *st, const struct request *r) {
    int count = 0, slot = -1;
    if (r->sel.by_tag) {
        reply_failed_text(st, r, "a tag may be of several devices: name one to have it explained");
        return;
    }
    for (int i = 0; i < st->c->used && !r->by_hand; i++) {
        if (request_means(st->c, r, i)) {
            slot = i;
            count++;
        }
    }
    bool stands_in = count == 0 && r->described != NULL;
    if (!stands_in && !request_select(st, r, &count))
        return;
    struct action *a = step_add(st, ACT_REPLY_PARTS);
    a->client = r->client;
    a->slot = slot;
}

static bool is_about_devices(enum request_kind kind) {
    return kind == REQ_LIST || kind == REQ_ATTACH || kind == REQ_DETACH || kind == REQ_SUSPEND || kind == REQ_RESUME;
}

static void begin(struct step *st, const struct request *r) {
    bool given = r->about == KIND_PCI && st->c->gives_pci && r->kind != REQ_LIST && r->who.role != ROLE_GUEST;
    if (is_about_devices(r->kind) && r->about != KIND_USB && !given) {
        request_other_kind(st, r);
        return;
    }
    switch (r->kind) {
    case REQ_SUBSCRIBE:
    case REQ_AUDIT:
        subscribe(st, r);
        break;
    case REQ_UNSUBSCRIBE:
        step_add(st, ACT_UNSUBSCRIBE)->client = r->client;
        announce_never(st->c, r->client);
        reply_ok(st, r->client);
        break;
    case REQ_EXPLAIN:
        if (r->sel.address[0] != '\0') /* of a PCI device: they are read when they are asked for */
            step_add(st, ACT_SERVE)->client = r->client;
        else
            explain(st, r);
        break;
    case REQ_LIST:
        if (r->verify && access_sees_all(&r->who))
            verify_begin(st, r);
        else
            step_add(st, ACT_REPLY_PARTS)->client = r->client;
        break;
    case REQ_VMM_LIST:
    case REQ_STATS:
    case REQ_HISTORY:
    case REQ_RULES:
        step_add(st, ACT_REPLY_PARTS)->client = r->client;
        break;
    case REQ_ATTACH:
    case REQ_DETACH:
        if (r->who.role == ROLE_GUEST)
            guest_move(st, r);
        else if (r->kind == REQ_ATTACH)
            request_attach(st, r);
        else
            request_detach(st, r);
        break;
    case REQ_SUSPEND:
    case REQ_RESUME:
        suspend_or_resume(st, r);
        break;
    case REQ_VMM_ARGS:
        request_vmm_args(st, r);
        break;
    case REQ_ACKNOWLEDGE:
        acknowledge(st, r);
        break;
    case REQ_RELOAD:
        step_add(st, ACT_SERVE)->client = r->client;
        break;
    case REQ_VERSION:
        step_add(st, ACT_REPLY_VERSION)->client = r->client;
        break;
    }
}

static bool may_decide(const struct request *r) {
    return (r->kind == REQ_ATTACH || r->kind == REQ_DETACH) && r->who.role != ROLE_GUEST;
}

void request_fact(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    struct request found = *f->request;
    const struct request *r = &found;
    request_find_port(c, &found);
    if (core_moves(r) && !pending_has_room(c, &r->who)) { /* before anything changes */
        reply_failed_text(st, r, "too many requests are under way");
    } else if (c->saving && may_decide(r)) {
        VH_ASSERT(c->nwaiting < VH_MAX_CLIENTS);
        c->waiting[c->nwaiting] = *r;
        c->waiting[c->nwaiting++].described = NULL; /* not valid for so long, and not needed */
    } else {
        begin(st, r);
    }
}

static struct request next_waiting(struct core *c) {
    struct request r = c->waiting[0];
    c->nwaiting--;
    memmove(c->waiting, c->waiting + 1, (size_t)c->nwaiting * sizeof c->waiting[0]);
    return r;
}

void request_save_ended(struct step *st, const struct fact *f) {
    struct core *c = st->c;
    if (c->save == SAVE_NONE)
        return;
    if (saving_ended(st, f->ok)) {
        struct request r = c->decision;
        request_saved(st, &r, f->ok ? NULL : f->text);
    }
    while (!c->saving && c->nwaiting > 0) {
        struct request r = next_waiting(c);
        begin(st, &r);
    }
}
