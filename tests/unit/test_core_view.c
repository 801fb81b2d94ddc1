/*
 * test_core_view.c - core_view.c: the state and the reason of a device in every situation that a list can show, what a
 * list leaves out, and which VMs still have work to do.
 */
#include "core_story.h"

#include <stdlib.h>

static const char other_text[] =
    "{\"vms\": [{\"name\": \"a\", \"type\": \"qemu\", \"socket\": \"/run/a\"}, {\"name\": \"c\", \"type\": \"crosvm\", "
    "\"socket\": \"/c\"}],"
    " \"usbPassthrough\": ["
    "{\"targetVm\": \"c\", \"tag\": \"input\", \"allow\": [{\"interfaceClass\": 3}]},"
    "{\"targetVm\": \"nowhere\", \"allow\": [{\"interfaceClass\": 8}]},"
    "{\"allowedVms\": [\"nowhere\", \"elsewhere\"], \"allow\": [{\"interfaceClass\": 14}]},"
    "{\"allowedVms\": [\"a\", \"c\"], \"allow\": [{\"interfaceClass\": 1}]}]}";

/* A VM of a type that we do not drive, and rules whose VMs this host does not have. */
static void begin_elsewhere(bool attach_connected) {
    static struct conf other;
    if (other.nvms == 0 && !conf_parse(&other, other_text, sizeof other_text - 1, no_diag, NULL))
        exit(1);
    other.vms[1].supported = false; /* as in a build without crosvm */
    begin(attach_connected);
    core.conf = &other;
    vm_up(0);
}

#define READS(slot_, state_, reason_)                                 \
    do {                                                              \
        CHECK_STR(core_state_name(&core, &core.slot[slot_]), state_); \
        CHECK_STR(reason_of(&core.slot[slot_]), reason_);             \
    } while (0)

static void hid_in_a(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    READS(0, "pending", "on its way to VM 'a'");
    done(0, OP_OK);
    READS(0, "attached", "");
}

/* ---- on the way ---- */

static void a_vm_that_does_not_answer_says_why(void) {
    begin(false);
    plug("1-1", 5, 3);
    READS(0, "waiting", "VM 'a' is not running");
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_BUSY);
    READS(0, "waiting", "it said no");
    vm_fact_of(FACT_VM_ANSWERS, 0);
    done(0, OP_OK);
    done(0, OP_LOCAL);
    READS(0, "failed", "it said no");
}

static void a_device_that_is_reset_waits_for_that(void) {
    hid_in_a();
    vm_fact_of(FACT_VM_DOWN, 0);
    vm_up(0);
    READS(0, "waiting", "being reset after its last VM");
}

static void a_device_in_doubt_waits_for_the_other_vm(void) {
    begin(true);
    plug_as("1-1", 5, 3, true, true);
    vm_fact_of(FACT_VM_SOCKET, 1);
    vm_up(0);
    READS(0, "waiting", "another VM that may have it has not answered yet");
    vm_fact_of(FACT_VM_SOCKET, 0); /* and now this one has to be asked as well */
    READS(0, "waiting", "on its way to VM 'a'");
}

static void a_device_that_cannot_be_taken_out_says_why(void) {
    hid_in_a();
    plug("1-3", 6, 3);
    ask(REQ_DETACH, 5, "");
    READS(0, "pending", "being taken out of its VM");
    done(0, OP_OK); /* the other's attach */
    done(0, OP_FAILED);
    CHECK(replied(false));
    done(0, OP_UNKNOWN);
    READS(0, "attached", "it said no");
}

/* ---- where it stays ---- */

