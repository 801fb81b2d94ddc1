/*
 * core_request.c - requests: which devices are meant, and one answer for each request. What decides something for
 * longer than the request (attach, detach) is core_decision.c's.
 *
 * A request never drives a VM itself: it changes where its devices should be, and is answered when the plan has brought
 * them there or an operation has failed.
 */
#include "access.h"
#include "core_parts.h"
#include "log.h"
#include "str.h"

#include <string.h>

/* ---- answers ---- */

/* What changes something; of this the audit tells refusals as well. */
bool core_moves(enum request_kind kind) {
    return kind == REQ_ATTACH || kind == REQ_DETACH || kind == REQ_SUSPEND || kind == REQ_RESUME;
}

static void tell_audit(struct step *st, const struct audit *audit, uint16_t text) {
    VH_ASSERT(st->out->naudits < CORE_MAX_TEXTS);
    struct action *a = step_add(st, ACT_AUDIT);
    a->audit = (uint16_t)st->out->naudits;
    a->text = text;
    st->out->audits[st->out->naudits++] = *audit;
}

static void reply_ok(struct step *st, struct client_ref client) {
    if (client.gen == 0)
        return;
    struct action *a = step_add(st, ACT_REPLY);
    a->client = client;
    a->ok = true;
}

/* Also if nobody is there any more: what was tried is told. */
static char *failed_as(struct step *st, const struct audit *audit) {
    VH_ASSERT(st->out->ntexts < CORE_MAX_TEXTS);
    uint16_t text = (uint16_t)st->out->ntexts++;
    if (core_moves(audit->asked.kind))
        tell_audit(st, audit, text);
    if (audit->asked.client.gen != 0) {
        struct action *a = step_add(st, ACT_REPLY);
        a->client = audit->asked.client;
        a->ok = false;
        a->text = text;
    }
    return st->out->texts[text];
}

char *reply_failed(struct step *st, const struct request *r) {
    struct audit audit = {.asked = *r, .outcome = AUDIT_REFUSED};
    return failed_as(st, &audit);
}

void reply_failed_text(struct step *st, const struct request *r, const char *text) {
    (void)str_copy(reply_failed(st, r), VH_ERROR_MAX, text); /* same or smaller bound everywhere */
}

static void finish(struct step *st, struct pending *p) {
    VH_ASSERT(p->left == 0);
    p->audit.outcome = p->failed ? AUDIT_FAILED : AUDIT_OK;
    if (p->failed) {
        (void)str_copy(failed_as(st, &p->audit), VH_ERROR_MAX, p->text); /* a smaller bound */
    } else {
        tell_audit(st, &p->audit, 0);
        reply_ok(st, p->audit.asked.client);
    }
    p->used = false;
}

void pending_fail(struct pending *p, const char *text) {
    if (!p->failed)
        (void)str_copy(p->text, sizeof p->text, text);
    p->failed = true;
}

/* ---- the end of a device's part ---- */

void pending_part_done(struct step *st, struct pending *p) {
    VH_ASSERT(p->left > 0);
    if (--p->left == 0)
        finish(st, p);
}

void request_slot_done(struct step *st, int i, const char *error) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    VH_ASSERT(s->req >= 0 && c->pending[s->req].used);
    struct pending *p = &c->pending[s->req];
    s->req = -1;
    const struct request *r = &p->audit.asked;
    if (r->kind == REQ_ATTACH)
        attach_ended(st, i, r->who.role, error == NULL);
    if (error != NULL)
        pending_fail(p, r->who.role == ROLE_GUEST ? guest_error(r) : error);
    pending_part_done(st, p);
}

void request_fail_vm(struct step *st, int vm, const char *error) {
    for (int i = 0; i < st->c->used; i++) {
        const struct slot *s = &st->c->slot[i];
        if (s->state == SLOT_PRESENT && s->req >= 0 && s->op == OP_NONE &&
            (s->vm == vm || s->req_vm == vm || (s->doubt >> vm & 1) != 0))
            request_slot_done(st, i, error);
    }
}

void request_client_gone(struct step *st, struct client_ref client) {
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        struct pending *p = &st->c->pending[k];
        struct client_ref *asker = &p->audit.asked.client;
        if (p->used && asker->index == client.index && asker->gen == client.gen)
            asker->gen = 0; /* what was begun goes on; nobody is told */
    }
}

/* ---- which devices ---- */

