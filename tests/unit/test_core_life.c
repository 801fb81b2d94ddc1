/*
 * test_core_life.c - the core over the life of a host: decisions and their saving, tags, devices that look alike,
 * leases, ports that flap, devices that other tools attached, reloads, the end.
 */
#include "core_story.h"
#include "devices.h"

#include <stdlib.h>

/* ---- saving ---- */

static void a_decision_holds_only_once_it_is_saved(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    CHECK(action(ACT_SAVE) != NULL && op(OP_DETACH, 0) == NULL && action(ACT_REPLY) == NULL);
    saved(true);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true) && action(ACT_SAVE) == NULL);
    CHECK(core.slot[0].disconnected && !core.dirty);
}

static void a_decision_that_cannot_be_saved_changes_nothing(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    saved(false);
    CHECK(replied(false) && op(OP_DETACH, 0) == NULL);
    CHECK_STR(refusal(), "nothing was changed, because the decision cannot be saved: /state: No space left on device");
    CHECK(!core.slot[0].disconnected && core.slot[0].vm == 0);
    CHECK(!core.remembered.m[0].used);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    saved(false);
    CHECK(replied(false) && !core.slot[0].disconnected &&
          remembered_tag_decision(&core, KIND_USB, "input") == ROLE_NONE);
}

static void lifting_a_decision_is_saved_first_and_taken_back_if_the_attach_fails(void) {
    a_decision_holds_only_once_it_is_saved();
    released();
    ask(REQ_ATTACH, 5, "");
    CHECK(op(OP_ATTACH, 0) == NULL);
    saved(false);
    CHECK(replied(false) && core.slot[0].disconnected);
    ask(REQ_ATTACH, 5, "");
    saved(true);
    CHECK(op(OP_ATTACH, 0) != NULL && !core.slot[0].disconnected);
    done(0, OP_FAILED);
    CHECK(replied(false) && core.slot[0].disconnected);
    CHECK(action(ACT_SAVE) != NULL && action(ACT_SAVE) < action(ACT_REPLY));
    saved(true);
    CHECK_INT(core.slot[0].disconnected_by, ROLE_ADMIN);
    vm_fact_of(FACT_VM_DOWN, 0);
    ask(REQ_ATTACH, 5, ""); /* cannot be done now: nothing is lifted */
    CHECK(replied(false) && action(ACT_SAVE) == NULL && core.slot[0].disconnected);
}

static void a_selection_is_saved_before_it_is_confirmed_and_kept_if_it_cannot_be(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    vm_up(1);
    plug("1-2", 7, 8);
    ask(REQ_ATTACH, 7, "b");
    done(1, OP_OK);
    CHECK(replied(true) && action(ACT_SAVE) != NULL && action(ACT_SAVE) < action(ACT_REPLY));
    saved(false);
    CHECK(core.dirty && action(ACT_SAVE) == NULL);
    CHECK_INT(core_deadline(&core), now + VH_T_SAVE_RETRY * VH_NSEC_PER_MSEC);
    wait_ms(VH_T_SAVE_RETRY);
    CHECK(action(ACT_SAVE) != NULL);
    saved(true);
    CHECK(!core.dirty && core_deadline(&core) == VH_NEVER);
    ask(REQ_ATTACH, 7, "b");
    CHECK(replied(true) && action(ACT_SAVE) == NULL); /* nothing new */
}

static void without_persistency_all_holds_until_the_end(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    CHECK(action(ACT_SAVE) == NULL && op(OP_DETACH, 0) != NULL);
}

static void a_failing_disk_is_tried_ever_more_rarely(void) {
    a_selection_is_saved_before_it_is_confirmed_and_kept_if_it_cannot_be();
    ask(REQ_ATTACH, 7, "a");
    done(1, OP_OK);
    done(0, OP_OK);
    int64_t last = 0;
    for (int i = 0; i < 12; i++) {
        saved(false);
        int64_t wait = core_deadline(&core) - now;
        CHECK(wait >= last && wait <= INT64_C(3600000) * VH_NSEC_PER_MSEC);
        last = wait;
        now = core_deadline(&core);
        wait_ms(0);
    }
    CHECK(last >= INT64_C(1800000) * VH_NSEC_PER_MSEC);
}