static void a_device_that_stays_with_the_host_says_why(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 2);
    READS(0, "idle", "no rule applies");
    plug_as("1-2", 6, 3, false, false);
    READS(1, "idle", "the kernel is still configuring it");
    plug_as("1-3", 7, 3, true, true);
    vm_fact_of(FACT_VM_DOWN, 1);
    done(0, OP_OK); /* listed again: an earlier daemon may have attached it */
    READS(2, "idle", "was there before the daemon started (see --attach-connected)");
    plug("1-4", 8, 8);
    READS(3, "waiting", "waiting for a choice of VM");
    struct vmm_found found = {.id = "kbd", .busnum = 1, .devnum = 8};
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", &found, 1);
    READS(3, "idle", "a VM says that it has it: this is being checked");
    read_again(true);
    READS(3, "attached", "somebody else attached it there");
}

static void what_was_decided_is_said(void) {
    hid_in_a();
    ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
    done(0, OP_OK);
    READS(0, "idle", "disconnected by an operator");
    hid_in_a();
    ask(REQ_SUSPEND, 0, "");
    done(0, OP_OK);
    READS(0, "idle", "suspended");
    hid_in_a();
    ask_as(ROLE_GUEST, REQ_DETACH, 5, "");
    done(0, OP_OK);
    READS(0, "idle", "detached by the guest of VM 'a'");
}

static void a_port_that_flaps_is_said(void) {
    begin(false);
    for (int i = 0; i < 12; i++) {
        unplug("1-1");
        plug("1-1", 20 + i, 3);
    }
    READS(0, "waiting", "its port flaps: it has to stay for a while first");
}

static void a_failure_whose_reason_is_over_is_none(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_LOCAL);
    READS(0, "failed", "it said no");
    struct device d = core.slot[0].dev;
    d.protect = "holds /boot";
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    step(&f);
    READS(0, "idle", "stays with the host: it holds /boot");
}

/* ---- VMs that this host does not have, or that we cannot drive ---- */

static void a_vm_of_another_type_is_said(void) {
    begin_elsewhere(false);
    plug("1-1", 5, 3);
    READS(0, "waiting", "VM 'c' is of type 'crosvm', which is not supported yet");
    ask(REQ_ATTACH, 5, "");
    CHECK(replied(false));
    CHECK_STR(refusal(), "VM 'c' is of type 'crosvm', which is not supported yet");
    plug("1-2", 6, 1);
    CHECK(event(EV_SELECT_VM) != NULL);
}

static void a_rule_for_other_hosts_goes_nowhere(void) {
    begin_elsewhere(false);
    plug("1-1", 5, 8);
    READS(0, "idle", "its rule names no VM that is configured");
    plug("1-2", 6, 14);
    CHECK(event(EV_CONNECTED) != NULL && event(EV_SELECT_VM) == NULL);
    READS(1, "idle", "its rule names no VM that is configured");
    begin_elsewhere(true);
    plug_as("1-1", 5, 8, true, true);
    CHECK_INT(core.slot[0].choice, -1);
    READS(0, "idle", "its rule names no VM that is configured");
}

/* ---- lists ---- */

static bool shown(int slot, struct request r) {
    r.kind = REQ_LIST;
    r.who = (struct principal){.role = ROLE_ADMIN, .vm = -1};
    return core_visible(&core, &core.slot[slot], &r);
}

static void a_list_shows_what_somebody_may_care_for(void) {
    hid_in_a();
    plug("1-2", 6, 2);
    plug("1-3", 7, 9);
    plug("1-4", 8, 2);
    CHECK(shown(0, (struct request){.all = false}));
    CHECK(!shown(1, (struct request){.all = false})); /* no rule */
    CHECK(!shown(2, (struct request){.all = false})); /* a hub */
    CHECK(shown(1, (struct request){.all = true}) && shown(2, (struct request){.all = true}));
    struct vmm_found found = {.id = "x", .busnum = 1, .devnum = 8};
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", &found, 1);
    read_again(true);
    CHECK(shown(3, (struct request){.all = false})); /* no rule, but in a VM */
    struct device d = core.slot[1].dev;
    d.malformed = "bLength 0";
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    step(&f);
    CHECK(shown(1, (struct request){.all = false})); /* a malformed device is always shown */
    READS(1, "idle", "unclassifiable: bLength 0");
    unplug("1-1");
    CHECK(!shown(0, (struct request){.all = true}));
}

