/*
 * test_core_guest.c - core_guest.c: a guest's devices during operations and after decisions of others: what the guest
 * reads, what it may do, and the reason if it may not. The table of roles is in test_roles.c.
 */
#include "core_story.h"

static const struct slot *slot(void) {
    return &core.slot[0];
}

/* As the guest of VM a. */
static void guest(enum request_kind kind, int devnum) {
    ask_as(ROLE_GUEST, kind, devnum, "");
}

#define READS(state, reason)                                    \
    do {                                                        \
        CHECK_STR(core_guest_state(&core, slot(), 0), state);   \
        CHECK_STR(core_guest_reason(&core, slot(), 0), reason); \
    } while (0)

static void listed_as_given_away_by_others(int vm, int devnum) {
    struct vmm_found found = {.id = "kbd", .busnum = 1, .devnum = (uint8_t)devnum};
    vm_fact_of(FACT_VM_SOCKET, vm);
    done_with(vm, OP_OK, "", &found, 1);
}

/* A stick that both VMs may have, in VM a by an admin's request. */
static void stick_in_a(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 9, 8);
    ask(REQ_ATTACH, 9, "a");
    done(0, OP_OK);
    READS("attached", "");
}

static void what_others_gave_its_vm_is_there_and_not_ours_to_take(void) {
    begin(false);
    plug("1-1", 9, 14); /* no rule gives it to a */
    listed_as_given_away_by_others(0, 9);
    READS("idle", "not free"); /* its VM says so, and nothing else yet */
    read_again(true);
    READS("attached", "");
    guest(REQ_DETACH, 9);
    CHECK(replied(false));
    CHECK_STR(refusal(), "/dev/bus/usb/001/009 was not attached by us");
    guest(REQ_ATTACH, 9);
    CHECK_STR(refusal(), "/dev/bus/usb/001/009 is not allowed here");
}

static void what_others_gave_another_vm_is_not_free(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 9, 8);
    listed_as_given_away_by_others(1, 9);
    READS("idle", "not free");
    guest(REQ_ATTACH, 9);
    CHECK_STR(refusal(), "/dev/bus/usb/001/009 is not free");
    guest(REQ_DETACH, 9);
    CHECK_STR(refusal(), "/dev/bus/usb/001/009 is not attached here");
}

static void its_device_is_pending_until_it_is_out(void) {
    stick_in_a();
    guest(REQ_DETACH, 9);
    CHECK(op(OP_DETACH, 0) != NULL);
    READS("pending", "");
    done(0, OP_OK);
    READS("idle", "was detached by this guest");
}

