/*
 * test_core.c - the core's behaviour, story by story. The simulation checks that nothing breaks; these stories check
 * that the core does the right thing.
 */
#include "core_story.h"

/* ---- stories ---- */

static void plugged_device_goes_to_its_vm(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    CHECK(event(EV_CONNECTED) != NULL);
    const struct action *a = op(OP_ATTACH, 0);
    CHECK(a != NULL);
    if (a != NULL)
        CHECK_STR(a->op.id, "vhp-usb-1-5");
    done(0, OP_OK);
    CHECK(event(EV_ATTACHED) != NULL && event(EV_ATTACHED)->vm == 0);
}

static void unplugged_device_is_told_and_removed(void) {
    plugged_device_goes_to_its_vm();
    unplug("1-1");
    CHECK(out.n >= 3);
    CHECK(event(EV_DETACHED) != NULL && event(EV_DISCONNECTED) != NULL);
    CHECK(event(EV_DETACHED) < event(EV_DISCONNECTED));
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK_INT(out.n, 0);
    CHECK(core_deadline(&core) == VH_NEVER);
}

static void same_port_again_is_a_new_device(void) {
    plugged_device_goes_to_its_vm();
    unplug("1-1");
    plug("1-1", 6, 3);
    CHECK(event(EV_CONNECTED) != NULL);
    CHECK(op(OP_ATTACH, 0) == NULL); /* one operation at a time */
    done(0, OP_OK);
    const struct action *a = op(OP_ATTACH, 0);
    CHECK(a != NULL);
    if (a != NULL)
        CHECK_STR(a->op.id, "vhp-usb-1-6");
}

static void unsettled_device_waits_for_the_kernel(void) {
    begin(false);
    vm_up(0);
    plug_as("1-1", 5, 3, false, false);
    CHECK_INT(out.n, 0);
    dev.settled = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) != NULL);
}

static void device_waits_for_its_vm(void) {
    begin(false);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) == NULL);
    CHECK_STR(core_state_name(&core, &core.slot[0]), "waiting");
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void vm_that_dies_loses_its_devices_and_gets_them_back(void) {
    plugged_device_goes_to_its_vm();
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(event(EV_DETACHED) != NULL && op(OP_DETACH, 0) == NULL);
    CHECK(action(ACT_RELEASE) != NULL && action(ACT_RELEASE)->vm == 0); /* reset once that process is gone */
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL); /* not during the reset */
    released();
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void several_vms_are_a_question(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-2", 7, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    CHECK(op(OP_ATTACH, 0) == NULL && op(OP_ATTACH, 1) == NULL);
    ask(REQ_SUBSCRIBE, 0, "");
    CHECK(replied(true) && event(EV_SELECT_VM) == NULL);
    wait_ms(VH_T_ANNOUNCE - 1);
    CHECK(event(EV_SELECT_VM) == NULL && core_deadline(&core) == now + ms_to_ns(1));
    wait_ms(1);
    CHECK(event(EV_SELECT_VM) != NULL && event(EV_SELECT_VM)->client.gen == 9);
    wait_ms(VH_T_ANNOUNCE);
    CHECK(event(EV_SELECT_VM) == NULL);
    ask(REQ_ATTACH, 7, "b");
    CHECK(op(OP_ATTACH, 1) != NULL && action(ACT_REPLY) == NULL);
    done(1, OP_OK);
    CHECK(replied(true) && event(EV_ATTACHED) != NULL);
    unplug("1-2");
    done(1, OP_OK);
    plug("1-2", 8, 8); /* the choice is remembered */
    CHECK(event(EV_SELECT_VM) == NULL && op(OP_ATTACH, 1) != NULL);
}

