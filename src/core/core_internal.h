/*
 * core_internal.h - functions that the files of the core share with each other and with no other folder.
 *
 * In the order of README.md: a file calls only files above its own. All are pure.
 */
#ifndef VHOTPLUG_CORE_INTERNAL_H
#define VHOTPLUG_CORE_INTERNAL_H

#include "core/core.h"
#include "core/core_kind.h"

/* One step under way. */
struct step {
    struct core *c;
    int64_t now;
    struct actions *out;
};

/* core_slot.c */
int slot_alloc(struct core *c);
void slots_reap(struct core *c);
int slot_find(const struct core *c, const char *sys_name); /* of a plugged device; -1 none */
struct action *step_add(struct step *st, enum action_kind kind);
void step_add_first(struct step *st, enum action_kind kind); /* before the other actions of the step */
void step_event(struct step *st, enum event_kind event, int slot, int vm);
/* Of its rule; without one, that of the device whose lease it has. "" none. */
const char *slot_tag(const struct core *c, const struct slot *s);
void slot_failed(struct step *st, struct slot *s, const char *text); /* the next operation waits; text: why */
void slot_afresh(struct slot *s);                     /* forgets failures: the next operation need not wait */
void slot_shut(const struct core *c, struct slot *s); /* it is to be offered to the host, or stays shut */
bool slot_authorises(const struct core *c, const struct slot *s); /* is it on USB, with usbAuthorization? */
void slot_unassign(struct step *st, int i);        /* the VM no longer has it: event; a leaving slot ends */
void slot_assign(struct step *st, int i, int vm);  /* the VM has it now: event */
void slot_release(struct step *st, int i, int vm); /* it is back: reset it; vm: the VM if it has died, or -1 */
void slot_hold(const struct core *c, struct slot *s, int vm); /* the VM gets, or has, a descriptor of it */
void slot_announce(struct step *st, int i);                   /* sends usb_connected once, when it is due */

/* core_texts.c */
void texts_keep(struct core *c, int slot, const struct device *dev); /* slot.dev = *dev, with texts of its own */
void texts_forget(struct core *c, int slot);                         /* the slot is free */
void texts_settle(struct core *c);                                   /* after each step: pointers to texts end here */
bool texts_check(const struct core *c);

/* core_vm.c */
void vm_fact(struct step *st, const struct fact *f);
void vm_op_done(struct step *st, const struct fact *f);
void vm_out(struct step *st, const struct fact *f);
void vm_look(struct core *c, int vm); /* lists the VM again if it is up */
void vm_match_again(struct core *c);  /* all devices of the host have been read: what was open may be matched now */

/* core_ports.c */
struct place {
    int bus, port; /* rows of core.ports of the VM; -1: the VMM chooses */
};
enum usb_speed ports_speed(const struct device *d); /* 0: not known */
/* Where it goes in this VM, as far as that is known. False: nowhere. */
bool ports_place(const struct core *c, const struct slot *s, int vm, struct place *to);
bool ports_full(const struct core *c, const struct slot *s, int vm); /* is the VM up, without a port for it? */
void ports_why_full(const struct core *c, const struct slot *s, int vm, char why[VH_TEXT_MAX]);
void ports_taken(struct core *c, int vm, const struct slot *s, int port); /* it is there now */
void ports_given_back(struct core *c, int vm, const struct slot *s);      /* the VM does not have it any more */

/* core_target.c */
/* Why a device stays with the host. The first that holds is reported; what holds follows from the slot alone. */
enum stay {
    STAY_NO = 0,
    STAY_MALFORMED = 1 << 0, /* its descriptors are not trusted, so no rule can be applied to it */
    STAY_HUB = 1 << 1,
    STAY_PROTECTED = 1 << 2,    /* the host uses it */
    STAY_FOREIGN = 1 << 3,      /* a VM has it, but not by us, or a reading has yet to show that */
    STAY_UNAUTHORISED = 1 << 4, /* the kernel lets nobody use it */
    STAY_UNRESPONSIVE = 1 << 5, /* an order about it was not answered in time */
    STAY_UNSETTLED = 1 << 6,    /* the kernel is still configuring it */
    STAY_HELD = 1 << 7,         /* its port flaps */
    STAY_CLOSED = 1 << 8,       /* decisions may be lost, and no admin has acknowledged that */
    STAY_STOPPING = 1 << 9,     /* the daemon is ending */
};
/* What the device is or what the host does with it. The others pass without anything new about the device. */
#define STAY_DEVICE (STAY_MALFORMED | STAY_HUB | STAY_PROTECTED)

