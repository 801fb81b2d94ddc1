/*
 * core_check.c - the invariants of the core, and what "at rest" means. The simulation checks them after every step.
 * Never changes the state.
 */
#include "base/str.h"
#include "config/policy.h"
#include "core/core.h"
#include "core/core_internal.h"

#include <string.h>

#define MUST(e, text)      \
    do {                   \
        if (!(e)) {        \
            *why = (text); \
            return false;  \
        }                  \
    } while (0)

static bool check_slot(const struct core *c, int i, const char **why) {
    const struct slot *s = &c->slot[i];
    int nvms = c->conf->nvms;
    if (s->state == SLOT_FREE || s->state == SLOT_DEAD) {
        MUST(i >= c->used || (s->vm < 0 && s->op == OP_NONE), "a free slot has a VM or an operation");
        return true;
    }
    MUST(s->vm >= -1 && s->vm < nvms, "the VM of an assignment is not configured");
    MUST(s->op == OP_NONE || (s->op_vm >= 0 && s->op_vm < nvms), "the VM of an operation is not configured");
    MUST(s->op == OP_NONE || c->vm[s->op_vm].op_slot == i, "the VM of a slot's operation names another slot");
    MUST(s->op == OP_NONE || c->vm[s->op_vm].op == s->op, "a slot and its VM have different operations");
    MUST(s->op != OP_ATTACH || s->vm < 0 || s->state == SLOT_LEAVING, "a device that a VM has is being attached");
    MUST(!s->ejecting || (s->vm >= 0 && s->op != OP_ATTACH), "a device leaves a VM that does not have it");
    MUST(s->state != SLOT_LEAVING || s->vm >= 0 || s->op != OP_NONE,
         "a leaving slot has neither a VM nor an operation");
    MUST(s->state != SLOT_LEAVING || s->req < 0, "a request waits for a leaving slot");
    MUST(!s->meant || (c->saving && s->state == SLOT_PRESENT), "a slot is meant by a decision that does not exist");
    MUST(!s->lifts || s->meant, "a decision lifts another one of a slot that it does not mean");
    MUST(s->req < 0 || c->pending[s->req].used, "the request of a slot is not in use");
    MUST(s->req < 0 || s->op != OP_NONE || c->wake_at <= c->pending[s->req].until, "a request may wait for ever");
    MUST(s->vm < 0 || c->vm[s->vm].state != VM_DOWN, "a device is assigned to a VM that is down");
    MUST(s->choice < nvms && s->foreign < nvms && s->lease < nvms && s->suspended < nvms,
         "a VM named in a slot is not configured");
    MUST(s->vm < 0 || s->managed || s->state == SLOT_LEAVING, "a device is assigned to a VM but is not managed");
    MUST(!s->offering || s->op != OP_ATTACH, "a device is offered to the host and attached to a VM");
    vm_set own = s->op == OP_ATTACH ? (vm_set)1 << s->op_vm : s->vm >= 0 ? (vm_set)1 << s->vm : 0;
    MUST(s->op != OP_ATTACH || s->state == SLOT_LEAVING || ((s->holders & ~own) == 0 && !s->stray),
         "a device is given to a VM before what another VM has of it is dead");
    MUST(s->op != OP_ATTACH || s->state == SLOT_LEAVING || s->revoke == REVOKE_NONE,
         "a device is given to a VM while it is being taken away");
    MUST(!s->offering || !slot_held(s), "a device is offered to the host that a VM may hold");
    MUST(!s->releasing || s->deauthorising || !slot_held(s), "a device is given back to the host that a VM may hold");
    MUST(s->revoke != REVOKE_UNDER_WAY || s->op == OP_NONE || s->state == SLOT_LEAVING,
         "a device is revoked during an operation");
    MUST(s->vm < 0 || !core_kind(&s->dev)->revocable || !c->conf->vms[s->vm].revoke || s->holders != 0 ||
             s->revoke == REVOKE_CERTAIN || s->cut || s->state == SLOT_LEAVING,
         "a VM has a device and is not counted among its holders");
    MUST(c->quarantine != QUARANTINE_OFF || c->authorises || (!s->shut && !s->offering),
         "without quarantine a device is shut");
    MUST(c->authorises || (!s->deauthorise && !s->deauthorising && !s->unmatched),
         "without usbAuthorization a device is to lose its authorisation");
    MUST(!s->deauthorising || s->releasing, "a device loses its authorisation without an action");
    MUST(s->op != OP_ATTACH || !s->deauthorise || s->state == SLOT_LEAVING,
         "a device is to lose its authorisation while it is given to a VM");
    MUST(s->hold_until == 0 || !s->announced, "a held device is announced");
    MUST(s->hold_until == 0 || (s->vm < 0 && s->op == OP_NONE), "a held device has a VM or an operation");
    MUST(!core_closed(c) || s->vm >= 0 || s->req >= 0 || plan_target(c, s) < 0,
         "a device is to go to a VM although none is given away");
    MUST(s->op == OP_NONE || !s->hub || s->state == SLOT_LEAVING || s->op == OP_DETACH,
         "a hub has an operation other than a detach");
    return true;
}

