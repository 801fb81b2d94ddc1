/*
 * test_core_revoke.c - core_revoke.c: nobody gets a device before what its last VM has of it is dead, and it is bound
 * again unless somebody has taken it away.
 */
#include "base/str.h"
#include "core_story.h"
#include "devices.h"

#define HELD(name) "{\"name\": \"" name "\", \"type\": \"qemu\", \"socket\": \"/run/" name "\"}"
#define RULES                                                                                               \
    "\"usbPassthrough\": [{\"targetVm\": \"a\", \"tag\": \"input\", \"allow\": [{\"interfaceClass\": 3}]}," \
    "{\"allowedVms\": [\"a\", \"b\"], \"tag\": \"disk\", \"resetOnRelease\": false, \"allow\": "            \
    "[{\"interfaceClass\": 8}]}]}"

static const char both[] = "{\"vms\": [" HELD("a") ", " HELD("b") "], " RULES;
static const char b_is_trusted[] = "{\"vms\": [" HELD("a") ", " VM("b") "], " RULES;
static const char no_rules[] = "{\"vms\": [" HELD("a") ", " HELD("b") "]}";

static void begin_with(const char *json) {
    memset(&core, 0, sizeof core);
    core_init(&core, other_conf(json), false);
    core_earlier(&core, NULL, 0);
    now = 0;
    vm_up(0);
    vm_up(1);
}

static const struct action *revoked_at(int slot) {
    const struct action *a = action(ACT_REVOKE);
    return a != NULL && a->slot == slot && a->token == core.slot[slot].plug ? a : NULL;
}

static void revoked(bool ok) {
    struct fact f = {
        .kind = FACT_REVOKED, .token = core.slot[0].plug, .ok = ok, .text = ok ? "" : "unbind: Permission denied"};
    step(&f);
}

static void given_back(bool ok) {
    struct fact f = {.kind = FACT_RELEASED, .token = core.slot[0].plug, .ok = ok};
    CHECK(core.slot[0].releasing);
    step(&f);
}

static void read_as(enum binding binding) {
    dev.binding = binding;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

static const char *taken(void) {
    static char why[VH_ERROR_MAX];
    struct sbuf sb;
    why[0] = '\0';
    sb_init(&sb, why, sizeof why);
    const char *word = core_taken(&core, &core.slot[0], &sb);
    return word == NULL ? "" : why[0] != '\0' ? why : word;
}

static void hid_in_a(void) {
    begin_with(both);
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(core.slot[0].holders == 1);
    CHECK_STR(taken(), "");
}

static void a_detach_is_revoked_first_and_stays_unbound(void) {
    hid_in_a();
    ask(REQ_DETACH, 5, "");
    CHECK(revoked_at(0) != NULL && op(OP_DETACH, 0) == NULL && !replied(true));
    CHECK_STR(taken(), "not_taken");
    now += 7 * VH_NSEC_PER_MSEC;
    revoked(true);
    CHECK(op(OP_DETACH, 0) != NULL && core.slot[0].holders == 0);
    CHECK_STR(taken(), "revoked");
    done(0, OP_OK);
    CHECK(replied(true) && action(ACT_RELEASE)->reset && !action(ACT_RELEASE)->bind);
    given_back(true);
    CHECK(core.slot[0].unbound && core.slot[0].disconnected);
    wait_ms(60000);
    CHECK(action(ACT_RELEASE) == NULL);
    CHECK(core.stats.revoked == 1 && core.stats.revoke_ms == 7 && core.stats.revoke_max_ms == 7);
    ask(REQ_ATTACH, 5, "");
    CHECK(op(OP_ATTACH, 0) == NULL && action(ACT_RELEASE)->bind && !action(ACT_RELEASE)->reset);
    given_back(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true));
    CHECK_STR(taken(), "");
}

static void a_detach_that_is_not_certain_says_so(void) {
    hid_in_a();
    ask(REQ_DETACH, 5, "");
    revoked(false);
    CHECK(op(OP_DETACH, 0) != NULL); /* an honest VM gives it back */
    done(0, OP_OK);
    CHECK_STR(refusal(), "it is taken away, but not certainly: unbind: Permission denied");
    CHECK(core.slot[0].disconnected && core.slot[0].holders == 1 && core.stats.revoke_failed == 1);
    CHECK_STR(taken(), "unbind: Permission denied");
    CHECK(action(ACT_RELEASE) == NULL); /* neither is it reset, nor does the host get it */
    wait_ms(VH_T_RETRY_MAX);
    CHECK(revoked_at(0) != NULL);
    revoked(true);
    CHECK(action(ACT_RELEASE) != NULL);
    CHECK_STR(taken(), "revoked");
}