/* By its tag and nothing else: then the word is about the tag, not about a device. */
bool request_is_tag(const struct request *r) {
    const struct selector *s = &r->sel;
    return s->by_tag && !s->by_node && !s->by_bus && !s->by_port && !s->by_vid && !s->by_pid;
}

/* Not what the asker may bring back: then the other of two alike is meant. */
static bool is_out_of_reach(const struct request *r, const struct slot *s) {
    return r->kind == REQ_ATTACH && !r->sel.by_tag && s->disconnected && s->disconnected_by > r->who.role;
}

static bool fits(const struct core *c, const struct request *r, const struct slot *s) {
    bool place = r->sel.by_node || r->sel.by_port;
    bool may = !s->hub || (place && (r->kind == REQ_ATTACH || r->kind == REQ_EXPLAIN));
    return s->state == SLOT_PRESENT && may && core_selects(c, &r->sel, s);
}

/* A hub is meant only by who names its very place, and then told why it stays. */
bool request_means(const struct core *c, const struct request *r, int i) {
    const struct slot *s = &c->slot[i];
    if (s->state == SLOT_PRESENT && r->who.role == ROLE_GUEST && !guest_may(c, r, s))
        return false; /* before anything else: what is hidden costs the same time as what does not fit */
    return fits(c, r, s) && !is_out_of_reach(r, s);
}

void core_describe(struct sbuf *sb, const struct selector *sel) {
    if (sel->by_node)
        sb_fmt(sb, " /dev/bus/usb/%03u/%03u", (unsigned)sel->node_bus, (unsigned)sel->node_dev);
    if (sel->by_bus)
        sb_fmt(sb, " bus %u", (unsigned)sel->bus);
    if (sel->by_port)
        sb_fmt(sb, " port %s", sel->port);
    if (sel->by_vid)
        sb_fmt(sb, " vid %04x", (unsigned)sel->vid);
    if (sel->by_pid)
        sb_fmt(sb, " pid %04x", (unsigned)sel->pid);
    if (sel->by_tag)
        sb_fmt(sb, " tag '%s'", sel->tag);
}

void request_refuse_ambiguous(struct step *st, const struct request *r) {
    struct core *c = st->c;
    struct sbuf sb;
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    sb_str(&sb, "ambiguous:");
    int left = 0;
    for (int i = 0; i < c->used; i++) {
        if (!request_means(c, r, i))
            continue;
        const struct device *d = &c->slot[i].dev;
        if (sb.len + 120 < sb.cap)
            sb_fmt(&sb, " %s (%s, %04x:%04x)", d->node, d->sys_name, (unsigned)d->vid, (unsigned)d->pid);
        else
            left++;
    }
    if (left > 0)
        sb_fmt(&sb, " and %d more", left);
    VH_ASSERT(sb_ok(&sb));
}

/* Nothing that fits is left. */
static void refuse_none(struct step *st, const struct request *r) {
    struct core *c = st->c;
    struct sbuf sb;
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (!fits(c, r, s))
            continue;
        sb_fmt(&sb, "%s was taken away by an %s", s->dev.node, access_role_name(s->disconnected_by));
        return;
    }
    sb_str(&sb, "no such USB device:");
    core_describe(&sb, &r->sel);
}

bool request_select(struct step *st, const struct request *r, int *count) {
    int n = 0;
    for (int i = 0; i < st->c->used; i++)
        n += request_means(st->c, r, i);
    *count = n;
    bool whole_tag = request_is_tag(r);
    if (whole_tag && !core_tag_known(st->c, r->sel.tag)) {
        struct sbuf sb;
        sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
        sb_fmt(&sb, "no rule has the tag '%s'", r->sel.tag);
        return false;
    }
    if (n == 0 && !whole_tag) {
        refuse_none(st, r);
        return false;
    }
    if (n > 1 && !r->sel.by_tag) {
        request_refuse_ambiguous(st, r);
        return false;
    }
    return true;
}

/* Clients that left may have requests under way, for as long as a VM is silent: a guest must not fill the table with
 * its own, nor anybody the places of admins. */
static bool has_room(const struct core *c, const struct principal *who) {
    int all = 0, guests = 0;
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        const struct pending *p = &c->pending[k];
        all += p->used;
        guests += p->used && p->audit.asked.who.role == ROLE_GUEST && p->audit.asked.who.vm == who->vm;
    }
    if (who->role == ROLE_GUEST && guests >= VH_GUEST_REQUESTS)
        return false;
    return all < (who->role == ROLE_ADMIN ? VH_MAX_CLIENTS : VH_MAX_CLIENTS - VH_ADMIN_CLIENTS);
}

