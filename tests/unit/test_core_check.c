/*
 * test_core_check.c - the watchman watched: each invariant of the core, broken by hand, is found and named. A check
 * that finds nothing would let the simulation and the fuzzers run for nothing.
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

/* Each statement spoils the core; the text is what core_check must say of it. */
#define SPOILT(statement, text)          \
    do {                                 \
        set_up();                        \
        statement;                       \
        CHECK(!core_check(&core, &why)); \
        CHECK_STR(why, text);            \
    } while (0)

static void a_slot_that_is_broken_is_found(void) {
    SPOILT(core.slot[0].vm = 2, "an assignment names no VM");
    SPOILT(core.slot[0].vm = -2, "an assignment names no VM");
    SPOILT(core.slot[2].op_vm = -1, "an operation names no VM");
    SPOILT(core.slot[2].op_vm = 2, "an operation names no VM");
    SPOILT(core.slot[2].op_vm = 0, "a slot's operation is not its VM's");
    SPOILT(core.slot[2].op = OP_DETACH, "a slot and its VM differ in the operation");
    SPOILT(core.slot[2].vm = 0, "attaching a device that a VM has");
    SPOILT(core.slot[1].managed = false; core.slot[1].vm = 0, "a device is in a VM without policy for it");
    SPOILT(core.slot[0].state = SLOT_DEAD, "a slot that is free holds something");
    SPOILT(core.slot[2].state = SLOT_FREE; core.slot[2].req = -1, "a slot that is free holds something");
    SPOILT(leaving(1), "a leaving device that no VM has");
    SPOILT(leaving(2), "a request waits for a leaving device");
    SPOILT(core.pending[core.slot[2].req].used = false, "a slot waits for no request");
    SPOILT(core.vm[0].state = VM_DOWN, "a device is in a VM that is down");
    SPOILT(core.slot[0].choice = 2, "a slot names no VM");
    SPOILT(core.slot[0].foreign = 2, "a slot names no VM");
    SPOILT(core.slot[0].lease = 2, "a slot names no VM");
    SPOILT(core.slot[0].suspended = 2, "a slot names no VM");
    SPOILT(core.slot[1].hold_until = 1, "a device was told of before it had stayed");
    SPOILT(core.slot[0].hold_until = 1; core.slot[0].announced = false, "a device was given away before it had stayed");
    SPOILT(core.slot[2].hold_until = 1; core.slot[2].announced = false, "a device was given away before it had stayed");
    SPOILT(core.slot[2].hub = true, "a hub is given away");
}

static void a_table_that_is_broken_is_found(void) {
    SPOILT(core.used = 2; core.slot[2].op = OP_NONE, "a slot in use lies above the mark");
    SPOILT(memcpy(core.slot[1].dev.sys_name, "1-1", 4), "one port holds two devices");
}

static void a_request_that_is_broken_is_found(void) {
    SPOILT(core.pending[core.slot[2].req].left = 2, "a request counts other devices than wait for it");
    SPOILT(core.pending[core.slot[2].req + 1].used = true, "a request waits for nothing");
}

static void a_vm_that_is_broken_is_found(void) {
    SPOILT(core.vm[1].op_serial = 0, "an operation without a name");
    SPOILT(core.vm[0].op = OP_DETACH; core.vm[0].op_serial = 9;
           core.vm[0].op_slot = 1, "a VM's operation is not its slot's");
}

static void a_memory_that_is_broken_is_found(void) {
    SPOILT(core.remembered.m[3].used = true;
           core.remembered.m[3].stamp = 9, "a remembered device is newer than the newest stamp");
    SPOILT(core.remembered.m[3].used = true, "a memory of nothing");
    SPOILT(core.slot[0].disconnected = true, "a decision without an author");
    SPOILT(core.slot[0].disconnected_by = ROLE_ADMIN, "a decision without an author");
    SPOILT(core.dirty = true, "what is never saved is to be saved");
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
    RESTLESS(core.vm[1].state = VM_UNKNOWN, "a VM is not listed");
    RESTLESS(core.vm[1].stale[0] = 'v', "a stale id is left in a VM");
    RESTLESS(leaving(0), "a leaving device is left");
    RESTLESS(core.slot[0].req = 0, "a request waits");
    RESTLESS(core.slot[0].releasing = true, "a device waits for its reset or for its port");
    RESTLESS(core.slot[0].hold_until = 1, "a device waits for its reset or for its port");
    RESTLESS(core.slot[0].vm = -1, "a device is not where policy says");
    RESTLESS(core.slot[0].vm = 1, "a device is not where policy says");
}

static void a_device_whose_vm_is_down_or_that_another_gave_away_is_at_rest(void) {
    begin(false);
    plug("1-1", 5, 3);
    CHECK(core_at_rest(&core, &why));
    vm_fact_of(FACT_VM_SOCKET, 1);
    struct vmm_found found = {.id = "mine", .busnum = 1, .devnum = 5};
    done_with(1, OP_OK, "", &found, 1);
    vm_up(0);
    CHECK(core.slot[0].foreign == 1 && core_at_rest(&core, &why));
}

int main(void) {
    RUN(a_slot_that_is_broken_is_found);
    RUN(a_table_that_is_broken_is_found);
    RUN(a_request_that_is_broken_is_found);
    RUN(a_vm_that_is_broken_is_found);
    RUN(a_memory_that_is_broken_is_found);
    RUN(what_is_not_at_rest_is_found);
    RUN(a_device_whose_vm_is_down_or_that_another_gave_away_is_at_rest);
    TEST_MAIN_END;
}