static void subscribe_as(uint16_t client) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r = (struct request){.kind = REQ_SUBSCRIBE, .client = {.index = client, .gen = 9}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

/* Each open choice is told once to each subscriber, whenever it came. */
static void a_new_subscriber_hears_of_what_was_open_before(void) {
    begin(false);
    vm_up(1);
    plug("1-2", 7, 8);
    for (uint16_t k = 0; k < VH_MAX_CLIENTS; k++)
        subscribe_as(k);
    subscribe_as(3); /* twice is once */
    plug("1-3", 8, 8);
    CHECK(event(EV_SELECT_VM) != NULL && event(EV_SELECT_VM)->client.gen == 0); /* to all */
    struct fact gone = {.kind = FACT_CLIENT_GONE, .client = {.index = 5, .gen = 9}};
    step(&gone);
    int told[VH_MAX_CLIENTS] = {0};
    for (int i = 0; i <= VH_MAX_CLIENTS; i++) {
        wait_ms(i == 0 ? VH_T_ANNOUNCE : 0);
        for (int k = 0; k < out.n; k++) {
            CHECK(out.a[k].kind == ACT_EVENT && out.a[k].slot == 0 && out.a[k].client.index < VH_MAX_CLIENTS);
            told[out.a[k].client.index % VH_MAX_CLIENTS]++;
        }
    }
    for (int k = 0; k < VH_MAX_CLIENTS; k++)
        CHECK_INT(told[k], k != 5);
    subscribe_as(7);
    ask(REQ_ATTACH, 7, "b");
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    ask(REQ_UNSUBSCRIBE, 0, "");
    wait_ms(VH_T_ANNOUNCE);
    CHECK(event(EV_SELECT_VM) != NULL && event(EV_SELECT_VM)->slot == 1); /* the other one still asks */
}

static void move_takes_it_out_first(void) {
    several_vms_are_a_question();
    done(1, OP_OK);
    ask(REQ_ATTACH, 8, "a");
    CHECK(op(OP_DETACH, 1) != NULL && op(OP_ATTACH, 0) == NULL);
    done(1, OP_OK);
    CHECK(event(EV_DETACHED) != NULL && op(OP_ATTACH, 0) != NULL && action(ACT_REPLY) == NULL);
    CHECK(action(ACT_RELEASE) == NULL); /* the device does not return to the host in between */
    done(0, OP_OK);
    CHECK(replied(true));
}

static void failed_move_changes_nothing(void) {
    several_vms_are_a_question();
    done(1, OP_OK);
    ask(REQ_ATTACH, 8, "a");
    done(1, OP_FAILED);
    CHECK(replied(false));
    CHECK_STR(refusal(), "it said no");
    CHECK_INT(core.slot[0].vm, 1);
    CHECK_INT(plan_target(&core, &core.slot[0]), 1);
}

static void attach_to_a_vm_that_is_down_fails_at_once(void) {
    begin(false);
    vm_up(0);
    plug("1-2", 7, 8);
    ask(REQ_ATTACH, 7, "b");
    CHECK(replied(false));
    CHECK_STR(refusal(), "VM 'b' is not running");
    CHECK(core.remembered.m[0].used == false);
}

static void refusals_name_the_thing(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    ask(REQ_ATTACH, 5, "b");
    CHECK_STR(refusal(), "the rules do not allow /dev/bus/usb/001/005 in VM 'b'");
    ask(REQ_ATTACH, 5, "zz");
    CHECK_STR(refusal(), "unknown VM 'zz'");
    ask(REQ_ATTACH, 99, "");
    CHECK_STR(refusal(), "no such USB device: /dev/bus/usb/001/099");
    plug("1-3", 9, 2);
    ask(REQ_ATTACH, 9, "");
    CHECK_STR(refusal(), "no rule gives /dev/bus/usb/001/009 to any VM");
}

static void detach_is_a_decision(void) {
    plugged_device_goes_to_its_vm();
    ask(REQ_DETACH, 5, "");
    CHECK(op(OP_DETACH, 0) != NULL && action(ACT_REPLY) == NULL);
    done(0, OP_OK);
    CHECK(replied(true) && event(EV_DETACHED) != NULL && action(ACT_RELEASE) != NULL);
    unplug("1-1");
    plug("1-1", 6, 3);
    CHECK(op(OP_ATTACH, 0) == NULL);
    CHECK(core.slot[0].disconnected);
    ask(REQ_ATTACH, 6, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true) && !core.slot[0].disconnected);
}

static void lower_role_does_not_undo_a_decision(void) {
    plugged_device_goes_to_its_vm();
    ask_as(ROLE_ADMIN, REQ_DETACH, 5, "");
    done(0, OP_OK);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    CHECK(replied(false) && strstr(refusal(), "taken away by an admin") != NULL);
    ask_as(ROLE_OPERATOR, REQ_DETACH, 5, ""); /* and an operator cannot take over the decision */
    CHECK_INT(core.slot[0].disconnected_by, ROLE_ADMIN);
}