struct pending *pending_new(struct step *st, const struct request *r, int *index) {
    *index = 0;
    while (*index < VH_MAX_CLIENTS && st->c->pending[*index].used)
        (*index)++;
    VH_ASSERT(*index < VH_MAX_CLIENTS); /* request_fact has looked; saving a decision lets no request between */
    struct pending *p = &st->c->pending[*index];
    memset(p, 0, sizeof *p);
    p->used = true;
    p->audit.asked = *r;
    return p;
}

/* The plan finds it done at once if nothing need happen. */
void request_take(struct step *st, int i, int pending, int vm) {
    struct slot *s = &st->c->slot[i];
    struct audit *audit = &st->c->pending[pending].audit;
    if (audit->devices++ == 0) {
        memcpy(audit->device, s->dev.sys_name, sizeof audit->device);
        audit->vid = s->dev.vid;
        audit->pid = s->dev.pid;
    }
    s->req = pending;
    s->req_vm = vm;
    slot_afresh(s);
}

/* ---- suspend and resume ---- */

static bool suspends(const struct core *c, const struct slot *s, int vm) {
    if (s->state != SLOT_PRESENT || s->vm < 0 || s->req >= 0 || (vm >= 0 && s->vm != vm))
        return false;
    return s->rule < 0 || !c->conf->rules[s->rule].skip_on_suspend;
}

/* A guest puts back what it has taken out itself, and nothing else. */
static bool resumes(const struct core *c, const struct slot *s, int vm) {
    if (s->state != SLOT_PRESENT || s->suspended < 0 || s->req >= 0 || (vm >= 0 && s->suspended != vm))
        return false;
    if (s->hub || s->dev.protect[0] != '\0' || s->dev.malformed[0] != '\0' || s->foreign >= 0 || s->hold_until != 0)
        return false; /* it cannot go there now: the rules decide once it can */
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
    if (r->vm[0] != '\0' && vm < 0) {
        struct sbuf sb;
        sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
        sb_fmt(&sb, "unknown VM '%s'", r->vm);
        return;
    }
    int k = -1;
    struct pending *p = pending_new(st, r, &k);
    p->left = 1; /* our own, so that it cannot end while we are still at it */
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (!(down ? suspends(c, s, vm) : resumes(c, s, vm)) || (guest && !down && s->nap != vm))
            continue;
        int to = down ? -1 : s->suspended;
        if (guest)
            s->suspended = s->nap = down ? vm : -1;
        else if (down)
            memory_suspend(st, s, s->vm);
        p->left++;
        request_take(st, i, k, to);
    }
    if (!down && !guest)
        memory_resume(st, vm);
    pending_part_done(st, p);
}

/* ---- the rest ---- */

static void subscribe(struct step *st, const struct request *r) {
    struct core *c = st->c;
    struct action *sub = step_add(st, ACT_SUBSCRIBE);
    sub->client = r->client;
    sub->audits = r->kind == REQ_AUDIT;
    if (sub->audits) {
        struct audit audit = {.asked = *r, .outcome = AUDIT_OK};
        tell_audit(st, &audit, 0);
    }
    reply_ok(st, r->client);
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].state != SLOT_PRESENT || c->slot[i].ask != ASK_OPEN)
            continue;
        struct action *a = step_add(st, ACT_EVENT);
        a->event = EV_SELECT_VM;
        a->slot = i;
        a->client = r->client;
    }
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

void request_fact(struct step *st, const struct request *r) {
    if (core_moves(r->kind) && !has_room(st->c, &r->who)) { /* before anything is decided */
        reply_failed_text(st, r, "too many requests are under way");
        return;
    }
    switch (r->kind) {
    case REQ_SUBSCRIBE:
    case REQ_AUDIT:
        subscribe(st, r);
        break;
    case REQ_UNSUBSCRIBE:
        step_add(st, ACT_UNSUBSCRIBE)->client = r->client;
        reply_ok(st, r->client);
        break;
    case REQ_EXPLAIN:
        explain(st, r);
        break;
    case REQ_LIST:
    case REQ_STATS:
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
    case REQ_VERSION:
        step_add(st, ACT_REPLY_VERSION)->client = r->client;
        break;
    }
}
