/*
 * test_core_host.c - PCI devices: prepared before a VM gets them and given back to the host's driver afterwards, an
 * IOMMU group as a whole; and what the rules and requests make of them.
 */
#include "config/policy_pci.h"
#include "core_story.h"

#define AT(n) "{\"address\": \"0000:0" n ":00.0\"}"
#define TO(vm, list) "{\"targetVm\": \"" vm "\", \"tag\": \"net\", \"allow\": [" list "]}"
#define CONF(rules) "{\"vms\": [" VM("a") ", " VM("b") "], \"pciPassthrough\": [" rules "]}"

enum { DEVICES = 4 };

static struct pci_device rows[DEVICES];
static struct pci_fate fates[DEVICES];
static struct pci_host host = {.row = rows, .fate = fates};
static struct conf *rules;

/* Device n of bus n, in this group. */
static void add(unsigned group) {
    int n = host.n++;
    rows[n] = (struct pci_device){.address = {.bus = (uint8_t)n}, .vendor = 0x8086, .device = 0x10d3, .cls = 2};
    rows[n].grouped = 1;
    rows[n].group = group;
    (void)snprintf(rows[n].driver, sizeof rows[n].driver, "e1000e");
}

static void told(bool coldplug) {
    struct fact f = {.kind = FACT_PCI, .pci = &host, .coldplug = coldplug};
    policy_pci_judge(rules, rows, host.n, fates);
    step(&f);
}

/* Two devices in group 1, one alone in group 2; both VMs are up. */
static void begin_pci(const char *json) {
    rules = other_conf(json);
    memset(&core, 0, sizeof core);
    core_init(&core, rules, false);
    core.gives_pci = true;
    now = 0;
    host.n = 0;
    add(1);
    add(1);
    add(2);
    core_earlier(&core, NULL, 0);
    told(true);
    vm_up(0);
    vm_up(1);
}

static int slot_of(int device) {
    char name[VH_SYSNAME_MAX];
    (void)snprintf(name, sizeof name, "0000:%02x:00.0", (unsigned)device);
    return slot_find(&core, name);
}

static const struct slot *dev_of(int device) {
    static const struct slot none = {.vm = -2};
    int i = slot_of(device);
    return i >= 0 ? &core.slot[i] : &none;
}

/* The order about this device, begun in the last step. */
static const struct action *ordered(enum action_kind kind, int device) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == kind && out.a[i].slot == slot_of(device))
            return &out.a[i];
    }
    return NULL;
}

static void ended(enum fact_kind kind, int device, bool ok) {
    struct fact f = {.kind = kind, .token = dev_of(device)->plug, .ok = ok, .text = ok ? "" : "the group is busy"};
    step(&f);
}

static void out_of(int vm, const char *id) {
    struct fact f = {.kind = FACT_VM_OUT, .vm = vm, .ok = true, .text = id};
    step(&f);
}