static void stick_in_a(const char *json) {
    begin_with(json);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    CHECK(core.slot[0].vm == 0);
}

static void a_move_waits_until_it_is_certain(void) {
    stick_in_a(both);
    ask(REQ_ATTACH, 5, "b");
    CHECK(revoked_at(0) != NULL && op(OP_DETACH, 0) == NULL);
    revoked(true);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 1) == NULL && action(ACT_RELEASE)->bind && !action(ACT_RELEASE)->reset);
    given_back(false);
    CHECK(op(OP_ATTACH, 1) == NULL);
    wait_ms(VH_T_RETRY_MIN);
    CHECK(action(ACT_RELEASE)->bind);
    given_back(true);
    CHECK(op(OP_ATTACH, 1) != NULL);
    done(1, OP_OK);
    CHECK(replied(true) && core.slot[0].holders == 2);
}

static void a_move_that_is_not_certain_is_refused_but_the_last_vm_may_have_it(void) {
    stick_in_a(both);
    ask(REQ_ATTACH, 5, "b");
    revoked(false);
    done(0, OP_OK);
    CHECK_STR(refusal(), "another VM may still use it: unbind: Permission denied");
    CHECK(op(OP_ATTACH, 1) == NULL);
    core.slot[0].orphan = false; /* as if a had only refused it */
    ask(REQ_ATTACH, 5, "a");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_vm_that_is_silent_does_not_stand_against_it(void) {
    hid_in_a();
    ask(REQ_DETACH, 5, "");
    revoked(true);
    done(0, OP_UNKNOWN);
    CHECK(replied(true) && core.slot[0].vm == -1);
    CHECK_STR(taken(), "revoked");
    CHECK(core.vm[0].state == VM_UNKNOWN); /* its id is removed once it is listed */
    released();
    wait_ms(VH_T_RETRY_MIN);
    CHECK(op(OP_LIST, 0) != NULL);
    static const struct vmm_found ours = {.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5};
    done_with(0, OP_OK, "", &ours, 1);
    CHECK(op(OP_DETACH, 0) != NULL && core.slot[0].vm == -1);
    CHECK(core.slot[0].claims == 0); /* what is dead is no claim */
}

static void a_vm_that_dies_is_revoked_too(void) {
    hid_in_a();
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(revoked_at(0) != NULL && action(ACT_RELEASE) == NULL);
    revoked(true);
    CHECK(action(ACT_RELEASE)->reset && action(ACT_RELEASE)->bind && action(ACT_RELEASE)->vm == -1);
    given_back(true);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) != NULL && action(ACT_REVOKE) == NULL);
}

static void a_vm_that_is_down_does_not_get_it_back_before(void) {
    hid_in_a();
    vm_fact_of(FACT_VM_DOWN, 0);
    revoked(false);
    vm_fact_of(FACT_VM_SOCKET, 0); /* another process, perhaps */
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) == NULL);
    wait_ms(VH_T_RETRY_MIN);
    revoked(true);
    given_back(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void what_a_vm_has_lost_is_revoked(void) {
    hid_in_a();
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_OK); /* it lists nothing */
    CHECK(core.slot[0].vm == -1 && revoked_at(0) != NULL);
}

static void what_a_vm_has_refused_goes_to_no_other_before(void) {
    begin_with(both);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_FAILED); /* the descriptor was passed first */
    CHECK(core.slot[0].holders == 1 && revoked_at(0) != NULL);
    done(0, OP_OK);
    ask(REQ_ATTACH, 5, "b");
    CHECK(op(OP_ATTACH, 1) == NULL);
    revoked(true);
    given_back(true);
    CHECK(op(OP_ATTACH, 1) != NULL);
    begin_with(both);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_LOCAL); /* nothing was passed */
    CHECK(core.slot[0].holders == 0 && action(ACT_REVOKE) == NULL);
}

