/*
 * core_remembered.c - owns what is remembered of devices and tags (selections, decisions, suspensions) and applies it
 * to plugged devices. Never writes a file: ACT_SAVE asks for that.
 *
 * A decision is on disk before it holds: it is noted in what the file is to say, saved, and then either holds and is
 * applied to the slots, or is undone. Any facts may come meanwhile. Selections and suspensions hold at once and are
 * saved as soon as the disk allows.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

#include <string.h>

/* ---- finding ---- */

static bool same_identity(uint16_t vid, uint16_t pid, const char *serial, const struct device *d) {
    return vid == d->vid && pid == d->pid && str_eq(serial, d->serial);
}

/* Is another device with the same ids and serial number plugged in: at that port, or anywhere if port is NULL? */
static bool twin_present(const struct core *c, const struct device *d, const char *port) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && same_identity(s->dev.vid, s->dev.pid, s->dev.serial, d) &&
            !str_eq(s->dev.sys_name, d->sys_name) && (port == NULL || str_eq(s->dev.sys_name, port)))
            return true;
    }
    return false;
}

/* The remembered device of this port (*here is true), else one of another port that has moved here. Only a serial
 * number shows that a device has moved, and only while no such device is plugged in at the other port. */
static struct remembered *find(struct core *c, const struct device *d, bool *here) {
    struct remembered *moved = NULL;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!m->used || !same_identity(m->vid, m->pid, m->serial, d))
            continue;
        *here = str_eq(m->port, d->sys_name);
        if (*here)
            return m;
        if (m->port[0] == '\0' || (d->serial[0] != '\0' && !twin_present(c, d, m->port)))
            moved = moved == NULL || m->stamp > moved->stamp ? m : moved;
    }
    *here = false;
    return moved;
}

static struct remembered *find_any(struct core *c, const struct device *d) {
    bool here;
    return find(c, d, &here);
}

/* False while a decision about it is being saved. */
static bool is_settled(const struct remembered *m) {
    return m->file.by == m->now.by && m->file.exempt_bus == m->now.exempt_bus &&
           m->file.exempt_dev == m->now.exempt_dev;
}

/* The same; if there is none, a free entry or the oldest one without a decision becomes it. NULL: all are decisions. */
static struct remembered *get(struct core *c, const struct device *d) {
    struct remembered *m = find_any(c, d), *oldest = NULL;
    bool known = m != NULL;
    for (int i = 0; m == NULL && i < VH_MAX_REMEMBERED; i++) {
        struct remembered *e = &c->remembered.m[i];
        if (!e->used)
            m = e;
        else if (e->now.by == ROLE_NONE && is_settled(e) && (oldest == NULL || e->stamp < oldest->stamp))
            oldest = e;
    }
    if (m == NULL)
        m = oldest;
    if (m == NULL)
        return NULL;
    if (!known) {
        memset(m, 0, sizeof *m);
        m->used = true;
        m->vid = d->vid;
        m->pid = d->pid;
        memcpy(m->serial, d->serial, sizeof m->serial);
    }
    memcpy(m->port, d->sys_name, sizeof m->port);
    m->stamp = ++c->remembered.stamp;
    return m;
}

static void drop_if_empty(struct remembered *m) {
    if (m->vm[0] == '\0' && m->suspended[0] == '\0' && m->now.by == ROLE_NONE && m->now.exempt_bus == 0 &&
        is_settled(m) && !m->resumed)
        m->used = false;
}

static bool is_free(const struct tag_decision *l) {
    return l->by == ROLE_NONE && l->now == ROLE_NONE;
}

/* One that holds or is being saved. */
static struct tag_decision *tag_decision_of(struct core *c, const char *tag) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS && tag[0] != '\0'; i++) {
        struct tag_decision *l = &c->remembered.tag_decision[i];
        if (!is_free(l) && str_eq(l->tag, tag))
            return l;
    }
    return NULL;
}

/* ---- applied to a plugged device ---- */

enum role remembered_tag_decision(struct core *c, const char *tag) {
    const struct tag_decision *l = tag_decision_of(c, tag);
    return l != NULL ? l->now : ROLE_NONE;
}