static void ask_pci(enum request_kind kind, int device) {
    struct request r = {.kind = kind, .about = KIND_PCI, .client = {.index = 3, .gen = 9}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    r.who = (struct principal){.role = ROLE_ADMIN, .vm = -1};
    r.sel.by_address = true;
    (void)snprintf(r.sel.address, sizeof r.sel.address, "0000:%02x:00.0", (unsigned)device);
    step(&f);
}

/* Device 2 is in VM a. */
static void given(void) {
    begin_pci(CONF(TO("a", AT("2"))));
    ended(FACT_PREPARED, 2, true);
    done(0, OP_OK);
    CHECK(dev_of(2)->vm == 0 && dev_of(2)->bound);
}

/* ---- before an attach ---- */

static void a_device_is_prepared_before_its_vm_gets_it(void) {
    begin_pci(CONF(TO("a", AT("2"))));
    CHECK(slot_of(0) < 0 && slot_of(1) < 0); /* no rule decides for them */
    CHECK(core.slot[slot_of(2)].host == HOST_PREPARING && op(OP_ATTACH, 0) == NULL);
    ended(FACT_PREPARED, 2, true);
    CHECK(op(OP_ATTACH, 0) != NULL);
    CHECK_STR(op(OP_ATTACH, 0)->op.id, "vhp-pci-0000-02-00.0");
    done(0, OP_OK);
    CHECK(dev_of(2)->vm == 0 && event(EV_ATTACHED) != NULL && event(EV_CONNECTED) == NULL);
}

static void nothing_is_touched_while_the_vm_is_down(void) {
    rules = other_conf(CONF(TO("a", AT("2"))));
    memset(&core, 0, sizeof core);
    core_init(&core, rules, false);
    core_earlier(&core, NULL, 0);
    host.n = 0;
    add(1), add(1), add(2);
    vm_fact_of(FACT_VM_DOWN, 0);
    told(true);
    CHECK(slot_of(2) >= 0 && out.n == 1 && event(EV_CONNECTED) != NULL);
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(action(ACT_PREPARE) == NULL); /* the VM is listed first */
    done(0, OP_OK);
    CHECK(ordered(ACT_PREPARE, 2) != NULL && !ordered(ACT_PREPARE, 2)->shared);
}

static void what_cannot_be_prepared_is_tried_again_later(void) {
    begin_pci(CONF(TO("a", AT("2"))));
    ended(FACT_PREPARED, 2, false);
    CHECK(op(OP_ATTACH, 0) == NULL && action(ACT_PREPARE) == NULL);
    CHECK_STR(reason_of(dev_of(2)), "the group is busy");
    wait_ms(VH_T_RETRY_MIN);
    CHECK(ordered(ACT_PREPARE, 2) != NULL);
    ended(FACT_PREPARED, 2, true);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void each_attach_is_prepared_anew(void) {
    begin_pci(CONF(TO("a", AT("2"))));
    ended(FACT_PREPARED, 2, true);
    done(0, OP_FAILED);
    done(0, OP_OK); /* the listing */
    wait_ms(VH_T_RETRY_MIN);
    CHECK(op(OP_ATTACH, 0) == NULL && ordered(ACT_PREPARE, 2) != NULL);
    vm_fact_of(FACT_VM_DOWN, 0);
    ended(FACT_PREPARED, 2, true);
    CHECK(dev_of(2)->bound && action(ACT_RESTORE) == NULL); /* it waits for its VM */
}

/* ---- groups ---- */

static void all_of_a_group_are_prepared_before_the_first(void) {
    begin_pci(CONF(TO("a", AT("0") ", " AT("1"))));
    ended(FACT_PREPARED, 0, true);
    CHECK(op(OP_ATTACH, 0) == NULL);
    ended(FACT_PREPARED, 1, true);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL); /* the other one */
    done(0, OP_OK);
    CHECK(dev_of(0)->vm == 0 && dev_of(1)->vm == 0);
}

static void a_group_with_two_rules_stays_with_the_host(void) {
    begin_pci(CONF(TO("a", AT("0")) ", " TO("b", AT("1"))));
    CHECK(action(ACT_PREPARE) == NULL && dev_of(0)->host == HOST_NONE && dev_of(1)->host == HOST_NONE);
    CHECK_STR(reason_of(dev_of(0)),
              "stays with the host: it shares its IOMMU group with 0000:01:00.0, which is for VM 'b'");
}

static void a_group_leaves_one_vm_before_the_next_gets_it(void) {
    static struct conf fresh;
    begin_pci(CONF(TO("a", AT("0") ", " AT("1"))));
    ended(FACT_PREPARED, 0, true);
    ended(FACT_PREPARED, 1, true);
    done(0, OP_OK);
    done(0, OP_OK);
    CHECK(conf_parse(&fresh, CONF(TO("b", AT("0") ", " AT("1"))), strlen(CONF(TO("b", AT("0") ", " AT("1")))), no_diag,
                     NULL));
    rules = &fresh;
    policy_pci_judge(rules, rows, host.n, fates);
    struct fact f = {.kind = FACT_RELOAD, .conf = &fresh, .pci = &host};
    step(&f);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_ACCEPTED);
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_ATTACH, 1) == NULL);
    done(0, OP_ACCEPTED);
    out_of(0, "vhp-pci-0000-00-00.0");
    CHECK(action(ACT_PREPARE) == NULL && op(OP_ATTACH, 1) == NULL); /* the other one is still in a */
    out_of(0, "vhp-pci-0000-01-00.0");
    CHECK(ordered(ACT_PREPARE, 0) != NULL && action(ACT_RESTORE) == NULL);
    ended(FACT_PREPARED, 0, true);
    CHECK(op(OP_ATTACH, 1) == NULL);
    ended(FACT_PREPARED, 1, true);
    CHECK(op(OP_ATTACH, 1) != NULL);
}

/* ---- back to the host ---- */

