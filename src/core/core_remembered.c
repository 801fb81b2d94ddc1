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
#include "codec/state_id.h"
#include "config/connectors.h"
#include "core/core_internal.h"

#include <string.h>

/* ---- finding ---- */

static bool same_identity(const struct device *a, const struct device *b) {
    return a->vid == b->vid && a->pid == b->pid && str_eq(a->serial, b->serial);
}

/* Is another device with the same ids and serial number plugged in: at that port, or anywhere if port is NULL? */
static bool twin_present(const struct core *c, const struct device *d, const char *port) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && same_identity(&s->dev, d) && !str_eq(s->dev.sys_name, d->sys_name) &&
            (port == NULL || connector_is_port(c->conf, port, &s->dev)))
            return true;
    }
    return false;
}

/* An older daemon's entry, which has no port, may have the serial number in udev's form. */
static bool has_serial(const struct remembered *m, const struct device *d) {
    return str_eq(m->serial, d->serial) || (m->port[0] == '\0' && state_id_is_udev(d->serial, m->serial));
}

/* An entry of an earlier version has the name in sysfs, which has a bus number. */
static bool is_at(const struct core *c, const struct remembered *m, const struct device *d) {
    return connector_is_port(c->conf, m->port, d);
}

/* Is what is remembered there about this device? */
static bool applies(const struct core *c, const struct remembered *m, const struct device *d) {
    if (!m->used || m->vid != d->vid || m->pid != d->pid || !has_serial(m, d))
        return false;
    return m->port[0] == '\0' || is_at(c, m, d) || (d->serial[0] != '\0' && !twin_present(c, d, m->port));
}

/* The remembered device of this port (*here is true), else one of another port that has moved here. Only a serial
 * number shows that a device has moved, and only while no such device is plugged in at the other port. */
static int find_row(const struct core *c, const struct device *d, bool *here) {
    int moved = -1;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &c->remembered.m[i];
        if (!applies(c, m, d))
            continue;
        *here = is_at(c, m, d);
        if (*here)
            return i;
        moved = moved < 0 || m->stamp > c->remembered.m[moved].stamp ? i : moved;
    }
    *here = false;
    return moved;
}

static struct remembered *find(struct core *c, const struct device *d, bool *here) {
    int i = find_row(c, d, here);
    return i >= 0 ? &c->remembered.m[i] : NULL;
}

static struct remembered *find_any(struct core *c, const struct device *d) {
    bool here;
    return find(c, d, &here);
}

/* False while a decision about it is being saved. */
static bool is_settled(const struct remembered *m) {
    return m->file.by == m->now.by && m->file.exempt == m->now.exempt && m->file.exempt_by == m->now.exempt_by;
}

static bool decides(const struct remembered *m) {
    return m->now.by != ROLE_NONE || m->file.by != ROLE_NONE;
}

static int free_rows(const struct core *c) {
    int n = 0;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        n += !c->remembered.m[i].used;
    return n;
}

/* A free row; if there is none, the oldest without a decision becomes one. The last free row is for an admin: the
 * decisions of others never keep an admin from deciding. NULL: there is no room. */
static struct remembered *new_row(struct core *c, enum role by) {
    struct remembered *oldest = NULL;
    bool may_take = free_rows(c) > (by < ROLE_ADMIN);
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *e = &c->remembered.m[i];
        if (!e->used && may_take)
            return e;
        if (e->used && !decides(e) && is_settled(e) && (oldest == NULL || e->stamp < oldest->stamp))
            oldest = e;
    }
    return oldest;
}

/* What is remembered of the device at its port, made if there is nothing. A decision that is about more than this
 * device, or was made elsewhere, stays as it is: it is neither moved nor narrowed. NULL: there is no room. */
static struct remembered *get(struct core *c, const struct device *d, enum role by) {
    VH_ASSERT(c != NULL); /* a row that find() does not find says nothing of c */
    bool here = false;
    int row = find_row(c, d, &here);
    struct remembered *known = row >= 0 ? &c->remembered.m[row] : NULL, *m = known;
    if (row < 0 || (!here && (decides(m) || m->now.exempt != 0 || !is_settled(m)))) {
        m = new_row(c, by);
        if (m == NULL)
            return NULL;
        memset(m, 0, sizeof *m);
        m->used = true;
        m->vid = d->vid;
        m->pid = d->pid;
        if (row >= 0) { /* a choice is for the device, a suspension for its plug */
            memcpy(m->vm, known->vm, sizeof m->vm);
            m->vm_by = known->vm_by;
            memcpy(m->suspended, known->suspended, sizeof m->suspended);
            known->suspended[0] = '\0';
        }
    }
    bool copied = str_copy(m->serial, sizeof m->serial, d->serial); /* an older daemon may have written another form */
    VH_ASSERT(copied);                                              /* of the same bound */
    connector_port(c->conf, d, m->port);
    m->stamp = ++c->remembered.stamp;
    return m;
}