static void a_list_shows_what_a_lease_lets_keep_its_vm(void) {
    hid_in_a();
    static struct conf leasing;
    const char leased[] = "{\"vms\": [{\"name\": \"a\", \"type\": \"qemu\", \"socket\": \"/run/a\"}], \"general\": "
                          "{\"leaseSeconds\": 5}, \"usbPassthrough\": [{\"targetVm\": \"a\", \"allow\": "
                          "[{\"interfaceClass\": 3}]}]}";
    if (leasing.nvms == 0 && !conf_parse(&leasing, leased, sizeof leased - 1, no_diag, NULL))
        exit(1);
    core.conf = &leasing;
    unplug("1-1");
    done(0, OP_OK);
    plug("1-1", 6, 2);
    CHECK(op(OP_ATTACH, 0) != NULL && shown(0, (struct request){.all = false}));
    done(0, OP_OK);
    CHECK(shown(0, (struct request){.all = false}));
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(shown(0, (struct request){.all = false})); /* and when it is out again */
}

static void without_rules_a_list_shows_all_but_hubs(void) {
    static struct conf none;
    begin(false);
    conf_default(&none);
    core.conf = &none;
    plug("1-1", 5, 2);
    plug("1-2", 6, 9);
    CHECK(shown(0, (struct request){.all = false}) && !shown(1, (struct request){.all = false}));
}

static void a_list_is_filtered(void) {
    hid_in_a();
    plug("1-2", 6, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 6, "");
    done(0, OP_OK);
    CHECK(shown(0, (struct request){.disconnected = TRI_NO}) && !shown(1, (struct request){.disconnected = TRI_NO}));
    CHECK(!shown(0, (struct request){.disconnected = TRI_YES}) && shown(1, (struct request){.disconnected = TRI_YES}));
    CHECK(shown(0, (struct request){.sel = {.by_tag = true, .tag = "input"}}));
    CHECK(!shown(0, (struct request){.sel = {.by_tag = true, .tag = "disk"}}));
}

/* ---- selectors ---- */

static bool selects(struct selector sel) {
    return core_selects(&core, &sel, &core.slot[0]);
}

static void every_field_of_a_selector_must_fit(void) {
    hid_in_a();
    CHECK(selects((struct selector){.by_node = true, .node_bus = 1, .node_dev = 5}));
    CHECK(!selects((struct selector){.by_node = true, .node_bus = 2, .node_dev = 5}));
    CHECK(!selects((struct selector){.by_node = true, .node_bus = 1, .node_dev = 6}));
    CHECK(selects((struct selector){.by_bus = true, .bus = 1, .by_port = true, .port = "1"}));
    CHECK(!selects((struct selector){.by_bus = true, .bus = 2, .by_port = true, .port = "1"}));
    CHECK(!selects((struct selector){.by_bus = true, .bus = 1, .by_port = true, .port = "1.1"}));
    CHECK(selects((struct selector){.by_vid = true, .vid = 0x1234, .by_pid = true, .pid = 3}));
    CHECK(!selects((struct selector){.by_vid = true, .vid = 0x1235, .by_pid = true, .pid = 3}));
    CHECK(!selects((struct selector){.by_vid = true, .vid = 0x1234, .by_pid = true, .pid = 4}));
    CHECK(selects((struct selector){.by_tag = true, .tag = "input"}));
    CHECK(!selects((struct selector){.by_tag = true, .tag = "disk"}));
    core.slot[0].rule = -1;
    CHECK(!selects((struct selector){.by_tag = true, .tag = "input"}));
}