static void a_detach_gives_it_back_to_the_host(void) {
    given();
    ask_pci(REQ_DETACH, 2);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_ACCEPTED);
    CHECK(action(ACT_RESTORE) == NULL && action(ACT_REPLY) == NULL);
    out_of(0, "vhp-pci-0000-02-00.0");
    CHECK(ordered(ACT_RESTORE, 2) != NULL && action(ACT_REPLY) == NULL);
    ended(FACT_RESTORED, 2, true);
    CHECK(!dev_of(2)->bound && replied(true)); /* now it is certain that nobody has it */
    ask_pci(REQ_ATTACH, 2);
    CHECK(ordered(ACT_PREPARE, 2) != NULL);
    ended(FACT_PREPARED, 2, true);
    done(0, OP_OK);
    CHECK(dev_of(2)->vm == 0 && replied(true));
}

static void a_group_is_given_back_as_a_whole(void) {
    begin_pci(CONF(TO("a", AT("0") ", " AT("1"))));
    ended(FACT_PREPARED, 0, true);
    ended(FACT_PREPARED, 1, true);
    done(0, OP_OK);
    done(0, OP_OK);
    ask_pci(REQ_DETACH, 0);
    done(0, OP_OK);
    CHECK(dev_of(0)->vm < 0 && action(ACT_RESTORE) == NULL); /* the other one is in the VM */
    ask_pci(REQ_DETACH, 1);
    done(0, OP_OK);
    CHECK(ordered(ACT_RESTORE, 0) != NULL && ordered(ACT_RESTORE, 1) != NULL);
}

static void what_cannot_be_given_back_is_tried_again(void) {
    given();
    ask_pci(REQ_DETACH, 2);
    done(0, OP_OK);
    ended(FACT_RESTORED, 2, false);
    CHECK_STR(refusal(), "the group is busy");
    CHECK(dev_of(2)->bound && dev_of(2)->disconnected && action(ACT_RESTORE) == NULL);
    wait_ms(VH_T_RETRY_MIN);
    CHECK(ordered(ACT_RESTORE, 2) != NULL);
}

static void a_vm_that_ends_keeps_its_devices_prepared(void) {
    given();
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(dev_of(2)->vm < 0 && dev_of(2)->bound && action(ACT_RESTORE) == NULL);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_OK);
    CHECK(ordered(ACT_PREPARE, 2) != NULL); /* nobody has it: that is looked at again */
}

static void at_the_end_all_is_given_back(void) {
    struct fact f = {.kind = FACT_STOP};
    given();
    step(&f);
    CHECK(core_holds(&core));
    done(0, OP_OK);
    CHECK(ordered(ACT_RESTORE, 2) != NULL && core_holds(&core));
    ended(FACT_RESTORED, 2, true);
    CHECK(!core_holds(&core));
}

static void what_a_daemon_left_bound_is_given_back(void) {
    begin_pci(CONF(TO("a", AT("2"))));
    ended(FACT_PREPARED, 2, true);
    (void)snprintf(rows[2].driver, sizeof rows[2].driver, "vfio-pci");
    rows[2].uses = PCI_STORAGE;
    done(0, OP_FAILED);
    told(false);
    CHECK_STR(reason_of(dev_of(2)), "stays with the host: it holds storage in use");
    wait_ms(VH_T_RETRY_MIN);
    CHECK(ordered(ACT_RESTORE, 2) != NULL);
}

/* ---- the list ---- */

static void what_is_in_no_list_is_gone(void) {
    given();
    host.n = 2;
    told(false);
    CHECK(core.slot[2].state != SLOT_PRESENT && slot_of(2) < 0 && event(EV_DETACHED) != NULL);
    CHECK(event(EV_DISCONNECTED) != NULL);
}

static void a_scan_of_usb_takes_no_pci_device(void) {
    given();
    struct fact f = {.kind = FACT_SCAN_BEGIN};
    step(&f);
    f.kind = FACT_SCAN_END;
    step(&f);
    CHECK(dev_of(2)->vm == 0);
}

