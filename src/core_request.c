/*
 * core_request.c - requests: which devices are meant, may it be done, and one answer for each request.
 *
 * A request never drives a VM itself: it changes where its devices should be, and is answered when the plan has brought
 * them there or an operation has failed. An attach that fails changes nothing that is remembered; a detach is a
 * decision and stands even while a VM cannot be reached.
 */
#include "access.h"
#include "core_parts.h"
#include "log.h"
#include "str.h"

#include <string.h>

/* ---- answers ---- */

static void reply_ok(struct step *st, struct client_ref client) {
    if (client.gen == 0)
        return;
    struct action *a = step_add(st, ACT_REPLY);
    a->client = client;
    a->ok = true;
}

/* Returns the text to be filled; a scratch that nobody reads if there is no client any more. */
static char *reply_failed(struct step *st, struct client_ref client) {
    static char nobody[VH_ERROR_MAX];
    if (client.gen == 0)
        return nobody;
    VH_ASSERT(st->out->ntexts < CORE_MAX_TEXTS);
    struct action *a = step_add(st, ACT_REPLY);
    a->client = client;
    a->ok = false;
    a->text = (uint16_t)st->out->ntexts;
    return st->out->texts[st->out->ntexts++];
}

static void reply_failed_text(struct step *st, struct client_ref client, const char *text) {
    (void)str_copy(reply_failed(st, client), VH_ERROR_MAX, text); /* same or smaller bound everywhere */
}

static void finish(struct step *st, struct pending *p) {
    if (p->failed)
        reply_failed_text(st, p->client, p->text);
    else
        reply_ok(st, p->client);
    p->used = false;
}

static void pending_fail(struct pending *p, const char *text) {
    if (!p->failed)
        (void)str_copy(p->text, sizeof p->text, text);
    p->failed = true;
}

/* ---- the end of a device's part ---- */

static void commit_attach(struct step *st, struct slot *s) {
    struct core *c = st->c;
    const struct rule *r = &c->conf->rules[s->rule];
    s->disconnected = false;
    (void)memory_decide(c, &s->dev, false, ROLE_NONE);
    s->pick = s->vm;
    if (!r->single && !memory_select(c, &s->dev, s->vm))
        c->stats.table_full++; /* attached all the same, but not remembered for the next plug */
}

void request_slot_done(struct step *st, int i, const char *error) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    VH_ASSERT(s->req >= 0 && c->pending[s->req].used);
    struct pending *p = &c->pending[s->req];
    s->req = -1;
    if (error == NULL && p->kind == REQ_ATTACH)
        commit_attach(st, s);
    if (error != NULL)
        pending_fail(p, error);
    VH_ASSERT(p->left > 0);
    if (--p->left == 0)
        finish(st, p);
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
        if (p->used && p->client.index == client.index && p->client.gen == client.gen)
            p->client.gen = 0; /* what was begun goes on; nobody is told */
    }
}

/* ---- which devices ---- */

/* A hub is meant only by who names its very place, and then told why it stays. */
static bool candidate(const struct core *c, const struct request *r, int i) {
    const struct slot *s = &c->slot[i];
    bool may = !s->hub || (r->kind == REQ_ATTACH && (r->sel.by_node || r->sel.by_port));
    return s->state == SLOT_PRESENT && may && core_selects(c, &r->sel, s);
}