/* The monitor has something else to do first. */
static void its_device_is_pending_before_anything_is_done(void) {
    stick_in_a();
    plug("1-2", 10, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    guest(REQ_DETACH, 9);
    CHECK(op(OP_DETACH, 0) == NULL);
    READS("pending", "");
    done(0, OP_OK);
    done(0, OP_OK);
    CHECK(replied(true));
    released();
    plug("1-3", 11, 3);
    guest(REQ_ATTACH, 9);
    CHECK(op(OP_ATTACH, 0) == NULL && slot()->req >= 0);
    READS("pending", "on its way");
}

static const char to_b[] = "{\"vms\": [" VM("a") ", " VM(
    "b") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"allow\": "
         "[{\"interfaceClass\": 8}]}, {\"targetVm\": \"a\", \"allow\": [{\"interfaceClass\": 3}]}]}";

static void what_it_put_away_and_another_has_is_not_free(void) {
    stick_in_a();
    guest(REQ_DETACH, 9);
    done(0, OP_OK);
    released();
    ask(REQ_ATTACH, 9, "b");
    CHECK(op(OP_ATTACH, 1) != NULL);
    READS("idle", "was detached by this guest"); /* so far */
    done(1, OP_OK);
    READS("idle", "not free");
}

/* A device that its guest detached stays out of VM a, but not out of the VM that new rules name. */
static void what_it_put_away_may_go_elsewhere_by_other_rules(void) {
    stick_in_a();
    guest(REQ_DETACH, 9);
    done(0, OP_OK);
    released();
    reload(to_b);
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    CHECK_INT(slot()->guest_detached, 0);
    READS("idle", "not free");
}

static void its_nap_ends_with_its_vm_in_the_file(void) {
    stick_in_a();
    guest(REQ_SUSPEND, 0);
    done(0, OP_OK);
    CHECK_INT(slot()->guest_suspended, 0);
    reload("{\"vms\": [" VM("b") ", " VM("c") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"allow\": "
                                              "[{\"interfaceClass\": 8}]}]}");
    CHECK(slot()->guest_suspended == -1 && slot()->suspended == -1);
    released();
    CHECK(op(OP_ATTACH, 1) != NULL);
}

static void a_malformed_device_stays_with_the_host_whatever_its_lease(void) {
    stick_in_a();
    struct device d = slot()->dev;
    d.malformed = "bLength 0";
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    step(&f);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(!core_guest_sees(&core, slot(), 0)); /* no rule knows it any more */
}

static void a_port_that_flaps_is_nobodys(void) {
    begin(false);
    vm_up(0);
    for (int i = 0; i < 12; i++) {
        unplug("1-1");
        plug("1-1", 20 + i, 8);
    }
    CHECK(slot()->hold_until != 0);
    guest(REQ_ATTACH, 31);
    CHECK_STR(refusal(), "/dev/bus/usb/001/031 is not free");
}

static void it_does_not_suspend_what_it_does_not_hold(void) {
    stick_in_a();
    plug("1-2", 10, 14);
    done(1, OP_OK);
    guest(REQ_SUSPEND, 0);
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_DETACH, 1) == NULL);
    done(0, OP_OK);
    CHECK(replied(true));
    READS("idle", "suspended");
    guest(REQ_ATTACH, 9); /* the guest suspended the device, so it may resume it */
    CHECK(op(OP_ATTACH, 0) == NULL);
    released();
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void ask_port(enum role role, enum request_kind kind, const char *port) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r = (struct request){.kind = kind, .client = {.index = 3, .gen = 9}};
    r.who.role = role;
    r.sel.by_bus = r.sel.by_port = true;
    r.sel.bus = 1;
    snprintf(r.sel.port, sizeof r.sel.port, "%s", port);
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

/* As lists of the older daemons name it, by `portnum`. */
static void a_port_behind_a_hub_is_found_by_its_last_number(void) {
    begin(false);
    vm_up(0);
    plug("1-2.4", 5, 3);
    done(0, OP_OK);
    plug("1-3.1.4", 6, 14);                /* of b alone */
    ask_port(ROLE_GUEST, REQ_DETACH, "4"); /* the guest of a knows of one */
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    released();
    ask_port(ROLE_ADMIN, REQ_DETACH, "4");
    CHECK_STR(refusal(), "no such USB device: bus 1 port 4");
    unplug("1-3.1.4");
    ask_port(ROLE_ADMIN, REQ_DETACH, "4");
    CHECK(replied(true) && core.slot[0].disconnected);
    plug("1-4", 7, 2);
    ask_port(ROLE_ADMIN, REQ_ATTACH, "4"); /* that is its place */
    CHECK_STR(refusal(), "no rule gives /dev/bus/usb/001/007 to any VM");
    unplug("1-4");
    plug("1-3.4", 8, 9); /* a hub */
    ask_port(ROLE_ADMIN, REQ_ATTACH, "4");
    CHECK(op(OP_ATTACH, 0) != NULL && core.slot[0].op == OP_ATTACH);
    done(0, OP_OK);
    ask_port(ROLE_ADMIN, REQ_DETACH, "3");
    CHECK_STR(refusal(), "no such USB device: bus 1 port 3");
}

int main(void) {
    RUN(what_others_gave_its_vm_is_there_and_not_ours_to_take);
    RUN(what_others_gave_another_vm_is_not_free);
    RUN(its_device_is_pending_until_it_is_out);
    RUN(its_device_is_pending_before_anything_is_done);
    RUN(what_it_put_away_and_another_has_is_not_free);
    RUN(what_it_put_away_may_go_elsewhere_by_other_rules);
    RUN(its_nap_ends_with_its_vm_in_the_file);
    RUN(a_malformed_device_stays_with_the_host_whatever_its_lease);
    RUN(a_port_that_flaps_is_nobodys);
    RUN(it_does_not_suspend_what_it_does_not_hold);
    RUN(a_port_behind_a_hub_is_found_by_its_last_number);
    TEST_MAIN_END;
}