/* ---- tags ---- */

static void a_tag_that_is_kept_away_stays_away(void) {
    begin(false);
    vm_up(0);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input"); /* no device yet: the decision holds for later ones */
    CHECK(replied(true));
    plug("1-1", 5, 3);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) == NULL);
    CHECK(core.slot[0].disconnected && core.slot[0].disconnected_by == ROLE_ADMIN);
    ask_tag(ROLE_OPERATOR, REQ_ATTACH, "input");
    CHECK_STR(refusal(), "what has the tag 'input' was taken away by an admin");
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    CHECK_STR(refusal(), "/dev/bus/usb/001/005 was taken away by an admin");
    ask_tag(ROLE_OPERATOR, REQ_DETACH, "input");
    CHECK(replied(true));
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "input"), ROLE_ADMIN);
    ask_tag(ROLE_ADMIN, REQ_ATTACH, "input");
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true));
    plug("1-2", 6, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void an_exception_from_a_tag_holds_for_that_plug_alone(void) {
    begin(false);
    vm_up(0);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    plug("1-1", 5, 3);
    plug("1-2", 6, 3);
    ask(REQ_ATTACH, 5, "");
    CHECK(op(OP_ATTACH, 0) != NULL && op(OP_ATTACH, 0)->slot == 0);
    done(0, OP_OK);
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL && core.slot[1].disconnected);
    unplug("1-1");
    done(0, OP_OK);
    plug("1-1", 7, 3);
    CHECK(op(OP_ATTACH, 0) == NULL);
    ask(REQ_ATTACH, 6, "");
    done(0, OP_OK);
    CHECK(replied(true));
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input"); /* decided again: the exception ends */
    CHECK(op(OP_DETACH, 0) != NULL);
}

static void a_tag_that_no_rule_has_is_an_error(void) {
    begin(false);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "inptu");
    CHECK_STR(refusal(), "no rule has the tag 'inptu'");
    ask_tag(ROLE_ADMIN, REQ_ATTACH, "inptu");
    CHECK_STR(refusal(), "no rule has the tag 'inptu'");
}