static void detach_that_cannot_be_done_stands(void) {
    plugged_device_goes_to_its_vm();
    ask(REQ_DETACH, 5, "");
    done(0, OP_BUSY);
    CHECK(replied(false) && core.slot[0].disconnected);
    vm_fact_of(FACT_VM_ANSWERS, 0);
    CHECK(op(OP_DETACH, 0) != NULL);
}

static void unknown_outcome_is_listed_before_anything_else(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_UNKNOWN);
    CHECK(op(OP_ATTACH, 0) == NULL);
    now = core_deadline(&core);
    struct fact f = {.kind = FACT_TIME};
    step(&f);
    CHECK(op(OP_LIST, 0) != NULL);
    struct vmm_found found = {.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true};
    done_with(0, OP_OK, "", &found, 1);
    CHECK(event(EV_ATTACHED) != NULL && op(OP_ATTACH, 0) == NULL);
}

static void restart_adopts_what_is_right_and_removes_what_is_stale(void) {
    begin(false);
    plug_as("1-1", 5, 3, true, true);
    vm_fact_of(FACT_VM_SOCKET, 0);
    struct vmm_found found[] = {{.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true},
                                {.id = "vhp-usb-1-9", .busnum = 1, .devnum = 9, .ours = true},
                                {.id = "mine", .busnum = 1, .devnum = 8}};
    done_with(0, OP_OK, "", found, 3);
    CHECK_INT(core.slot[0].vm, 0);
    const struct action *a = op(OP_DETACH, 0);
    CHECK(a != NULL);
    if (a != NULL)
        CHECK_STR(a->op.id, "vhp-usb-1-9");
    done(0, OP_OK);
    CHECK(op(OP_LIST, 0) != NULL); /* there may be more */
    done_with(0, OP_OK, "", found, 1);
    CHECK_INT(out.n, 0);
}

static void coldplugged_devices_are_left_alone_unless_asked(void) {
    begin(false);
    plug_as("1-1", 5, 3, true, true);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL);
    begin(true);
    plug_as("1-1", 5, 3, true, true);
    plug_as("1-2", 6, 8, true, true); /* a choice, and nobody to ask: the first */
    vm_fact_of(FACT_VM_DOWN, 1);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL && op(OP_ATTACH, 0)->slot == 0);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL && op(OP_ATTACH, 0)->slot == 1);
}

static void coldplugged_device_waits_until_no_vm_can_have_it(void) {
    begin(true);
    plug_as("1-2", 6, 8, true, true);
    vm_fact_of(FACT_VM_SOCKET, 1);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL); /* "b" has not been listed and may hold it */
    done(1, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void failures_are_tried_again_ever_later(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    int64_t last = 0;
    for (int i = 0; i < 12; i++) {
        CHECK(op(OP_ATTACH, 0) != NULL);
        done(0, OP_FAILED);
        CHECK(op(OP_LIST, 0) != NULL);
        done(0, OP_OK);
        int64_t wait = core_deadline(&core) - now;
        CHECK(wait >= last && wait <= VH_T_RETRY_MAX * VH_NSEC_PER_MSEC);
        last = wait;
        CHECK_STR(core_state_name(&core, &core.slot[0]), "failed");
        now = core_deadline(&core);
        struct fact f = {.kind = FACT_TIME};
        step(&f);
    }
    CHECK_INT(last, VH_T_RETRY_MAX * VH_NSEC_PER_MSEC);
}

static void ambiguous_selectors_list_the_devices(void) {
    begin(false);
    plug("1-1", 5, 3);
    plug("1-2", 6, 3);
    struct request r = {.kind = REQ_ATTACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN}};
    r.sel.by_vid = r.sel.by_pid = true;
    r.sel.vid = 0x1234;
    r.sel.pid = 3;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK_STR(refusal(), "ambiguous: /dev/bus/usb/001/005 (1-1, 1234:0003) /dev/bus/usb/001/006 (1-2, 1234:0003)");
}

static void tag_means_all_of_them(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    plug("1-2", 6, 3);
    done(0, OP_OK);
    struct request r = {.kind = REQ_DETACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN}};
    r.sel.by_tag = true;
    snprintf(r.sel.tag, sizeof r.sel.tag, "input");
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK(op(OP_DETACH, 0) != NULL && action(ACT_REPLY) == NULL);
    done(0, OP_OK);
    CHECK(op(OP_DETACH, 0) != NULL && action(ACT_REPLY) == NULL);
    done(0, OP_OK);
    CHECK(replied(true));
}