static void suspend_and_resume(void) {
    hid_in_a();
    ask(REQ_SUSPEND, 0, "a");
    CHECK(revoked_at(0) != NULL);
    revoked(true);
    done(0, OP_OK);
    CHECK(replied(true) && action(ACT_RELEASE)->bind); /* nobody has taken it away: it is the host's meanwhile */
    given_back(true);
    ask(REQ_RESUME, 0, "a");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_resume_in_the_middle_takes_it_out_first(void) {
    hid_in_a();
    ask(REQ_SUSPEND, 0, "a");
    ask(REQ_RESUME, 0, "a");
    revoked(false); /* perhaps its transfers are ended, and perhaps more */
    CHECK(core.slot[0].cut && op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(!core.slot[0].cut);
}

static void a_trusted_vm_is_believed(void) {
    stick_in_a(b_is_trusted);
    ask(REQ_ATTACH, 5, "b");
    revoked(true);
    done(0, OP_OK);
    given_back(true);
    done(1, OP_OK);
    CHECK(core.slot[0].vm == 1 && core.slot[0].holders == 0);
    ask(REQ_DETACH, 5, "");
    CHECK(action(ACT_REVOKE) == NULL && op(OP_DETACH, 1) != NULL);
    done(1, OP_OK);
    CHECK(replied(true));
    CHECK_STR(taken(), "VM 'b' is trusted to have given it back");
}

static void a_new_configuration_trusts_it_no_more(void) {
    stick_in_a(b_is_trusted);
    ask(REQ_ATTACH, 5, "b");
    revoked(true);
    done(0, OP_OK);
    given_back(true);
    done(1, OP_OK);
    reload(both);
    CHECK(core.slot[0].holders == 2);
    ask(REQ_DETACH, 5, "");
    CHECK(revoked_at(0) != NULL);
}

static void a_rule_that_goes_revokes(void) {
    hid_in_a();
    reload(no_rules);
    CHECK(revoked_at(0) != NULL);
    revoked(true);
    done(0, OP_OK);
    CHECK(action(ACT_RELEASE)->bind && action(ACT_RELEASE)->reset);
}

static void an_answer_that_comes_too_late_counts_when_it_is_seen(void) {
    hid_in_a();
    ask(REQ_DETACH, 5, "");
    revoked(false);
    done(0, OP_OK);
    read_as(BINDING_NONE);
    CHECK(core.slot[0].revoke == REVOKE_CERTAIN && core.slot[0].holders == 0 && core.slot[0].unbound);
    revoked(false); /* nobody waits for that */
    CHECK(core.slot[0].revoke == REVOKE_CERTAIN);
    given_back(true);
    read_as(BINDING_DRIVER); /* somebody has bound it by hand */
    CHECK(!core.slot[0].unbound);
}

static void what_was_unplugged_needs_nothing(void) {
    hid_in_a();
    ask(REQ_DETACH, 5, "");
    unplug("1-1");
    CHECK(op(OP_DETACH, 0) != NULL);
    revoked(true);
    done(0, OP_OK);
    CHECK(action(ACT_RELEASE) == NULL);
}

/* ---- a daemon that ends in between ---- */

static void start_again(const struct assigned *rows, int n, bool unknown, enum binding binding) {
    memset(&core, 0, sizeof core);
    core_init(&core, other_conf(both), true);
    if (!unknown)
        core_earlier(&core, rows, n);
    now = 0;
    vm_fact_of(FACT_VM_SOCKET, 0);
    vm_fact_of(FACT_VM_DOWN, 1);
    device_make(&dev, "1-1", 1, 5, 8);
    dev.incarnation = 77;
    dev.settled = true;
    dev.binding = binding;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = true};
    step(&f);
}

static void an_unbound_device_is_bound_at_the_start(void) {
    static const struct assigned row = {.sys_name = "1-1", .incarnation = 77, .vms = 1};
    start_again(&row, 1, false, BINDING_NONE);
    CHECK(revoked_at(0) != NULL && revoked_at(0)->bind && action(ACT_RELEASE) == NULL && core.slot[0].holders == 1);
    revoked(true);
    CHECK(action(ACT_RELEASE) != NULL && action(ACT_RELEASE)->bind && core.slot[0].holders == 0);
    given_back(true);
    static const struct vmm_found ours = {.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5};
    done_with(0, OP_OK, "", &ours, 1);
    CHECK(core.slot[0].vm == -1 && op(OP_DETACH, 0) != NULL); /* what the VM has is dead */
    start_again(NULL, 0, false, BINDING_NONE);
    CHECK(action(ACT_REVOKE) == NULL && action(ACT_RELEASE)->bind); /* nobody had it */
    CHECK_STR(taken(), "revoked");
}

/* No loss of a driver is to come that would end what was opened without one. */
static void a_reading_without_a_driver_shows_nothing_if_none_was_seen(void) {
    static const struct assigned row = {.sys_name = "1-1", .incarnation = 77, .vms = 2};
    start_again(&row, 1, false, BINDING_NONE);
    revoked(false);
    read_as(BINDING_NONE);
    CHECK(core.slot[0].holders == 2 && action(ACT_RELEASE) == NULL);
    CHECK_STR(taken(), "unbind: Permission denied");
    wait_ms(VH_T_RETRY_MIN);
    CHECK(revoked_at(0)->bind);
    revoked(false);
    read_as(BINDING_DRIVER);
    wait_ms(VH_T_RETRY_MAX);
    CHECK(!revoked_at(0)->bind);
    revoked(false);
    read_as(BINDING_NONE); /* that loss has ended all of them */
    CHECK(core.slot[0].holders == 0);
    CHECK_STR(taken(), "revoked");
}

static void without_a_record_one_without_a_driver_is_revoked_all_the_same(void) {
    start_again(NULL, 0, true, BINDING_NONE);
    CHECK(core.slot[0].suspect && revoked_at(0)->bind);
    done(0, OP_OK);
    CHECK(op(OP_ATTACH, 0) == NULL);
    revoked(true);
    given_back(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void what_was_noted_is_held_until_it_is_revoked(void) {
    static const struct assigned row = {.sys_name = "1-1", .incarnation = 77, .vms = 2};
    start_again(&row, 1, false, BINDING_DRIVER);
    CHECK(core.slot[0].holders == 2 && revoked_at(0) != NULL); /* its VM is down: what is left of it may hold it */
    CHECK((core_may_have(&core, 0) & 2) != 0);
    start_again(NULL, 0, false, BINDING_DRIVER);
    CHECK(core.slot[0].holders == 0 && action(ACT_REVOKE) == NULL && !core.slot[0].suspect);
}

/* Unlike the loss of the record, this speaks against giving it away before it is certain. */
static void what_a_vm_had_that_is_configured_no_more_is_held(void) {
    static const struct assigned row = {.sys_name = "1-1", .incarnation = 77, .more = ASSIGNED_GONE};
    start_again(&row, 1, false, BINDING_DRIVER);
    CHECK(core.slot[0].stray && revoked_at(0) != NULL && core_stray(&core, 0) && core_may_have(&core, 0) == 0);
    done(0, OP_OK);
    revoked(false);
    CHECK(op(OP_ATTACH, 0) == NULL && action(ACT_RELEASE) == NULL);
    CHECK_STR(taken(), "unbind: Permission denied");
    wait_ms(VH_T_RETRY_MIN);
    revoked(true);
    CHECK(!core.slot[0].stray && action(ACT_RELEASE)->bind);
    given_back(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void without_a_record_it_is_revoked_before_it_is_given_away(void) {
    start_again(NULL, 0, true, BINDING_DRIVER);
    CHECK(core.slot[0].suspect && action(ACT_REVOKE) == NULL);
    done(0, OP_OK);
    CHECK(revoked_at(0) != NULL && op(OP_ATTACH, 0) == NULL);
    revoked(false);
    CHECK(op(OP_ATTACH, 0) != NULL); /* nothing speaks against it */
}

static void at_the_end_it_is_bound_first(void) {
    struct fact f = {.kind = FACT_STOP};
    hid_in_a();
    step(&f);
    CHECK(revoked_at(0) != NULL);
    revoked(true);
    done(0, OP_OK);
    CHECK(core_holds(&core));
    given_back(true);
    CHECK(!core_holds(&core));
}

int main(void) {
    RUN(a_detach_is_revoked_first_and_stays_unbound);
    RUN(a_detach_that_is_not_certain_says_so);
    RUN(a_move_waits_until_it_is_certain);
    RUN(a_move_that_is_not_certain_is_refused_but_the_last_vm_may_have_it);
    RUN(a_vm_that_is_silent_does_not_stand_against_it);
    RUN(a_vm_that_dies_is_revoked_too);
    RUN(a_vm_that_is_down_does_not_get_it_back_before);
    RUN(what_a_vm_has_lost_is_revoked);
    RUN(what_a_vm_has_refused_goes_to_no_other_before);
    RUN(suspend_and_resume);
    RUN(a_resume_in_the_middle_takes_it_out_first);
    RUN(a_trusted_vm_is_believed);
    RUN(a_new_configuration_trusts_it_no_more);
    RUN(a_rule_that_goes_revokes);
    RUN(an_answer_that_comes_too_late_counts_when_it_is_seen);
    RUN(what_was_unplugged_needs_nothing);
    RUN(an_unbound_device_is_bound_at_the_start);
    RUN(a_reading_without_a_driver_shows_nothing_if_none_was_seen);
    RUN(without_a_record_one_without_a_driver_is_revoked_all_the_same);
    RUN(what_was_noted_is_held_until_it_is_revoked);
    RUN(what_a_vm_had_that_is_configured_no_more_is_held);
    RUN(without_a_record_it_is_revoked_before_it_is_given_away);
    RUN(at_the_end_it_is_bound_first);
    TEST_MAIN_END;
}
