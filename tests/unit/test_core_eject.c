/*
 * test_core_eject.c - a VM that asks its guest before it gives a device back: the device is in the VM until the VM says
 * that it is out, whatever the request, the rules or the host want meanwhile.
 */
#include "core_story.h"

static void out_of(int vm, const char *id, bool ok) {
    struct fact f = {.kind = FACT_VM_OUT, .vm = vm, .ok = ok, .text = id};
    step(&f);
}

/* The device is in VM a, and a detach was asked for and accepted. */
static void asked_guest(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    CHECK(core.slot[0].vm == 0 && replied(true));
    ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_ACCEPTED);
    CHECK(core.slot[0].vm == 0 && event(EV_DETACHED) == NULL && action(ACT_REPLY) == NULL);
}

static void a_device_stays_in_its_vm_until_the_guest_lets_go(void) {
    asked_guest();
    CHECK_STR(core_state_name(&core, &core.slot[0]), "pending");
    CHECK_STR(reason_of(&core.slot[0]), "the guest of VM 'a' has not let go of it yet");
    wait_ms(VH_T_EJECT - 1);
    CHECK_INT(out.n, 0);
    CHECK(core.vm[0].state == VM_UP && core.vm[0].op == OP_NONE); /* the VM does other things meanwhile */
    out_of(0, "vhp-usb-1-5", true);
    CHECK(core.slot[0].vm < 0 && event(EV_DETACHED) != NULL && replied(true));
    CHECK(action(ACT_RELEASE) != NULL && action(ACT_RELEASE)->reset);
}

static void what_others_let_go_of_means_nothing(void) {
    asked_guest();
    out_of(0, "vhp-usb-1-6", true);
    out_of(1, "vhp-usb-1-5", true);
    out_of(0, "", true);
    CHECK(core.slot[0].vm == 0 && core.slot[0].ejecting);
}

static void a_guest_that_says_no_is_asked_again(void) {
    asked_guest();
    out_of(0, "vhp-usb-1-5", false);
    CHECK_STR(refusal(), "the guest does not let go of it");
    CHECK(core.slot[0].vm == 0 && core.slot[0].disconnected); /* the decision stands */
    CHECK_STR(reason_of(&core.slot[0]), "the guest does not let go of it");
    wait_ms(VH_T_RETRY_MIN);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(core.slot[0].vm < 0);
}

static void a_guest_that_says_nothing_is_asked_again(void) {
    asked_guest();
    for (int i = 0; i < 2; i++) {
        wait_ms(VH_T_EJECT);
        CHECK(op(OP_DETACH, 0) != NULL);
        done(0, OP_ACCEPTED);
        CHECK(core.slot[0].vm == 0 && action(ACT_REPLY) == NULL);
    }
    wait_ms(VH_T_REQUEST);
    CHECK_STR(refusal(), "the guest of VM 'a' has not let go of it in time");
    CHECK(core.slot[0].vm == 0 && core.slot[0].disconnected);
}

static void a_listing_without_it_is_as_good(void) {
    asked_guest();
    wait_ms(VH_T_EJECT);
    done_with(0, OP_FAILED, "already in the process of unplug", NULL, 0);
    CHECK(core.slot[0].vm == 0 && core.slot[0].ejecting);
    CHECK(op(OP_LIST, 0) != NULL);
    done(0, OP_OK);
    CHECK(core.slot[0].vm < 0 && !core.slot[0].ejecting);
}

static void nobody_gets_it_before_it_is_out(void) {
    asked_guest();
    ask_as(ROLE_ADMIN, REQ_ATTACH, 5, "b");
    CHECK(op(OP_ATTACH, 1) == NULL);
    out_of(0, "vhp-usb-1-5", true);
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    CHECK(core.slot[0].vm == 1 && replied(true));
}