void remembered_refresh(struct core *c, struct slot *s) {
    struct remembered *m = s->dev.settled ? find_any(c, &s->dev) : NULL; /* before, its serial number is not known */
    enum role tag_by = s->rule >= 0 ? remembered_tag_decision(c, c->conf->rules[s->rule].tag) : ROLE_NONE;
    enum role by = m != NULL ? m->now.by : ROLE_NONE;
    bool exempt = m != NULL && m->now.exempt_bus == s->dev.busnum && m->now.exempt_dev == s->dev.devnum;
    if (!exempt && tag_by > by)
        by = tag_by;
    s->disconnected = by != ROLE_NONE;
    s->disconnected_by = by;
    s->suspended = m != NULL && m->suspended[0] != '\0' ? conf_vm(c->conf, m->suspended) : s->guest_suspended;
    if (m != NULL && m->resumed) { /* it was in a VM before this daemon started: the rules apply to it */
        s->managed = true;
        m->resumed = false;
        drop_if_empty(m);
    }
}

static void refresh_all(struct core *c) {
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].state == SLOT_PRESENT)
            remembered_refresh(c, &c->slot[i]);
    }
}

/* ---- saving ---- */

static void changed(struct step *st) {
    st->c->dirty = st->c->persist;
}

void remembered_save(struct step *st) {
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
        drop_if_empty(m);
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        struct tag_decision *l = &c->remembered.tag_decision[i];
        if (keep)
            l->now = l->by;
        else
            l->by = l->now;
    }
}

/* The decision holds. What it lifts is kept with the slots: a failed attach restores it. */
static void decision_holds(struct core *c) {
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        const struct remembered *m = s->lifts ? find_any(c, &s->dev) : NULL;
        if (m != NULL && m->now.by > s->restore_by && m->file.by == ROLE_NONE)
            s->restore_by = m->now.by;
    }
    end_decision(c, true);
    refresh_all(c);
}

void remembered_refuse(struct core *c) {
    end_decision(c, false);
}

bool remembered_decided(struct step *st, const struct request *r) {
    struct core *c = st->c;
    VH_ASSERT(!c->saving);
    if (!c->persist) {
        decision_holds(c);
        return true;
    }
    c->saving = true;
    c->decision = *r;
    return false;
}

bool remembered_saved(struct step *st, bool ok) {
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
        decision_holds(c);
    else
        remembered_refuse(c);
    return true;
}

/* ---- selections ---- */

/* While two such devices are plugged in, a selection holds for its own port only: the other device needs a choice. */
static const struct remembered *selection(struct core *c, const struct device *d) {
    bool here;
    const struct remembered *m = find(c, d, &here);
    return !d->settled || m == NULL || m->vm[0] == '\0' || (!here && twin_present(c, d, NULL)) ? NULL : m;
}

int remembered_selection(struct core *c, const struct device *d) {
    const struct remembered *m = selection(c, d);
    return m != NULL ? conf_vm(c->conf, m->vm) : -1;
}

int remembered_chosen_above(struct core *c, const struct slot *s, enum role role) {
    const struct remembered *m = role < ROLE_ADMIN ? selection(c, &s->dev) : NULL; /* no role is above admin */
    int vm = m != NULL && m->vm_by > role ? conf_vm(c->conf, m->vm) : -1;
    return vm >= 0 && plan_allows(c, s, vm) ? vm : -1;
}

/* ---- changes ---- */

/* A selection by a higher role is never replaced, even if the rules do not allow its VM at the moment (they may again).
 * Selecting the same VM keeps the higher role as its author. */
bool remembered_select(struct step *st, const struct slot *s, int vm, enum role by) {
    struct core *c = st->c;
    const struct device *d = &s->dev;
    const char *name = c->conf->vms[vm].name;
    const struct remembered *known = find_any(c, d);
    bool same = known != NULL && str_eq(known->vm, name);
    if (known != NULL && (same ? known->vm_by >= by && str_eq(known->port, d->sys_name) : known->vm_by > by))
        return true;
    struct remembered *m = get(c, d);
    if (m == NULL)
        return false;
    m->vm_by = same && m->vm_by > by ? m->vm_by : by;
    VH_ASSERT(str_copy(m->vm, sizeof m->vm, name)); /* same bound */
    changed(st);
    return true;
}

bool remembered_decide(struct core *c, const struct device *d, enum role by) {
    struct remembered *m = by != ROLE_NONE ? get(c, d) : find_any(c, d);
    if (m == NULL)
        return by == ROLE_NONE;
    m->file = (struct kept_away){.by = by};
    return true;
}