static void requests_about_usb_mean_no_pci_device(void) {
    given();
    struct request r = {.kind = REQ_DETACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    r.sel.by_vid = r.sel.by_pid = true;
    r.sel.vid = 0x8086;
    r.sel.pid = 0x10d3;
    step(&f);
    CHECK_STR(refusal(), "no such USB device: vid 8086 pid 10d3");
    ask_pci(REQ_DETACH, 1);
    CHECK_STR(refusal(), "no such PCI device that a rule decides for: address 0000:01:00.0");
}

/* ---- requests ---- */

static void ask_pci_tag(enum request_kind kind) {
    struct request r = {.kind = kind, .about = KIND_PCI, .client = {.index = 3, .gen = 9}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    r.who = (struct principal){.role = ROLE_ADMIN, .vm = -1};
    r.sel.by_tag = kind == REQ_ATTACH || kind == REQ_DETACH;
    (void)snprintf(r.sel.tag, sizeof r.sel.tag, "net");
    step(&f);
}

static void a_tag_of_pci_devices_is_one_of_its_own(void) {
    given();
    ask_pci_tag(REQ_DETACH);
    CHECK(op(OP_DETACH, 0) != NULL && dev_of(2)->disconnected);
    CHECK_INT(core_tag_taken(&core, KIND_PCI, "net"), ROLE_ADMIN);
    CHECK_INT(core_tag_taken(&core, KIND_USB, "net"), ROLE_NONE);
    CHECK(core_tag_known(&core, KIND_PCI, "net") && !core_tag_known(&core, KIND_USB, "net"));
    done(0, OP_OK);
    CHECK(ordered(ACT_RESTORE, 2) != NULL);
    ended(FACT_RESTORED, 2, true);
    CHECK(replied(true));
    host.n = 2;
    told(false);
    host.n = 3;
    told(false); /* plugged in again: what has the tag stays away */
    CHECK(dev_of(2)->disconnected && ordered(ACT_PREPARE, 2) == NULL);
    ask_pci_tag(REQ_ATTACH);
    CHECK(ordered(ACT_PREPARE, 2) != NULL && core_tag_taken(&core, KIND_PCI, "net") == ROLE_NONE);
}

static void suspended_it_stays_prepared(void) {
    given();
    ask_pci_tag(REQ_SUSPEND);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true) && dev_of(2)->suspended == 0 && dev_of(2)->bound && action(ACT_RESTORE) == NULL);
    struct request r = {.kind = REQ_RESUME, .client = {.index = 4, .gen = 9}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f); /* of devices on USB */
    CHECK(dev_of(2)->suspended == 0);
    ask_pci_tag(REQ_RESUME);
    CHECK(ordered(ACT_PREPARE, 2) != NULL && dev_of(2)->suspended < 0);
    ended(FACT_PREPARED, 2, true);
    done(0, OP_OK);
    CHECK(replied(true) && dev_of(2)->vm == 0);
}

