/*
 * core_remembered.c - owns what is remembered of devices and tags (selections, decisions, suspensions) and applies it
 * to plugged devices. Never writes a file: ACT_SAVE asks for that.
 *
 * A decision is on disk before it holds: it is noted (was_by keeps the old value), saved, and then either applied to
 * the slots or undone. Selections and suspensions hold at once and are saved as soon as the disk allows.
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

/* The same; if there is none, a free entry or the oldest one without a decision becomes it. NULL: all are decisions. */
static struct remembered *get(struct core *c, const struct device *d) {
    struct remembered *m = find_any(c, d), *oldest = NULL;
    bool known = m != NULL;
    for (int i = 0; m == NULL && i < VH_MAX_REMEMBERED; i++) {
        struct remembered *e = &c->remembered.m[i];
        if (!e->used)
            m = e;
        else if (e->by == ROLE_NONE && e->was_by == ROLE_NONE && (oldest == NULL || e->stamp < oldest->stamp))
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
    if (m->vm[0] == '\0' && m->suspended[0] == '\0' && m->by == ROLE_NONE && m->was_by == ROLE_NONE &&
        m->exempt_bus == 0 && !m->resumed)
        m->used = false;
}

static struct tag_decision *tag_decision_of(struct core *c, const char *tag) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS && tag[0] != '\0'; i++) {
        if (c->remembered.tag_decision[i].by != ROLE_NONE && str_eq(c->remembered.tag_decision[i].tag, tag))
            return &c->remembered.tag_decision[i];
    }
    return NULL;
}

/* ---- applied to a plugged device ---- */

void remembered_refresh(struct core *c, struct slot *s) {
    struct remembered *m = s->dev.settled ? find_any(c, &s->dev) : NULL; /* before, its serial number is not known */
    const struct tag_decision *l = s->rule >= 0 ? tag_decision_of(c, c->conf->rules[s->rule].tag) : NULL;
    enum role by = m != NULL ? m->by : ROLE_NONE;
    bool exempt = m != NULL && m->exempt_bus == s->dev.busnum && m->exempt_dev == s->dev.devnum;
    if (l != NULL && !exempt && l->by > by)
        by = l->by;
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

void remembered_changed(struct step *st) {
    struct core *c = st->c;
    if (!c->persist)
        return;
    c->dirty = true;
    if (st->saves || (c->save_failures > 0 && st->now < c->save_at))
        return;
    st->saves = true;
    step_add(st, ACT_SAVE);
}

void remembered_begin(struct core *c) {
    VH_ASSERT(!c->saving);
    c->dirty_before = c->dirty;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        c->remembered.m[i].was_by = c->remembered.m[i].by;
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        c->remembered.tag_decision[i].was_by = c->remembered.tag_decision[i].by;
}

static void end_decision(struct core *c, bool keep) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!m->used)
            continue;
        if (!keep)
            m->by = m->was_by;
        m->was_by = ROLE_NONE;
        drop_if_empty(m);
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        if (!keep)
            c->remembered.tag_decision[i].by = c->remembered.tag_decision[i].was_by;
        c->remembered.tag_decision[i].was_by = ROLE_NONE;
    }
}

/* Takes back exemptions given for an attach that is refused. Its slots still show the old decision, and there is
 * nothing to restore. */
static void revoke_exemptions(struct core *c) {
    for (int i = 0; i < c->used; i++) {
        struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->disconnected)
            (void)remembered_unexempt(c, s);
        if (s->req < 0)
            s->restore_by = ROLE_NONE;
    }
}

void remembered_refuse(struct core *c) {
    revoke_exemptions(c);
    end_decision(c, false);
    c->dirty = c->dirty_before;
}

bool remembered_decided(struct step *st, const struct request *r) {
    struct core *c = st->c;
    if (!c->persist) {
        end_decision(c, true);
        refresh_all(c);
        return true;
    }
    c->dirty = true;
    c->saving = true;
    c->decision = *r;
    VH_ASSERT(!st->saves); /* nothing before a decision in a step is saved */
    step_add(st, ACT_SAVE);
    st->saves = true;
    return false;
}

bool remembered_saved(struct step *st, bool ok) {
    struct core *c = st->c;
    bool decision = c->saving;
    c->saving = false;
    c->stats.saves++;
    if (ok) {
        c->dirty = false;
        c->save_failures = 0;
    } else {
        c->stats.save_failed++;
        c->save_failures++;
        c->save_at = st->now + backoff(c->save_failures, VH_T_SAVE_RETRY, VH_T_SAVE_RETRY_MAX);
    }
    if (!decision)
        return false;
    if (ok) {
        end_decision(c, true);
        refresh_all(c);
    } else {
        remembered_refuse(c);
        c->dirty = true; /* parts of it may have reached the disk */
    }
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
    remembered_changed(st);
    return true;
}

bool remembered_decide(struct core *c, const struct device *d, enum role by) {
    struct remembered *m = by != ROLE_NONE ? get(c, d) : find_any(c, d);
    if (m == NULL)
        return by == ROLE_NONE;
    m->by = by;
    m->exempt_bus = m->exempt_dev = 0;
    drop_if_empty(m);
    return true;
}

bool remembered_exempt(struct core *c, const struct slot *s) {
    if (s->rule < 0 || tag_decision_of(c, c->conf->rules[s->rule].tag) == NULL)
        return true;
    struct remembered *m = get(c, &s->dev);
    if (m == NULL)
        return false;
    m->exempt_bus = s->dev.busnum;
    m->exempt_dev = s->dev.devnum;
    return true;
}

bool remembered_unexempt(struct core *c, const struct slot *s) {
    struct remembered *m = find_any(c, &s->dev);
    if (m == NULL || m->exempt_bus != s->dev.busnum || m->exempt_dev != s->dev.devnum)
        return false;
    m->exempt_bus = m->exempt_dev = 0;
    drop_if_empty(m);
    return true;
}

enum role remembered_decision(struct core *c, const struct device *d) {
    const struct remembered *m = find_any(c, d);
    return m != NULL ? m->by : ROLE_NONE;
}

enum role remembered_tag_decision(struct core *c, const char *tag) {
    const struct tag_decision *l = tag_decision_of(c, tag);
    return l != NULL ? l->by : ROLE_NONE;
}

bool remembered_decide_tag(struct core *c, const char *tag, enum role by) {
    struct tag_decision *l = tag_decision_of(c, tag);
    for (int i = 0; l == NULL && i < VH_MAX_TAG_DECISIONS; i++) {
        if (c->remembered.tag_decision[i].by == ROLE_NONE) /* a decision never lifts one tag and takes another */
            l = &c->remembered.tag_decision[i];
    }
    if (l == NULL)
        return false;
    VH_ASSERT(str_copy(l->tag, sizeof l->tag, tag));
    l->by = by;
    for (int i = 0; i < c->used; i++) { /* exemptions were from an earlier decision */
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->rule >= 0 && str_eq(c->conf->rules[s->rule].tag, tag))
            (void)remembered_unexempt(c, s);
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
    remembered_changed(st);
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
    remembered_changed(st);
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
        remembered_changed(st);
}
