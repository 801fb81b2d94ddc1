/*
 * test_core_match.c - VMs that name nothing: which device is at which port, what of it outlives the daemon, and that
 * nothing of somebody else's is ever taken out.
 */
#include "core_story.h"
#include "devices.h"

#include <stdio.h>
#include <string.h>

#define SOCKET 77

static struct vmm_found at(uint8_t port, uint16_t vid, uint16_t pid) {
    return (struct vmm_found){.port_in_vm = port, .vid = vid, .pid = pid};
}

/* The end of the operation of VM a, in the way of a VM that names nothing. */
static void ends(enum op_status status, uint8_t port, uint64_t socket, const struct vmm_found *found, int n) {
    struct op_result r = {.serial = core.vm[0].op_serial,
                          .vm = 0,
                          .status = status,
                          .socket = socket,
                          .unnamed = true,
                          .port = port,
                          .found = found,
                          .nfound = (uint16_t)n};
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    if (status != OP_OK)
        (void)snprintf(r.text, sizeof r.text, "it failed");
    step(&f);
}

static void lists(const struct vmm_found *found, int n) {
    CHECK(core.vm[0].op == OP_LIST);
    ends(OP_OK, 0, SOCKET, found, n);
}

static void lists_again(const struct vmm_found *found, int n) {
    vm_fact_of(FACT_VM_SOCKET, 0);
    lists(found, n);
}

static void start(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    lists(NULL, 0);
}

/* Numbers of the plug's device: those of device_make(). */
static uint16_t vid, pid;

static void plug_hid(const char *name, int devnum) {
    plug(name, devnum, 3);
    vid = dev.vid;
    pid = dev.pid;
}

static void attached(uint8_t port) {
    CHECK(op(OP_ATTACH, 0) != NULL);
    ends(OP_OK, port, SOCKET, NULL, 0);
}

static void a_device_is_taken_out_by_its_port(void) {
    start();
    plug_hid("1-1", 5);
    const struct action *a = op(OP_ATTACH, 0);
    CHECK(a != NULL && a->op.vid == vid && a->op.pid == pid && a->op.vm_port == 0);
    attached(9);
    CHECK(core.slot[0].vm == 0 && core.slot[0].vm_port == 9);
    ask(REQ_DETACH, 5, "");
    a = op(OP_DETACH, 0);
    CHECK(a != NULL && a->op.vm_port == 9 && a->op.vid == vid && a->op.pid == pid);
    CHECK_STR(a != NULL ? a->op.id : "", "port 9");
    ends(OP_OK, 0, SOCKET, NULL, 0);
    CHECK(replied(true));
}

static void a_list_confirms_a_port_or_ends_it(void) {
    start();
    plug_hid("1-1", 5);
    attached(9);
    struct vmm_found there = at(9, vid, pid), moved = at(9, vid, (uint16_t)(pid + 1));
    lists_again(&there, 1);
    CHECK_INT(core.slot[0].vm, 0);
    lists_again(&moved, 1); /* its port has another device: somebody else's */
    CHECK(event(EV_DETACHED) != NULL && core.vm[0].stale[0] == '\0');
    CHECK(core.slot[0].vm == -1);
}

/* The same path, and another VMM behind it: what the last one said of ports is over. */
static void another_socket_has_other_ports(void) {
    start();
    plug_hid("1-1", 5);
    attached(9);
    struct vmm_found there = at(9, vid, pid);
    vm_fact_of(FACT_VM_SOCKET, 0);
    ends(OP_OK, 0, SOCKET + 1, &there, 1);
    CHECK(event(EV_DETACHED) != NULL && core.slot[0].vm == -1);
    CHECK(core.vm[0].stale[0] == '\0' && core.slot[0].claims == 1); /* a program there may have it */
}

static void an_attach_without_an_answer_is_found_by_its_numbers(void) {
    start();
    plug_hid("1-1", 5);
    ends(OP_UNKNOWN, 0, SOCKET, NULL, 0);
    CHECK(core.slot[0].doubt == 1);
    wait_ms(VH_T_RETRY_MAX);
    struct vmm_found there = at(3, vid, pid);
    lists(&there, 1);
    CHECK(core.slot[0].vm == 0 && core.slot[0].vm_port == 3 && core.slot[0].adopted);
    CHECK(event(EV_ATTACHED) != NULL);
}

