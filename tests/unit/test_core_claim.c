/*
 * test_core_claim.c - VMs that say what is not so: of devices of other VMs, of free ones, of ids that look like ours. A
 * VM's word counts for itself alone; a reading of the device decides about free ones.
 */
#include "core_story.h"

#include <string.h>

static const struct vmm_found its_5 = {.id = "kbd", .busnum = 1, .devnum = 5};
static const struct vmm_found ours_5 = {.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5};

static void list(int vm, const struct vmm_found *found, int n) {
    vm_fact_of(FACT_VM_SOCKET, vm);
    done_with(vm, OP_OK, "", found, n);
}

static void hid_in_a(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
}

static void a_claim_does_not_stand_against_a_detach(void) {
    hid_in_a();
    list(1, &its_5, 1);
    CHECK(core.slot[0].vm == 0 && core.slot[0].foreign == -1 && action(ACT_LOOK) == NULL);
    CHECK_INT(core.stats.claims_refused, 1);
    ask(REQ_DETACH, 5, "");
    CHECK(core.slot[0].disconnected && op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true)); /* its VM gave it back: what the other one says is not waited for */
    CHECK(core.slot[0].disconnected && core.slot[0].vm == -1);
}

static void a_claim_does_not_stand_against_a_detach_by_tag_or_a_guest(void) {
    hid_in_a();
    list(1, &its_5, 1);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true));
}

/* A device that is free, and that no program has claimed. */
static void a_claim_that_a_reading_does_not_bear_out_holds_nothing_up(void) {
    begin(false);
    plug("1-1", 5, 3);
    list(1, &its_5, 1);
    CHECK(action(ACT_LOOK) != NULL && action(ACT_LOOK)->slot == 0);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL);
    CHECK_STR(reason_of(&core.slot[0]), "a VM says that it has it: this is being checked");
    read_again(false);
    CHECK(op(OP_ATTACH, 0) != NULL && core.slot[0].foreign == -1);
    done(0, OP_OK);
    CHECK_INT(core.slot[0].vm, 0);
}

static void a_reading_that_cannot_be_done_ends_the_wait_too(void) {
    begin(false);
    plug("1-1", 5, 3);
    list(1, &its_5, 1);
    vm_up(0);
    struct fact f = {.kind = FACT_SEEN, .sys_name = "1-1"};
    step(&f);
    CHECK(op(OP_ATTACH, 0) != NULL); /* opening the device looks once more */
}

static void a_claim_is_told_with_what_it_is_worth(void) {
    begin(false);
    plug("1-1", 5, 2);
    list(1, &its_5, 1);
    read_again(false);
    CHECK_STR(reason_of(&core.slot[0]), "no rule applies; VM 'b' lists it, but no program has claimed it");
    CHECK_STR(core_state_name(&core, &core.slot[0]), "idle");
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK_STR(reason_of(&core.slot[0]), "no rule applies");
}

/* A program has claimed the device, and lets go of it: no uevent tells that. */
static void what_a_claim_keeps_is_read_again(void) {
    begin(false);
    plug("1-1", 5, 3);
    list(1, &its_5, 1);
    vm_up(0);
    read_again(true);
    CHECK(op(OP_ATTACH, 0) == NULL && action(ACT_LOOK) == NULL);
    CHECK(core_deadline(&core) <= now + VH_T_RETRY_MAX * VH_NSEC_PER_MSEC);
    wait_ms(VH_T_RETRY_MAX);
    CHECK(action(ACT_LOOK) != NULL);
    read_again(false);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_line_for_a_whole_bus_owns_no_device(void) {
    struct vmm_found any = {.id = "x", .filter = true, .busnum = 1};
    begin(false);
    vm_up(0);
    list(1, &any, 1);
    plug("1-1", 5, 3);
    CHECK(core.slot[0].claims == 2 && op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(replied(true));
}

/* An id of ours in a VM that no rule gives the device to, as after a start. */
static void what_no_rule_gives_is_not_adopted(void) {
    begin(false);
    plug_as("1-1", 5, 3, true, true);
    list(1, &ours_5, 1);
    CHECK(core.slot[0].vm == -1 && core.slot[0].foreign == -1);
    CHECK(op(OP_DETACH, 1) != NULL && op(OP_DETACH, 1)->slot == -1);
    read_again(false);
    done(1, OP_FAILED); /* it keeps the id, which is its own affair */
    vm_up(0);
    ask(REQ_ATTACH, 5, "a");
    read_again(false);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true));
}

