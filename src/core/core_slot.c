/*
 * core_slot.c - the table of slots, and the events that follow from a change of a slot. Never decides where a device
 * goes. With core_texts.c and core_kind.c the first file of the core: all others may call it.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

#include <string.h>

struct action *step_add(struct step *st, enum action_kind kind) {
    VH_ASSERT(st->out->n < CORE_MAX_ACTIONS);
    struct action *a = &st->out->a[st->out->n++];
    a->kind = kind;
    a->slot = -1;
    a->vm = -1;
    a->client.gen = 0;
    return a;
}

void step_add_first(struct step *st, enum action_kind kind) {
    struct action *a = st->out->a;
    struct action first = *step_add(st, kind);
    memmove(a + 1, a, (size_t)(st->out->n - 1) * sizeof *a);
    a[0] = first;
}

void step_event(struct step *st, enum event_kind event, int slot, int vm) {
    struct action *a = step_add(st, ACT_EVENT);
    a->event = event;
    a->slot = slot;
    a->vm = vm;
}

static void slot_clear(struct slot *s) {
    memset(s, 0, sizeof *s);
    s->rule = s->vm = s->choice = s->op_vm = s->req = s->req_vm = s->suspended = s->guest_suspended =
        s->guest_detached = s->foreign = s->lease = s->gone_vm = -1;
}

/* Few devices ever have one: the others' rows are never written. */
static void driver_forget(struct core *c, int i) {
    if (c->driver[i][0] != '\0')
        c->driver[i][0] = '\0';
}

int slot_alloc(struct core *c) {
    int present = 0, found = -1;
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (c->slot[i].state == SLOT_PRESENT)
            present++;
        else if (c->slot[i].state == SLOT_FREE && found < 0)
            found = i;
    }
    if (present >= VH_MAX_DEVICES || found < 0) {
        c->stats.table_full++;
        return -1;
    }
    slot_clear(&c->slot[found]);
    driver_forget(c, found);
    if (found >= c->used)
        c->used = found + 1;
    return found;
}

/* Frees the slots that the last step left dead. Their events have been rendered since. */
void slots_reap(struct core *c) {
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].state != SLOT_DEAD)
            continue;
        c->slot[i].state = SLOT_FREE;
        texts_forget(c, i);
    }
    while (c->used > 0 && c->slot[c->used - 1].state == SLOT_FREE)
        c->used--;
}

bool slot_authorises(const struct core *c, const struct slot *s) {
    return c->authorises && s->dev.kind == KIND_USB;
}

void slot_shut(const struct core *c, struct slot *s) {
    if (s->dev.kind != KIND_USB || (c->quarantine == QUARANTINE_OFF && !c->authorises))
        return;
    s->shut = true;
    s->offer_failures = 0;
    s->offer_at = 0;
}

static vm_set bit(int v) {
    return (vm_set)1 << v;
}

void slot_hold(const struct core *c, struct slot *s, int v) {
    if (!core_kind(&s->dev)->revocable)
        return;
    s->cut = s->revoke == REVOKE_UNDER_WAY;
    if (!s->cut)
        s->revoke = REVOKE_NONE;
    if (c->conf->vms[v].revoke)
        s->holders |= bit(v);
}

/* A VM that is trusted has given it back by saying so. Any other one may have kept a descriptor. */
static void left(struct core *c, struct slot *s, int v) {
    if (!core_kind(&s->dev)->revocable)
        return;
    s->cut = false;
    s->orphan = s->orphan || (s->holders & bit(v)) != 0;
    if (s->revoke != REVOKE_NONE || c->conf->vms[v].revoke)
        return;
    s->revoke = REVOKE_UNCERTAIN;
    (void)str_fmt(c->revoke_why[s - c->slot], VH_TEXT_MAX, "VM '%s' is trusted to have given it back",
                  c->conf->vms[v].name);
}

void slot_unassign(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    int vm = s->vm;
    VH_ASSERT(vm >= 0 && (s->state == SLOT_PRESENT || s->state == SLOT_LEAVING));
    s->vm = -1;
    s->ejecting = s->ready = false;
    driver_forget(st->c, i);
    slot_shut(st->c, s);
    s->deauthorise = slot_authorises(st->c, s);
    left(st->c, s, vm);
    if (s->state == SLOT_PRESENT) {
        st->c->stats.detached++;
        step_event(st, EV_DETACHED, i, vm);
    } else if (s->op == OP_NONE) {
        s->state = SLOT_DEAD;
    }
}

const char *slot_tag(const struct core *c, const struct slot *s) {
    const char *own = slot_terms(c, s).tag;
    return own[0] != '\0' || s->lease < 0 ? own : c->lease_tag[s - c->slot];
}

void slot_afresh(struct slot *s) {
    s->failures = 0;
    s->retry_at = 0;
    s->unplaced = false;
}

void slot_failed(struct step *st, struct slot *s, const char *text) {
    s->failures++;
    s->retry_at = st->now + backoff(s->failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
    (void)str_copy(st->c->reason[s - st->c->slot], VH_TEXT_MAX, text); /* a reason may be cut */
}

static void count_latency(struct core *c, int64_t took) {
    int bucket = 0;
    while (bucket < 15 && took >= VH_NSEC_PER_MSEC << bucket)
        bucket++;
    c->stats.latency[bucket]++;
    c->stats.latency_ms += (uint64_t)(took / VH_NSEC_PER_MSEC);
}

void slot_assign(struct step *st, int i, int vm) {
    struct slot *s = &st->c->slot[i];
    s->vm = vm;
    s->unshown &= ~((vm_set)1 << vm);
    driver_forget(st->c, i);
    s->adopted = false;
    s->failures = 0;
    s->deauthorise = false;
    slot_hold(st->c, s, vm);
    s->cut = s->cut || s->unbound; /* it cannot be used without a driver */
    if (s->state != SLOT_PRESENT)
        return;
    if (!s->managed || s->question != QUESTION_NONE)
        s->question = QUESTION_CLOSED;
    s->managed = true;
    st->c->stats.attached++;
    count_latency(st->c, st->now - s->plugged_at);
    step_event(st, EV_ATTACHED, i, vm);
}

void slot_release(struct step *st, int i, int vm) {
    struct slot *s = &st->c->slot[i];
    if (s->state != SLOT_PRESENT || s->dev.kind != KIND_USB || s->releasing ||
        (s->rule >= 0 && !slot_terms(st->c, s).reset_on_release))
        return;
    s->reset_due = true;
    s->gone_vm = vm;
    s->orphan = s->orphan || s->holders != 0;
}

int slot_find(const struct core *c, const char *sys_name) {
    for (int i = 0; i < c->used; i++) {
        if (c->slot[i].state == SLOT_PRESENT && str_eq(c->slot[i].dev.sys_name, sys_name))
            return i;
    }
    return -1;
}

void slot_announce(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->announced || !s->dev.settled || s->hub || s->hold_until != 0)
        return;
    s->announced = true;
    step_event(st, EV_CONNECTED, i, -1);
}
