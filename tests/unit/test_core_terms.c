/*
 * core: of each condition that several things must meet, a story in which one of them alone decides; and what the first
 * VM, the first rule and the first place are, which count as any other does.
 */
#include "core_story.h"

#define ONE_RULE(vms, entry) \
    "{\"vms\": [" VM("a") ", " VM("b") ", " VM("c") "], \"usbPassthrough\": [{" vms ", \"allow\": [" entry "]}]}"

static void settle_it(void) {
    dev.settled = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

/* ---- what was chosen and decided ---- */

static void coldplug_keeps_what_was_chosen(void) {
    static struct remembered_set kept;
    begin(true);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "b");
    done(1, OP_OK);
    kept = core.remembered;
    begin(true); /* started again, with --attach-connected */
    core.remembered = kept;
    plug_as("1-1", 5, 8, true, true);
    vm_up(0);
    vm_up(1);
    CHECK(op(OP_ATTACH, 0) == NULL && op(OP_ATTACH, 1) != NULL);
}

static void by_its_tag_an_operator_does_not_lift_an_admins_word(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask_as(ROLE_ADMIN, REQ_DETACH, 5, "");
    done(0, OP_OK);
    released();
    CHECK(core.slot[0].vm == -1 && core.slot[0].disconnected);
    ask_tag(ROLE_OPERATOR, REQ_ATTACH, "input");
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].disconnected);
}

static void a_choice_that_is_no_longer_allowed_is_not_meant(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "b");
    done(1, OP_OK);
    reload(ONE_RULE("\"allowedVms\": [\"a\", \"c\"]", "{\"interfaceClass\": 8}"));
    done(1, OP_OK);
    released();
    ask(REQ_ATTACH, 5, "");
    CHECK_STR(refusal(), "(no failure)");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void whoever_pushes_an_attach_aside_restores_its_decision(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
    done(0, OP_OK);
    released();
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    CHECK(op(OP_ATTACH, 0) != NULL && !core.slot[0].disconnected);
    ask_as(ROLE_ADMIN, REQ_ATTACH, 5, "a");
    done(0, OP_FAILED);
    CHECK(core.slot[0].disconnected);
}

/* ---- which device asks for a VM ---- */

static void what_was_taken_away_does_not_ask(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    ask(REQ_DETACH, 5, "");
    unplug("1-1");
    plug("1-1", 6, 8);
    CHECK(core.slot[0].disconnected && event(EV_SELECT_VM) == NULL);
}

static void one_on_its_way_does_not_ask(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    reload(ONE_RULE("\"allowedVms\": [\"a\", \"b\"]", "{\"interfaceClass\": 3}"));
    CHECK(event(EV_SELECT_VM) == NULL);
}

/* ---- what is forgotten ---- */

static void a_vms_filter_goes_with_it(void) {
    struct vmm_found any = {.id = "x", .filter = true, .vid = 0x1234};
    begin(false);
    vm_up(0);
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", &any, 1);
    vm_fact_of(FACT_VM_DOWN, 1);
    plug("1-1", 5, 3);
    CHECK(core.slot[0].foreign == -1 && op(OP_ATTACH, 0) != NULL);
}

#define LEASES(vm)                                                                                          \
    "{\"vms\": [" VM(vm) "], \"general\": {\"leaseSeconds\": 5}, \"usbPassthrough\": [{\"targetVm\": \"" vm \
                         "\", \"allow\": [{\"interfaceClass\": 3}]}]}"

static void begin_with_leases(void) {
    static struct conf c;
    static const char json[] = LEASES("a");
    CHECK(conf_parse(&c, json, sizeof json - 1, no_diag, NULL));
    begin(false);
    core.conf = &c;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
}

static void nothing_follows_it_by_lease(void) {
    plug("1-1", 6, 2); /* no rule knows it */
    CHECK(core.slot[0].lease == -1 && op(OP_ATTACH, 0) == NULL);
}

static void what_was_taken_away_leaves_no_lease(void) {
    begin_with_leases();
    ask(REQ_DETACH, 5, "");
    CHECK(op(OP_DETACH, 0) != NULL);
    unplug("1-1"); /* before the VM has let go of it */
    done(0, OP_OK);
    nothing_follows_it_by_lease();
}

static void a_lease_is_not_for_the_vm_that_has_the_row_now(void) {
    begin_with_leases();
    unplug("1-1");
    done(0, OP_OK);
    reload(LEASES("c"));
    CHECK(conf_vm(core.conf, "c") == 0);
    vm_fact_of(FACT_VM_DOWN, 0);
    vm_up(0);
    nothing_follows_it_by_lease();
}

