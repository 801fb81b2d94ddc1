/*
 * core_announce.c - owns announcements: a new subscriber hears of the choices that are still open, and an admin of a
 * lost state file, VH_T_ANNOUNCE after the answer to its subscription. Clients of the older daemons drop what they read
 * together with an answer. Decides nothing.
 */
#include "base/log.h"
#include "core/core_internal.h"

static bool is_of(const struct announcement *a, struct client_ref client) {
    return a->used && a->client.index == client.index && a->client.gen == client.gen;
}

void announce_never(struct core *c, struct client_ref client) {
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        if (is_of(&c->announcement[k], client))
            c->announcement[k].used = false;
    }
}

static struct announcement *free_one(struct core *c) {
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        if (!c->announcement[k].used)
            return &c->announcement[k];
    }
    return NULL;
}

void announce_later(struct step *st, const struct request *r) {
    struct core *c = st->c;
    announce_never(c, r->client);
    struct announcement *a = free_one(c);
    VH_ASSERT(a != NULL); /* one for each client, until it has gone */
    *a = (struct announcement){
        .used = true,
        .admin = r->who.role == ROLE_ADMIN,
        .client = r->client,
        .last_question = c->questions,
        .due = st->now + ms_to_ns(VH_T_ANNOUNCE),
    };
}

/* A choice that came up later was told to all subscribers when it did. */
static void announce(struct step *st, const struct announcement *a) {
    if (a->admin && st->c->remembered.corrupt[0] != '\0')
        step_add(st, ACT_STATE)->client = a->client;
    for (int i = 0; i < st->c->used; i++) {
        const struct slot *s = &st->c->slot[i];
        if (s->state != SLOT_PRESENT || s->question != QUESTION_OPEN || s->question_number > a->last_question)
            continue;
        struct action *told = step_add(st, ACT_EVENT);
        told->event = EV_SELECT_VM;
        told->slot = i;
        told->client = a->client;
    }
}

/* One in a step: CORE_MAX_ACTIONS has room for one. */
void announce_plan(struct step *st) {
    bool done = false;
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        struct announcement *a = &st->c->announcement[k];
        if (!a->used)
            continue;
        if (a->due > st->now || done) {
            if (a->due < st->c->wake_at)
                st->c->wake_at = a->due;
            continue;
        }
        a->used = false;
        done = true;
        announce(st, a);
    }
}