static void a_guest_moves_none(void) {
    given();
    struct request r = {.kind = REQ_DETACH, .about = KIND_PCI, .client = {.index = 3, .gen = 9}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    r.who = (struct principal){.role = ROLE_GUEST, .vm = 0};
    step(&f);
    CHECK_STR(refusal(), "not allowed: a guest moves no PCI devices");
    r.kind = REQ_SUSPEND;
    step(&f);
    CHECK_STR(refusal(), "not allowed: a guest moves no PCI devices");
    r.kind = REQ_LIST;
    step(&f);
    CHECK(replied(true) && action(ACT_SERVE) == NULL);
}

/* ---- what an earlier daemon left ---- */

/* The VM lists this device. */
static void lists(int vm, const char *id) {
    struct vmm_found f = {.ours = true};
    (void)snprintf(f.id, sizeof f.id, "%s", id);
    done_with(vm, OP_OK, "", &f, 1);
}

static void restarted(vm_set vms) {
    static struct assigned row;
    rules = other_conf(CONF(TO("a", AT("0"))));
    memset(&core, 0, sizeof core);
    core_init(&core, rules, false);
    core.gives_pci = true;
    now = 0;
    host.n = 0;
    add(1), add(1), add(2);
    rows[2].incarnation = 77;
    (void)snprintf(rows[2].driver, sizeof rows[2].driver, "vfio-pci");
    row = (struct assigned){.sys_name = "0000:02:00.0", .incarnation = 77, .vms = vms, .more = ASSIGNED_BOUND};
    core_earlier(&core, &row, 1);
    told(true);
}

static void what_was_bound_is_given_back_without_a_rule(void) {
    restarted(0);
    CHECK(dev_of(2)->rule < 0 && dev_of(2)->bound && ordered(ACT_RESTORE, 2) != NULL);
    CHECK(slot_of(1) < 0); /* of no concern */
    ended(FACT_RESTORED, 2, true);
    CHECK(!core_bound(&core, slot_of(2)) && core_may_have(&core, slot_of(2)) == 0);
}

static void what_a_vm_has_without_a_rule_is_taken_out_first(void) {
    restarted(1);
    CHECK(dev_of(2)->bound && dev_of(2)->doubt == 1 && action(ACT_RESTORE) == NULL);
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(op(OP_LIST, 0) != NULL && op(OP_LIST, 0)->op.pci);
    lists(0, "vhp-pci-0000-02-00.0");
    CHECK(op(OP_DETACH, 0) != NULL && op(OP_DETACH, 0)->op.pci);
    CHECK_STR(op(OP_DETACH, 0)->op.id, "vhp-pci-0000-02-00.0");
    CHECK_STR(reason_of(dev_of(2)), "no rule applies; VM 'a' lists it");
    CHECK(ordered(ACT_RESTORE, 2) != NULL); /* the kernel knows better than the VM */
    ended(FACT_RESTORED, 2, false);
    ask_pci(REQ_DETACH, 2);
    CHECK(ordered(ACT_RESTORE, 2) != NULL);
    done(0, OP_OK);
    CHECK(!replied(true) && op(OP_LIST, 0) != NULL);
    ended(FACT_RESTORED, 2, true);
    done(0, OP_OK);
    CHECK(replied(true) && !dev_of(2)->bound);
}

/* The command line has it; the kernel would give it to nobody else. */
static void what_a_vm_came_with_is_its_own(void) {
    begin_pci(CONF(TO("a", AT("2"))));
    vm_fact_of(FACT_VM_DOWN, 0);
    ended(FACT_PREPARED, 2, false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    lists(0, "vhp-pci-0000-02-00.0");
    CHECK(dev_of(2)->vm == 0 && dev_of(2)->adopted && event(EV_ATTACHED) != NULL && op(OP_DETACH, 0) == NULL);
}

static void without_a_caller_that_can_nothing_is_given(void) {
    given();
    core.gives_pci = false;
    ask_pci(REQ_DETACH, 2);
    CHECK_STR(refusal(), "no PCI device is given to VMs: no rule was about them when the daemon started");
}

/* Else the host would lose it for nothing. */
static void what_a_vm_is_never_given_stays_with_the_host(void) {
    static const char *const types[] = {"crosvm", "cloud-hypervisor", "auto"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char json[512];
        (void)snprintf(json, sizeof json,
                       "{\"vms\": [{\"name\": \"a\", \"type\": \"%s\", \"socket\": \"/run/a\"}, " VM(
                           "b") "], "
                                "\"pciPassthrough\": [" TO("a", AT("2")) "]}",
                       types[i]);
        begin_pci(json);
        CHECK(ordered(ACT_PREPARE, 2) == NULL && dev_of(2)->vm < 0);
        CHECK(strstr(dev_of(2)->dev.protect, types[i]) != NULL);
    }
}

int main(void) {
    RUN(what_a_vm_is_never_given_stays_with_the_host);
    RUN(a_device_is_prepared_before_its_vm_gets_it);
    RUN(nothing_is_touched_while_the_vm_is_down);
    RUN(what_cannot_be_prepared_is_tried_again_later);
    RUN(each_attach_is_prepared_anew);
    RUN(all_of_a_group_are_prepared_before_the_first);
    RUN(a_group_with_two_rules_stays_with_the_host);
    RUN(a_group_leaves_one_vm_before_the_next_gets_it);
    RUN(a_detach_gives_it_back_to_the_host);
    RUN(a_group_is_given_back_as_a_whole);
    RUN(what_cannot_be_given_back_is_tried_again);
    RUN(a_vm_that_ends_keeps_its_devices_prepared);
    RUN(at_the_end_all_is_given_back);
    RUN(what_a_daemon_left_bound_is_given_back);
    RUN(what_is_in_no_list_is_gone);
    RUN(a_scan_of_usb_takes_no_pci_device);
    RUN(requests_about_usb_mean_no_pci_device);
    RUN(a_tag_of_pci_devices_is_one_of_its_own);
    RUN(suspended_it_stays_prepared);
    RUN(a_guest_moves_none);
    RUN(what_was_bound_is_given_back_without_a_rule);
    RUN(what_a_vm_has_without_a_rule_is_taken_out_first);
    RUN(what_a_vm_came_with_is_its_own);
    RUN(without_a_caller_that_can_nothing_is_given);
    TEST_MAIN_END;
}