static void drop_if_empty(struct remembered *m) {
    if (m->vm[0] == '\0' && m->suspended[0] == '\0' && m->now.by == ROLE_NONE && m->now.exempt == 0 && is_settled(m) &&
        !m->resumed)
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

enum role remembered_tag_decision(const struct core *c, const char *tag) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS && tag[0] != '\0'; i++) {
        const struct tag_decision *l = &c->remembered.tag_decision[i];
        if (!is_free(l) && str_eq(l->tag, tag))
            return l->now;
    }
    return ROLE_NONE;
}

enum role remembered_decision(const struct core *c, const struct device *d) {
    enum role by = ROLE_NONE;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &c->remembered.m[i];
        if (m->now.by > by && applies(c, m, d))
            by = m->now.by;
    }
    return by;
}

/* Who attached this plug despite its tag. */
static enum role exempted_by(const struct core *c, const struct device *d) {
    enum role by = ROLE_NONE;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &c->remembered.m[i];
        if (m->used && m->now.exempt == d->incarnation && m->now.exempt_by > by)
            by = m->now.exempt_by;
    }
    return by;
}

enum role remembered_keeps(const struct core *c, const struct slot *s) {
    /* Before it is settled, its serial number is not known. */
    enum role by = s->dev.settled ? remembered_decision(c, &s->dev) : ROLE_NONE;
    enum role tag_by = remembered_tag_decision(c, slot_tag(c, s));
    return tag_by > by && (!s->dev.settled || exempted_by(c, &s->dev) < tag_by) ? tag_by : by;
}

/* An earlier version knew a port by the number of its bus, which another boot may give to another bus. */
static void bind_to_connector(struct core *c, struct remembered *m, const struct device *d) {
    if (!str_eq(m->port, d->sys_name) || d->stable_path[0] == '\0')
        return;
    connector_port(c->conf, d, m->port);
    c->dirty = c->persist;
}

void remembered_refresh(struct core *c, struct slot *s) {
    struct remembered *m = s->dev.settled ? find_any(c, &s->dev) : NULL;
    if (m != NULL)
        bind_to_connector(c, m, &s->dev);
    enum role by = remembered_keeps(c, s);
    s->disconnected = by != ROLE_NONE;
    s->disconnected_by = by;
    s->suspended = m != NULL && m->suspended[0] != '\0' ? conf_vm(c->conf, m->suspended) : s->guest_suspended;
    if (m != NULL && m->resumed) { /* it was in a VM before this daemon started: the rules apply to it */
        s->managed = true;
        m->resumed = false;
        drop_if_empty(m);
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

static void say_dropped(struct step *st, const struct remembered *m, enum role by) {
    struct action *a = step_add(st, ACT_DROPPED);
    a->by = by;
    a->vid = m->vid;
    a->pid = m->pid;
    if (!str_copy(a->name, sizeof a->name, m->port)) /* its end tells most: a log line may cut the rest */
        memcpy(a->name, m->port + strlen(m->port) + 1 - sizeof a->name, sizeof a->name);
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
            if (s->lifts && m->now.by > s->restore_by && applies(c, m, &s->dev))
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
            remembered_stays(st, s, before);
    }
}

void remembered_refuse(struct core *c) {
    end_decision(c, false);
}

bool remembered_decided(struct step *st, const struct request *r) {
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
        decision_holds(st);
    else
        remembered_refuse(c);
    return true;
}

/* ---- selections ---- */

/* While two such devices are plugged in, a selection holds for its own port only: the other device needs a choice. */
static const struct remembered *selection(const struct core *c, const struct device *d) {
    bool here;
    int i = find_row(c, d, &here);
    const struct remembered *m = i >= 0 ? &c->remembered.m[i] : NULL;
    return !d->settled || m == NULL || m->vm[0] == '\0' || (!here && twin_present(c, d, NULL)) ? NULL : m;
}

int remembered_selection(const struct core *c, const struct device *d) {
    const struct remembered *m = selection(c, d);
    return m != NULL ? conf_vm(c->conf, m->vm) : -1;
}

int remembered_chosen_above(const struct core *c, const struct slot *s, enum role role) {
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
    if (known != NULL && (same ? known->vm_by >= by && is_at(c, known, d) : known->vm_by > by))
        return true;
    struct remembered *m = get(c, d, ROLE_NONE);
    if (m == NULL)
        return false;
    m->vm_by = same && m->vm_by > by ? m->vm_by : by;
    VH_ASSERT(str_copy(m->vm, sizeof m->vm, name)); /* same bound */
    changed(st);
    return true;
}

/* If the last row is taken, the newest decision of a lesser role gives its place. */
static struct remembered *lesser(struct core *c, enum role by) {
    struct remembered *newest = NULL;
    for (int i = 0; i < VH_MAX_REMEMBERED && by == ROLE_ADMIN && free_rows(c) == 0; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (m->displaced || (!decides(m) && is_settled(m)))
            return NULL; /* there will be room */
        if (is_settled(m) && m->now.by < by && (newest == NULL || m->stamp > newest->stamp))
            newest = m;
    }
    return newest;
}

/* The row for a decision that is being noted. */
static struct remembered *note(struct core *c, const struct device *d, enum role by) {
    struct remembered *m = get(c, d, by);
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
        if (s->state != SLOT_PRESENT || str_eq(s->dev.sys_name, but->sys_name) || !applies(c, m, &s->dev))
            continue;
        struct remembered *own = get(c, &s->dev, m->file.by);
        if (own == NULL)
            return false;
        own->file.by = own->file.by > m->file.by ? own->file.by : m->file.by;
    }
    return true;
}