/* An earlier daemon gave it the device by other rules: the kernel gets it back as after any detach. */
static void what_no_rule_gives_any_more_is_taken_back(void) {
    begin(true);
    plug_as("1-1", 5, 3, true, true);
    list(1, &ours_5, 1);
    read_again(true);
    vm_up(0);
    CHECK(core.slot[0].foreign == 1 && op(OP_ATTACH, 0) == NULL);
    done(1, OP_OK);
    CHECK(action(ACT_RELEASE) != NULL && action(ACT_RELEASE)->slot == 0);
    done(1, OP_OK);
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].claims == 0);
    released();
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* Adopted by its word, and not given back: then its word is looked at. */
static void what_was_adopted_is_not_kept_by_refusing(void) {
    begin(false);
    plug_as("1-1", 5, 8, true, true);
    list(1, &ours_5, 1);
    CHECK_INT(core.slot[0].vm, 1);
    vm_up(0);
    ask(REQ_DETACH, 5, "");
    done(1, OP_FAILED);
    CHECK(core.slot[0].vm == -1 && core.slot[0].disconnected && action(ACT_REPLY) == NULL);
    read_again(false);
    CHECK(replied(true) && core.slot[0].foreign == -1);
    done_with(1, OP_OK, "", &ours_5, 1); /* listed again: it is not adopted once more */
    CHECK(core.slot[0].vm == -1 && op(OP_DETACH, 1) != NULL && op(OP_DETACH, 1)->slot == -1);
}

/* The same of a device that it has: the reply says so. */
static void what_was_adopted_and_is_there_is_said_to_be_there(void) {
    begin(false);
    plug_as("1-1", 5, 8, true, true);
    list(1, &ours_5, 1);
    vm_up(0);
    ask(REQ_DETACH, 5, "");
    done(1, OP_FAILED);
    read_again(true);
    CHECK_STR(refusal(), "somebody else attached it to VM 'b': it has to be taken out there");
    CHECK(core.slot[0].disconnected);
}

/* What we gave to a VM, and it confirmed, is not lost by what it refuses, nor by what others list. */
static void what_we_gave_stays_known(void) {
    hid_in_a();
    list(1, &ours_5, 1);
    CHECK_INT(core.slot[0].vm, 0);
    ask(REQ_DETACH, 5, "");
    done(0, OP_FAILED);
    CHECK(core.slot[0].vm == 0 && replied(false));
}

int main(void) {
    RUN(a_claim_does_not_stand_against_a_detach);
    RUN(a_claim_does_not_stand_against_a_detach_by_tag_or_a_guest);
    RUN(a_claim_that_a_reading_does_not_bear_out_holds_nothing_up);
    RUN(a_reading_that_cannot_be_done_ends_the_wait_too);
    RUN(a_claim_is_told_with_what_it_is_worth);
    RUN(what_a_claim_keeps_is_read_again);
    RUN(a_line_for_a_whole_bus_owns_no_device);
    RUN(what_no_rule_gives_is_not_adopted);
    RUN(what_no_rule_gives_any_more_is_taken_back);
    RUN(what_was_adopted_is_not_kept_by_refusing);
    RUN(what_was_adopted_and_is_there_is_said_to_be_there);
    RUN(what_we_gave_stays_known);
    TEST_MAIN_END;
}
