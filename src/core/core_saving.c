/*
 * core_saving.c - owns how decisions that keep devices away become true: noted, saved, undone, restored. Never decides
 * who may make one, and never writes a file: ACT_SAVE asks for that.
 *
 * A decision is on disk before it holds: it is noted in what the file is to say, saved, and then either holds and is
 * applied to the slots, or is undone. Any facts may come meanwhile. One save is under way at a time.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

#include <string.h>

/* ---- a decision is noted ---- */

static void say_dropped(struct step *st, const struct remembered *m, enum role by) {
    struct action *a = step_add(st, ACT_DROPPED);
    a->by = by;
    a->vid = m->vid;
    a->pid = m->pid;
    if (!str_copy(a->name, sizeof a->name, m->port)) /* its end tells most: a log line may cut the rest */
        memcpy(a->name, m->port + strlen(m->port) + 1 - sizeof a->name, sizeof a->name);
}

/* If the last row is taken, the newest decision of a lesser role gives its place. */
static struct remembered *lesser(struct core *c, enum role by) {
    struct remembered *newest = NULL;
    for (int i = 0; i < VH_MAX_REMEMBERED && by == ROLE_ADMIN && remembered_free_rows(c) == 0; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (m->displaced || (!remembered_decides(m) && remembered_settled(m)))
            return NULL; /* there will be room */
        if (remembered_settled(m) && m->now.by < by && (newest == NULL || m->stamp > newest->stamp))
            newest = m;
    }
    return newest;
}

/* The row for a decision that is being noted. */
static struct remembered *note(struct core *c, const struct device *d, enum role by) {
    struct remembered *m = remembered_row(c, d, by);
    if (m == NULL)
        return NULL;
    m->file.by = by; /* itself it is no candidate */
    struct remembered *victim = lesser(c, by);
    if (victim != NULL) {
        victim->displaced = true;
        victim->file = (struct kept_away){.by = ROLE_NONE};
    }
    return m;
}

/* Others that the decision in m is about get one of their own before it is lifted for one of them. */
static bool spread(struct core *c, const struct remembered *m, const struct device *but) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state != SLOT_PRESENT || str_eq(s->dev.sys_name, but->sys_name) || !remembered_applies(c, m, &s->dev))
            continue;
        struct remembered *own = remembered_row(c, &s->dev, m->file.by);
        if (own == NULL)
            return false;
        own->file.by = own->file.by > m->file.by ? own->file.by : m->file.by;
    }
    return true;
}

static bool lift(struct core *c, const struct device *d) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (m->file.by == ROLE_NONE || !remembered_applies(c, m, d))
            continue;
        if (!spread(c, m, d))
            return false;
        m->file = (struct kept_away){.by = ROLE_NONE};
    }
    return true;
}

bool saving_decide(struct core *c, const struct device *d, enum role by) {
    if (by == ROLE_NONE)
        return lift(c, d);
    if (remembered_decision(c, d) >= by)
        return true; /* it is away already, by no lesser role */
    struct remembered *m = note(c, d, by);
    if (m != NULL)
        m->file = (struct kept_away){.by = by};
    return m != NULL;
}

static bool is_exempt(const struct kept_away *k, const struct device *d) {
    return k->exempt != 0 && k->exempt == d->incarnation;
}

static void end_exemption(struct kept_away *k, const struct device *d) {
    if (!is_exempt(k, d))
        return;
    k->exempt = 0;
    k->exempt_by = ROLE_NONE;
}

bool saving_exempt(struct core *c, const struct slot *s, enum role by) {
    if (remembered_tag_decision(c, s->dev.kind, slot_tag(c, s)) == ROLE_NONE)
        return true;
    struct remembered *m = note(c, &s->dev, by);
    if (m == NULL)
        return false;
    m->file = (struct kept_away){.exempt_by = by, .exempt = s->dev.incarnation};
    return true;
}

void saving_spare(struct core *c, const struct slot *s) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!remembered_applies(c, m, &s->dev) || remembered_settled(m) || m->displaced)
            continue;
        m->file = m->now;
        remembered_tidy(m);
        c->dirty = c->dirty || c->save == SAVE_DECISION;
    }
}

/* One that holds or is being saved. */
static struct tag_decision *tag_decision_of(struct core *c, enum device_kind kind, const char *tag) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS && tag[0] != '\0'; i++) {
        struct tag_decision *l = &c->remembered.tag_decision[i];
        if (!remembered_tag_free(l) && l->kind == kind && str_eq(l->tag, tag))
            return l;
    }
    return NULL;
}

static int free_tags(const struct core *c) {
    int n = 0;
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        n += remembered_tag_free(&c->remembered.tag_decision[i]);
    return n;
}

/* The last decision of a lesser role gives its place, once the new one is saved. */
static void displace_tag(struct core *c, enum role by) {
    for (int i = VH_MAX_TAG_DECISIONS - 1; i >= 0; i--) {
        struct tag_decision *l = &c->remembered.tag_decision[i];
        if (l->now != ROLE_NONE && l->now < by && l->by == l->now) {
            l->by = ROLE_NONE;
            return;
        }
    }
}

