/*
 * test_core_silent.c - devices that cannot be read or used: one that a scan only sees, one that does not answer, one
 * that the host has not authorised, and one that a driver of the host has taken back.
 */
#include "core_story.h"

static void tell(bool unresponsive) {
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    dev.unresponsive = unresponsive;
    step(&f);
}

static const char does_not_answer[] = "the device does not answer (its reading or opening was not finished in time)";

/* ---- FACT_SEEN ---- */

static void scan_that_sees(const char *name) {
    struct fact f = {.kind = FACT_SCAN_BEGIN};
    step(&f);
    f = (struct fact){.kind = FACT_SEEN, .sys_name = name};
    step(&f);
    CHECK_INT(out.n, 0);
    f = (struct fact){.kind = FACT_SCAN_END};
    step(&f);
}

static void a_device_that_a_scan_sees_stays_as_it_was_reported(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    plug("1-2", 6, 3);
    done(0, OP_OK);
    scan_that_sees("1-1");
    CHECK(core.slot[0].state == SLOT_PRESENT && core.slot[0].vm == 0 && core.slot[0].dev.usb.devnum == 5);
    CHECK(event(EV_DISCONNECTED) != NULL && core_device(&core, "1-2") == NULL);
}

static void a_device_that_was_never_reported_is_not_made_up(void) {
    begin(false);
    scan_that_sees("1-9");
    CHECK(core_device(&core, "1-9") == NULL);
}

/* ---- unresponsive ---- */

static void a_device_that_does_not_answer_is_attached_once_it_does(void) {
    begin(false);
    plug("1-1", 5, 3);
    tell(true);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL && !core_wants_vm(&core, 0));
    CHECK_STR(reason_of(&core.slot[0]), does_not_answer);
    CHECK_STR(core_state_name(&core, &core.slot[0]), "idle");
    ask(REQ_ATTACH, 5, "");
    CHECK_STR(refusal(), "/dev/bus/usb/001/005 does not answer");
    tell(false);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_device_that_a_vm_has_stays_there(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    tell(true);
    CHECK(out.n == 0 && core.slot[0].vm == 0);
    CHECK_STR(reason_of(&core.slot[0]), "");
    ask(REQ_DETACH, 5, ""); /* it may still be taken out */
    done(0, OP_OK);
    CHECK(replied(true));
    CHECK_STR(reason_of(&core.slot[0]), does_not_answer);
}

static void an_attach_under_way_is_kept_if_it_succeeds(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    tell(true);
    done(0, OP_OK);
    CHECK(core.slot[0].vm == 0 && op(OP_DETACH, 0) == NULL);
    plug("1-2", 6, 3);
    tell(true);
    done(0, OP_LOCAL);
    wait_ms(VH_T_RETRY_MAX);
    CHECK(op(OP_ATTACH, 0) == NULL);
}

static void a_request_under_way_fails(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    ask(REQ_ATTACH, 5, "b");
    tell(true);
    done(0, OP_OK);
    CHECK_STR(refusal(), "/dev/bus/usb/001/005 does not answer");
    CHECK(op(OP_ATTACH, 1) == NULL && op(OP_ATTACH, 0) == NULL);
}

static void nobody_is_asked_until_it_answers(void) {
    begin(false);
    plug("1-1", 5, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    tell(true);
    CHECK_INT(core.slot[0].question, QUESTION_NONE);
    tell(true);
    CHECK(event(EV_SELECT_VM) == NULL && !core_asks(&core, &core.slot[0]));
    tell(false);
    CHECK(event(EV_SELECT_VM) != NULL);
}

static void a_guest_is_told(void) {
    static struct request r = {.kind = REQ_ATTACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_GUEST}};
    begin(false);
    vm_up(0);
    plug("1-1", 5, 8);
    tell(true);
    CHECK_STR(core_guest_reason(&core, &core.slot[0], 0), "does not answer");
    r.sel = (struct selector){.by_node = true, .node_bus = 1, .node_dev = 5};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK_STR(refusal(), "/dev/bus/usb/001/005 does not answer");
}

static void what_is_resumed_is_left_to_the_rules(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_SUSPEND, 0, "a");
    done(0, OP_OK);
    released();
    tell(true);
    ask(REQ_RESUME, 0, "a");
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL);
    tell(false);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* ---- unauthorised ---- */

static const char not_authorised[] = "not authorised on this host";

static void authorise(bool yes) {
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    dev.unauthorised = !yes;
    step(&f);
}

