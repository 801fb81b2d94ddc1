/*
 * test_core_change.c - a device changes while an operation is under way: its descriptors, the host's use of it, an
 * unplug, another request. Also devices that two VMs may hold.
 */
#include "core_story.h"

/* A fact about the device in a slot, after `change`. */
static void look_again(int slot, void (*change)(struct device *d)) {
    struct device d = core.slot[slot].dev;
    change(&d);
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    step(&f);
}

static void is_used(struct device *d) {
    d->protect = "holds /boot";
}
static void is_nonsense(struct device *d) {
    d->malformed = "bLength 0";
}
static void is_a_hub(struct device *d) {
    d->usb.nifaces = 2; /* the rule still fits it */
    d->usb.ifaces[1].cls = 9;
}
static void is_something_else(struct device *d) {
    d->usb.ifaces[0].cls = 14;
}
static void is_unruled(struct device *d) {
    d->usb.ifaces[0].cls = 2;
}
static void is_another_model(struct device *d) {
    d->pid++;
}
static void is_another_makers(struct device *d) {
    d->vid++;
}
static void is_the_same(struct device *d) {
    (void)d;
}

/* ---- while a request waits ---- */

/* A stick that an operator wants in VM b, whose monitor is busy with another device. */
static void a_request_waits(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 14);
    CHECK(op(OP_ATTACH, 1) != NULL);
    plug("1-2", 6, 8);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 6, "b");
    CHECK(action(ACT_REPLY) == NULL && op(OP_ATTACH, 1) == NULL);
}

static void fails_by(void (*change)(struct device *d), const char *why) {
    a_request_waits();
    look_again(1, change);
    CHECK(replied(false));
    CHECK_STR(refusal(), why);
    done(1, OP_OK);
    CHECK(op(OP_ATTACH, 1) == NULL);
}

static void a_request_that_waits_fails_when_its_device_may_not_go_any_more(void) {
    fails_by(is_used, "stays with the host: it holds /boot");
    fails_by(is_nonsense, "unclassifiable: bLength 0");
    fails_by(is_a_hub, "the rules do not allow it there any more");
    fails_by(is_unruled, "the rules do not allow it there any more");
    a_request_waits();
    look_again(1, is_something_else); /* another rule gives the device to b, too */
    CHECK(action(ACT_REPLY) == NULL);
    done(1, OP_OK);
    CHECK(op(OP_ATTACH, 1) != NULL);
    a_request_waits();
    look_again(1, is_the_same);
    CHECK(action(ACT_REPLY) == NULL);
}

static void is_replaced_by(void (*change)(struct device *d)) {
    a_request_waits();
    look_again(1, change);
    CHECK(replied(false));
    CHECK_STR(refusal(), "the device was unplugged");
    CHECK(event(EV_DISCONNECTED) != NULL && event(EV_CONNECTED) != NULL &&
          event(EV_DISCONNECTED) < event(EV_CONNECTED));
}

static void another_model_on_the_same_port_is_another_device(void) {
    is_replaced_by(is_another_model);
    is_replaced_by(is_another_makers);
}

/* ---- while a question stands ---- */

static void asked_about_a_stick(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    CHECK_INT(core.slot[0].question, QUESTION_OPEN);
}

static void a_question_ends_when_there_is_nothing_to_choose(void) {
    asked_about_a_stick();
    look_again(0, is_used);
    CHECK_INT(core.slot[0].question, QUESTION_CLOSED);
    asked_about_a_stick();
    look_again(0, is_nonsense);
    CHECK_INT(core.slot[0].question, QUESTION_CLOSED);
    asked_about_a_stick();
    look_again(0, is_a_hub);
    CHECK_INT(core.slot[0].question, QUESTION_CLOSED);
    asked_about_a_stick();
    look_again(0, is_something_else);
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    CHECK_INT(core.slot[0].question, QUESTION_CLOSED);
}

/* ---- while it is in a VM ---- */

static void what_turns_out_to_be_a_hub_is_taken_out(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    look_again(0, is_a_hub);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK_INT(core.slot[0].vm, -1);
}

/* ---- while it is suspended ---- */

static void suspended_stick(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    ask(REQ_SUSPEND, 0, "");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].suspended == 0);
    released();
}

static void resume_leaves_it(void (*change)(struct device *d)) {
    suspended_stick();
    look_again(0, change);
    ask(REQ_RESUME, 0, "");
    CHECK(replied(true)); /* every device that can be attached again is */
    CHECK(op(OP_ATTACH, 0) == NULL);
    CHECK_INT(core.slot[0].suspended, -1);
}