static void a_tag_that_is_lifted_lets_devices_wait_for_their_vm(void) {
    begin(false);
    plug("1-1", 5, 3);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    CHECK(replied(true));
    ask_tag(ROLE_ADMIN, REQ_ATTACH, "input");
    CHECK(replied(false)); /* its VM is not running */
    CHECK(!core.slot[0].disconnected);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* ---- identity ---- */

static void serial(const char *s) {
    dev.serial = s;
}

/* The last device again, elsewhere or with another serial. */
static void plug_again(const char *name, int devnum, const char *its_serial) {
    static uint64_t incarnation = 1000;
    dev.incarnation = ++incarnation;
    snprintf(dev.sys_name, sizeof dev.sys_name, "%s", name);
    snprintf(dev.usb.port_path, sizeof dev.usb.port_path, "%s", strchr(name, '-') + 1);
    snprintf(dev.node, sizeof dev.node, "/dev/bus/usb/001/%03d", devnum);
    dev.usb.devnum = (uint8_t)devnum;
    serial(its_serial);
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

static void choose_b_for_a_stick(const char *its_serial) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-9", 99, 8);
    unplug("1-9");
    plug_again("1-2", 7, its_serial);
    ask(REQ_ATTACH, 7, "b");
    done(1, OP_OK);
    CHECK(replied(true));
}

static void a_selection_follows_the_serial_to_another_port(void) {
    choose_b_for_a_stick("X");
    unplug("1-2");
    done(1, OP_OK);
    plug_again("1-3", 8, "X");
    CHECK(op(OP_ATTACH, 1) != NULL && event(EV_SELECT_VM) == NULL);
}

static void without_a_serial_a_selection_is_the_ports(void) {
    choose_b_for_a_stick("");
    unplug("1-2");
    done(1, OP_OK);
    plug_again("1-3", 8, "");
    CHECK(op(OP_ATTACH, 1) == NULL && event(EV_SELECT_VM) != NULL);
    plug_again("1-2", 9, "");
    CHECK(op(OP_ATTACH, 1) != NULL);
}

static void a_twin_asks_for_itself(void) {
    choose_b_for_a_stick("X");
    plug_again("1-3", 8, "X");
    CHECK(op(OP_ATTACH, 1) == NULL && event(EV_SELECT_VM) != NULL);
    ask(REQ_ATTACH, 8, "a");
    done(0, OP_OK);
    CHECK(replied(true));
    unplug("1-2");
    done(1, OP_OK);
    unplug("1-3");
    done(0, OP_OK);
    plug_again("1-2", 10, "X");
    CHECK(op(OP_ATTACH, 1) != NULL); /* each port its own */
    done(1, OP_OK);
    plug_again("1-3", 11, "X");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_decision_is_about_one_twin_and_follows_it_alone(void) {
    choose_b_for_a_stick("X");
    plug_again("1-3", 8, "X");
    ask(REQ_DETACH, 7, "");
    done(1, OP_OK);
    CHECK(replied(true) && core.slot[0].disconnected);
    wait_ms(0);
    CHECK(!core.slot[1].disconnected);
    unplug("1-2");
    unplug("1-3");
    plug_again("1-5", 12, "X"); /* unclear which device this is: the cautious answer */
    wait_ms(0);
    CHECK(core.slot[0].disconnected);
}

/* ---- suspend ---- */

static void restart(void) {
    static struct remembered_set kept;
    kept = core.remembered;
    begin(false);
    core.remembered = kept;
    core.persist = true;
}

static void suspension_outlives_the_daemon_and_not_the_vm(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_SUSPEND, 0, "");
    CHECK(action(ACT_SAVE) != NULL);
    saved(true);
    done(0, OP_OK);
    restart();
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = true};
    step(&f);
    vm_fact_of(FACT_VM_DOWN, 1);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].suspended == 0);
    ask(REQ_RESUME, 0, "");
    CHECK(op(OP_ATTACH, 0) != NULL && action(ACT_SAVE) != NULL);
    saved(true);
    done(0, OP_OK);
    CHECK(replied(true) && !core.remembered.m[0].used);
    ask(REQ_SUSPEND, 0, "a");
    saved(true);
    done(0, OP_OK);
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(action(ACT_SAVE) != NULL); /* a VM that starts afresh was not suspended */
    saved(true);
    released();
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void what_is_plugged_in_again_during_a_suspend_stays_out(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_SUSPEND, 0, "");
    done(0, OP_OK);
    unplug("1-1");
    plug("1-1", 6, 3);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) == NULL);
    ask(REQ_RESUME, 0, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* After a restart a device may be known only in part for a moment, as while it is reset. */
static void a_resume_reaches_what_is_not_fully_known_yet(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_SUSPEND, 0, "");
    saved(true);
    done(0, OP_OK);
    restart();
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = true};
    dev.settled = false;
    step(&f);
    vm_fact_of(FACT_VM_DOWN, 1);
    vm_up(0);
    ask(REQ_RESUME, 0, "");
    saved(true);
    CHECK(op(OP_ATTACH, 0) == NULL);
    dev.settled = true;
    f.coldplug = false;
    step(&f);
    CHECK(op(OP_ATTACH, 0) != NULL && !core.remembered.m[0].used);
}