/* With any other field the decision is about devices, and the tag only narrows the selection. */
static void a_word_is_about_a_tag_only_if_it_names_nothing_else(void) {
    CHECK(request_is_tag(&(struct request){.sel = {.by_tag = true}}));
    CHECK(!request_is_tag(&(struct request){.sel = {.by_node = true}}));
    CHECK(!request_is_tag(&(struct request){.sel = {.by_tag = true, .by_node = true}}));
    CHECK(!request_is_tag(&(struct request){.sel = {.by_tag = true, .by_bus = true}}));
    CHECK(!request_is_tag(&(struct request){.sel = {.by_tag = true, .by_port = true}}));
    CHECK(!request_is_tag(&(struct request){.sel = {.by_tag = true, .by_vid = true}}));
    CHECK(!request_is_tag(&(struct request){.sel = {.by_tag = true, .by_pid = true}}));
}

/* ---- answers without devices ---- */

static bool audited(enum audit_outcome outcome, bool changes) {
    const struct action *a = action(ACT_AUDIT);
    return a != NULL && out.audits[a->audit].outcome == outcome && out.audits[a->audit].changes == changes;
}

static void a_refusal_changes_nothing_and_a_failure_may(void) {
    begin(true);
    vm_up(0);
    vm_up(1);
    plug("1-2", 2, 8);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 9, "a"); /* no such device */
    CHECK(replied(false) && audited(AUDIT_REFUSED, false));
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 2, "nowhere");
    CHECK(replied(false) && audited(AUDIT_REFUSED, false));
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 2, "a");
    done(0, OP_OK);
    CHECK(replied(true) && audited(AUDIT_OK, true));
    ask_as(ROLE_ADMIN, REQ_DETACH, 2, "");
    done_with(0, OP_FAILED, "it is stuck", NULL, 0);
    CHECK(replied(false) && audited(AUDIT_FAILED, true));
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 2, "b"); /* an admin has decided */
    CHECK(replied(false) && audited(AUDIT_REFUSED, false));
    ask_as(ROLE_ADMIN, REQ_SUSPEND, 0, "b"); /* it has no device */
    CHECK(replied(true) && audited(AUDIT_OK, false));
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input"); /* for devices to come */
    CHECK(replied(true) && audited(AUDIT_OK, true));
}

static void subscribers_are_told_so_and_those_to_audits_audited(void) {
    begin(false);
    ask(REQ_AUDIT, 0, "");
    CHECK(replied(true));
    CHECK(action(ACT_SUBSCRIBE) != NULL && action(ACT_SUBSCRIBE)->audits);
    const struct action *a = action(ACT_AUDIT);
    CHECK(a != NULL && out.audits[a->audit].outcome == AUDIT_OK && out.audits[a->audit].asked.kind == REQ_AUDIT);
    ask(REQ_SUBSCRIBE, 0, "");
    CHECK(replied(true));
    CHECK(action(ACT_SUBSCRIBE) != NULL && !action(ACT_SUBSCRIBE)->audits && action(ACT_AUDIT) == NULL);
    ask(REQ_UNSUBSCRIBE, 0, "");
    CHECK(replied(true) && action(ACT_UNSUBSCRIBE) != NULL && action(ACT_UNSUBSCRIBE) < action(ACT_REPLY));
    ask(REQ_VERSION, 0, "");
    CHECK(action(ACT_REPLY_VERSION) != NULL && action(ACT_REPLY_VERSION)->client.index == 3);
}