static void an_unauthorised_device_is_attached_once_it_is_authorised(void) {
    begin(false);
    vm_up(0);
    dev.settled = false;
    plug_as("1-1", 5, 3, false, false);
    dev.settled = true;
    authorise(false);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) == NULL && !core_wants_vm(&core, 0));
    CHECK(!core_wants_device(&core, "1-1"));
    CHECK_STR(reason_of(&core.slot[0]), not_authorised);
    CHECK_STR(core_state_name(&core, &core.slot[0]), "idle");
    ask(REQ_ATTACH, 5, "");
    CHECK_STR(refusal(), "/dev/bus/usb/001/005 is not authorised on this host");
    authorise(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void nobody_is_asked_about_an_unauthorised_device(void) {
    begin(false);
    plug("1-1", 5, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    authorise(false);
    CHECK(!core_asks(&core, &core.slot[0]) && core.slot[0].question == QUESTION_NONE);
    authorise(true);
    CHECK(event(EV_SELECT_VM) != NULL);
}

/* The kernel may show its serial number only then. */
static void what_was_selected_for_a_device_holds_once_it_is_authorised(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "b");
    done(1, OP_OK);
    unplug("1-1");
    done(1, OP_OK);
    plug_as("1-1", 6, 8, false, false);
    dev.settled = true;
    dev.serial = "n/a (unauthorized)";
    authorise(false);
    CHECK(op(OP_ATTACH, 1) == NULL);
    dev.serial = "S1-1";
    authorise(true);
    CHECK(op(OP_ATTACH, 1) != NULL);
}

static void a_vm_keeps_what_is_no_longer_authorised(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    authorise(false);
    CHECK(op(OP_DETACH, 0) == NULL && core.slot[0].vm == 0);
    CHECK_STR(reason_of(&core.slot[0]), "not authorised on this host: its VM cannot use it");
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(replied(true));
    released();
    CHECK_STR(reason_of(&core.slot[0]), not_authorised);
}

static void a_request_for_a_device_that_loses_its_authorisation_fails(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    ask(REQ_ATTACH, 5, "b");
    authorise(false);
    done(0, OP_OK);
    CHECK_STR(refusal(), "the device is not authorised on this host");
}

static void a_guest_is_told_of_an_unauthorised_device(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 8);
    authorise(false);
    CHECK_STR(core_guest_reason(&core, &core.slot[0], 0), "is not authorised on the host");
}

/* ---- drivers of the host ---- */

static void driven(const char *driver) {
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .driver = driver};
    step(&f);
}

static void a_driver_of_the_host_on_a_vms_device_is_said(void) {
    begin(false);
    plug("1-1", 5, 3);
    driven("usbhid"); /* no VM has it */
    CHECK(action(ACT_DRIVER) == NULL);
    vm_up(0);
    driven("usbhid"); /* the attach is under way */
    CHECK(action(ACT_DRIVER) == NULL);
    done(0, OP_OK);
    CHECK_STR(reason_of(&core.slot[0]), "");
    driven(NULL);
    driven("");
    CHECK(action(ACT_DRIVER) == NULL);
    driven("usbhid");
    CHECK(action(ACT_DRIVER) != NULL && action(ACT_DRIVER)->slot == 0);
    CHECK_STR(reason_of(&core.slot[0]), "the host's driver 'usbhid' has an interface of it");
    driven("usbhid"); /* it is said once */
    CHECK(action(ACT_DRIVER) == NULL);
    driven(NULL);
    CHECK_STR(reason_of(&core.slot[0]), "the host's driver 'usbhid' has an interface of it");
    driven("");
    CHECK_STR(reason_of(&core.slot[0]), "");
    driven("usbhid");
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK_STR(core.driver[0], "");
}

/* ---- read late ---- */

static void a_device_of_the_start_that_is_read_late_is_looked_for_in_every_vm(void) {
    static const struct vmm_found found[] = {{.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5}};
    begin(false);
    vm_up(0);
    vm_up(1);
    plug_as("1-1", 5, 8, true, true);
    CHECK(op(OP_LIST, 0) != NULL && op(OP_LIST, 1) != NULL);
    done(0, OP_OK);
    done_with(1, OP_OK, "", found, 1);
    CHECK(core.slot[0].vm == 1 && core.slot[0].doubt == 0);
    vm_fact_of(FACT_VM_DOWN, 0);
    plug_as("1-2", 6, 8, true, true);
    CHECK(core.slot[1].doubt == 2); /* a VM that is down has nothing */
}

int main(void) {
    RUN(a_device_that_a_scan_sees_stays_as_it_was_reported);
    RUN(a_device_that_was_never_reported_is_not_made_up);
    RUN(a_device_that_does_not_answer_is_attached_once_it_does);
    RUN(a_device_that_a_vm_has_stays_there);
    RUN(an_attach_under_way_is_kept_if_it_succeeds);
    RUN(a_request_under_way_fails);
    RUN(nobody_is_asked_until_it_answers);
    RUN(a_guest_is_told);
    RUN(what_is_resumed_is_left_to_the_rules);
    RUN(an_unauthorised_device_is_attached_once_it_is_authorised);
    RUN(nobody_is_asked_about_an_unauthorised_device);
    RUN(what_was_selected_for_a_device_holds_once_it_is_authorised);
    RUN(a_vm_keeps_what_is_no_longer_authorised);
    RUN(a_request_for_a_device_that_loses_its_authorisation_fails);
    RUN(a_guest_is_told_of_an_unauthorised_device);
    RUN(a_driver_of_the_host_on_a_vms_device_is_said);
    RUN(a_device_of_the_start_that_is_read_late_is_looked_for_in_every_vm);
    TEST_MAIN_END;
}
