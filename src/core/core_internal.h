/*
 * core_internal.h - what the parts of the core share with each other and with nobody else.
 *
 * core.c applies facts about devices, core_port.c knows ports, core_vm.c applies facts about VMs and operations,
 * core_request.c requests, core_decision.c those that decide something for longer, core_guest.c those of guests;
 * core_plan.c compares targets with assignments, core_remembered.c remembers devices that are away, core_view.c
 * explains, core_check.c states the invariants. All are pure.
 */
#ifndef VHOTPLUG_CORE_INTERNAL_H
#define VHOTPLUG_CORE_INTERNAL_H

#include "core/core.h"

/* One step under way. */
struct step {
    struct core *c;
    int64_t now;
    struct actions *out;
    bool saves; /* an ACT_SAVE is among its actions: they are done after the step, so one saves all */
};

/* core_slot.c */
int slot_alloc(struct core *c);
void slots_reap(struct core *c);
int slot_find(const struct core *c, const char *sys_name); /* that is there; -1 none */
struct action *step_add(struct step *st, enum action_kind kind);
void step_event(struct step *st, enum event_kind event, int slot, int vm);
void slot_afresh(struct slot *s);                  /* what failed before is no reason to wait */
void slot_unassign(struct step *st, int i);        /* the VM no longer has it: tells, and frees a ghost */
void slot_assign(struct step *st, int i, int vm);  /* the VM has it now: tells */
void slot_release(struct step *st, int i, int vm); /* it came back to the host: reset; vm: which died with it, or -1 */
void slot_announce(struct step *st, int i);        /* usb_connected, once it is due */

/* core_vm.c */
void vm_fact(struct step *st, const struct fact *f);
void vm_op_done(struct step *st, const struct op_result *r);
void vm_filters(struct core *c, struct slot *s); /* a new device: does a VM take it by itself? */
void vm_look(struct core *c, int vm);            /* have it listed again, if it is up */

/* core_target.c */
/* Why a device stays with the host. The first that holds is reported; what holds follows from the slot alone. */
enum stay {
    STAY_NO = 0,
    STAY_MALFORMED = 1 << 0, /* its descriptors are not trusted, so no rule can be applied to it */
    STAY_HUB = 1 << 1,
    STAY_PROTECTED = 1 << 2, /* the host uses it */
    STAY_UNSETTLED = 1 << 3, /* the kernel is still configuring it */
    STAY_FOREIGN = 1 << 4,   /* a VM has it, but not by us */
    STAY_HELD = 1 << 5,      /* its port flaps */
    STAY_STOPPING = 1 << 6,  /* the daemon is ending */
};
/* What the device is or what the host does with it. The others pass without anything new about the device. */
#define STAY_DEVICE (STAY_MALFORMED | STAY_HUB | STAY_PROTECTED)

/* The first of the reasons asked for (a union of enum stay) that holds. */
enum stay slot_stays_with_host(const struct core *c, const struct slot *s, unsigned asked);
int plan_target(const struct core *c, const struct slot *s);          /* the VM where it should be, -1 none */
bool plan_allows(const struct core *c, const struct slot *s, int vm); /* by its rule, or by a lease without one */
bool plan_asks(const struct core *c, const struct slot *s);           /* is a choice of VM needed? */

/* core_plan.c */
void plan(struct step *st);

/* core_request.c */
void request_fact(struct step *st, const struct request *r);
/* Is this slot's device one of those meant? A hub is only by who names its very place, and then told why it stays. */
bool request_means(const struct core *c, const struct request *r, int slot);
bool request_is_tag(const struct request *r);
bool request_select(struct step *st, const struct request *r, int *count); /* false: refused; none is fine for a tag */
void request_take(struct step *st, int slot, int pending, int vm);         /* the slot is now that request's */
void pending_audit(struct step *st, const struct audit *audit, uint16_t text);
void reply_ok(struct step *st, struct client_ref client);
bool pending_has_room(const struct core *c, const struct principal *who);
struct pending *pending_new(struct step *st, const struct request *r, int *index);
void pending_fail(struct pending *p, const char *text);       /* the first reason stays */
void pending_part_done(struct step *st, struct pending *p);   /* one of p->left; answers the last */
char *reply_failed(struct step *st, const struct request *r); /* returns the text to be filled */
void reply_failed_text(struct step *st, const struct request *r, const char *text);
void request_refuse_ambiguous(struct step *st, const struct request *r);

void request_client_gone(struct step *st, struct client_ref client);
void request_slot_done(struct step *st, int slot,
                       const char *error);                        /* the slot's request is served (NULL) or failed */
void request_fail_vm(struct step *st, int vm, const char *error); /* everything requested at this VM fails */

/* core_decision.c */
void request_attach(struct step *st, const struct request *r);
void request_detach(struct step *st, const struct request *r);
/* The decision was saved (why NULL) or refused: the request that took it goes on. */
void request_saved(struct step *st, const struct request *r, const char *why);

/* core_guest.c */
bool guest_may(const struct core *c, const struct request *r, const struct slot *s); /* touch it, by this request? */
bool guest_names_itself(const struct core *c, const struct request *r);              /* or no VM at all */
const char *guest_why_not(const struct core *c, const struct request *r, const struct slot *s);

/* core_port.c */
void port_plugged(struct step *st, int slot);
void port_unplugged(struct step *st, int slot);  /* before its assignment is forgotten */
void port_lease(struct core *c, struct slot *s); /* after its rule was looked up */
void port_quiet(struct step *st, int slot);      /* its device has stayed: it is used now */
void port_forget_vm(struct core *c, int vm);

/* core_remembered.c: what holds for devices that are there */
void remembered_refresh(struct core *c, struct slot *s); /* decision and suspension */
void remembered_refresh_all(struct core *c);
int remembered_selection(struct core *c, const struct device *dev); /* the VM once chosen, -1 none */
/* A VM that somebody above this role chose for it, and the rules still allow; -1 none. */
int remembered_chosen_above(struct core *c, const struct slot *s, enum role role);
enum role remembered_tag_decision(struct core *c,
                                  const char *tag); /* author of the decision about a tag, or ROLE_NONE */
/* A decision: between remembered_begin() and remembered_decided(), or remembered_refuse() if it is not to be. Nothing
 * of it holds before request_saved() is called. ROLE_NONE lifts one. False: the table is full of decisions. */
void remembered_begin(struct core *c);
bool remembered_decide(struct core *c, const struct device *dev, enum role by);
bool remembered_decide_tag(struct core *c, const char *tag, enum role by);
bool remembered_exempt(struct core *c, const struct slot *s);            /* from its tag's latch, for this plug */
bool remembered_unexempt(struct core *c, const struct slot *s);          /* was it exempt? */
enum role remembered_decision(struct core *c, const struct device *dev); /* author of that about the device itself */
bool remembered_decided(struct step *st, const struct request *r);       /* true: it holds now; else with FACT_SAVED */
void remembered_refuse(struct core *c);
/* What the daemon remembers by itself: holds at once, saved when the disk takes it. */
bool remembered_select(struct step *st, const struct slot *s, int vm, enum role by); /* false: full of decisions */
void remembered_suspend(struct step *st, struct slot *s, int vm);
void remembered_wake(struct step *st, struct slot *s); /* it was attached in spite of its suspension */
void remembered_resume(struct step *st, int vm);
void remembered_changed(struct step *st);
bool remembered_saved(struct step *st, bool ok); /* true: it was a decision that waited for it */

#endif
