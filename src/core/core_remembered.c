/*
 * core_remembered.c - owns the table of what is remembered of devices (selections, decisions, suspensions): whose a row
 * is, who gets a row, and what it says of a plugged device. Never makes, lifts or saves a decision: core_saving.c does.
 *
 * Selections and suspensions hold at once and are saved as soon as the disk allows.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/pci_address.h"
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

bool remembered_applies(const struct core *c, const struct remembered *m, const struct device *d) {
    if (d->kind != KIND_USB && m->port[0] == '\0')
        return false; /* of an older daemon, about a device on USB */
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
        if (!remembered_applies(c, m, d))
            continue;
        *here = is_at(c, m, d);
        if (*here)
            return i;
        moved = moved < 0 || m->stamp > c->remembered.m[moved].stamp ? i : moved;
    }
    *here = false;
    return moved;
}

struct remembered *remembered_find(struct core *c, const struct device *d) {
    VH_ASSERT(c != NULL); /* no row found says nothing of c */
    bool here;
    int i = find_row(c, d, &here);
    return i >= 0 ? &c->remembered.m[i] : NULL;
}

bool remembered_settled(const struct remembered *m) {
    return m->file.by == m->now.by && m->file.exempt == m->now.exempt && m->file.exempt_by == m->now.exempt_by;
}

bool remembered_decides(const struct remembered *m) {
    return m->now.by != ROLE_NONE || m->file.by != ROLE_NONE;
}

int remembered_free_rows(const struct core *c) {
    int n = 0;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        n += !c->remembered.m[i].used;
    return n;
}

/* A free row; if there is none, the oldest without a decision becomes one. The last free row is for an admin: the
 * decisions of others never keep an admin from deciding. NULL: there is no room. */
static struct remembered *new_row(struct core *c, enum role by) {
    struct remembered *oldest = NULL;
    bool may_take = remembered_free_rows(c) > (by < ROLE_ADMIN);
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *e = &c->remembered.m[i];
        if (!e->used && may_take)
            return e;
        if (e->used && !remembered_decides(e) && remembered_settled(e) && (oldest == NULL || e->stamp < oldest->stamp))
            oldest = e;
    }
    return oldest;
}

/* A decision that is about more than this device, or was made elsewhere, stays as it is: it is neither moved nor
 * narrowed. */
struct remembered *remembered_row(struct core *c, const struct device *d, enum role by) {
    VH_ASSERT(c != NULL); /* a row that find_row() does not find says nothing of c */
    bool here = false;
    int row = find_row(c, d, &here);
    struct remembered *known = row >= 0 ? &c->remembered.m[row] : NULL, *m = known;
    if (row < 0 || (!here && (remembered_decides(m) || m->now.exempt != 0 || !remembered_settled(m)))) {
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

void remembered_tidy(struct remembered *m) {
    if (m->vm[0] == '\0' && m->suspended[0] == '\0' && m->now.by == ROLE_NONE && m->now.exempt == 0 &&
        remembered_settled(m) && !m->resumed)
        m->used = false;
}

bool remembered_tag_free(const struct tag_decision *l) {
    return l->by == ROLE_NONE && l->now == ROLE_NONE;
}

void remembered_changed(struct step *st) {
    st->c->dirty = st->c->persist;
}

/* ---- applied to a plugged device ---- */

enum role remembered_tag_decision(const struct core *c, enum device_kind kind, const char *tag) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS && tag[0] != '\0'; i++) {
        const struct tag_decision *l = &c->remembered.tag_decision[i];
        if (!remembered_tag_free(l) && l->kind == kind && str_eq(l->tag, tag))
            return l->now;
    }
    return ROLE_NONE;
}

enum role remembered_decision(const struct core *c, const struct device *d) {
    enum role by = ROLE_NONE;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &c->remembered.m[i];
        if (m->now.by > by && remembered_applies(c, m, d))
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
    enum role tag_by = remembered_tag_decision(c, s->dev.kind, slot_tag(c, s));
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
    struct remembered *m = s->dev.settled ? remembered_find(c, &s->dev) : NULL;
    if (m != NULL)
        bind_to_connector(c, m, &s->dev);
    enum role by = remembered_keeps(c, s);
    s->disconnected = by != ROLE_NONE;
    s->disconnected_by = by;
    s->suspended = m != NULL && m->suspended[0] != '\0' ? conf_vm(c->conf, m->suspended) : s->guest_suspended;
    if (m != NULL && m->resumed) { /* it was in a VM before this daemon started: the rules apply to it */
        s->managed = true;
        m->resumed = false;
        remembered_tidy(m);
    }
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

/* A selection by a higher role is never replaced, even if the rules do not allow its VM at the moment (they may again).
 * Selecting the same VM keeps the higher role as its author. */
bool remembered_select(struct step *st, const struct slot *s, int vm, enum role by) {
    struct core *c = st->c;
    const struct device *d = &s->dev;
    const char *name = c->conf->vms[vm].name;
    const struct remembered *known = remembered_find(c, d);
    bool same = known != NULL && str_eq(known->vm, name);
    if (known != NULL && (same ? known->vm_by >= by && is_at(c, known, d) : known->vm_by > by))
        return true;
    struct remembered *m = remembered_row(c, d, ROLE_NONE);
    if (m == NULL)
        return false;
    m->vm_by = same && m->vm_by > by ? m->vm_by : by;
    VH_ASSERT(str_copy(m->vm, sizeof m->vm, name)); /* same bound */
    remembered_changed(st);
    return true;
}

/* ---- suspensions ---- */

void remembered_suspend(struct step *st, struct slot *s, int vm) {
    struct remembered *m = remembered_row(st->c, &s->dev, ROLE_NONE);
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
    struct remembered *m = remembered_find(st->c, &s->dev);
    s->suspended = s->guest_suspended = -1;
    if (m == NULL || m->suspended[0] == '\0')
        return;
    m->suspended[0] = '\0';
    remembered_tidy(m);
    remembered_changed(st);
}

static enum device_kind kind_of(const struct remembered *m) {
    struct pci_address a;
    return pci_address_parse(m->port, &a) ? KIND_PCI : KIND_USB;
}

/* Ends all suspensions of a VM (-1: of all VMs), those of unplugged devices too. */
void remembered_resume(struct step *st, int vm, unsigned kinds) {
    struct core *c = st->c;
    bool any = false;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &c->remembered.m[i];
        if (!m->used || m->suspended[0] == '\0' || (kinds >> kind_of(m) & 1) == 0 ||
            (vm >= 0 && !str_eq(m->suspended, c->conf->vms[vm].name)))
            continue;
        m->suspended[0] = '\0';
        m->resumed = awaited(c, m);
        remembered_tidy(m);
        any = true;
    }
    for (int i = 0; i < c->used; i++) {
        if ((kinds >> c->slot[i].dev.kind & 1) != 0 && c->slot[i].suspended >= 0 &&
            (vm < 0 || c->slot[i].suspended == vm))
            c->slot[i].suspended = c->slot[i].guest_suspended = -1;
    }
    if (any)
        remembered_changed(st);
}

/* If it never reaches the disk, the next start asks for it again: no device is given away by that. */
bool remembered_acknowledge(struct step *st) {
    char *why = st->c->remembered.corrupt;
    if (why[0] == '\0')
        return false;
    why[0] = '\0';
    remembered_changed(st);
    step_add(st, ACT_STATE);
    return true;
}