static void describe(struct sbuf *sb, const struct selector *sel) {
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

static void refuse_ambiguous(struct step *st, const struct request *r) {
    struct core *c = st->c;
    struct sbuf sb;
    sb_init(&sb, reply_failed(st, r->client), VH_ERROR_MAX);
    sb_str(&sb, "ambiguous:");
    int left = 0;
    for (int i = 0; i < c->used; i++) {
        if (!candidate(c, r, i))
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

/* The only candidate, or -1 after refusing. */
static bool select_devices(struct step *st, const struct request *r, int *count) {
    int n = 0;
    for (int i = 0; i < st->c->used; i++)
        n += candidate(st->c, r, i);
    *count = n;
    if (n == 0) {
        struct sbuf sb;
        sb_init(&sb, reply_failed(st, r->client), VH_ERROR_MAX);
        sb_str(&sb, "no such USB device:");
        describe(&sb, &r->sel);
        return false;
    }
    if (n > 1 && !r->sel.by_tag) {
        refuse_ambiguous(st, r);
        return false;
    }
    return true;
}

static struct pending *pending_new(struct step *st, const struct request *r, int *index) {
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        struct pending *p = &st->c->pending[k];
        if (!p->used) {
            memset(p, 0, sizeof *p);
            p->used = true;
            p->client = r->client;
            p->kind = r->kind;
            p->role = r->who.role;
            *index = k;
            return p;
        }
    }
    reply_failed_text(st, r->client, "too many requests are under way");
    return NULL;
}

/* The slot is now this request's; the plan finds it done at once if nothing need happen. */
static void take(struct step *st, int i, int pending, int vm) {
    struct slot *s = &st->c->slot[i];
    s->req = pending;
    s->req_vm = vm;
    s->failures = 0;
    s->retry_at = 0;
}

/* ---- attach ---- */

/* The VM this attach means; -1 with why filled. */
static int attach_vm(const struct core *c, const struct request *r, const struct slot *s, struct sbuf *why) {
    if (s->dev.malformed[0] != '\0') {
        sb_fmt(why, "%s is unclassifiable: %s", s->dev.node, s->dev.malformed);
        return -1;
    }
    if (s->hub) {
        sb_fmt(why, "%s is a hub: hubs stay with the host", s->dev.node);
        return -1;
    }
    if (s->dev.protect[0] != '\0') {
        sb_fmt(why, "%s stays with the host: it %s", s->dev.node, s->dev.protect);
        return -1;
    }
    int named = r->vm[0] != '\0' ? conf_vm(c->conf, r->vm) : -1;
    if (r->vm[0] != '\0' && named < 0) {
        sb_fmt(why, "unknown VM '%s'", r->vm);
        return -1;
    }
    if (s->rule < 0 || c->conf->rules[s->rule].nvms == 0) {
        sb_fmt(why, "no rule gives %s to any VM", s->dev.node);
        return -1;
    }
    const struct rule *rule = &c->conf->rules[s->rule];
    if (named >= 0 && (rule->vm_mask >> named & 1) == 0) {
        sb_fmt(why, "the rules do not allow %s in VM '%s'", s->dev.node, r->vm);
        return -1;
    }
    if (named >= 0)
        return named;
    return s->pick >= 0 && (rule->vm_mask >> s->pick & 1) != 0 ? s->pick : rule->vms[0];
}

static int attach_check(const struct core *c, const struct request *r, const struct slot *s, struct sbuf *why) {
    int vm = attach_vm(c, r, s, why);
    if (vm < 0)
        return -1;
    if (s->req >= 0) {
        sb_fmt(why, "%s is busy: another request is moving it", s->dev.node);
        return -1;
    }
    if (s->disconnected && s->disconnected_by > r->who.role) {
        sb_fmt(why, "%s was taken away by an %s", s->dev.node, access_role_name(s->disconnected_by));
        return -1;
    }
    if (!c->conf->vms[vm].supported) {
        sb_fmt(why, "VM '%s' is of type '%s', which is not supported yet", c->conf->vms[vm].name,
               c->conf->vms[vm].type);
        return -1;
    }
    return vm;
}

static void attach(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int n = 0, k = -1;
    if (!select_devices(st, r, &n))
        return;
    struct pending *p = pending_new(st, r, &k);
    if (p == NULL)
        return;
    p->left = n + 1; /* one for ourselves, so that it cannot end while we are still at it */
    for (int i = 0; i < c->used; i++) {
        if (!candidate(c, r, i))
            continue;
        char text[VH_TEXT_MAX + VH_ERROR_MAX];
        struct sbuf why;
        sb_init(&why, text, sizeof text);
        int vm = attach_check(c, r, &c->slot[i], &why);
        if (vm < 0) {
            pending_fail(p, text);
            p->left--;
            continue;
        }
        c->slot[i].managed = true;
        c->slot[i].suspended = -1;
        take(st, i, k, vm);
    }
    if (--p->left == 0)
        finish(st, p);
}

/* ---- detach ---- */

static const char *detach_one(struct step *st, const struct request *r, int i, int k) {
    struct slot *s = &st->c->slot[i];
    if (s->req >= 0)
        return "the device is busy: another request is moving it";
    enum role by = s->disconnected && s->disconnected_by > r->who.role ? s->disconnected_by : r->who.role;
    if (!memory_decide(st->c, &s->dev, true, by))
        return "too many decisions are remembered: attach some devices again first";
    s->disconnected = true;
    s->disconnected_by = by;
    s->suspended = -1;
    if (s->ask == ASK_OPEN)
        s->ask = ASK_CLOSED;
    take(st, i, k, -1);
    return NULL;
}

static void detach(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int n = 0, k = -1;
    if (!select_devices(st, r, &n))
        return;
    struct pending *p = pending_new(st, r, &k);
    if (p == NULL)
        return;
    p->left = n + 1;
    for (int i = 0; i < c->used; i++) {
        if (!candidate(c, r, i))
            continue;
        const char *error = detach_one(st, r, i, k);
        if (error != NULL) {
            pending_fail(p, error);
            p->left--;
        }
    }
    if (--p->left == 0)
        finish(st, p);
}

/* ---- suspend and resume ---- */

static bool suspends(const struct core *c, const struct slot *s, int vm) {
    if (s->state != SLOT_PRESENT || s->vm < 0 || s->req >= 0 || (vm >= 0 && s->vm != vm))
        return false;
    return s->rule < 0 || !c->conf->rules[s->rule].skip_on_suspend;
}

static bool resumes(const struct core *c, const struct slot *s, int vm) {
    if (s->state != SLOT_PRESENT || s->suspended < 0 || s->req >= 0 || (vm >= 0 && s->suspended != vm))
        return false;
    return !s->disconnected && s->rule >= 0 && (c->conf->rules[s->rule].vm_mask >> s->suspended & 1) != 0;
}

static void suspend_or_resume(struct step *st, const struct request *r) {
    struct core *c = st->c;
    bool down = r->kind == REQ_SUSPEND;
    int vm = r->vm[0] != '\0' ? conf_vm(c->conf, r->vm) : -1;
    if (r->vm[0] != '\0' && vm < 0) {
        struct sbuf sb;
        sb_init(&sb, reply_failed(st, r->client), VH_ERROR_MAX);
        sb_fmt(&sb, "unknown VM '%s'", r->vm);
        return;
    }
    int k = -1;
    struct pending *p = pending_new(st, r, &k);
    if (p == NULL)
        return;
    p->left = 1;
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (!(down ? suspends(c, s, vm) : resumes(c, s, vm)))
            continue;
        int to = down ? -1 : s->suspended;
        s->suspended = down ? s->vm : -1;
        p->left++;
        take(st, i, k, to);
    }
    if (--p->left == 0)
        finish(st, p);
}

/* ---- the rest ---- */

static void subscribe(struct step *st, const struct request *r) {
    struct core *c = st->c;
    step_add(st, ACT_SUBSCRIBE)->client = r->client;
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

void request_fact(struct step *st, const struct request *r) {
    switch (r->kind) {
    case REQ_SUBSCRIBE:
        subscribe(st, r);
        break;
    case REQ_UNSUBSCRIBE:
        step_add(st, ACT_UNSUBSCRIBE)->client = r->client;
        reply_ok(st, r->client);
        break;
    case REQ_LIST:
        step_add(st, ACT_REPLY_LIST)->client = r->client;
        break;
    case REQ_ATTACH:
        attach(st, r);
        break;
    case REQ_DETACH:
        detach(st, r);
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