/* The guest cannot be told that it may keep it: it is given to it again. */
static void the_vm_that_it_is_leaving_gets_it_again_later(void) {
    asked_guest();
    ask_as(ROLE_ADMIN, REQ_ATTACH, 5, "a");
    CHECK(!replied(true)); /* the detach is pushed aside, the attach waits */
    CHECK(core.slot[0].vm == 0 && op(OP_ATTACH, 0) == NULL);
    out_of(0, "vhp-usb-1-5", true);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(core.slot[0].vm == 0 && !core.slot[0].ejecting && replied(true));
}

static void a_vm_that_ends_has_let_go(void) {
    asked_guest();
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(core.slot[0].vm < 0 && !core.slot[0].ejecting && replied(true));
}

static void it_may_be_unplugged_meanwhile(void) {
    asked_guest();
    unplug("1-1");
    CHECK(core.slot[0].state == SLOT_LEAVING && core.slot[0].ejecting);
    plug("1-1", 5, 8); /* the same numbers: the id is still taken */
    CHECK(op(OP_ATTACH, 0) == NULL);
    out_of(0, "vhp-usb-1-5", true);
    CHECK(core.slot[0].state == SLOT_DEAD);
}

/* The event overtakes the answer, or the answer is lost. */
static void the_event_may_come_before_the_answer(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    out_of(0, "vhp-usb-1-5", true);
    CHECK(core.slot[0].vm < 0 && event(EV_DETACHED) != NULL);
    done(0, OP_ACCEPTED);
    CHECK(core.slot[0].vm < 0 && !core.slot[0].ejecting && replied(true));
}

/* A guest that ejects a device by itself gets it again, but not at once. */
static void a_guest_may_let_go_of_what_nobody_wants(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    out_of(0, "vhp-usb-1-5", false); /* it was not asked */
    CHECK(core.slot[0].vm == 0 && out.n == 0);
    out_of(0, "vhp-usb-1-5", true);
    CHECK(core.slot[0].vm < 0 && event(EV_DETACHED) != NULL && op(OP_ATTACH, 0) == NULL);
    CHECK_STR(reason_of(&core.slot[0]), "its guest has let go of it");
    wait_ms(VH_T_RETRY_MIN);
    CHECK(op(OP_ATTACH, 0) != NULL);
    out_of(0, "vhp-usb-1-5", true); /* and lets go of it before the VM has said that it is in */
    done(0, OP_OK);
    CHECK(op(OP_LIST, 0) != NULL);
}

static void only_a_detach_is_accepted(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_ACCEPTED);
    CHECK(core.slot[0].vm < 0 && core.slot[0].doubt == 1 && core.stats.op_ended[OP_UNKNOWN] == 1);
}

static void an_id_that_is_left_may_take_a_guest_its_time(void) {
    static const struct vmm_found left = {.id = "vhp-usb-3-9", .ours = true, .busnum = 3, .devnum = 9};
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", &left, 1);
    CHECK_STR(op(OP_DETACH, 0)->op.id, "vhp-usb-3-9");
    done(0, OP_ACCEPTED);
    CHECK(op(OP_DETACH, 0) == NULL);
    wait_ms(VH_T_RETRY_MIN);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(op(OP_LIST, 0) != NULL);
}

int main(void) {
    RUN(a_device_stays_in_its_vm_until_the_guest_lets_go);
    RUN(what_others_let_go_of_means_nothing);
    RUN(a_guest_that_says_no_is_asked_again);
    RUN(a_guest_that_says_nothing_is_asked_again);
    RUN(a_listing_without_it_is_as_good);
    RUN(nobody_gets_it_before_it_is_out);
    RUN(the_vm_that_it_is_leaving_gets_it_again_later);
    RUN(a_vm_that_ends_has_let_go);
    RUN(it_may_be_unplugged_meanwhile);
    RUN(the_event_may_come_before_the_answer);
    RUN(a_guest_may_let_go_of_what_nobody_wants);
    RUN(only_a_detach_is_accepted);
    RUN(an_id_that_is_left_may_take_a_guest_its_time);
    TEST_MAIN_END;
}