/* Nobody can say which of the two the VM has. If the other one is not ours, nothing is taken out. */
static void a_twin_that_may_be_somebody_elses_is_left_alone(void) {
    start();
    plug_hid("1-1", 5);
    ends(OP_UNKNOWN, 0, SOCKET, NULL, 0);
    plug_as("1-2", 6, 8, true, false); /* no rule gives it to a VM without a choice */
    core.slot[1].dev.vid = vid;
    core.slot[1].dev.pid = pid;
    wait_ms(VH_T_RETRY_MAX);
    struct vmm_found there = at(3, vid, pid);
    lists(&there, 1);
    CHECK(core.slot[0].vm == -1 && core.vm[0].stale[0] == '\0');
    CHECK(core.slot[0].claims == 1 && core.slot[1].claims == 1);
    read_again(true);
    CHECK(core.slot[0].foreign == 0 && op(OP_ATTACH, 0) == NULL && op(OP_DETACH, 0) == NULL);
}

/* ---- what the VMM drops by itself ---- */

static void start_untrusted(void) {
    start();
    conf.vms[0].revoke = true;
}

static void revoked(int slot) {
    struct fact f = {.kind = FACT_REVOKED, .token = core.slot[slot].plug, .ok = true, .text = ""};
    CHECK(core.slot[slot].revoke == REVOKE_UNDER_WAY);
    step(&f);
}

static void what_was_revoked_is_taken_out_by_its_port(void) {
    start_untrusted();
    plug_hid("1-1", 5);
    attached(9);
    ask(REQ_DETACH, 5, "");
    CHECK(op(OP_DETACH, 0) == NULL);
    revoked(0);
    const struct action *a = op(OP_DETACH, 0);
    CHECK(a != NULL && a->op.vm_port == 9);
    ends(OP_OK, 0, SOCKET, NULL, 0);
    CHECK(core.slot[0].vm == -1 && core.vm[0].op == OP_NONE);
    conf.vms[0].revoke = false;
}

/* It is out for good, whatever the VM says; its port is freed all the same. */
static void what_was_revoked_and_is_kept_is_taken_out_later(void) {
    start_untrusted();
    plug_hid("1-1", 5);
    attached(9);
    ask(REQ_DETACH, 5, "");
    revoked(0);
    CHECK(op(OP_DETACH, 0) != NULL);
    ends(OP_FAILED, 0, SOCKET, NULL, 0);
    CHECK(core.slot[0].vm == -1 && core.slot[0].unshown == 1);
    wait_ms(VH_T_RETRY_MAX);
    struct vmm_found there = at(9, vid, pid);
    lists(&there, 1);
    CHECK(core.slot[0].vm == -1 && core.slot[0].claims == 0);
    const struct action *a = op(OP_DETACH, 0);
    CHECK(a != NULL && a->op.vm_port == 9);
    ends(OP_OK, 0, SOCKET, NULL, 0);
    lists(NULL, 0);
    CHECK(core.slot[0].unshown == 0 && core.vm[0].op == OP_NONE);
    conf.vms[0].revoke = false;
}

/* The VMM drops a dead device by itself. A twin that is not ours may have got its port since; not at once. */
static void a_port_of_what_was_revoked_may_be_somebody_elses(void) {
    for (int busy = 0; busy < 2; busy++) {
        start_untrusted();
        plug_hid("1-1", 5);
        attached(9);
        plug_as("1-2", 6, 8, true, false); /* no rule gives it to a VM without a choice */
        core.slot[1].dev.vid = vid;
        core.slot[1].dev.pid = pid;
        ask(REQ_DETACH, 5, "");
        if (busy)
            plug_hid("1-3", 7);
        revoked(0);
        CHECK((op(OP_DETACH, 0) == NULL) == (busy != 0));
        if (busy)
            ends(OP_OK, 10, SOCKET, NULL, 0);
        else
            ends(OP_FAILED, 0, SOCKET, NULL, 0);
        CHECK(op(OP_DETACH, 0) == NULL && core.slot[0].vm == -1);
        wait_ms(VH_T_RETRY_MAX);
        struct vmm_found there[] = {at(9, vid, pid), at(10, vid, pid)};
        if (busy)
            lists_again(there, 2);
        else
            lists(there, 1);
        CHECK(op(OP_DETACH, 0) == NULL && core.vm[0].stale[0] == '\0');
    }
    conf.vms[0].revoke = false;
}