bool saving_decide_tag(struct core *c, enum device_kind kind, const char *tag, enum role by) {
    struct tag_decision *l = tag_decision_of(c, kind, tag);
    for (int i = 0; l == NULL && i < VH_MAX_TAG_DECISIONS; i++) {
        if (remembered_tag_free(&c->remembered.tag_decision[i])) /* a decision never lifts one tag and takes another */
            l = &c->remembered.tag_decision[i];
    }
    if (l == NULL || (remembered_tag_free(l) && by < ROLE_ADMIN && free_tags(c) == 1))
        return false; /* the last one is for an admin */
    bool is_new = remembered_tag_free(l);
    VH_ASSERT(str_copy(l->tag, sizeof l->tag, tag));
    l->kind = kind;
    l->by = by;
    if (is_new && free_tags(c) == 0)
        displace_tag(c, by);
    for (int i = 0; i < c->used; i++) { /* exemptions were from an earlier decision */
        const struct slot *s = &c->slot[i];
        bool has = s->state == SLOT_PRESENT && s->dev.kind == kind && str_eq(slot_tag(c, s), tag);
        struct remembered *m = has ? remembered_find(c, &s->dev) : NULL;
        if (m != NULL)
            end_exemption(&m->file, &s->dev);
    }
    return true;
}

/* ---- a decision is restored ---- */

/* A decision about the device that is being saved meanwhile is later, and stays as it is; but one by a lesser role that
 * keeps the device away does not take the place of this one. */
void saving_restore(struct step *st, struct slot *s, enum role by) {
    struct core *c = st->c;
    struct remembered *m = by != ROLE_NONE ? remembered_row(c, &s->dev, by) : remembered_find(c, &s->dev);
    if (m == NULL && by != ROLE_NONE) { /* the table is full: the decision is lost */
        const struct remembered lost = {.vid = s->dev.vid, .pid = s->dev.pid};
        c->stats.table_full++;
        say_dropped(st, &lost, by);
    }
    if (m == NULL || (by == ROLE_NONE && !is_exempt(&m->now, &s->dev)))
        return;
    bool settled = remembered_settled(m);
    if (by > m->now.by)
        m->now.by = by;
    end_exemption(&m->now, &s->dev);
    if (settled)
        m->file = m->now;
    else if (m->file.by != ROLE_NONE && m->file.by < by)
        m->file.by = by;
    remembered_tidy(m);
    remembered_changed(st);
    struct remembered *victim = lesser(c, by);
    if (victim != NULL) {
        say_dropped(st, victim, victim->now.by);
        victim->used = false;
    }
}

void saving_stays(struct step *st, struct slot *s, enum role before) {
    struct core *c = st->c;
    if (s->disconnected_by >= before)
        return;
    saving_restore(st, s, before);
    remembered_refresh(c, s);
}

/* ---- saving ---- */

void saving_begin(struct step *st) {
    struct core *c = st->c;
    VH_ASSERT(c->persist && c->save == SAVE_NONE);
    c->save = c->saving ? SAVE_DECISION : SAVE_CHANGES;
    c->dirty = false;
    step_add_first(st, ACT_SAVE);
}

static void end_decision(struct core *c, bool keep) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!m->used)
            continue;
        if (keep)
            m->now = m->file;
        else
            m->file = m->now;
        m->used = !(keep && m->displaced);
        m->displaced = false;
        remembered_tidy(m);
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        struct tag_decision *l = &c->remembered.tag_decision[i];
        if (keep)
            l->now = l->by;
        else
            l->by = l->now;
    }
}

/* What is dropped for the decision is said: it was the word of somebody. */
static void say_displaced(struct step *st) {
    const struct core *c = st->c;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &c->remembered.m[i];
        if (m->used && m->displaced)
            say_dropped(st, m, m->now.by);
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        const struct tag_decision *l = &c->remembered.tag_decision[i];
        if (l->by != ROLE_NONE || l->now == ROLE_NONE || (c->decision.kind == REQ_ATTACH && c->decision.sel.by_tag))
            continue;
        struct action *a = step_add(st, ACT_DROPPED);
        a->by = l->now;
        a->vid = a->pid = 0;
        memcpy(a->name, l->tag, sizeof a->name);
    }
}

/* The decision holds. What it lifts is kept with the slots: a failed attach restores it. Of the devices that it does
 * not mean, none is kept away less than before. */
static void decision_holds(struct step *st) {
    struct core *c = st->c;
    for (int k = 0; k < VH_MAX_REMEMBERED; k++) {
        const struct remembered *m = &c->remembered.m[k];
        for (int i = 0; i < c->used && m->used && m->file.by == ROLE_NONE && m->now.by != ROLE_NONE; i++) {
            struct slot *s = &c->slot[i];
            if (s->lifts && m->now.by > s->restore_by && remembered_applies(c, m, &s->dev))
                s->restore_by = m->now.by;
        }
    }
    say_displaced(st);
    end_decision(c, true);
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        enum role before = s->disconnected_by;
        if (s->state != SLOT_PRESENT)
            continue;
        remembered_refresh(c, s);
        if (!s->meant && s->dev.settled)
            saving_stays(st, s, before);
    }
}

void saving_undo(struct core *c) {
    end_decision(c, false);
}

bool saving_decided(struct step *st, const struct request *r) {
    struct core *c = st->c;
    VH_ASSERT(!c->saving);
    if (!c->persist) {
        c->decision = *r;
        decision_holds(st);
        return true;
    }
    c->saving = true;
    c->decision = *r;
    return false;
}

bool saving_ended(struct step *st, bool ok) {
    struct core *c = st->c;
    bool decision = c->save == SAVE_DECISION;
    VH_ASSERT(c->save != SAVE_NONE && (c->saving || !decision));
    c->save = SAVE_NONE;
    c->stats.saves++;
    if (ok) {
        c->save_failures = 0;
    } else {
        c->dirty = true; /* parts of a decision that is undone may have reached the disk */
        c->stats.save_failed++;
        c->save_failures++;
        c->save_at = st->now + backoff(c->save_failures, VH_T_SAVE_RETRY, VH_T_SAVE_RETRY_MAX);
    }
    if (!decision)
        return false;
    c->saving = false;
    if (ok)
        decision_holds(st);
    else
        saving_undo(c);
    return true;
}
