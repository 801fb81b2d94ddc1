/*
 * test_core_verify.c - lists with "verify": they are answered once every VM was listed and every device read, in their
 * time in any case, and say what is not known.
 */
#include "core_story.h"

static void list_as(enum role role, bool all) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r = (struct request){.kind = REQ_LIST, .all = all, .verify = true, .client = {.index = 3, .gen = 9}};
    r.who.role = role;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

static bool answered(void) {
    const struct action *a = action(ACT_REPLY_PARTS);
    return a != NULL && a->client.index == 3 && a->client.gen == 9;
}

/* The answer to the reading of this device. */
static void read_device(const char *name, bool claimed, bool unread) {
    static struct device d;
    int i = slot_find(&core, name);
    CHECK(i >= 0);
    d = core.slot[i >= 0 ? i : 0].dev;
    d.claimed = claimed;
    struct fact f = {.kind = FACT_DEVICE, .device = &d, .unread = unread};
    step(&f);
}

static void uncertain_is(const char *expected) {
    char text[VH_ERROR_MAX];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    core_uncertain(&core, &core.slot[0], &sb);
    CHECK_STR(text, expected);
}

static void two_vms(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
}

static void it_is_answered_once_all_have_answered(void) {
    two_vms();
    plug("1-1", 5, 7); /* no rule */
    list_as(ROLE_ADMIN, true);
    CHECK(!answered() && op(OP_LIST, 0) != NULL && op(OP_LIST, 1) != NULL);
    CHECK(action(ACT_LOOK) != NULL && action(ACT_LOOK)->slot == 0);
    uncertain_is("VM 'a' has not answered; VM 'b' has not answered; the device has not answered");
    done(0, OP_OK);
    CHECK(!answered());
    read_device("1-1", true, true); /* a fact without a reading is no answer */
    CHECK(!answered());
    read_device("1-1", true, false);
    CHECK(!answered());
    uncertain_is("VM 'b' has not answered");
    done(1, OP_OK);
    CHECK(answered() && core.slot[0].dev.claimed);
    uncertain_is("");
    list_as(ROLE_OPERATOR, true);
    CHECK(!answered());
}

static void nothing_to_ask_is_answered_at_once(void) {
    begin(false);
    list_as(ROLE_ADMIN, true);
    CHECK(answered());
    plug("1-1", 5, 7);
    list_as(ROLE_ADMIN, false); /* which does not show it */
    CHECK(answered() && action(ACT_LOOK) == NULL);
}

static void it_is_answered_in_its_time(void) {
    two_vms();
    plug("1-1", 5, 7);
    list_as(ROLE_ADMIN, true);
    done(0, OP_OK);
    CHECK(core_deadline(&core) <= ms_to_ns(VH_T_VERIFY));
    wait_ms(VH_T_VERIFY - 1);
    CHECK(!answered());
    wait_ms(1);
    CHECK(answered());
    uncertain_is("VM 'b' has not answered; the device has not answered");
    read_device("1-1", false, false);
    uncertain_is("VM 'b' has not answered");
}

/* Its answer may have been on its way already. */
static void a_listing_that_was_under_way_does_not_do(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 0);
    CHECK(op(OP_LIST, 0) != NULL);
    list_as(ROLE_ADMIN, true);
    done(0, OP_OK);
    CHECK(!answered() && op(OP_LIST, 0) != NULL);
    done(0, OP_OK);
    CHECK(answered());
}

static void a_vm_that_goes_down_has_answered(void) {
    two_vms();
    list_as(ROLE_ADMIN, true);
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(!answered());
    vm_fact_of(FACT_VM_DOWN, 1);
    CHECK(answered());
}

static void what_a_vm_lists_is_not_blocked(void) {
    const struct vmm_found its = {.busnum = 1, .devnum = 5};
    two_vms();
    plug("1-1", 5, 7);
    list_as(ROLE_ADMIN, true);
    read_device("1-1", false, false);
    done_with(0, OP_OK, "", &its, 1);
    done(1, OP_OK);
    read_again(false);
    uncertain_is("VM 'a' lists it");
}

static void one_in_flux_is_waited_for(void) {
    struct fact seen = {.kind = FACT_SEEN, .sys_name = "1-1"};
    begin(false);
    plug("1-1", 5, 7);
    list_as(ROLE_ADMIN, true);
    step(&seen);
    CHECK(!answered());
    read_device("1-1", false, false);
    CHECK(answered());
    list_as(ROLE_ADMIN, true);
    unplug("1-1");
    CHECK(answered());
}

static void it_is_read_after_what_is_under_way(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    list_as(ROLE_ADMIN, true);
    CHECK(core.slot[0].op == OP_ATTACH && action(ACT_LOOK) == NULL);
    done(0, OP_OK);
    CHECK(action(ACT_LOOK) != NULL && op(OP_LIST, 0) != NULL);
}

static void others_get_what_is_known(void) {
    two_vms();
    list_as(ROLE_OBSERVER, true);
    CHECK(answered() && op(OP_LIST, 0) == NULL);
    list_as(ROLE_GUEST, true);
    CHECK(answered() && op(OP_LIST, 0) == NULL);
}

static void a_client_that_has_gone_is_not_answered(void) {
    struct fact gone = {.kind = FACT_CLIENT_GONE, .client = {.index = 3, .gen = 9}};
    two_vms();
    list_as(ROLE_ADMIN, true);
    step(&gone);
    done(0, OP_OK);
    done(1, OP_OK);
    CHECK(action(ACT_REPLY_PARTS) == NULL);
    for (int k = 0; k < VH_MAX_CLIENTS; k++)
        CHECK(!core.verify[k].used);
}

int main(void) {
    RUN(it_is_answered_once_all_have_answered);
    RUN(nothing_to_ask_is_answered_at_once);
    RUN(it_is_answered_in_its_time);
    RUN(a_listing_that_was_under_way_does_not_do);
    RUN(a_vm_that_goes_down_has_answered);
    RUN(what_a_vm_lists_is_not_blocked);
    RUN(one_in_flux_is_waited_for);
    RUN(it_is_read_after_what_is_under_way);
    RUN(others_get_what_is_known);
    RUN(a_client_that_has_gone_is_not_answered);
    TEST_MAIN_END;
}