static void a_resume_leaves_what_cannot_go_back(void) {
    resume_leaves_it(is_used);
    resume_leaves_it(is_nonsense);
    resume_leaves_it(is_a_hub);
    suspended_stick();
    struct vmm_found found = {.id = "kbd", .busnum = 1, .devnum = 5};
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", &found, 1); /* another tool has attached the device to b meanwhile */
    ask(REQ_RESUME, 0, "");
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL);
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK(op(OP_ATTACH, 0) != NULL); /* the choice still stands */
    suspended_stick();
    ask(REQ_DETACH, 5, "");
    ask(REQ_RESUME, 0, "");
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL);
}

static void a_resume_leaves_what_flaps_until_it_stays(void) {
    suspended_stick();
    for (int i = 0; i < 12; i++) {
        unplug("1-1");
        plug("1-1", 20 + i, 8);
    }
    CHECK(core.slot[0].hold_until != 0 && core.slot[0].suspended == 0);
    ask(REQ_RESUME, 0, "");
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL);
    wait_ms(VH_T_FLAP_HOLD);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_resume_of_one_vm_leaves_the_others(void) {
    suspended_stick();
    ask(REQ_RESUME, 0, "b");
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL && core.slot[0].suspended == 0);
    ask(REQ_RESUME, 0, "a");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* ---- doubts ---- */

/* An earlier daemon may have left a device in two VMs; QEMU allows that. */
static void what_two_vms_claim_is_reset_once_at_a_time(void) {
    struct vmm_found found = {.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true};
    begin(false);
    plug_as("1-1", 5, 8, true, true);
    vm_fact_of(FACT_VM_SOCKET, 0);
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(0, OP_OK, "", &found, 1);
    CHECK_INT(core.slot[0].vm, 0);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(action(ACT_RELEASE) != NULL && core.slot[0].releasing);
    CHECK(action(ACT_REPLY) == NULL); /* b may have it as well */
    done_with(1, OP_OK, "", &found, 1);
    CHECK(core.slot[0].vm == 1 && op(OP_DETACH, 1) != NULL);
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK(action(ACT_RELEASE) == NULL && core.slot[0].vm == -1);
    done(1, OP_REFUSED);
    CHECK(replied(true));
}

/* The device is in one VM; during a move, the other VM is found to have it as well. */
static void an_id_of_what_another_vm_has_is_removed(void) {
    struct vmm_found found = {.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true};
    begin(false);
    plug_as("1-1", 5, 8, true, true);
    vm_fact_of(FACT_VM_SOCKET, 0);
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(0, OP_OK, "", &found, 1);
    done_with(1, OP_OK, "", &found, 1);
    CHECK_INT(core.slot[0].vm, 0);
    const struct action *a = op(OP_DETACH, 1);
    CHECK(a != NULL && a->slot == -1 && str_eq(a->op.id, "vhp-usb-1-5"));
}

/* vhotplug never attaches a hub. */
static void an_id_of_a_hub_is_removed(void) {
    struct vmm_found found = {.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true};
    begin(false);
    plug_as("1-1", 5, 8, true, true);
    look_again(0, is_a_hub);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", &found, 1);
    CHECK(core.slot[0].vm == -1 && op(OP_DETACH, 0) != NULL);
}

/* The id of a device that another VM is getting: bus and address were used again. */
static void one_number_in_two_vms_is_no_obstacle(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    unplug("1-1"); /* in the middle of it */
    plug("1-2", 5, 14);
    CHECK(op(OP_ATTACH, 1) != NULL);
    plug("1-3", 5, 3); /* but VM a has to finish the first operation */
    CHECK(op(OP_ATTACH, 0) == NULL);
    done(0, OP_OK);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void what_is_no_fact_and_no_request_changes_nothing(void) {
    asked_about_a_stick();
    static struct core before;
    before = core;
    struct fact f = {.kind = (enum fact_kind)99};
    step(&f);
    CHECK_INT(out.n, 0);
    ask((enum request_kind)99, 5, "a");
    CHECK_INT(out.n, 0);
    before.stats.facts += 2;
    CHECK(memcmp(&before.stats, &core.stats, sizeof core.stats) == 0);
    CHECK(memcmp(before.slot, core.slot, sizeof core.slot) == 0);
}

int main(void) {
    RUN(a_request_that_waits_fails_when_its_device_may_not_go_any_more);
    RUN(another_model_on_the_same_port_is_another_device);
    RUN(a_question_ends_when_there_is_nothing_to_choose);
    RUN(what_turns_out_to_be_a_hub_is_taken_out);
    RUN(a_resume_leaves_what_cannot_go_back);
    RUN(a_resume_leaves_what_flaps_until_it_stays);
    RUN(a_resume_of_one_vm_leaves_the_others);
    RUN(what_two_vms_claim_is_reset_once_at_a_time);
    RUN(an_id_of_what_another_vm_has_is_removed);
    RUN(an_id_of_a_hub_is_removed);
    RUN(one_number_in_two_vms_is_no_obstacle);
    RUN(what_is_no_fact_and_no_request_changes_nothing);
    TEST_MAIN_END;
}