/* The serial number is read once the kernel is done: a decision before that would be about another device. */
static void nothing_is_decided_about_what_is_not_fully_known(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug_as("1-1", 5, 3, false, false);
    ask(REQ_DETACH, 5, "");
    CHECK(strstr(refusal(), "still being configured") != NULL && action(ACT_SAVE) == NULL);
    ask(REQ_ATTACH, 5, "a");
    CHECK(strstr(refusal(), "still being configured") != NULL && op(OP_ATTACH, 0) == NULL);
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    dev.settled = true;
    step(&f);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* A decision is kept by vendor and product. One that is kept as 0000:0000 would not hold when the device can be read
 * again, and would hold for others that cannot be read. */
static void nothing_is_decided_about_a_device_whose_identity_cannot_be_read(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug("1-1", 5, 3);
    struct device known = dev;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    dev.vid = dev.pid = 0;
    dev.malformed = "its descriptors cannot be read";
    step(&f);
    done(0, OP_OK);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    CHECK(strstr(refusal(), "cannot be read") != NULL && action(ACT_SAVE) == NULL && !core.remembered.m[0].used);
    dev.vid = known.vid;
    dev.pid = known.pid;
    step(&f);
    ask(REQ_DETACH, 5, ""); /* its vendor and product are known, whatever else is wrong with it */
    CHECK(action(ACT_SAVE) != NULL);
    saved(true);
    CHECK(replied(true) && core.slot[0].disconnected);
}

/* ---- leases ---- */

static struct conf *lease_conf(void) {
    static struct conf c;
    static const char json[] = "{\"vms\": [" VM(
        "a") ", {\"name\": \"b\", \"type\": "
             "\"qemu\", \"socket\": \"/run/b\"}], \"general\": {\"leaseSeconds\": 5}, \"usbPassthrough\": ["
             "{\"targetVm\": \"a\", \"tag\": \"cam\", \"allow\": [{\"interfaceClass\": 3}], \"deny\": "
             "[{\"interfaceClass\": "
             "224}]},"
             "{\"allowedVms\": [\"a\", \"b\"], \"allow\": [{\"interfaceClass\": 8}]}]}";
    if (c.nvms == 0 && !conf_parse(&c, json, sizeof json - 1, no_diag, NULL))
        exit(1);
    return &c;
}

static void begin_leased(void) {
    begin(false);
    core.conf = lease_conf();
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
}

static void a_lease_lets_the_vm_keep_the_port(void) {
    begin_leased();
    wait_ms(1000);
    plug("1-1", 6, 2); /* no rule knows this mode of it */
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(event(EV_ATTACHED) != NULL);
    unplug("1-1");
    done(0, OP_OK);
    plug("1-1", 7, 8); /* a choice by rule: the lease answers it */
    CHECK(op(OP_ATTACH, 0) != NULL && event(EV_SELECT_VM) == NULL);
}

static void a_lease_ends_and_is_its_ports_and_denies_nothing_away(void) {
    begin_leased();
    plug("1-2", 6, 2);
    CHECK(op(OP_ATTACH, 0) == NULL); /* another port */
    plug("1-1", 7, 224);
    CHECK(op(OP_ATTACH, 0) == NULL); /* denied */
    begin_leased();
    wait_ms(5001);
    plug("1-1", 8, 2);
    CHECK(op(OP_ATTACH, 0) == NULL); /* too late */
    begin_leased();
    plug("1-1", 9, 9);
    CHECK(op(OP_ATTACH, 0) == NULL); /* a hub */
}

/* A kill switch finds the device in whatever mode it is. */
static void a_leased_device_keeps_its_tag(void) {
    begin_leased();
    plug("1-1", 6, 2);
    done(0, OP_OK);
    CHECK_STR(core_tag(&core, &core.slot[0]), "cam");
    unplug("1-1");
    done(0, OP_OK);
    plug("1-1", 7, 8); /* its rule has no tag */
    done(0, OP_OK);
    CHECK_STR(core_tag(&core, &core.slot[0]), "cam");
    ask_tag(ROLE_OPERATOR, REQ_DETACH, "cam");
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].disconnected);
    unplug("1-1");
    plug("1-1", 8, 2); /* no lease: it was not in a VM */
    CHECK(op(OP_ATTACH, 0) == NULL);
    CHECK_STR(core_tag(&core, &core.slot[0]), "");
    begin_leased();
    ask_tag(ROLE_OPERATOR, REQ_DETACH, "cam"); /* between two plugs */
    plug("1-1", 9, 2);
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].disconnected);
}