/* Why it cannot be used now, which whoever has it need not give back. */
#define STAY_UNUSABLE (STAY_UNAUTHORISED | STAY_UNRESPONSIVE)

extern const char core_why_closed[]; /* STAY_CLOSED in words */

/* The first of the reasons asked for (a union of enum stay) that holds. */
enum stay slot_stays_with_host(const struct core *c, const struct slot *s, unsigned asked);
bool slot_held(const struct slot *s);                   /* may any VM have a descriptor of it? */
bool slot_held_elsewhere(const struct slot *s, int vm); /* may another VM have a descriptor of it? */
bool slot_kept_from(const struct slot *s, int vm);      /* from being given to that VM: it is not surely back yet */
int plan_target(const struct core *c, const struct slot *s);          /* VM where it should be, -1 the host */
bool plan_allows(const struct core *c, const struct slot *s, int vm); /* by its rule; by its lease without one */
bool plan_asks(const struct core *c, const struct slot *s);           /* is a choice of VM needed? */

/* core_quarantine.c */
void quarantine_plugged(const struct core *c, struct slot *s);   /* a new plug, or what it is has become known */
void quarantine_found(const struct core *c, struct slot *s);     /* likewise, of one that was there at the start */
void quarantine_drivers(struct step *st, const struct fact *f);  /* FACT_DRIVERS */
void quarantine_offered(struct step *st, const struct fact *f);  /* FACT_OFFERED */
void quarantine_reload(struct slot *s);                          /* what has failed is tried again */
bool quarantine_due(const struct core *c, const struct slot *s); /* is it to be offered, now or later? */
int64_t quarantine_plan(struct step *st, int i);                 /* in each step; when to look again, or VH_NEVER */

/* core_revoke.c */
/* There at a start: who may hold it? */
void revoke_plugged(struct core *c, struct slot *s, const struct assigned *noted);
void revoke_seen(struct step *st, struct slot *s, const struct fact *f); /* FACT_DEVICE */
void revoke_fact(struct step *st, const struct fact *f);                 /* FACT_REVOKED */
void revoke_released(struct step *st, const struct fact *f);             /* FACT_RELEASED */
void revoke_vm_down(struct core *c, int vm);
void revoke_reload(struct slot *s);                                /* what has failed is tried again */
bool revoke_due(const struct core *c, const struct slot *s);       /* is it to be revoked, now or later? */
bool revoke_unsettled(const struct core *c, const struct slot *s); /* due or under way, and has not failed */
bool revoke_busy(const struct core *c, const struct slot *s);      /* due, under way, or not bound again yet */
bool revoke_waits(const struct core *c, const struct slot *s);     /* the same, and nothing of it has failed */
int64_t revoke_plan(struct step *st, int i); /* in each step, before operations; when to look again, or VH_NEVER */

/* core_host.c */
bool host_is_mate(const struct slot *a, const struct slot *b);    /* PCI devices of one IOMMU group; also of itself */
vm_set host_has(const struct slot *s);                            /* VMs that have it, may have it or are getting it */
bool host_wants_back(const struct core *c, const struct slot *s); /* bound for VMs, and none is to have its group */
/* Does its detach wait for the order that shows that nobody has it? */
bool host_unsure(const struct core *c, const struct slot *s);
/* May it be attached to that VM? If not, what is missing is ordered, or *at becomes the time to look again. */
bool host_ready(struct step *st, int i, int vm, int64_t *at);
void host_fact(struct step *st, const struct fact *f); /* FACT_PREPARED, FACT_RESTORED */
int64_t host_plan(struct step *st, int i);             /* in each step; when to look again, or VH_NEVER */

/* core_authorize.c */
void authorize_plugged(const struct core *c, struct slot *s, bool coldplug); /* a new plug */
void authorize_plan(struct step *st, int i);                                 /* in each step, before revoke_plan() */