static bool lift(struct core *c, const struct device *d) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (m->file.by == ROLE_NONE || !applies(c, m, d))
            continue;
        if (!spread(c, m, d))
            return false;
        m->file = (struct kept_away){.by = ROLE_NONE};
    }
    return true;
}

bool remembered_decide(struct core *c, const struct device *d, enum role by) {
    if (by == ROLE_NONE)
        return lift(c, d);
    if (remembered_decision(c, d) >= by)
        return true; /* it is away already, by no lesser role */
    struct remembered *m = note(c, d, by);
    if (m != NULL)
        m->file = (struct kept_away){.by = by};
    return m != NULL;
}

bool remembered_exempt(struct core *c, const struct slot *s, enum role by) {
    if (remembered_tag_decision(c, slot_tag(c, s)) == ROLE_NONE)
        return true;
    struct remembered *m = note(c, &s->dev, by);
    if (m == NULL)
        return false;
    m->file = (struct kept_away){.exempt_by = by, .exempt = s->dev.incarnation};
    return true;
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

void remembered_spare(struct core *c, const struct slot *s) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!applies(c, m, &s->dev) || is_settled(m) || m->displaced)
            continue;
        m->file = m->now;
        drop_if_empty(m);
        c->dirty = c->dirty || c->save == SAVE_DECISION;
    }
}

/* A decision about the device that is being saved meanwhile is later, and stays as it is; but one by a lesser role that
 * keeps the device away does not take the place of this one. */
void remembered_restore(struct step *st, struct slot *s, enum role by) {
    struct core *c = st->c;
    struct remembered *m = by != ROLE_NONE ? get(c, &s->dev, by) : find_any(c, &s->dev);
    if (m == NULL && by != ROLE_NONE) { /* the table is full: the decision is lost */
        const struct remembered lost = {.vid = s->dev.vid, .pid = s->dev.pid};
        c->stats.table_full++;
        say_dropped(st, &lost, by);
    }
    if (m == NULL || (by == ROLE_NONE && !is_exempt(&m->now, &s->dev)))
        return;
    bool settled = is_settled(m);
    if (by > m->now.by)
        m->now.by = by;
    end_exemption(&m->now, &s->dev);
    if (settled)
        m->file = m->now;
    else if (m->file.by != ROLE_NONE && m->file.by < by)
        m->file.by = by;
    drop_if_empty(m);
    changed(st);
    struct remembered *victim = lesser(c, by);
    if (victim != NULL) {
        say_dropped(st, victim, victim->now.by);
        victim->used = false;
    }
}

void remembered_stays(struct step *st, struct slot *s, enum role before) {
    struct core *c = st->c;
    if (s->disconnected_by >= before)
        return;
    remembered_restore(st, s, before);
    remembered_refresh(c, s);
}

static int free_tags(const struct core *c) {
    int n = 0;
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        n += is_free(&c->remembered.tag_decision[i]);
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

bool remembered_decide_tag(struct core *c, const char *tag, enum role by) {
    struct tag_decision *l = tag_decision_of(c, tag);
    for (int i = 0; l == NULL && i < VH_MAX_TAG_DECISIONS; i++) {
        if (is_free(&c->remembered.tag_decision[i])) /* a decision never lifts one tag and takes another */
            l = &c->remembered.tag_decision[i];
    }
    if (l == NULL || (is_free(l) && by < ROLE_ADMIN && free_tags(c) == 1))
        return false; /* the last one is for an admin */
    bool is_new = is_free(l);
    VH_ASSERT(str_copy(l->tag, sizeof l->tag, tag));
    l->by = by;
    if (is_new && free_tags(c) == 0)
        displace_tag(c, by);
    for (int i = 0; i < c->used; i++) { /* exemptions were from an earlier decision */
        const struct slot *s = &c->slot[i];
        bool has = s->state == SLOT_PRESENT && str_eq(slot_tag(c, s), tag);
        struct remembered *m = has ? find_any(c, &s->dev) : NULL;
        if (m != NULL)
            end_exemption(&m->file, &s->dev);
    }
    return true;
}

void remembered_suspend(struct step *st, struct slot *s, int vm) {
    struct remembered *m = get(st->c, &s->dev, ROLE_NONE);
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

/* If it never reaches the disk, the next start asks for it again: no device is given away by that. */
bool remembered_acknowledge(struct step *st) {
    char *why = st->c->remembered.corrupt;
    if (why[0] == '\0')
        return false;
    why[0] = '\0';
    changed(st);
    step_add(st, ACT_STATE);
    return true;
}