static void plug_at(const char *name, const char *path, const char *twin, int devnum, uint8_t cls) {
    device_make(&dev, name, 2, (unsigned)devnum, cls);
    dev.incarnation = 4000 + (uint64_t)devnum;
    dev.stable_path = path;
    dev.twin = twin;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

/* A device that comes back with another speed comes back on the other bus, and a bus may come back with another
 * number. */
static void a_lease_is_the_connectors(void) {
    begin(false);
    core.conf = lease_conf();
    vm_up(0);
    plug_at("1-1", "pci/2:1", "2", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    done(0, OP_OK);
    plug_at("2-2", "pci/3:2", "1", 6, 2);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    unplug("2-2");
    done(0, OP_OK);
    plug_at("2-3", "pci/3:3", "3", 7, 2); /* another connector */
    CHECK(op(OP_ATTACH, 0) == NULL);
    plug_at("1-1", "pci1/2:1", "2", 8, 2); /* another controller has the bus number */
    CHECK(op(OP_ATTACH, 0) == NULL);
    plug_at("5-1", "pci/2:1", "2", 9, 2);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    plug_at("6-2", "pci/3:2", "1", 10, 2); /* the lease is used up */
    CHECK(op(OP_ATTACH, 0) == NULL);
}

/* Without firmware that joins them, ports with the same number may be two sockets. */
static void a_guess_joins_no_ports(void) {
    begin(false);
    core.conf = lease_conf();
    vm_up(0);
    plug_at("1-1", "pci/2:1", "", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    done(0, OP_OK);
    plug_at("2-1", "pci/3:1", "", 6, 2);
    CHECK(op(OP_ATTACH, 0) == NULL);
}

/* ---- ports that flap ---- */

static int flap(const char *name, int times, int ms) {
    int told = 0;
    for (int i = 0; i < times; i++) {
        wait_ms(ms);
        plug(name, 10 + i % 50, 2);
        told += action(ACT_FLAPS) != NULL;
        wait_ms(ms);
        unplug(name);
    }
    return told;
}

static void a_flapping_port_is_left_alone_until_its_device_stays(void) {
    begin(false);
    vm_up(0);
    CHECK_INT(flap("1-1", 100, 10), 1);
    plug("1-1", 5, 3);
    CHECK(event(EV_CONNECTED) == NULL && op(OP_ATTACH, 0) == NULL);
    ask(REQ_ATTACH, 5, "");
    CHECK(replied(false));
    plug("1-2", 6, 3); /* its neighbour is not affected */
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    wait_ms(VH_T_FLAP_HOLD - 1);
    CHECK(event(EV_CONNECTED) == NULL);
    wait_ms(1);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK_INT(core.slot[0].vm, 0);
}

static void the_next_burst_costs_more_and_is_told_once_more(void) {
    begin(false);
    CHECK_INT(flap("1-1", 50, 10), 1);
    wait_ms(3000);
    CHECK_INT(flap("1-1", 50, 10), 1);
    plug("1-1", 5, 2);
    CHECK_INT(core.slot[0].hold_until - now, 2 * VH_T_FLAP_HOLD * VH_NSEC_PER_MSEC);
    for (int i = 0; i < 10; i++) {
        wait_ms(31000);
        unplug("1-1");
        CHECK_INT(flap("1-1", 50, 10), 1);
    }
    plug("1-1", 5, 2);
    CHECK_INT(core.slot[0].hold_until - now, VH_T_FLAP_HOLD_MAX * VH_NSEC_PER_MSEC);
    unplug("1-1");
    wait_ms(VH_T_FLAP_FORGIVE + 1);
    CHECK_INT(flap("1-1", 50, 10), 1);
    plug("1-1", 5, 2);
    CHECK_INT(core.slot[0].hold_until - now, VH_T_FLAP_HOLD * VH_NSEC_PER_MSEC);
}

/* A hub passes a change on only after 100 ms of quiet, and the kernel resets what is new: no port is faster than this.
 */
static void as_fast_as_hubs_let_it_is_flapping(void) {
    begin(false);
    vm_up(0);
    CHECK_INT(flap("1-1", 20, 125), 1);
    plug("1-1", 5, 3);
    CHECK(event(EV_CONNECTED) == NULL);
    wait_ms(VH_T_FLAP_HOLD);
    CHECK(event(EV_CONNECTED) != NULL);
}

static void a_hasty_hand_does_not_flap(void) {
    begin(false);
    CHECK_INT(flap("1-1", 6, 150), 0);
    CHECK_INT(flap("1-1", 60, 1500), 0); /* one each three seconds, for three minutes */
    plug("1-1", 5, 3);
    CHECK(event(EV_CONNECTED) != NULL);
}

/* The number already belongs to another device, before the unplug is known: the VM still has the first device. */
static void a_number_used_twice_is_that_of_the_device_in_the_vm(void) {
    struct vmm_found found = {.id = "vhp-usb-1-5", .busnum = 1, .devnum = 5, .ours = true};
    begin(false);
    vm_up(0);
    plug("1-1", 9, 2);
    plug("1-2", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    plug("1-3", 5, 2);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", &found, 1);
    CHECK(event(EV_DETACHED) == NULL && op(OP_DETACH, 0) == NULL);
    CHECK_INT(core.slot[1].vm, 0);
}

/* ---- devices that other tools attached ---- */

static void list_foreign(int vm, int devnum) {
    struct vmm_found found = {.id = "kbd", .busnum = 1, .devnum = (uint8_t)devnum};
    done_with(vm, OP_OK, "", &found, devnum > 0);
}

static void what_others_attached_goes_nowhere_else(void) {
    begin(false);
    plug("1-2", 7, 8);
    vm_fact_of(FACT_VM_SOCKET, 0);
    list_foreign(0, 7);
    read_again(true);
    vm_up(1);
    CHECK_INT(core.slot[0].foreign, 0);
    CHECK_STR(core_state_name(&core, &core.slot[0]), "attached");
    ask(REQ_ATTACH, 7, "b");
    CHECK(action(ACT_LOOK) != NULL && action(ACT_REPLY) == NULL); /* the device may have been taken out meanwhile */
    read_again(true);
    CHECK(replied(false) && op(OP_ATTACH, 1) == NULL);
    CHECK_STR(refusal(), "VM 'a' has it already: somebody else attached it there");
    ask(REQ_DETACH, 7, "");
    CHECK(core.slot[0].disconnected && action(ACT_REPLY) == NULL);
    read_again(true); /* the decision holds; that the device is still in a VM is said */
    CHECK_STR(refusal(), "somebody else attached it to VM 'a': it has to be taken out there");
    CHECK(core.slot[0].disconnected);
    ask(REQ_ATTACH, 7, "b");
    read_again(false);
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    CHECK(replied(true));
}

static void a_rule_waits_for_what_others_attached(void) {
    begin(false);
    plug("1-1", 5, 3);
    vm_fact_of(FACT_VM_SOCKET, 1);
    list_foreign(1, 5);
    read_again(true);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL);
    dev.claimed = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev}; /* a reset: the other tool may be done */
    step(&f);
    CHECK(op(OP_LIST, 1) != NULL);
    list_foreign(1, 5);
    CHECK(op(OP_ATTACH, 0) == NULL);
    read_again(true);
    CHECK(op(OP_ATTACH, 0) == NULL);
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_filter_has_all_that_fits_it(void) {
    begin(false);
    plug("1-1", 5, 3);
    plug("1-2", 6, 3);
    plug("1-3", 7, 8);
    vm_fact_of(FACT_VM_SOCKET, 1);
    struct vmm_found found = {.id = "any", .filter = true, .vid = 0x1234, .pid = 3};
    done_with(1, OP_OK, "", &found, 1);
    read_again(true);
    CHECK(core.slot[0].foreign == 1 && core.slot[1].foreign == 1 && core.slot[2].foreign == -1);
    plug("1-4", 9, 3); /* QEMU's own filter takes the device sooner or later; opening it finds it claimed then */
    CHECK(core.slot[3].claims == 2 && core.slot[3].foreign == -1);
    dev.claimed = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    CHECK_INT(core.slot[3].foreign, 1);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL);
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* ---- other configurations ---- */

static void only_what_changed_moves(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    plug("1-3", 7, 14);
    done(1, OP_OK);
    reload("{\"vms\": [" VM("b") ", " VM(
        "a") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"allow\": "
             "[{\"interfaceClass\": 3}]}, {\"targetVm\": \"b\", \"allow\": [{\"interfaceClass\": 14}]}]}");
    CHECK_STR(core.conf->vms[0].name, "a"); /* the same VM, the same row */
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_DETACH, 0)->slot == 0);
    CHECK(op(OP_DETACH, 1) == NULL && event(EV_DETACHED) == NULL);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 1) != NULL && op(OP_ATTACH, 1)->slot == 0);
}