/* core_claim.c */
void claims_end(struct core *c, int vm);                            /* all of the VM */
void claim_take(struct core *c, int vm, const struct vmm_found *f); /* it lists an id that is not ours */
void claim_slot(struct core *c, struct slot *s, int vm);            /* the same, of one device */
void claim_plugged(const struct core *c, struct slot *s);           /* a new device: by filters */
bool claim_was_read(struct step *st, struct slot *s);               /* was this reading asked for? */
void claim_given_back(struct step *st, int vm, const char *id);     /* a stale id was removed */
void claim_judge(struct step *st, int slot);                        /* in each step, before the plan */

/* core_match.c */
/* The list of a VM that names nothing: kept[] are the slots that it has, by what it said earlier. */
void match_listed(struct step *st, int vm, const struct op_result *r, bool kept[CORE_SLOTS]);
bool match_attached(struct core *c, int slot, const struct op_result *r); /* true: the VM has to be listed again */
bool match_waits(const struct core *c, int vm);                           /* could not all of its list be matched? */
void match_drop(struct step *st, int slot); /* before the plan: it was dropped, and its port may be another device's */
bool match_may_take_out(const struct core *c, int vm); /* vm.stale: is it still certain that it is ours? */

/* core_verify.c */
void verify_begin(struct step *st, const struct request *r); /* a list with "verify" */
void verify_was_read(struct slot *s);
void verify_client_gone(struct core *c, struct client_ref client);
void verify_plan(struct step *st); /* in each step, after the facts: orders readings, answers what is complete */

/* core_announce.c */
void announce_later(struct step *st, const struct request *r); /* its client has just subscribed */
void announce_never(struct core *c, struct client_ref client); /* it has gone, or subscribes no more */
void announce_plan(struct step *st);                           /* in each step: what is due */

/* core_plan.c */
void plan(struct step *st);

/* core_pending.c */
bool pending_has_room(const struct core *c, const struct principal *who);
struct pending *pending_new(struct step *st, const struct request *r, int *index);
void pending_fail(struct pending *p, const char *text);     /* the first text stays */
void pending_refuse(struct pending *p, const char *text);   /* the same, for a part that was not begun */
void pending_part_done(struct step *st, struct pending *p); /* one of p->left; the last one sends the reply */
void pending_audit(struct step *st, const struct audit *audit, uint16_t text);
void reply_ok(struct step *st, struct client_ref client);
char *reply_failed(struct step *st, const struct request *r); /* returns the text to fill */
void reply_failed_text(struct step *st, const struct request *r, const char *text);
void request_take(struct step *st, int slot, int pending, int vm); /* that request moves the slot now */
void attach_undone(struct step *st, int slot); /* the attach has failed: what it lifted holds again */
/* The request has moved this slot (NULL), or has failed to. */
void request_slot_done(struct step *st, int slot, const char *error);
void request_fail_vm(struct step *st, int vm, const char *error); /* every request that waits for this VM fails */
void request_client_gone(struct step *st, struct client_ref client);

/* core_select.c */
bool request_is_tag(const struct request *r);
/* Does the request mean this device? A hub only if the request names its place, so that the reply can say why a hub
 * stays. */
bool request_means(const struct core *c, const struct request *r, int slot);
/* "bus" and "port" as a list of an older daemon gives them: replaces a port at which nothing is by the path of the only
 * device behind a hub that has it. */
void request_find_port(const struct core *c, struct request *r);
bool request_select(struct step *st, const struct request *r, int *count); /* false: refused; a tag may have none */
void request_refuse_ambiguous(struct step *st, const struct request *r);

/* core_request.c */
void request_fact(struct step *st, const struct fact *f);
void request_save_ended(struct step *st, const struct fact *f); /* FACT_SAVED: also begins what has waited for it */

/* core_decision.c */
void request_attach(struct step *st, const struct request *r);
void request_detach(struct step *st, const struct request *r);
/* The decision is saved (why is NULL) or is not: continues the request that made it. */
void request_saved(struct step *st, const struct request *r, const char *why);
void request_meant_gone(struct core *c, struct slot *s); /* a device of the decision that is being saved is unplugged */

