/*
 * test_core_remembered.c - core_remembered.c: which remembered entry belongs to a device, by vendor, product, serial
 * number and port, with devices that look alike; and decisions about several devices at once.
 */
#include "core_story.h"
#include "devices.h"

#include <stdlib.h>

static struct remembered *remember(int i, const char *serial, const char *port, const char *vm, enum role by) {
    struct remembered *m = &core.remembered.m[i];
    *m = (struct remembered){
        .used = true, .vid = 0x1234, .pid = 8, .file.by = by, .now.by = by, .stamp = ++core.remembered.stamp};
    snprintf(m->serial, sizeof m->serial, "%s", serial);
    snprintf(m->port, sizeof m->port, "%s", port);
    snprintf(m->vm, sizeof m->vm, "%s", vm);
    m->vm_by = vm[0] != '\0' ? ROLE_OPERATOR : ROLE_NONE;
    return m;
}

/* A stick that either VM may have. */
static void plug_stick(const char *name, int devnum, uint16_t vid, const char *serial) {
    static uint64_t incarnation = 5000;
    device_make(&dev, name, 1, (unsigned)devnum, 8);
    dev.incarnation = ++incarnation;
    dev.serial = serial;
    dev.vid = vid;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

static void two_vms(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
}

/* ---- whose memory ---- */

static void another_makers_device_with_that_serial_is_another_device(void) {
    two_vms();
    remember(0, "X", "1-1", "b", ROLE_NONE);
    plug_stick("1-1", 5, 0x4321, "X");
    CHECK(op(OP_ATTACH, 1) == NULL && event(EV_SELECT_VM) != NULL);
    plug_stick("1-2", 6, 0x1234, "X");
    CHECK(op(OP_ATTACH, 1) != NULL && op(OP_ATTACH, 1)->slot == 1);
}

/* The older daemons remember no ports. */
static void another_daemons_memory_is_of_any_port(void) {
    two_vms();
    remember(0, "", "", "b", ROLE_NONE);
    plug_stick("1-1", 5, 0x1234, "");
    CHECK(op(OP_ATTACH, 1) != NULL);
    two_vms();
    remember(0, "X", "", "", ROLE_ADMIN);
    plug_stick("1-1", 5, 0x1234, "X");
    CHECK(core.slot[0].disconnected && op(OP_ATTACH, 1) == NULL);
}

/* The Python daemon has serial numbers as udev writes them. */
static void another_daemons_form_of_a_serial_is_understood(void) {
    static const char *const cases[][2] = {{"A B", "A_B"}, {"\xe6\xbc\xa2", ""}, {"A/B", "A_B"}, {" A_B", "A_B"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        two_vms();
        remember(0, cases[i][1], "", "b", ROLE_NONE);
        plug_stick("1-1", 5, 0x1234, cases[i][0]);
        CHECK(op(OP_ATTACH, 1) != NULL);
        two_vms();
        remember(0, cases[i][1], "", "", ROLE_ADMIN);
        plug_stick("1-1", 5, 0x1234, cases[i][0]);
        CHECK(core.slot[0].disconnected && op(OP_ATTACH, 1) == NULL);
        two_vms();
        remember(0, cases[i][1], "1-1", "b", ROLE_ADMIN); /* our own: it is another device */
        plug_stick("1-1", 5, 0x1234, cases[i][0]);
        CHECK(!core.slot[0].disconnected && event(EV_SELECT_VM) != NULL);
    }
}

/* Once something is remembered of the device, it is known by its own serial number. */
static void another_daemons_memory_becomes_ours(void) {
    two_vms();
    remember(0, "A_B", "", "b", ROLE_NONE);
    plug_stick("1-1", 5, 0x1234, "A B");
    done(1, OP_OK);
    ask(REQ_ATTACH, 5, "a");
    done(1, OP_OK);
    released();
    done(0, OP_OK);
    CHECK(replied(true));
    CHECK(core.remembered.m[0].used && !core.remembered.m[1].used);
    CHECK_STR(core.remembered.m[0].serial, "A B");
    CHECK_STR(core.remembered.m[0].port, "1-1");
    two_vms();
    remember(0, "A_B", "", "", ROLE_OPERATOR);
    plug_stick("1-1", 5, 0x1234, "A B");
    plug_stick("1-2", 6, 0x1234, "A/B"); /* the older daemon takes both for one: the other one stays away */
    ask(REQ_ATTACH, 5, "a");
    CHECK(!core.slot[0].disconnected && core.slot[1].disconnected);
}

static void of_two_memories_the_younger_counts(void) {
    two_vms();
    remember(0, "X", "1-8", "a", ROLE_NONE);
    remember(1, "X", "1-9", "b", ROLE_NONE);
    plug_stick("1-1", 5, 0x1234, "X");
    CHECK(op(OP_ATTACH, 1) != NULL);
    two_vms();
    remember(1, "X", "1-8", "a", ROLE_NONE);
    remember(0, "X", "1-9", "b", ROLE_NONE);
    plug_stick("1-1", 5, 0x1234, "X");
    CHECK(op(OP_ATTACH, 1) != NULL);
}

/* ---- what is not fully known yet ---- */

static void a_resume_does_not_wait_for_another_makers_device(void) {
    two_vms();
    struct remembered *m = remember(0, "X", "1-1", "", ROLE_NONE);
    snprintf(m->suspended, sizeof m->suspended, "a");
    plug_stick("1-1", 5, 0x4321, "");
    dev.settled = false;
    dev.incarnation++;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    ask(REQ_RESUME, 0, "");
    CHECK(replied(true) && !m->used);
}

static void a_resume_of_one_vm_leaves_what_is_away_of_another(void) {
    two_vms();
    struct remembered *m = remember(0, "X", "1-1", "", ROLE_NONE);
    snprintf(m->suspended, sizeof m->suspended, "a");
    ask(REQ_RESUME, 0, "b");
    CHECK(replied(true) && m->used);
    ask(REQ_RESUME, 0, "a");
    CHECK(replied(true) && !m->used);
}

/* ---- a choice that turns out to be somebody's ---- */

/* A serial number of two devices identifies neither; once one is gone, the admin's decision is about the other. */
static void a_request_that_waits_ends_when_a_higher_choice_turns_up(void) {
    two_vms();
    plug_stick("1-2", 6, 0x1234, "X");
    ask(REQ_ATTACH, 6, "a");
    done(0, OP_OK);
    plug("1-9", 9, 14);
    CHECK(op(OP_ATTACH, 1) != NULL); /* b is busy with something else */
    plug_stick("1-3", 7, 0x1234, "X");
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 7, "b");
    CHECK(action(ACT_REPLY) == NULL);
    unplug("1-2");
    CHECK(replied(false));
    CHECK_STR(refusal(), "it was given to VM 'a' by a higher role");
}

static void a_request_goes_on_where_a_higher_choice_is_the_same(void) {
    two_vms();
    plug_stick("1-2", 6, 0x1234, "X");
    ask(REQ_ATTACH, 6, "a");
    done(0, OP_OK);
    unplug("1-2");
    CHECK(op(OP_DETACH, 0) != NULL); /* the leaving slot first */
    plug_stick("1-3", 7, 0x1234, "X");
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 7, "a");
    CHECK(action(ACT_REPLY) == NULL);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true));
}