static void a_new_socket_ends_the_back_off(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_FAILED);
    CHECK(op(OP_LIST, 0) == NULL);
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(op(OP_LIST, 0) != NULL);
}

/* ---- whose request fails ---- */

static void a_detach_that_nobody_confirmed_is_not_ok(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    ask(REQ_DETACH, 5, "");
    done(0, OP_UNKNOWN);
    CHECK(replied(false));
}

static void another_vms_trouble_fails_no_request(void) {
    begin(false);
    vm_up(1);
    plug("1-1", 5, 14);
    CHECK(op(OP_ATTACH, 1) != NULL);
    plug("1-2", 6, 8);
    ask(REQ_ATTACH, 6, "b"); /* waits for its turn */
    CHECK(action(ACT_REPLY) == NULL);
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(op(OP_LIST, 0) != NULL);
    done(0, OP_FAILED);
    CHECK(action(ACT_REPLY) == NULL);
}

static void being_taken_out_it_may_become_the_hosts(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_BUSY); /* not listed: nothing can be done there for now */
    ask(REQ_DETACH, 5, "");
    dev.protect = "is mounted";
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    CHECK(action(ACT_REPLY) == NULL);
}

/* ---- the first VM, the first rule ---- */

static void the_first_rules_device_goes_first(void) {
    begin(false);
    reload("{\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": ["
                                              "{\"targetVm\": \"a\", \"allow\": [{\"interfaceClass\": 3}]}, "
                                              "{\"targetVm\": \"a\", \"allow\": [{\"interfaceClass\": 8}]}]}");
    plug("1-1", 5, 8);
    plug("1-2", 6, 3);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL && op(OP_ATTACH, 0)->slot == 1);
}

static void in_the_first_vm_it_stays(void) {
    static struct remembered_set kept;
    struct vmm_found ours = {.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5};
    begin(true);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "b");
    done(1, OP_OK);
    kept = core.remembered;
    begin(true);
    core.remembered = kept;
    plug_as("1-1", 5, 8, false, true);
    vm_up(1);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", &ours, 1);
    CHECK(core.slot[0].vm == 0);
    settle_it();
    CHECK(op(OP_DETACH, 0) == NULL);
}

static void what_the_first_vm_has_is_idle_elsewhere(void) {
    struct vmm_found found = {.id = "x", .busnum = 1, .devnum = 5};
    begin(false);
    plug("1-1", 5, 14);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", &found, 1);
    read_again(true);
    CHECK_INT(core.slot[0].foreign, 0);
    CHECK_STR(core_guest_state(&core, &core.slot[0], 1), "idle");
}

/* ---- what is in doubt, and what is still held ---- */

static void doubt_about_another_vm_is_anothers(void) {
    struct request r = {.kind = REQ_DETACH, .who = {.role = ROLE_GUEST, .vm = 0}};
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    core.slot[0].doubt = 1; /* set by hand: no short story leads to a device that one VM has and another may have */
    CHECK(guest_may(&core, &r, &core.slot[0]));
    core.slot[0].doubt = 2;
    CHECK(!guest_may(&core, &r, &core.slot[0]));
}

static void an_unplugged_device_keeps_its_vms_row(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    done(0, OP_BUSY);
    CHECK(core.slot[0].op == OP_NONE);
    CHECK(core_vm_in_use(&core, 0));
}

static void times_are_added_up(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    now += 3 * VH_NSEC_PER_MSEC;
    done(0, OP_OK);
    CHECK_INT(core.stats.latency_ms, 3);
}

int main(void) {
    RUN(coldplug_keeps_what_was_chosen);
    RUN(by_its_tag_an_operator_does_not_lift_an_admins_word);
    RUN(a_choice_that_is_no_longer_allowed_is_not_meant);
    RUN(whoever_pushes_an_attach_aside_restores_its_decision);
    RUN(what_was_taken_away_does_not_ask);
    RUN(one_on_its_way_does_not_ask);
    RUN(a_vms_filter_goes_with_it);
    RUN(what_was_taken_away_leaves_no_lease);
    RUN(a_lease_is_not_for_the_vm_that_has_the_row_now);
    RUN(a_new_socket_ends_the_back_off);
    RUN(a_detach_that_nobody_confirmed_is_not_ok);
    RUN(another_vms_trouble_fails_no_request);
    RUN(being_taken_out_it_may_become_the_hosts);
    RUN(the_first_rules_device_goes_first);
    RUN(in_the_first_vm_it_stays);
    RUN(what_the_first_vm_has_is_idle_elsewhere);
    RUN(doubt_about_another_vm_is_anothers);
    RUN(an_unplugged_device_keeps_its_vms_row);
    RUN(times_are_added_up);
    TEST_MAIN_END;
}