static void suspend_and_resume_put_back_the_same(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    plug("1-3", 7, 14);
    done(1, OP_OK);
    ask(REQ_SUSPEND, 0, "");
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_DETACH, 1) == NULL);
    done(0, OP_OK);
    CHECK(replied(true));
    CHECK(!core.slot[0].disconnected);
    released();
    ask(REQ_RESUME, 0, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true));
}

static void what_stays_with_the_host(void) {
    begin(false);
    vm_up(0);
    plug("1-4", 9, 9); /* a hub: not even announced */
    CHECK_INT(out.n, 0);
    ask(REQ_ATTACH, 9, "a");
    CHECK_STR(refusal(), "/dev/bus/usb/001/009 is a hub: hubs stay with the host");
    plug_as("1-5", 10, 3, false, false);
    dev.malformed = "bLength 0";
    dev.settled = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) == NULL);
    ask(REQ_ATTACH, 10, "a");
    CHECK_STR(refusal(), "/dev/bus/usb/001/010 is unclassifiable: bLength 0");
    dev.malformed = "";
    dev.protect = "holds the mounted file system /boot";
    step(&f);
    CHECK(op(OP_ATTACH, 0) == NULL);
    ask(REQ_ATTACH, 10, "a");
    CHECK_STR(refusal(), "/dev/bus/usb/001/010 stays with the host: it holds the mounted file system /boot");
}

static void lost_events_are_made_good_by_a_scan(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    struct fact f = {.kind = FACT_SCAN_BEGIN};
    step(&f);
    plug("1-2", 6, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    f.kind = FACT_SCAN_END;
    step(&f);
    CHECK(event(EV_DISCONNECTED) != NULL);
}

static void full_table_refuses_the_next(void) {
    begin(false);
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d-%d", 1 + i / 100, 1 + i % 100);
        plug(name, 1 + i % 127, 2);
    }
    CHECK_INT(core.stats.table_full, 0);
    plug("9-9", 5, 2);
    CHECK_INT(core.stats.table_full, 1);
    unplug("1-1");
    plug("9-9", 5, 2);
    CHECK(event(EV_CONNECTED) != NULL);
}

static void requests_end_when_their_device_does(void) {
    plugged_device_goes_to_its_vm();
    ask(REQ_DETACH, 5, "");
    unplug("1-1");
    CHECK(replied(false));
    CHECK_STR(refusal(), "the device was unplugged");
    CHECK(action(ACT_REPLY) < event(EV_DISCONNECTED));
}

int main(void) {
    RUN(plugged_device_goes_to_its_vm);
    RUN(unplugged_device_is_told_and_removed);
    RUN(same_port_again_is_a_new_device);
    RUN(unsettled_device_waits_for_the_kernel);
    RUN(device_waits_for_its_vm);
    RUN(vm_that_dies_loses_its_devices_and_gets_them_back);
    RUN(several_vms_are_a_question);
    RUN(a_new_subscriber_hears_of_what_was_open_before);
    RUN(move_takes_it_out_first);
    RUN(failed_move_changes_nothing);
    RUN(attach_to_a_vm_that_is_down_fails_at_once);
    RUN(refusals_name_the_thing);
    RUN(detach_is_a_decision);
    RUN(lower_role_does_not_undo_a_decision);
    RUN(detach_that_cannot_be_done_stands);
    RUN(unknown_outcome_is_listed_before_anything_else);
    RUN(restart_adopts_what_is_right_and_removes_what_is_stale);
    RUN(coldplugged_devices_are_left_alone_unless_asked);
    RUN(coldplugged_device_waits_until_no_vm_can_have_it);
    RUN(failures_are_tried_again_ever_later);
    RUN(ambiguous_selectors_list_the_devices);
    RUN(tag_means_all_of_them);
    RUN(suspend_and_resume_put_back_the_same);
    RUN(what_stays_with_the_host);
    RUN(lost_events_are_made_good_by_a_scan);
    RUN(full_table_refuses_the_next);
    RUN(requests_end_when_their_device_does);
    TEST_MAIN_END;
}