/* ---- decisions about several ---- */

static void detach_on_bus(const char *tag) {
    static struct request r;
    r = (struct request){.kind = REQ_DETACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    r.sel = (struct selector){.by_tag = true, .by_bus = true, .bus = 1};
    snprintf(r.sel.tag, sizeof r.sel.tag, "%s", tag);
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

/* Every device that can be detached is, in any order, and the reply names the others. */
static void what_cannot_be_taken_away_does_not_keep_the_others(void) {
    for (int foreign = 5; foreign <= 6; foreign++) {
        two_vms();
        plug("1-1", 5, 8);
        plug("1-2", 6, 8);
        ask(REQ_ATTACH, 11 - foreign, "a");
        done(0, OP_OK);
        struct vmm_found found = {.id = "kbd", .busnum = 1, .devnum = (uint8_t)foreign};
        vm_fact_of(FACT_VM_SOCKET, 1);
        done_with(1, OP_OK, "", &found, 1);
        read_again(true);
        detach_on_bus("disk");
        CHECK(op(OP_DETACH, 0) != NULL);
        read_again(true);
        done(0, OP_OK);
        CHECK(replied(false));
        CHECK_STR(refusal(), "somebody else attached it to VM 'b': it has to be taken out there");
        CHECK_INT(core.slot[foreign - 5].disconnected, true); /* the decision holds when it is given back */
        CHECK_INT(core.slot[6 - foreign].disconnected, true);
        CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_NONE); /* the decision was not about the tag */
    }
}

/* The device has a lease and no rule: only a decision about the device itself keeps it away. */
static void a_decision_about_a_leased_device_is_lifted(void) {
    static struct conf leasing;
    const char json[] =
        "{\"vms\": [" VM("a") "], \"general\": "
                              "{\"leaseSeconds\": 5}, \"usbPassthrough\": [{\"targetVm\": \"a\", \"allow\": "
                              "[{\"interfaceClass\": 3}]}]}";
    if (leasing.nvms == 0 && !conf_parse(&leasing, json, sizeof json - 1, no_diag, NULL))
        exit(1);
    begin(false);
    core.conf = &leasing;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    unplug("1-1");
    done(0, OP_OK);
    plug("1-1", 6, 2);
    done(0, OP_OK);
    CHECK(core.slot[0].vm == 0 && core.slot[0].rule == -1);
    ask(REQ_DETACH, 6, "");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].disconnected);
    released();
    ask(REQ_ATTACH, 6, "");
    CHECK(op(OP_ATTACH, 0) != NULL && !core.slot[0].disconnected);
    dev.malformed = "bLength 0";
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    done(0, OP_OK);
    CHECK(op(OP_DETACH, 0) != NULL); /* a lease does not cover malformed descriptors */
    done(0, OP_OK);
    CHECK_STR(core_guest_reason(&core, &core.slot[0], 0), "stays with the host");
    ask_as(ROLE_GUEST, REQ_ATTACH, 6, "");
    CHECK_STR(refusal(), "/dev/bus/usb/001/006 stays with the host");
}