static void what_is_described_by_hand_is_no_device_that_is_there(void) {
    begin(false);
    plug("1-1", 5, 3);
    static struct request r;
    r = (struct request){.kind = REQ_EXPLAIN, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    r.sel.by_vid = r.sel.by_pid = true;
    r.sel.vid = 0x1234;
    r.sel.pid = 3;
    r.described = (const struct explained *)&r; /* only passed on */
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK(action(ACT_REPLY_PARTS) != NULL && action(ACT_REPLY_PARTS)->slot == 0); /* it is there: that one */
    r.by_hand = true;
    step(&f);
    CHECK(action(ACT_REPLY_PARTS) != NULL && action(ACT_REPLY_PARTS)->slot == -1);
    r.by_hand = false;
    r.sel.pid = 4;
    step(&f);
    CHECK(action(ACT_REPLY_PARTS) != NULL && action(ACT_REPLY_PARTS)->slot == -1); /* stands in */
    r.described = NULL;
    step(&f);
    CHECK_STR(refusal(), "no such USB device: vid 1234 pid 0004");
}

/* ---- what there is to do ---- */

static void a_vm_is_wanted_while_there_is_something_to_do(void) {
    begin(false);
    CHECK(!core_wants_vm(&core, 0));
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(core_wants_vm(&core, 0)); /* to be listed */
    done(0, OP_BUSY);
    CHECK(core_wants_vm(&core, 0)); /* still */
    vm_fact_of(FACT_VM_ANSWERS, 0);
    struct vmm_found found = {.id = "vhp-usb-1-9", .busnum = 1, .devnum = 9, .ours = true};
    done_with(0, OP_OK, "", &found, 1);
    CHECK(core_wants_vm(&core, 0)); /* an old id is being removed */
    done(0, OP_BUSY);
    CHECK(core.vm[0].op == OP_NONE && core_wants_vm(&core, 0)); /* and has still to be */
    vm_fact_of(FACT_VM_ANSWERS, 0);
    done(0, OP_OK);
    done(0, OP_OK);
    CHECK(!core_wants_vm(&core, 0));
    plug("1-1", 5, 3);
    CHECK(core_wants_vm(&core, 0) && !core_wants_vm(&core, 1));
    done(0, OP_BUSY);
    CHECK(core.vm[0].op == OP_NONE && core_wants_vm(&core, 0) && !core_wants_vm(&core, 1));
    vm_fact_of(FACT_VM_ANSWERS, 0);
    done(0, OP_OK);
    CHECK(!core_wants_vm(&core, 0));
    plug("1-2", 6, 2); /* no rule */
    unplug("1-2");
    CHECK(!core_wants_vm(&core, 0));
    plug("1-3", 7, 2);
    CHECK(!core_wants_vm(&core, 0));
    unplug("1-1");
    done(0, OP_BUSY);
    CHECK(core.vm[0].op == OP_NONE && core_wants_vm(&core, 0)); /* it has the id of a leaving slot */
}

static void a_vm_is_in_use_while_anything_of_ours_may_be_there(void) {
    hid_in_a();
    CHECK(core_vm_in_use(&core, 0) && !core_vm_in_use(&core, 1));
    plug("1-2", 6, 8);
    vm_fact_of(FACT_VM_SOCKET, 1);
    CHECK(core_vm_in_use(&core, 1)); /* being listed */
    struct vmm_found found = {.id = "x", .busnum = 1, .devnum = 6};
    done_with(1, OP_OK, "", &found, 1);
    CHECK(core_vm_in_use(&core, 1)); /* another tool attached a device */
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK(!core_vm_in_use(&core, 1));
    struct vmm_found stale = {.id = "vhp-usb-1-99", .busnum = 1, .devnum = 99, .ours = true};
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", &stale, 1);
    done(1, OP_BUSY);
    CHECK(core.vm[1].op == OP_NONE && core_vm_in_use(&core, 1)); /* that is still to be removed */
}

static void what_waits_for_a_busy_vm_keeps_it_in_use(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3); /* under way */
    plug("1-2", 6, 8);
    ask(REQ_ATTACH, 6, "a");
    done(0, OP_LOCAL); /* nothing of the first is there; the second is next */
    CHECK(core_vm_in_use(&core, 0));
    unplug("1-1");
    unplug("1-2");
    CHECK(core_vm_in_use(&core, 0)); /* what is being attached will have to be taken out */
}

static void the_end_waits_for_what_is_still_to_be_done(void) {
    hid_in_a();
    CHECK(core_holds(&core));
    unplug("1-1");
    CHECK(core_holds(&core)); /* a leaving slot */
    done(0, OP_OK);
    wait_ms(0);
    CHECK(!core_holds(&core));
    hid_in_a();
    plug("1-2", 6, 3);
    CHECK(core.slot[1].op == OP_ATTACH);
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(core_holds(&core)); /* a reset, and an attach of which nothing is known yet */
    released();
    CHECK(core_holds(&core));
    done(0, OP_REFUSED);
    CHECK(!core_holds(&core));
}