/* core_pci.c */
void request_other_kind(struct step *st, const struct request *r); /* about devices that are not on USB */
void request_vmm_args(struct step *st, const struct request *r);

/* core_guest.c */
bool guest_may(const struct core *c, const struct request *r, const struct slot *s); /* move it by this request? */
bool guest_names_itself(const struct core *c, const struct request *r);              /* its own VM, or none */
const char *guest_why_not(const struct core *c, const struct request *r, const struct slot *s);

/* core_port.c */
void port_plugged(struct step *st, int slot);
void port_unplugged(struct step *st, int slot);  /* call before its assignment ends */
void port_lease(struct core *c, struct slot *s); /* call after its rule is known */
void port_quiet(struct step *st, int slot);      /* its device has stayed: no longer held */
void port_forget_vm(struct core *c, int vm);

/* core_remembered.c */
void remembered_refresh(struct core *c, struct slot *s); /* decision and suspension of a plugged device */
int remembered_selection(const struct core *c, const struct device *dev); /* VM of the selection, -1 none */
/* VM that a role above this one selected and that the rules still allow; -1 none. */
int remembered_chosen_above(const struct core *c, const struct slot *s, enum role role);
/* The author of the decision about the tag of devices of that kind, or ROLE_NONE. */
enum role remembered_tag_decision(const struct core *c, enum device_kind kind, const char *tag);
enum role remembered_decision(const struct core *c, const struct device *dev); /* highest author, or ROLE_NONE */
/* The highest author of the decisions that keep this device away, by device and by tag; ROLE_NONE if there is none. */
enum role remembered_keeps(const struct core *c, const struct slot *s);
/* Selections and suspensions hold at once and are saved as soon as possible. */
bool remembered_select(struct step *st, const struct slot *s, int vm, enum role by); /* false: full of decisions */
void remembered_suspend(struct step *st, struct slot *s, int vm);
void remembered_wake(struct step *st, struct slot *s);           /* attached: no longer suspended */
void remembered_resume(struct step *st, int vm, unsigned kinds); /* a bit for each enum device_kind */
bool remembered_acknowledge(struct step *st);                    /* holds at once, too; false: nothing was lost */
/* Rows of the table, for core_saving.c. */
struct remembered *remembered_find(struct core *c, const struct device *dev); /* NULL none */
/* What is remembered of the device at its port, made if there is nothing. NULL: there is no room. */
struct remembered *remembered_row(struct core *c, const struct device *dev, enum role by);
bool remembered_applies(const struct core *c, const struct remembered *m,
                        const struct device *dev);   /* is it about it? */
bool remembered_settled(const struct remembered *m); /* false while a decision about it is being saved */
bool remembered_decides(const struct remembered *m); /* a decision that holds or is being saved */
int remembered_free_rows(const struct core *c);
bool remembered_tag_free(const struct tag_decision *l);
void remembered_tidy(struct remembered *m); /* frees a row that says nothing */
void remembered_changed(struct step *st);   /* the file no longer says what is remembered */

/* core_saving.c */
/* A decision is noted by the next four, and ends with saving_decided(), or saving_undo() if it is given up. None of it
 * holds before request_saved(). ROLE_NONE lifts a decision. False: the table is full of decisions. */
bool saving_decide(struct core *c, const struct device *dev, enum role by);
bool saving_decide_tag(struct core *c, enum device_kind kind, const char *tag, enum role by);
bool saving_exempt(struct core *c, const struct slot *s, enum role by); /* from its tag decision, for this plug */
void saving_spare(struct core *c, const struct slot *s);                /* does not lift its decision after all */
bool saving_decided(struct step *st, const struct request *r);          /* true: it holds now, else at FACT_SAVED */
void saving_undo(struct core *c);
/* No decision about the device has been lifted, and it was kept away by `before`: it stays so, whatever has changed. */
void saving_stays(struct step *st, struct slot *s, enum role before);
/* After a failed attach: the exemption ends, and the decision by `by` (ROLE_NONE: none) holds again at once. */
void saving_restore(struct step *st, struct slot *s, enum role by);
void saving_begin(struct step *st);          /* ACT_SAVE */
bool saving_ended(struct step *st, bool ok); /* true: it was that of the decision */

#endif