/* An IOMMU group is in one VM. */
static bool check_groups(const struct core *c, const char **why) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        vm_set vms = s->vm >= 0 ? (vm_set)1 << s->vm : s->op == OP_ATTACH ? (vm_set)1 << s->op_vm : 0;
        bool there = s->state == SLOT_PRESENT || s->state == SLOT_LEAVING;
        if (!there || s->dev.kind != KIND_PCI)
            continue;
        MUST(s->host == HOST_NONE || (s->vm < 0 && s->op == OP_NONE), "a device that a VM has is bound to a driver");
        MUST(s->op != OP_ATTACH || s->bound, "a device is attached that is not prepared");
        MUST(!s->ready || s->bound, "a device is ready and not bound");
        for (int k = i + 1; k < c->used && vms != 0; k++) {
            const struct slot *m = &c->slot[k];
            if (host_is_mate(s, m))
                MUST(m->vm < 0 || vms == (vm_set)1 << m->vm, "an IOMMU group is in two VMs");
            if (host_is_mate(s, m))
                MUST(m->op != OP_ATTACH || vms == (vm_set)1 << m->op_vm, "an IOMMU group is given to two VMs");
        }
    }
    return true;
}

/* Two devices are never at one port of a VM. */
static bool check_ports(const struct core *c, const char **why) {
    for (int i = 0; i < c->used; i++) {
        for (int k = i + 1; k < c->used && c->slot[i].vm >= 0 && c->slot[i].vm_port != 0; k++)
            MUST(c->slot[k].vm != c->slot[i].vm || c->slot[k].vm_port != c->slot[i].vm_port ||
                     c->slot[k].vm_socket != c->slot[i].vm_socket,
                 "two devices are at one port of a VM");
    }
    return true;
}

static bool check_pending(const struct core *c, const char **why) {
    int waiting[VH_MAX_CLIENTS] = {0};
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->req >= 0)
            waiting[s->req]++;
    }
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        const struct pending *p = &c->pending[k];
        MUST(!p->used || p->left == waiting[k], "the count of a request differs from the slots that wait for it");
        MUST(!p->used || p->left > 0, "a request in use waits for no slot");
        MUST(!c->verify[k].used || c->wake_at <= c->verify[k].until, "a list may wait for ever");
    }
    return true;
}

/* Each device that a rule decides for now was counted. */
static bool check_hits(const struct core *c, const char **why) {
    unsigned now[VH_MAX_RULES] = {0};
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->dev.kind == KIND_USB && !s->hub && s->rule >= 0)
            now[s->rule]++;
    }
    for (int r = 0; r < c->conf->nrules; r++)
        MUST(now[r] <= c->hits[r], "a rule decides for more devices than it was counted for");
    return true;
}

static bool check_vms(const struct core *c, const char **why) {
    for (int v = 0; v < VH_MAX_VMS; v++) {
        const struct vm *vm = &c->vm[v];
        MUST(vm->op == OP_NONE || vm->op_serial != 0, "an operation has no serial");
        if (vm->op == OP_NONE || vm->op_slot < 0)
            continue;
        const struct slot *s = &c->slot[vm->op_slot];
        MUST(s->op == vm->op && s->op_vm == v, "the slot of a VM's operation has another operation");
    }
    return true;
}

static bool same(const struct kept_away *a, const struct kept_away *b) {
    return a->by == b->by && a->exempt == b->exempt && a->exempt_by == b->exempt_by;
}

/* The author of the decision about this device at its port. */
static enum role decided_here(const struct core *c, const struct slot *s) {
    enum role by = ROLE_NONE;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &c->remembered.m[i];
        if (m->used && m->now.by > by && m->vid == s->dev.vid && m->pid == s->dev.pid &&
            str_eq(m->serial, s->dev.serial) && str_eq(m->port, s->dev.sys_name))
            by = m->now.by;
    }
    return by;
}

