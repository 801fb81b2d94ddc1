/*
 * test_core_check.c - core_check() and core_at_rest() find each invariant that is broken by hand, and name it. Without
 * this test a check that finds nothing would make the simulation and the fuzzers worthless.
 */
#include "core_story.h"

static const char *why;

/* Slot 0 in VM a; slot 1 waits for a choice; slot 2 is being attached in VM b, because a client wants it. */
static void set_up(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    plug("1-2", 6, 8);
    plug("1-3", 7, 8);
    ask(REQ_ATTACH, 7, "b");
    CHECK(op(OP_ATTACH, 1) != NULL && core.slot[2].req >= 0);
    why = "";
    CHECK(core_check(&core, &why));
}

static void leaving(int i) {
    core.slot[i].state = SLOT_LEAVING;
}

/* Each statement breaks an invariant; the text is the one that core_check() must report. */
#define SPOILT(statement, text)          \
    do {                                 \
        set_up();                        \
        statement;                       \
        CHECK(!core_check(&core, &why)); \
        CHECK_STR(why, text);            \
    } while (0)

static void a_slot_that_is_broken_is_found(void) {
    SPOILT(core.slot[0].vm = 2, "the VM of an assignment is not configured");
    SPOILT(core.slot[0].vm = -2, "the VM of an assignment is not configured");
    SPOILT(core.slot[2].op_vm = -1, "the VM of an operation is not configured");
    SPOILT(core.slot[2].op_vm = 2, "the VM of an operation is not configured");
    SPOILT(core.slot[2].op_vm = 0, "the VM of a slot's operation names another slot");
    SPOILT(core.slot[2].op = OP_DETACH, "a slot and its VM have different operations");
    SPOILT(core.slot[2].vm = 0, "a device that a VM has is being attached");
    SPOILT(core.slot[1].managed = false; core.slot[1].vm = 0, "a device is assigned to a VM but is not managed");
    SPOILT(core.slot[0].state = SLOT_DEAD, "a free slot has a VM or an operation");
    SPOILT(core.slot[2].state = SLOT_FREE; core.slot[2].req = -1, "a free slot has a VM or an operation");
    SPOILT(leaving(1), "a leaving slot has neither a VM nor an operation");
    SPOILT(leaving(2), "a request waits for a leaving slot");
    SPOILT(core.pending[core.slot[2].req].used = false, "the request of a slot is not in use");
    SPOILT(core.vm[0].state = VM_DOWN, "a device is assigned to a VM that is down");
    SPOILT(core.slot[0].choice = 2, "a VM named in a slot is not configured");
    SPOILT(core.slot[0].foreign = 2, "a VM named in a slot is not configured");
    SPOILT(core.slot[0].lease = 2, "a VM named in a slot is not configured");
    SPOILT(core.slot[0].suspended = 2, "a VM named in a slot is not configured");
    SPOILT(core.slot[1].hold_until = 1, "a held device is announced");
    SPOILT(core.slot[0].hold_until = 1; core.slot[0].announced = false, "a held device has a VM or an operation");
    SPOILT(core.slot[2].hold_until = 1; core.slot[2].announced = false, "a held device has a VM or an operation");
    SPOILT(core.slot[2].hub = true, "a hub has an operation other than a detach");
}

static void a_table_that_is_broken_is_found(void) {
    SPOILT(core.used = 2; core.slot[2].op = OP_NONE, "a slot in use has an index above the number of used slots");
    SPOILT(memcpy(core.slot[1].dev.sys_name, "1-1", 4), "two plugged devices have the same name");
}

static void a_request_that_is_broken_is_found(void) {
    SPOILT(core.pending[core.slot[2].req].left = 2, "the count of a request differs from the slots that wait for it");
    SPOILT(core.pending[core.slot[2].req + 1].used = true, "a request in use waits for no slot");
}

static void a_vm_that_is_broken_is_found(void) {
    SPOILT(core.vm[1].op_serial = 0, "an operation has no serial");
    SPOILT(core.vm[0].op = OP_DETACH; core.vm[0].op_serial = 9;
           core.vm[0].op_slot = 1, "the slot of a VM's operation has another operation");
}

static void a_remembered_device_that_is_broken_is_found(void) {
    SPOILT(core.remembered.m[3].used = true;
           core.remembered.m[3].stamp = 9, "a remembered device is newer than the newest stamp");
    SPOILT(core.remembered.m[3].used = true, "a remembered device has nothing remembered");
    SPOILT(core.slot[0].disconnected = true, "a decision and its author do not agree");
    SPOILT(core.slot[0].disconnected_by = ROLE_ADMIN, "a decision and its author do not agree");
    SPOILT(core.dirty = true, "changes are to be saved although nothing is ever saved");
}

#define RESTLESS(statement, text)          \
    do {                                   \
        begin(false);                      \
        vm_up(0);                          \
        vm_up(1);                          \
        plug("1-1", 5, 3);                 \
        done(0, OP_OK);                    \
        CHECK(core_at_rest(&core, &why));  \
        statement;                         \
        CHECK(!core_at_rest(&core, &why)); \
        CHECK_STR(why, text);              \
    } while (0)

static void what_is_not_at_rest_is_found(void) {
    RESTLESS(plug("1-2", 6, 3), "an operation is under way");
    RESTLESS(core.vm[1].state = VM_UNKNOWN, "a VM is not listed yet");
    RESTLESS(core.vm[1].stale[0] = 'v', "a stale id is left in a VM");
    RESTLESS(leaving(0), "a leaving slot is left");
    RESTLESS(core.slot[0].req = 0, "a request waits");
    RESTLESS(core.slot[0].releasing = true, "a device waits for its reset or is held");
    RESTLESS(core.slot[0].hold_until = 1, "a device waits for its reset or is held");
    RESTLESS(core.slot[0].vm = -1, "a device is not at its target");
    RESTLESS(core.slot[0].vm = 1, "a device is not at its target");
}

static void a_device_whose_vm_is_down_or_that_another_gave_away_is_at_rest(void) {
    begin(false);
    plug("1-1", 5, 3);
    CHECK(core_at_rest(&core, &why));
    vm_fact_of(FACT_VM_SOCKET, 1);
    struct vmm_found found = {.id = "mine", .busnum = 1, .devnum = 5};
    done_with(1, OP_OK, "", &found, 1);
    read_again(true);
    vm_up(0);
    CHECK(core.slot[0].foreign == 1 && core_at_rest(&core, &why));
}

int main(void) {
    RUN(a_slot_that_is_broken_is_found);
    RUN(a_table_that_is_broken_is_found);
    RUN(a_request_that_is_broken_is_found);
    RUN(a_vm_that_is_broken_is_found);
    RUN(a_remembered_device_that_is_broken_is_found);
    RUN(what_is_not_at_rest_is_found);
    RUN(a_device_whose_vm_is_down_or_that_another_gave_away_is_at_rest);
    TEST_MAIN_END;
}