/* ---- a decision is never moved, narrowed or dropped by a lesser one ---- */

static const struct slot *at_port(const char *name) {
    int i = slot_find(&core, name);
    CHECK(i >= 0);
    return &core.slot[i >= 0 ? i : 0];
}

static void a_redundant_detach_of_a_twin_leaves_the_other_away(void) {
    static const enum role authors[] = {ROLE_OPERATOR, ROLE_ADMIN};
    for (int k = 0; k < 2; k++) {
        two_vms();
        remember(0, "", "", "", authors[k]); /* of an older daemon: any port */
        plug_stick("1-1", 5, 0x1234, "");
        plug_stick("1-2", 6, 0x1234, "");
        ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
        CHECK(replied(true));
        CHECK(at_port("1-1")->disconnected_by == authors[k] && at_port("1-2")->disconnected_by == authors[k]);
        unplug("1-2");
        plug_stick("1-2", 7, 0x1234, "");
        CHECK_INT(at_port("1-2")->disconnected_by, authors[k]);
    }
}

static void a_higher_detach_of_a_twin_leaves_the_other_as_it_was(void) {
    two_vms();
    remember(0, "", "", "a", ROLE_OPERATOR);
    plug_stick("1-1", 5, 0x1234, "");
    plug_stick("1-2", 6, 0x1234, "");
    ask_as(ROLE_ADMIN, REQ_DETACH, 5, "");
    CHECK(at_port("1-1")->disconnected_by == ROLE_ADMIN && at_port("1-2")->disconnected_by == ROLE_OPERATOR);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    CHECK(replied(false));
    ask_as(ROLE_ADMIN, REQ_ATTACH, 5, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true) && !at_port("1-1")->disconnected && at_port("1-2")->disconnected_by == ROLE_OPERATOR);
    unplug("1-2");
    plug_stick("1-2", 7, 0x1234, "");
    CHECK_INT(at_port("1-2")->disconnected_by, ROLE_OPERATOR);
}

