/*
 * core_pending.c - owns requests that wait for operations: each gets exactly one reply. Never decides where a device
 * goes.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

#include <string.h>

/* Requests that may change something. Only of these the audit reports refusals. */
bool core_moves(const struct request *r) {
    bool moves = r->kind == REQ_ATTACH || r->kind == REQ_DETACH || r->kind == REQ_SUSPEND || r->kind == REQ_RESUME;
    return moves;
}

void pending_audit(struct step *st, const struct audit *audit, uint16_t text) {
    VH_ASSERT(st->out->naudits < CORE_MAX_TEXTS);
    struct action *a = step_add(st, ACT_AUDIT);
    a->audit = (uint16_t)st->out->naudits;
    a->text = text;
    st->out->audits[st->out->naudits++] = *audit;
}

void reply_ok(struct step *st, struct client_ref client) {
    if (client.gen == 0)
        return;
    struct action *a = step_add(st, ACT_REPLY);
    a->client = client;
    a->ok = true;
}

/* The audit reports the failure even if the client has gone. */
static char *failed_as(struct step *st, const struct audit *audit) {
    VH_ASSERT(st->out->ntexts < CORE_MAX_TEXTS);
    uint16_t text = (uint16_t)st->out->ntexts++;
    if (core_moves(&audit->asked))
        pending_audit(st, audit, text);
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

/* "refused" says that nothing was changed. */
static enum audit_outcome outcome(const struct pending *p) {
    if (!p->refused && !p->failed)
        return AUDIT_OK;
    return p->failed || p->audit.changes ? AUDIT_FAILED : AUDIT_REFUSED;
}

static void finish(struct step *st, struct pending *p) {
    VH_ASSERT(p->left == 0);
    p->audit.changes = p->audit.changes || p->audit.devices > 0;
    p->audit.outcome = outcome(p);
    if (p->audit.outcome != AUDIT_OK) {
        (void)str_copy(failed_as(st, &p->audit), VH_ERROR_MAX, p->text); /* a smaller bound */
    } else {
        pending_audit(st, &p->audit, 0);
        reply_ok(st, p->audit.asked.client);
    }
    p->used = false;
}

static void note_text(struct pending *p, const char *text) {
    if (!p->refused && !p->failed)
        (void)str_copy(p->text, sizeof p->text, text);
}

void pending_fail(struct pending *p, const char *text) {
    note_text(p, text);
    p->failed = true;
}

void pending_refuse(struct pending *p, const char *text) {
    note_text(p, text);
    p->refused = true;
}

void pending_part_done(struct step *st, struct pending *p) {
    VH_ASSERT(p->left > 0);
    if (--p->left == 0)
        finish(st, p);
}

static const char *guest_error(const struct request *r) {
    return r->kind == REQ_ATTACH || r->kind == REQ_RESUME ? "it could not be attached"
                                                          : "it could not be taken out yet";
}

void attach_undone(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    saving_restore(st, s, s->restore_by);
    s->restore_by = ROLE_NONE;
    remembered_refresh(st->c, s);
}

static void attach_ended(struct step *st, int i, enum role by, bool ok) {
    struct core *c = st->c;
    struct slot *s = &c->slot[i];
    if (ok) {
        s->restore_by = ROLE_NONE;
        s->choice = s->vm;
        s->guest_detached = -1;
        remembered_wake(st, s);
        if (by > ROLE_GUEST && s->rule >= 0 && !slot_terms(c, s).single && !remembered_select(st, s, s->vm, by))
            c->stats.table_full++; /* attached, but the selection is not remembered for the next plug */
        return;
    }
    attach_undone(st, i);
}

/* The worst is told: not_taken, uncertain, revoked. */
static void note_taken(struct step *st, const struct slot *s, struct audit *a) {
    static const char *const words[] = {"revoked", "uncertain", "not_taken"};
    char text[VH_ERROR_MAX];
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    const char *word = core_taken(st->c, s, &why);
    for (size_t k = 0; word != NULL && k < sizeof words / sizeof *words; k++) {
        if (a->taken == NULL || str_eq(a->taken, words[k]))
            a->taken = word;
        if (str_eq(word, words[k]))
            break;
    }
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
    else
        note_taken(st, s, &p->audit);
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

static void forget_asker(struct request *r, struct client_ref client) {
    if (r->client.index == client.index && r->client.gen == client.gen)
        r->client.gen = 0; /* the request goes on; there is no reply */
}

void request_client_gone(struct step *st, struct client_ref client) {
    struct core *c = st->c;
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        if (c->pending[k].used)
            forget_asker(&c->pending[k].audit.asked, client);
    }
    if (c->saving)
        forget_asker(&c->decision, client);
    for (int k = 0; k < c->nwaiting; k++)
        forget_asker(&c->waiting[k], client);
}

/* A request outlives its client while a VM or the disk is silent. One that waits for the disk gets its place now. So a
 * guest may have a few of the places only, and some places are kept for admins. */
bool pending_has_room(const struct core *c, const struct principal *who) {
    int all = c->saving + c->nwaiting, guests = 0;
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
    VH_ASSERT(*index < VH_MAX_CLIENTS); /* request_fact() has checked */
    struct pending *p = &st->c->pending[*index];
    memset(p, 0, sizeof *p);
    p->used = true;
    p->until = st->now + ms_to_ns(VH_T_REQUEST);
    p->audit.asked = *r;
    return p;
}

/* If the device is already where it should be, the plan ends the request in the same step. */
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
