/*
 * test_core_vm.c - core_vm.c: answers of VMs. Listings that match no device, ids that appear at the wrong moment,
 * filters of other tools, answers that are late, foreign or repeated, and VMs that die during an operation.
 */
#include "core_story.h"

#include <stdlib.h>

static const struct vmm_found ours_5 = {.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true};

static void list(int vm, const struct vmm_found *found, int n) {
    if (core.vm[vm].op != OP_LIST)
        vm_fact_of(FACT_VM_SOCKET, vm);
    CHECK_INT(core.vm[vm].op, OP_LIST);
    done_with(vm, OP_OK, "", found, n);
}

static bool removes(int vm, const char *id) {
    const struct action *a = op(OP_DETACH, vm);
    return a != NULL && a->slot == -1 && str_eq(a->op.id, id);
}

/* ---- listings ---- */

static void an_id_that_says_nothing_is_removed(void) {
    struct vmm_found found = {.id = "vhp-usb-what", .ours = true};
    begin(false);
    plug_as("1-1", 5, 3, true, true);
    list(0, &found, 1);
    CHECK(removes(0, "vhp-usb-what") && core.slot[0].vm == -1);
}

/* It is unplugged while VM a gets it; VM b has had that number for something else. */
static void a_leaving_slot_of_one_vm_does_not_excuse_an_id_in_another(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    unplug("1-1");
    list(1, &ours_5, 1);
    CHECK(removes(1, "vhp-usb-1-5"));
    done(0, OP_OK);
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_DETACH, 0)->slot == 0);
}

static void a_leaving_slot_that_is_listed_is_known_and_one_that_is_not_is_gone(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    done(0, OP_BUSY);
    list(0, &ours_5, 1);
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_DETACH, 0)->slot == 0);
    done(0, OP_BUSY);
    list(0, NULL, 0);
    CHECK(op(OP_DETACH, 0) == NULL && core.slot[0].state == SLOT_DEAD);
}

/* A detach is under way at a VM that has died, and the other VM is found to have the device as well. */
static void an_id_of_what_is_just_taken_out_elsewhere_is_removed(void) {
    begin(false);
    plug_as("1-1", 5, 3, true, true);
    vm_fact_of(FACT_VM_SOCKET, 1);
    list(0, &ours_5, 1);
    ask(REQ_DETACH, 5, "");
    CHECK(op(OP_DETACH, 0) != NULL);
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(core.slot[0].vm == -1 && core.slot[0].op == OP_DETACH);
    list(1, &ours_5, 1);
    CHECK(removes(1, "vhp-usb-1-5"));
    done(0, OP_REFUSED);
    CHECK(replied(true));
}

/* ---- devices that other tools attached ---- */

static int fits(struct vmm_found found) {
    begin(false);
    plug("1-1.2", 5, 8); /* 1234:0008 */
    snprintf(found.id, sizeof found.id, "x");
    list(1, &found, 1);
    read_again(true);
    return core.slot[0].foreign;
}

static void what_fits_all_that_is_said_is_the_others(void) {
    CHECK_INT(fits((struct vmm_found){.busnum = 1, .devnum = 5}), 1);
    CHECK_INT(fits((struct vmm_found){.busnum = 2, .devnum = 5}), -1);
    CHECK_INT(fits((struct vmm_found){.busnum = 1, .devnum = 6}), -1);
    CHECK_INT(fits((struct vmm_found){.busnum = 1}), 1);
    CHECK_INT(fits((struct vmm_found){.devnum = 5}), 1);
    CHECK_INT(fits((struct vmm_found){.vid = 0x1234}), 1);
    CHECK_INT(fits((struct vmm_found){.vid = 0x1235}), -1);
    CHECK_INT(fits((struct vmm_found){.pid = 8}), 1);
    CHECK_INT(fits((struct vmm_found){.pid = 9}), -1);
    CHECK_INT(fits((struct vmm_found){.port = "1.2"}), 1);
    CHECK_INT(fits((struct vmm_found){.port = "1"}), -1);
    CHECK_INT(fits((struct vmm_found){.anonymous = true}), -1); /* no field is set: fits no device */
}

/* Plugged in after the VM was listed. */
static void a_filter_takes_what_is_free(void) {
    struct vmm_found any = {.id = "x", .filter = true, .vid = 0x1234};
    begin(false);
    list(1, &any, 1);
    plug("1-1", 5, 9);
    CHECK_INT(core.slot[0].foreign, -1); /* a hub, which QEMU does not take */
    plug("1-2", 6, 2);
    CHECK_INT(core.slot[1].claims, 2);
    list(0, &any, 1); /* the filter fits two devices: unknown which one QEMU takes */
    plug("1-3", 7, 2);
    CHECK_INT(core.slot[2].claims, 3);
    struct device d = core.slot[2].dev;
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    d.claimed = true;
    step(&f);
    CHECK_INT(core.slot[2].foreign, 0);
    step(&f);
    CHECK_INT(core.slot[2].foreign, 0);
}

/* It was in VM 0 before the kernel was done with it. */
static void a_filter_does_not_take_what_a_vm_has(void) {
    struct vmm_found any = {.id = "x", .filter = true, .vid = 0x1234};
    begin(false);
    plug_as("1-1", 5, 3, false, true);
    list(0, &ours_5, 1);
    list(1, &any, 1);
    dev.settled = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    CHECK(core.slot[0].vm == 0 && op(OP_DETACH, 0) == NULL);
}