static void a_vm_that_is_gone_from_the_file_is_emptied_first(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    reload("{\"vms\": [" VM("c") ", " VM("b") "], \"usbPassthrough\": [{\"targetVm\": \"c\", \"allow\": "
                                              "[{\"interfaceClass\": 3}]}]}");
    CHECK(core.conf->vms[0].retired && conf_vm(core.conf, "a") == -1 && conf_vm(core.conf, "b") == 1);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK_INT(core.slot[0].vm, -1);
    int c = conf_vm(core.conf, "c");
    vm_up(c);
    CHECK(op(OP_ATTACH, c) != NULL);
    done(c, OP_OK);
    reload("{\"vms\": [" VM("a") ", " VM("b") "]}"); /* `a` is back, in its old row or another */
    CHECK(conf_vm(core.conf, "a") >= 0 && conf_vm(core.conf, "b") == 1 && core.conf->vms[c].retired);
    CHECK(op(OP_DETACH, c) != NULL);
}

static void a_choice_that_is_another_one_is_asked_anew(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-2", 7, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    reload("{\"vms\": [" VM("a") ", " VM("b") ", " VM("c") "], \"usbPassthrough\": [{\"allowedVms\": [\"a\", \"b\"], "
                                                           "\"allow\": [{\"interfaceClass\": 8}]}]}");
    CHECK(event(EV_SELECT_VM) == NULL);
    reload("{\"vms\": [" VM("a") ", " VM("b") ", " VM("c") "], \"usbPassthrough\": [{\"allowedVms\": [\"a\", \"c\"], "
                                                           "\"allow\": [{\"interfaceClass\": 8}]}]}");
    CHECK(event(EV_SELECT_VM) != NULL);
}