/* ---- what is kept from one list to the next ---- */

static bool changes(void (*what)(void)) {
    uint64_t before = core.changes;
    what();
    return core.changes != before;
}
static void look(void) {
    ask(REQ_LIST, 0, "");
    CHECK(action(ACT_REPLY_PARTS) != NULL);
}
static void verify(void) {
    static struct request r = {
        .kind = REQ_LIST, .verify = true, .client = {.index = 3, .gen = 9}, .who.role = ROLE_ADMIN};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}
static void listen_and_leave(void) {
    ask(REQ_SUBSCRIBE, 0, "");
    struct fact f = {.kind = FACT_CLIENT_GONE, .client = {.index = 3, .gen = 9}};
    step(&f);
}
static void detach_5(void) {
    ask(REQ_DETACH, 5, "");
}
static void plug_another(void) {
    plug("1-7", 7, 2);
}

static void a_list_is_as_it_was_until_something_changes(void) {
    hid_in_a();
    plug("1-2", 6, 8); /* a question stands */
    CHECK(!changes(look) && !changes(listen_and_leave));
    CHECK(changes(plug_another) && !changes(look));
    CHECK(changes(detach_5) && !changes(look));
    CHECK(changes(verify)); /* its VM has to answer anew */
    done(0, OP_FAILED);
    done(0, OP_UNKNOWN); /* and later is tried again */
    CHECK(!changes(look));
    now = core_deadline(&core);
    CHECK(changes(look) && op(OP_LIST, 0) != NULL); /* at the deadline, any fact starts the next try */
    CHECK(!changes(look));
    core.vm[1].state = VM_UNKNOWN; /* as if something had been left undone */
    CHECK(changes(look) && op(OP_LIST, 1) != NULL);
}

static void a_device_is_known_by_its_name(void) {
    hid_in_a();
    const struct device *d = core_device(&core, "1-1");
    CHECK(d != NULL && d->usb.devnum == 5);
    CHECK(core_device(&core, "1-2") == NULL);
    unplug("1-1");
    CHECK(core_device(&core, "1-1") == NULL);
}

int main(void) {
    RUN(a_vm_that_does_not_answer_says_why);
    RUN(a_device_that_is_reset_waits_for_that);
    RUN(a_device_in_doubt_waits_for_the_other_vm);
    RUN(a_device_that_cannot_be_taken_out_says_why);
    RUN(a_device_that_stays_with_the_host_says_why);
    RUN(what_was_decided_is_said);
    RUN(a_port_that_flaps_is_said);
    RUN(a_failure_whose_reason_is_over_is_none);
    RUN(a_vm_of_another_type_is_said);
    RUN(a_rule_for_other_hosts_goes_nowhere);
    RUN(a_list_shows_what_somebody_may_care_for);
    RUN(a_list_shows_what_a_lease_lets_keep_its_vm);
    RUN(without_rules_a_list_shows_all_but_hubs);
    RUN(a_list_is_filtered);
    RUN(every_field_of_a_selector_must_fit);
    RUN(a_word_is_about_a_tag_only_if_it_names_nothing_else);
    RUN(a_refusal_changes_nothing_and_a_failure_may);
    RUN(subscribers_are_told_so_and_those_to_audits_audited);
    RUN(what_is_described_by_hand_is_no_device_that_is_there);
    RUN(a_vm_is_wanted_while_there_is_something_to_do);
    RUN(a_vm_is_in_use_while_anything_of_ours_may_be_there);
    RUN(what_waits_for_a_busy_vm_keeps_it_in_use);
    RUN(the_end_waits_for_what_is_still_to_be_done);
    RUN(a_list_is_as_it_was_until_something_changes);
    RUN(a_device_is_known_by_its_name);
    TEST_MAIN_END;
}