bool remembered_exempt(struct core *c, const struct slot *s) {
    if (s->rule < 0 || remembered_tag_decision(c, c->conf->rules[s->rule].tag) == ROLE_NONE)
        return true;
    struct remembered *m = get(c, &s->dev);
    if (m == NULL)
        return false;
    m->file.exempt_bus = s->dev.busnum;
    m->file.exempt_dev = s->dev.devnum;
    return true;
}

static bool is_exempt(const struct kept_away *k, const struct device *d) {
    return k->exempt_bus == d->busnum && k->exempt_dev == d->devnum;
}

static void end_exemption(struct kept_away *k, const struct device *d) {
    if (is_exempt(k, d))
        k->exempt_bus = k->exempt_dev = 0;
}

void remembered_spare(struct core *c, const struct slot *s) {
    struct remembered *m = find_any(c, &s->dev);
    if (m == NULL || is_settled(m))
        return;
    m->file = m->now;
    drop_if_empty(m);
    c->dirty = c->dirty || c->save == SAVE_DECISION;
}

/* A decision about the device that is being saved meanwhile is later, and stays as it is. */
void remembered_restore(struct step *st, struct slot *s, enum role by) {
    struct core *c = st->c;
    struct remembered *m = by != ROLE_NONE ? get(c, &s->dev) : find_any(c, &s->dev);
    if (m == NULL && by != ROLE_NONE)
        c->stats.table_full++; /* the table is full: the decision is lost, which the figures show */
    if (m == NULL || (by == ROLE_NONE && !is_exempt(&m->now, &s->dev)))
        return;
    bool settled = is_settled(m);
    if (by > m->now.by)
        m->now.by = by;
    end_exemption(&m->now, &s->dev);
    if (settled)
        m->file = m->now;
    drop_if_empty(m);
    changed(st);
}

enum role remembered_decision(struct core *c, const struct device *d) {
    const struct remembered *m = find_any(c, d);
    return m != NULL ? m->now.by : ROLE_NONE;
}

bool remembered_decide_tag(struct core *c, const char *tag, enum role by) {
    struct tag_decision *l = tag_decision_of(c, tag);
    for (int i = 0; l == NULL && i < VH_MAX_TAG_DECISIONS; i++) {
        if (is_free(&c->remembered.tag_decision[i])) /* a decision never lifts one tag and takes another */
            l = &c->remembered.tag_decision[i];
    }
    if (l == NULL)
        return false;
    VH_ASSERT(str_copy(l->tag, sizeof l->tag, tag));
    l->by = by;
    for (int i = 0; i < c->used; i++) { /* exemptions were from an earlier decision */
        const struct slot *s = &c->slot[i];
        bool has = s->state == SLOT_PRESENT && s->rule >= 0 && str_eq(c->conf->rules[s->rule].tag, tag);
        struct remembered *m = has ? find_any(c, &s->dev) : NULL;
        if (m != NULL)
            end_exemption(&m->file, &s->dev);
    }
    return true;
}

void remembered_suspend(struct step *st, struct slot *s, int vm) {
    struct remembered *m = get(st->c, &s->dev);
    s->suspended = vm;
    if (m == NULL) {
        st->c->stats.table_full++; /* holds until the daemon ends */
        return;
    }
    memcpy(m->suspended, st->c->conf->vms[vm].name, sizeof m->suspended);
    changed(st);
}

/* Is a device plugged in that may be this one once its serial number is known? */
static bool awaited(const struct core *c, const struct remembered *m) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && !s->dev.settled && s->dev.vid == m->vid && s->dev.pid == m->pid)
            return true;
    }
    return false;
}

void remembered_wake(struct step *st, struct slot *s) {
    struct remembered *m = find_any(st->c, &s->dev);
    s->suspended = s->guest_suspended = -1;
    if (m == NULL || m->suspended[0] == '\0')
        return;
    m->suspended[0] = '\0';
    drop_if_empty(m);
    changed(st);
}

/* Ends all suspensions of a VM (-1: of all VMs), those of unplugged devices too. */
void remembered_resume(struct step *st, int vm) {
    struct core *c = st->c;
    bool any = false;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!m->used || m->suspended[0] == '\0' || (vm >= 0 && !str_eq(m->suspended, c->conf->vms[vm].name)))
            continue;
        m->suspended[0] = '\0';
        m->resumed = awaited(c, m);
        drop_if_empty(m);
        any = true;
    }
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].suspended >= 0 && (vm < 0 || c->slot[i].suspended == vm))
            c->slot[i].suspended = c->slot[i].guest_suspended = -1;
    }
    if (any)
        changed(st);
}