static void rows_are_found_for_every_vm_or_the_file_is_refused(void) {
    static char json[VH_MAX_VMS * 100];
    struct sbuf sb;
    begin(false);
    for (int round = 0; round < 2; round++) {
        sb_init(&sb, json, sizeof json);
        sb_str(&sb, "{\"vms\": [");
        for (int v = 0; v < VH_MAX_VMS; v++)
            sb_fmt(&sb, "%s{\"name\": \"%d.%d\", \"type\": \"qemu\", \"socket\": \"/run/%d.%d\"}", v > 0 ? "," : "",
                   round, v, round, v);
        sb_str(&sb, "]}");
        CHECK(sb_ok(&sb));
        if (round == 0)
            reload(json);
    }
    struct conf *fresh = other_conf(json);
    CHECK(!conf_align(fresh, core.conf, (vm_set)1 << 17));
    fresh = other_conf(json);
    CHECK(conf_align(fresh, core.conf, 0));
}

/* The new rules want it in the guest's VM, but another one is just getting it: it is not the guest's yet. */
/* Refusals of the old VMM do not count for the next one. */
static void a_vm_that_comes_back_gets_at_once_what_it_refused(void) {
    for (int ends = 0; ends < 2; ends++) {
        begin(false);
        vm_up(0);
        plug("1-1", 5, 3);
        for (int64_t wait = VH_T_RETRY_MIN, i = 0; i < 5; i++, wait *= 2) {
            done(0, OP_FAILED);
            done(0, OP_OK); /* what it has, listed: nothing */
            CHECK(op(OP_ATTACH, 0) == NULL);
            wait_ms(wait);
            CHECK(op(OP_ATTACH, 0) != NULL);
        }
        done(0, OP_FAILED);
        done(0, OP_OK);
        CHECK_STR(core_state_name(&core, &core.slot[0]), "failed");
        if (ends == 0) { /* the end is noticed; otherwise only the new VMM is */
            vm_fact_of(FACT_VM_DOWN, 0);
            CHECK_STR(core_state_name(&core, &core.slot[0]), "waiting");
        }
        vm_up(0);
        CHECK(op(OP_ATTACH, 0) != NULL);
    }
}

static void a_guest_does_not_own_what_another_vm_is_getting(void) {
    static struct request r;
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    reload("{\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"allow\": "
                                              "[{\"interfaceClass\": 3}]}]}");
    r = (struct request){.kind = REQ_DETACH, .client = {.index = 3, .gen = 9}};
    r.who.role = ROLE_GUEST;
    r.who.vm = 1;
    r.sel.by_node = true;
    r.sel.node_bus = 1;
    r.sel.node_dev = 5;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK_STR(refusal(), "/dev/bus/usb/001/005 is not attached here");
    done(0, OP_OK);
    done(0, OP_OK); /* detached, by the new rules */
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    step(&f);
    CHECK(op(OP_DETACH, 1) != NULL);
}

