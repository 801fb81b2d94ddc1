/*
 * test_core_late.c - requests that wait in vain: for a silent VM, for one that may have the device, for a reading or a
 * reset. Each is answered in its time, and keeps nobody else from a detach.
 */
#include "core_story.h"

/* The reply comes at this time and not before. */
static void answered_at(int64_t ms, const char *why) {
    int64_t end = ms_to_ns(ms);
    while (now < end) {
        CHECK(action(ACT_REPLY) == NULL);
        CHECK(core_deadline(&core) <= end);
        now = core_deadline(&core) < end - 1 ? core_deadline(&core) : now < end - 1 ? end - 1 : end;
        wait_ms(0);
    }
    CHECK_STR(refusal(), why);
    for (int i = 0; i < VH_MAX_CLIENTS; i++)
        CHECK(!core.pending[i].used);
}

static void an_attach_waits_for_a_silent_vm_for_so_long(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0); /* its listing does not end */
    plug("1-1", 5, 3);
    ask(REQ_ATTACH, 5, "a");
    answered_at(VH_T_REQUEST, "VM 'a' has not answered in time");
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL); /* the rules want it there all the same */
}

static void a_detach_waits_for_a_vm_that_may_have_the_device(void) {
    begin(true);
    vm_fact_of(FACT_VM_SOCKET, 1);
    plug_as("1-1", 5, 3, true, true);
    vm_up(0);
    ask(REQ_DETACH, 5, "");
    answered_at(VH_T_REQUEST, "VM 'b' may have it and has not answered in time");
    CHECK(core.slot[0].disconnected && core.slot[0].disconnected_by == ROLE_ADMIN);
}

static void a_detach_that_the_vm_does_not_take_is_answered(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    CHECK(op(OP_DETACH, 0) != NULL);
    done_with(0, OP_UNKNOWN, "", NULL, 0); /* its listing fails over and over */
    for (int64_t end = ms_to_ns(VH_T_REQUEST); action(ACT_REPLY) == NULL && now < end; wait_ms(1000)) {
        if (core.vm[0].op == OP_LIST)
            done_with(0, OP_BUSY, "", NULL, 0);
    }
    CHECK(action(ACT_REPLY) != NULL && !replied(true));
    CHECK(core.slot[0].disconnected);
}

static void a_reading_that_does_not_come_is_not_waited_for_any_longer(void) {
    const struct vmm_found its = {.busnum = 1, .devnum = 5};
    begin(false);
    plug("1-1", 5, 3);
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", &its, 1);
    CHECK(action(ACT_LOOK) != NULL);
    vm_up(0);
    ask(REQ_ATTACH, 5, "a");
    answered_at(VH_T_REQUEST, "the device could not be read in time");
}

static void a_reset_that_does_not_end_is_not_waited_for_any_longer(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].releasing);
    ask(REQ_ATTACH, 5, "a");
    answered_at(VH_T_REQUEST, "its reset has not ended in time");
    CHECK(core.slot[0].disconnected); /* as before */
}

/* An operation has a time of its own, and its end is the answer. */
static void an_operation_is_waited_for(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    plug("1-1", 5, 3);
    ask(REQ_ATTACH, 5, "a");
    wait_ms(VH_T_REQUEST - 1);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL);
    wait_ms(VH_T_REQUEST);
    CHECK(action(ACT_REPLY) == NULL);
    done(0, OP_OK);
    CHECK(replied(true));
}

static void a_detach_waits_for_no_request_of_its_role(void) {
    static const enum request_kind before[] = {REQ_ATTACH, REQ_DETACH};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        begin(true);
        vm_fact_of(FACT_VM_SOCKET, 1);
        plug_as("1-1", 5, 3, true, true);
        vm_up(0);
        ask_as(ROLE_OPERATOR, before[i], 5, "");
        CHECK(action(ACT_REPLY) == NULL);
        ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
        CHECK_STR(refusal(), "the device was taken away meanwhile"); /* the first one's answer */
        ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
        CHECK(strstr(refusal(), "busy") != NULL);
        ask_as(ROLE_ADMIN, REQ_DETACH, 5, "");
        CHECK_STR(refusal(), "a higher role has decided about the device meanwhile");
        ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
        CHECK(strstr(refusal(), "busy") != NULL);
        done(1, OP_OK);
        CHECK(replied(true) && core.slot[0].disconnected_by == ROLE_ADMIN);
    }
}

int main(void) {
    RUN(an_attach_waits_for_a_silent_vm_for_so_long);
    RUN(a_detach_waits_for_a_vm_that_may_have_the_device);
    RUN(a_detach_that_the_vm_does_not_take_is_answered);
    RUN(a_reading_that_does_not_come_is_not_waited_for_any_longer);
    RUN(a_reset_that_does_not_end_is_not_waited_for_any_longer);
    RUN(an_operation_is_waited_for);
    RUN(a_detach_waits_for_no_request_of_its_role);
    TEST_MAIN_END;
}