/* The author of the decision about its tag; ROLE_NONE if somebody of at least that role has exempted this plug. */
static enum role tag_decided(const struct core *c, const struct slot *s) {
    enum role by = remembered_tag_decision(c, s->dev.kind, slot_tag(c, s));
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct kept_away *k = &c->remembered.m[i].now;
        if (c->remembered.m[i].used && k->exempt == s->dev.incarnation && k->exempt_by >= by)
            return ROLE_NONE;
    }
    return by;
}

static bool check_remembered(const struct core *c, const char **why) {
    const struct remembered_set *ms = &c->remembered;
    MUST(c->persist || (!c->dirty && !c->saving && c->save == SAVE_NONE),
         "changes are to be saved although nothing is ever saved");
    MUST(!c->saving || c->save != SAVE_NONE, "a decision waits for a save, and there is none");
    MUST(c->saving || c->save != SAVE_DECISION, "a save is that of a decision, and there is none");
    MUST(c->saving || c->nwaiting == 0, "a request waits for the save of a decision, and there is none");
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &ms->m[i];
        MUST(!m->used || m->stamp <= ms->stamp, "a remembered device is newer than the newest stamp");
        MUST(!m->used || c->saving || m->vm[0] || m->suspended[0] || m->now.by || m->now.exempt || m->resumed,
             "a remembered device has nothing remembered");
        MUST(!m->used || c->saving || same(&m->now, &m->file),
             "a decision that holds differs from the one to be saved");
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        MUST(c->saving || ms->tag_decision[i].now == ms->tag_decision[i].by,
             "a decision about a tag that holds differs from the one to be saved");
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        MUST(s->state != SLOT_PRESENT || s->disconnected == (s->disconnected_by != ROLE_NONE),
             "a decision and its author do not agree");
        MUST(s->state != SLOT_PRESENT || !s->dev.settled || s->disconnected_by >= decided_here(c, s),
             "a decision about a device does not keep it away");
        MUST(s->state != SLOT_PRESENT || s->disconnected_by >= tag_decided(c, s),
             "a decision about a tag does not keep a device away");
    }
    return true;
}

bool core_check(const struct core *c, const char **why) {
    for (int i = 0; i < CORE_SLOTS; i++) {
        MUST(i < c->used || c->slot[i].state == SLOT_FREE, "a slot in use has an index above the number of used slots");
        if (!check_slot(c, i, why))
            return false;
    }
    for (int i = 0; i < c->used; i++) {
        for (int k = i + 1; k < c->used && c->slot[i].state == SLOT_PRESENT; k++)
            MUST(c->slot[k].state != SLOT_PRESENT || !str_eq(c->slot[i].dev.sys_name, c->slot[k].dev.sys_name),
                 "two plugged devices have the same name");
    }
    MUST(texts_check(c), "a text of a device is not its own");
    return check_groups(c, why) && check_ports(c, why) && check_pending(c, why) && check_vms(c, why) &&
           check_hits(c, why) && check_remembered(c, why);
}

bool core_at_rest(const struct core *c, const char **why) {
    MUST(c->save == SAVE_NONE && !c->saving, "something is being saved");
    for (int v = 0; v < c->conf->nvms; v++) {
        MUST(c->vm[v].op == OP_NONE, "an operation is under way");
        MUST(c->vm[v].state != VM_UNKNOWN, "a VM is not listed yet");
        MUST(c->vm[v].stale[0] == '\0', "a stale id is left in a VM");
    }
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        MUST(s->state != SLOT_LEAVING, "a leaving slot is left");
        if (s->state != SLOT_PRESENT)
            continue;
        int target = plan_target(c, s);
        MUST(s->req < 0, "a request waits");
        MUST(s->host == HOST_NONE, "a device is being prepared or given back");
        MUST(!host_wants_back(c, s), "a device is bound for VMs, and none is to have it");
        MUST(!s->ejecting, "a guest has not let go of a device");
        MUST(!s->releasing && s->hold_until == 0, "a device waits for its reset or is held");
        MUST(!s->deauthorise || s->vm >= 0, "a device is to lose its authorisation");
        MUST(!revoke_busy(c, s) && !s->cut, "a device is to be revoked or bound again");
        MUST(!s->offering && !quarantine_due(c, s), "a device of the host's is not offered to its drivers");
        MUST(s->vm == target || s->foreign >= 0 ||
                 (target >= 0 && s->vm < 0 && (c->vm[target].state == VM_DOWN || ports_full(c, s, target))),
             "a device is not at its target");
    }
    return true;
}
