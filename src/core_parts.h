/*
 * core_parts.h - what the parts of the core share with each other and with nobody else.
 *
 * core.c applies facts about devices, core_vm.c facts about VMs and operations, core_request.c requests, core_plan.c
 * compares targets with assignments, core_memory.c remembers devices that are away, core_view.c explains, core_check.c
 * states the invariants. All are pure.
 */
#ifndef VHOTPLUG_CORE_PARTS_H
#define VHOTPLUG_CORE_PARTS_H

#include "core.h"

/* One step under way. */
struct step {
    struct core *c;
    int64_t now;
    struct actions *out;
};

/* core.c */
struct action *step_add(struct step *st, enum action_kind kind);
void step_event(struct step *st, enum event_kind event, int slot, int vm);
void slot_unassign(struct step *st, int i);       /* the VM no longer has it: tells, and frees a ghost */
void slot_assign(struct step *st, int i, int vm); /* the VM has it now: tells */
void slot_plugged(struct step *st, int i);        /* rule and memory looked up afresh */

/* core_vm.c */
void vm_fact(struct step *st, const struct fact *f);
void vm_op_done(struct step *st, const struct op_result *r);

/* core_plan.c */
int plan_target(const struct core *c, const struct slot *s); /* the VM where it should be, -1 none */
bool plan_asks(const struct core *c, const struct slot *s);  /* is a choice of VM needed? */
void plan(struct step *st);
int64_t plan_backoff(int failures); /* nanoseconds */

/* core_request.c */
void request_fact(struct step *st, const struct request *r);
void request_client_gone(struct step *st, struct client_ref client);
void request_slot_done(struct step *st, int slot,
                       const char *error);                        /* the slot's request is served (NULL) or failed */
void request_fail_vm(struct step *st, int vm, const char *error); /* everything requested at this VM fails */

/* core_memory.c */
struct memory *memory_find(struct core *c, const struct device *dev);
/* Both return false if the table is full of decisions. */
bool memory_select(struct core *c, const struct device *dev, int vm);
bool memory_decide(struct core *c, const struct device *dev, bool disconnected, enum role by);

#endif