/* ---- answers ---- */

static void answer(int vm, uint32_t serial, enum op_status status) {
    struct op_result r = {.serial = serial, .vm = vm, .status = status};
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    step(&f);
}

static void an_answer_to_nothing_says_nothing(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    uint32_t serial = core.vm[0].op_serial;
    answer(-1, serial, OP_OK);
    answer(2, serial, OP_OK); /* there are two VMs */
    answer(1, 0, OP_OK);      /* no operation is under way there, and serial 0 names none */
    answer(0, serial + 1, OP_OK);
    answer(1, serial, OP_OK);
    CHECK(core.slot[0].op == OP_ATTACH && core.slot[0].vm == -1);
    answer(0, serial, OP_OK);
    CHECK_INT(core.slot[0].vm, 0);
    answer(0, serial, OP_FAILED); /* a second time */
    CHECK(core.slot[0].vm == 0 && core.slot[0].failures == 0);
}

static void a_fact_about_a_vm_that_we_cannot_drive_changes_nothing(void) {
    begin(false);
    static struct conf other;
    const char text[] = "{\"vms\": [{\"name\": \"c\", \"type\": \"cloud-hypervisor\", \"socket\": \"/c\"}]}";
    if (other.nvms == 0 && !conf_parse(&other, text, sizeof text - 1, no_diag, NULL))
        exit(1);
    other.vms[0].supported = false;
    core.conf = &other;
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(out.n == 0 && core.vm[0].state == VM_DOWN);
}

/* ---- VMs that die in the middle ---- */

static void hid_is_being_attached(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void what_was_confirmed_just_before_its_vm_died_is_out(void) {
    hid_is_being_attached();
    vm_fact_of(FACT_VM_DOWN, 0);
    done(0, OP_OK);
    CHECK(core.slot[0].vm == -1 && op(OP_ATTACH, 0) == NULL);
    CHECK(event(EV_ATTACHED) != NULL && event(EV_DETACHED) > event(EV_ATTACHED));
}

static void what_was_taken_out_of_a_vm_that_died_is_out_once(void) {
    hid_is_being_attached();
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(event(EV_DETACHED) != NULL);
    done(0, OP_OK);
    CHECK(event(EV_DETACHED) == NULL && replied(true));
}

static void a_listing_of_a_vm_that_died_is_not_believed(void) {
    begin(false);
    plug_as("1-1", 5, 3, true, true);
    vm_fact_of(FACT_VM_SOCKET, 0);
    vm_fact_of(FACT_VM_DOWN, 0);
    done_with(0, OP_OK, "", &ours_5, 1);
    CHECK(core.slot[0].vm == -1 && core.vm[0].state == VM_DOWN && !core.vm[0].alive);
}

static void an_operation_that_ends_with_its_vm_leaves_no_doubt(void) {
    hid_is_being_attached();
    vm_fact_of(FACT_VM_DOWN, 0);
    done(0, OP_UNKNOWN);
    CHECK(core.slot[0].doubt == 0 && core.vm[0].state == VM_DOWN && core.vm[0].failures == 0);
    CHECK(action(ACT_RELEASE) != NULL); /* the VM may have died while it had the device */
}

static void a_vm_that_cannot_say_is_asked_again_later(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_FAILED);
    CHECK(op(OP_LIST, 0) == NULL && core_deadline(&core) != VH_NEVER);
    wait_ms(VH_T_RETRY_MIN);
    CHECK(op(OP_LIST, 0) != NULL);
    done_with(0, OP_OK, "", &ours_5, 1);
    CHECK(removes(0, "vhp-usb-1-5"));
    done(0, OP_FAILED);
    CHECK(op(OP_DETACH, 0) == NULL);
    wait_ms(VH_T_RETRY_MIN);
    CHECK(removes(0, "vhp-usb-1-5"));
    done(0, OP_LOCAL);
    wait_ms(2 * VH_T_RETRY_MIN);
    CHECK(removes(0, "vhp-usb-1-5"));
    done(0, OP_REFUSED); /* died: nothing is left to remove */
    CHECK(core.vm[0].state == VM_DOWN && core.vm[0].stale[0] == '\0');
}

int main(void) {
    RUN(an_id_that_says_nothing_is_removed);
    RUN(a_leaving_slot_of_one_vm_does_not_excuse_an_id_in_another);
    RUN(a_leaving_slot_that_is_listed_is_known_and_one_that_is_not_is_gone);
    RUN(an_id_of_what_is_just_taken_out_elsewhere_is_removed);
    RUN(what_fits_all_that_is_said_is_the_others);
    RUN(a_filter_takes_what_is_free);
    RUN(a_filter_does_not_take_what_a_vm_has);
    RUN(an_answer_to_nothing_says_nothing);
    RUN(a_fact_about_a_vm_that_we_cannot_drive_changes_nothing);
    RUN(what_was_confirmed_just_before_its_vm_died_is_out);
    RUN(what_was_taken_out_of_a_vm_that_died_is_out_once);
    RUN(a_listing_of_a_vm_that_died_is_not_believed);
    RUN(an_operation_that_ends_with_its_vm_leaves_no_doubt);
    RUN(a_vm_that_cannot_say_is_asked_again_later);
    TEST_MAIN_END;
}