/* Two devices have one serial number. */
static void a_detach_where_a_device_is_now_leaves_the_decision_where_it_was(void) {
    two_vms();
    remember(0, "X", "1-1", "", ROLE_OPERATOR);
    plug_stick("1-2", 6, 0x1234, "X");
    CHECK_INT(at_port("1-2")->disconnected_by, ROLE_OPERATOR);
    ask_as(ROLE_ADMIN, REQ_DETACH, 6, "");
    CHECK(replied(true));
    plug_stick("1-1", 5, 0x1234, "X");
    CHECK(at_port("1-1")->disconnected_by == ROLE_OPERATOR && at_port("1-2")->disconnected_by == ROLE_ADMIN);
}

static void an_exemption_is_of_one_plug_whatever_its_number(void) {
    begin(false);
    vm_up(0);
    ask_tag(ROLE_OPERATOR, REQ_DETACH, "input");
    plug("1-1", 5, 3);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].vm == 0);
    unplug("1-1");
    done(0, OP_OK);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    plug("1-1", 5, 3); /* the same number again */
    CHECK_INT(at_port("1-1")->disconnected_by, ROLE_ADMIN);
    CHECK(op(OP_ATTACH, 0) == NULL);
}

#define TAGGED(tag)                                                                                    \
    "{\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": [{\"targetVm\": \"a\", \"tag\": \"" tag \
                                       "\", \"allow\": [{\"interfaceClass\": 3}]}]}"

static void a_tag_that_is_renamed_gives_nothing_back(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    saved(true);
    done(0, OP_OK);
    released();
    reload(TAGGED("keys"));
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].disconnected_by == ROLE_ADMIN);
    saved(true);
    CHECK(core.remembered.m[0].used && core.remembered.m[0].now.by == ROLE_ADMIN);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    CHECK(replied(false));
    ask_as(ROLE_ADMIN, REQ_ATTACH, 5, "");
    saved(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* It is of the operator's word about another tag. */
static void an_exemption_is_none_from_a_higher_roles_decision(void) {
    begin(false);
    vm_up(0);
    ask_tag(ROLE_OPERATOR, REQ_DETACH, "input");
    ask_tag(ROLE_ADMIN, REQ_DETACH, "disk");
    plug("1-1", 5, 3);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "");
    done(0, OP_OK);
    CHECK(core.slot[0].vm == 0);
    reload(TAGGED("disk"));
    CHECK(core.slot[0].disconnected_by == ROLE_ADMIN && op(OP_DETACH, 0) != NULL);
}

static void fill(enum role by, int n) {
    for (int i = 0; i < n; i++) {
        char serial[32];
        snprintf(serial, sizeof serial, "away %d", i);
        (void)remember(i, serial, "1-9", "", by);
    }
}

static int count(enum role by) {
    int n = 0;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        n += core.remembered.m[i].used && core.remembered.m[i].now.by == by;
    return n;
}

static void decisions_of_operators_never_keep_an_admin_from_deciding(void) {
    two_vms();
    plug_stick("1-1", 5, 0x1234, "A");
    plug_stick("1-2", 6, 0x1234, "B");
    plug_stick("1-3", 7, 0x1234, "C");
    fill(ROLE_OPERATOR, VH_MAX_REMEMBERED - 1);
    ask_as(ROLE_OPERATOR, REQ_DETACH, 5, "");
    CHECK_STR(refusal(), "too many decisions are remembered: attach some devices again first");
    ask_as(ROLE_ADMIN, REQ_DETACH, 6, "");
    CHECK(replied(true) && at_port("1-2")->disconnected_by == ROLE_ADMIN);
    const struct action *a = action(ACT_DROPPED); /* the newest, and it is said */
    CHECK(a != NULL && a->by == ROLE_OPERATOR && a->vid == 0x1234 && str_eq(a->name, "1-9"));
    CHECK(count(ROLE_OPERATOR) == VH_MAX_REMEMBERED - 2 && count(ROLE_ADMIN) == 1);
    CHECK(!core.remembered.m[VH_MAX_REMEMBERED - 2].used);
    ask_as(ROLE_ADMIN, REQ_DETACH, 7, "");
    CHECK(replied(true) && count(ROLE_OPERATOR) == VH_MAX_REMEMBERED - 3);
}

static void what_is_displaced_holds_until_the_decision_is_saved(void) {
    two_vms();
    core.persist = true;
    plug_stick("1-1", 5, 0x1234, "A");
    fill(ROLE_OPERATOR, VH_MAX_REMEMBERED - 1);
    ask_as(ROLE_ADMIN, REQ_DETACH, 5, "");
    CHECK(action(ACT_DROPPED) == NULL && count(ROLE_OPERATOR) == VH_MAX_REMEMBERED - 1);
    saved(false);
    CHECK(replied(false) && action(ACT_DROPPED) == NULL && !core.slot[0].disconnected);
    CHECK_INT(count(ROLE_OPERATOR), VH_MAX_REMEMBERED - 1);
    ask_as(ROLE_ADMIN, REQ_DETACH, 5, "");
    saved(true);
    CHECK(action(ACT_DROPPED) != NULL && count(ROLE_OPERATOR) == VH_MAX_REMEMBERED - 2);
}

static void tags_of_operators_never_keep_an_admin_from_deciding(void) {
    two_vms();
    for (int i = 0; i < VH_MAX_TAG_DECISIONS - 1; i++) {
        struct tag_decision *l = &core.remembered.tag_decision[i];
        l->by = l->now = ROLE_OPERATOR;
        snprintf(l->tag, sizeof l->tag, "of old %d", i);
    }
    ask_tag(ROLE_OPERATOR, REQ_DETACH, "input");
    CHECK_STR(refusal(), "too many tags are kept away: attach some again first");
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    const struct action *a = action(ACT_DROPPED);
    CHECK(a != NULL && a->vid == 0 && a->by == ROLE_OPERATOR && str_starts(a->name, "of old "));
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "input"), ROLE_ADMIN);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "disk");
    CHECK(action(ACT_DROPPED) != NULL && remembered_tag_decision(&core, KIND_USB, "disk") == ROLE_ADMIN);
}