/* ---- the end ---- */

static void everything_comes_out_at_the_end_if_wanted(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    plug("1-3", 7, 14);
    struct fact f = {.kind = FACT_STOP};
    step(&f);
    CHECK(op(OP_DETACH, 0) != NULL && core_holds(&core));
    done(0, OP_OK);
    done(1, OP_OK); /* the attach that was under way */
    CHECK(op(OP_DETACH, 1) != NULL);
    done(1, OP_OK);
    CHECK(core_holds(&core)); /* their resets */
    released();
    CHECK(!core_holds(&core));
    plug("1-1", 8, 3);
    CHECK(op(OP_ATTACH, 0) == NULL);
    ask(REQ_ATTACH, 7, "");
    CHECK_STR(refusal(), "the daemon is ending");
}

static void an_attach_ends_a_suspension_for_good(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 9, 3);
    done(0, OP_OK);
    ask(REQ_SUSPEND, 0, "a");
    done(0, OP_OK);
    released();
    ask(REQ_ATTACH, 9, "a");
    done(0, OP_OK);
    CHECK_INT(core.slot[0].vm, 0);
    struct device d = core.slot[0].dev; /* any fact about the device: the suspension is not remembered */
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    step(&f);
    CHECK_INT(core.slot[0].suspended, -1);
    CHECK(op(OP_DETACH, 0) == NULL);
}

int main(void) {
    RUN(a_decision_holds_only_once_it_is_saved);
    RUN(a_decision_that_cannot_be_saved_changes_nothing);
    RUN(lifting_a_decision_is_saved_first_and_taken_back_if_the_attach_fails);
    RUN(a_selection_is_saved_before_it_is_confirmed_and_kept_if_it_cannot_be);
    RUN(without_persistency_all_holds_until_the_end);
    RUN(a_failing_disk_is_tried_ever_more_rarely);
    RUN(a_tag_that_is_kept_away_stays_away);
    RUN(an_exception_from_a_tag_holds_for_that_plug_alone);
    RUN(a_tag_that_no_rule_has_is_an_error);
    RUN(a_tag_that_is_lifted_lets_devices_wait_for_their_vm);
    RUN(a_selection_follows_the_serial_to_another_port);
    RUN(without_a_serial_a_selection_is_the_ports);
    RUN(a_twin_asks_for_itself);
    RUN(a_decision_is_about_one_twin_and_follows_it_alone);
    RUN(suspension_outlives_the_daemon_and_not_the_vm);
    RUN(what_is_plugged_in_again_during_a_suspend_stays_out);
    RUN(a_resume_reaches_what_is_not_fully_known_yet);
    RUN(nothing_is_decided_about_what_is_not_fully_known);
    RUN(a_lease_lets_the_vm_keep_the_port);
    RUN(a_leased_device_keeps_its_tag);
    RUN(a_lease_is_the_connectors);
    RUN(a_guess_joins_no_ports);
    RUN(a_lease_ends_and_is_its_ports_and_denies_nothing_away);
    RUN(a_flapping_port_is_left_alone_until_its_device_stays);
    RUN(the_next_burst_costs_more_and_is_told_once_more);
    RUN(as_fast_as_hubs_let_it_is_flapping);
    RUN(a_hasty_hand_does_not_flap);
    RUN(a_number_used_twice_is_that_of_the_device_in_the_vm);
    RUN(what_others_attached_goes_nowhere_else);
    RUN(a_rule_waits_for_what_others_attached);
    RUN(a_filter_has_all_that_fits_it);
    RUN(only_what_changed_moves);
    RUN(a_vm_that_is_gone_from_the_file_is_emptied_first);
    RUN(a_choice_that_is_another_one_is_asked_anew);
    RUN(rows_are_found_for_every_vm_or_the_file_is_refused);
    RUN(a_vm_that_comes_back_gets_at_once_what_it_refused);
    RUN(a_guest_does_not_own_what_another_vm_is_getting);
    RUN(everything_comes_out_at_the_end_if_wanted);
    RUN(an_attach_ends_a_suspension_for_good);
    RUN(nothing_is_decided_about_a_device_whose_identity_cannot_be_read);
    TEST_MAIN_END;
}