static void what_was_unplugged_is_taken_out_if_it_is_still_there(void) {
    start();
    plug_hid("1-1", 5);
    attached(9);
    unplug("1-1");
    const struct action *a = op(OP_DETACH, 0);
    CHECK(a != NULL && a->op.vm_port == 9 && a->op.vid == vid);
    ends(OP_OK, 0, SOCKET, NULL, 0);
    CHECK_INT(core.slot[0].state, SLOT_DEAD);
}

static void a_port_of_what_was_unplugged_may_be_somebody_elses(void) {
    start();
    plug_hid("1-1", 5);
    attached(9);
    plug_as("1-2", 6, 8, true, false);
    core.slot[1].dev.vid = vid;
    core.slot[1].dev.pid = pid;
    unplug("1-1");
    CHECK(op(OP_DETACH, 0) == NULL);
    CHECK_INT(core.slot[0].state, SLOT_DEAD);
}

/* ---- a daemon that starts again ---- */

static struct assigned rows[2];

static void start_after(uint8_t first, uint8_t second, uint64_t socket) {
    begin(true);
    memset(rows, 0, sizeof rows);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(rows[i].sys_name, sizeof rows[i].sys_name, "1-%d", i + 1);
        rows[i].vms = 1;
        rows[i].socket = socket;
        rows[i].incarnation = (uint64_t)i + 1;
    }
    rows[0].port = first;
    rows[1].port = second;
    core_earlier(&core, rows, 2);
    for (int i = 0; i < 2; i++) {
        struct device d = dev;
        struct fact f = {.kind = FACT_DEVICE, .device = &d, .coldplug = true};
        device_make(&d, i == 0 ? "1-1" : "1-2", 1, (unsigned)(5 + i), 3);
        d.incarnation = (uint64_t)i + 1;
        d.settled = true;
        vid = d.vid;
        pid = d.pid;
        step(&f);
    }
    vm_fact_of(FACT_VM_SOCKET, 0);
}

static void twins_are_told_apart_by_what_was_noted(void) {
    start_after(2, 1, SOCKET);
    struct vmm_found both[] = {at(1, vid, pid), at(2, vid, pid)};
    lists(both, 2);
    CHECK(core.slot[0].vm == 0 && core.slot[0].vm_port == 2);
    CHECK(core.slot[1].vm == 0 && core.slot[1].vm_port == 1);
    CHECK(core.slot[0].unshown == 0 && core.vm[0].op == OP_NONE);
}

/* Both are ours, and it is not known which is which: both are taken out, and attached anew. */
static void twins_that_cannot_be_told_apart_are_attached_anew(void) {
    start_after(0, 0, SOCKET);
    struct vmm_found both[] = {at(1, vid, pid), at(2, vid, pid)};
    lists(both, 2);
    CHECK(core.slot[0].vm == -1 && core.slot[1].vm == -1);
    const struct action *a = op(OP_DETACH, 0);
    CHECK(a != NULL && a->op.vm_port == 2 && a->op.vid == vid && a->op.pid == pid);
    ends(OP_OK, 0, SOCKET, NULL, 0);
    lists(both, 1);
    a = op(OP_DETACH, 0);
    CHECK(a != NULL && a->op.vm_port == 1);
    ends(OP_OK, 0, SOCKET, NULL, 0);
    lists(NULL, 0);
    read_again(false);
    CHECK(op(OP_ATTACH, 0) != NULL);
    ends(OP_OK, 1, SOCKET, NULL, 0);
    CHECK(op(OP_ATTACH, 0) != NULL);
    ends(OP_OK, 2, SOCKET, NULL, 0);
    CHECK(core.slot[0].vm == 0 && core.slot[1].vm == 0);
}