int main(void) {
    RUN(another_makers_device_with_that_serial_is_another_device);
    RUN(another_daemons_memory_is_of_any_port);
    RUN(another_daemons_form_of_a_serial_is_understood);
    RUN(another_daemons_memory_becomes_ours);
    RUN(of_two_memories_the_younger_counts);
    RUN(a_resume_does_not_wait_for_another_makers_device);
    RUN(a_resume_of_one_vm_leaves_what_is_away_of_another);
    RUN(a_request_that_waits_ends_when_a_higher_choice_turns_up);
    RUN(a_request_goes_on_where_a_higher_choice_is_the_same);
    RUN(what_cannot_be_taken_away_does_not_keep_the_others);
    RUN(a_decision_about_a_leased_device_is_lifted);
    RUN(a_redundant_detach_of_a_twin_leaves_the_other_away);
    RUN(a_higher_detach_of_a_twin_leaves_the_other_as_it_was);
    RUN(a_detach_where_a_device_is_now_leaves_the_decision_where_it_was);
    RUN(an_exemption_is_of_one_plug_whatever_its_number);
    RUN(a_tag_that_is_renamed_gives_nothing_back);
    RUN(an_exemption_is_none_from_a_higher_roles_decision);
    RUN(decisions_of_operators_never_keep_an_admin_from_deciding);
    RUN(what_is_displaced_holds_until_the_decision_is_saved);
    RUN(tags_of_operators_never_keep_an_admin_from_deciding);
    TEST_MAIN_END;
}