/* A VM that was started anew has nothing of ours. */
static void ports_of_another_socket_are_not_believed(void) {
    start_after(1, 2, SOCKET - 1);
    lists(NULL, 0);
    CHECK(core.slot[0].unshown == 0 && core.slot[0].doubt == 0);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* The rules do not give it to this VM any more: it is ours, so it is taken out. */
static void what_is_not_to_be_there_any_more_is_taken_out(void) {
    start_after(1, 2, SOCKET);
    struct vmm_found both[] = {at(1, vid, pid), at(2, vid, pid)};
    reload("{\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": []}");
    lists(both, 2);
    const struct action *a = op(OP_DETACH, 0);
    CHECK(a != NULL && (a->op.vm_port == 1 || a->op.vm_port == 2));
    ends(OP_OK, 0, SOCKET, NULL, 0);
    lists(a != NULL && core.vm[0].stale_port == 2 ? &both[0] : &both[1], 1);
}

/* A scan that could not read a device: what is left may be that one. Once all are read, the VM is listed again. */
static void while_a_device_is_unread_nothing_is_guessed(void) {
    start_after(0, 0, SOCKET);
    struct fact begins = {.kind = FACT_SCAN_BEGIN}, seen = {.kind = FACT_SEEN, .sys_name = "1-7"};
    step(&begins);
    step(&seen);
    struct vmm_found both[] = {at(1, vid, pid), at(2, vid, pid)};
    lists(both, 2);
    CHECK(core.vm[0].stale[0] == '\0' && core.slot[0].claims == 1 && core.slot[0].unshown == 1);
    struct fact all = {.kind = FACT_SCAN_BEGIN}, end = {.kind = FACT_SCAN_END};
    step(&all);
    for (int i = 0; i < 2; i++) {
        struct fact there = {.kind = FACT_SEEN, .sys_name = i == 0 ? "1-1" : "1-2"};
        step(&there);
    }
    step(&end);
    CHECK(core.vm[0].op == OP_LIST);
    lists(both, 2);
    CHECK(op(OP_DETACH, 0) != NULL);
}

/* The VM gives a port to a new device: the device that had it is gone, whatever has not been told yet. */
static void a_port_that_is_given_anew_was_free(void) {
    start();
    plug_hid("1-1", 5);
    attached(9);
    plug_hid("1-2", 6);
    attached(9);
    CHECK(core.slot[1].vm_port == 9 && core.slot[0].vm_port == 0);
    struct vmm_found there = at(9, vid, pid);
    lists(&there, 1);
    CHECK(core.slot[1].vm == 0 && core.slot[0].vm == -1);
}

int main(void) {
    RUN(a_device_is_taken_out_by_its_port);
    RUN(a_list_confirms_a_port_or_ends_it);
    RUN(another_socket_has_other_ports);
    RUN(an_attach_without_an_answer_is_found_by_its_numbers);
    RUN(a_twin_that_may_be_somebody_elses_is_left_alone);
    RUN(what_was_revoked_is_taken_out_by_its_port);
    RUN(what_was_revoked_and_is_kept_is_taken_out_later);
    RUN(a_port_of_what_was_revoked_may_be_somebody_elses);
    RUN(what_was_unplugged_is_taken_out_if_it_is_still_there);
    RUN(a_port_of_what_was_unplugged_may_be_somebody_elses);
    RUN(twins_are_told_apart_by_what_was_noted);
    RUN(twins_that_cannot_be_told_apart_are_attached_anew);
    RUN(ports_of_another_socket_are_not_believed);
    RUN(what_is_not_to_be_there_any_more_is_taken_out);
    RUN(while_a_device_is_unread_nothing_is_guessed);
    RUN(a_port_that_is_given_anew_was_free);
    TEST_MAIN_END;
}
