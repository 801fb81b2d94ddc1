/*
 * test_core_saving.c - what happens between the save of a decision and its end: anything may.
 */
#include "core_story.h"

static void ended(bool ok) {
    struct fact f = {.kind = FACT_SAVED, .ok = ok, .text = ok ? "" : "the disk does not answer"};
    step(&f);
}

static void ask_by(unsigned client, enum role role, enum request_kind kind, int devnum, const char *tag) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r.kind = kind;
    r.client = (struct client_ref){.index = (uint16_t)client, .gen = 1};
    r.who.role = role;
    r.sel.by_node = devnum > 0;
    r.sel.node_bus = 1;
    r.sel.node_dev = (uint8_t)devnum;
    r.sel.by_tag = tag != NULL;
    snprintf(r.sel.tag, sizeof r.sel.tag, "%s", tag != NULL ? tag : "");
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

static int replies(unsigned client, bool ok) {
    int n = 0;
    for (int i = 0; i < out.n; i++)
        n += out.a[i].kind == ACT_REPLY && out.a[i].client.index == client && out.a[i].client.gen == 1 &&
             out.a[i].ok == ok;
    return n;
}

static int saves(void) {
    int n = 0;
    for (int i = 0; i < out.n; i++)
        n += out.a[i].kind == ACT_SAVE;
    return n;
}

/* A keyboard in VM a, and what is remembered is saved. */
static void keyboard_in_a(void) {
    begin(false);
    core.persist = true;
    vm_up(0);
    vm_up(1);
    plug("1-1", 5, 3);
    done(0, OP_OK);
}

/* The same, but taken away by an admin. */
static void keyboard_taken_away(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    ended(true);
    done(0, OP_OK);
    CHECK(replies(1, true) == 1 && core.slot[0].disconnected);
    released();
}

static enum role on_file(void) {
    return core.remembered.m[0].used ? core.remembered.m[0].file.by : ROLE_NONE;
}

/* ---- the decision ---- */

static void nothing_of_a_decision_holds_before_it_is_saved(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    CHECK(saves() == 1 && out.a[0].kind == ACT_SAVE && on_file() == ROLE_ADMIN);
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f); /* judged again */
    wait_ms(1000);
    CHECK(!core.slot[0].disconnected && core.slot[0].vm == 0 && op(OP_DETACH, 0) == NULL && saves() == 0);
    ended(true);
    CHECK(core.slot[0].disconnected && op(OP_DETACH, 0) != NULL && saves() == 0);
    done(0, OP_OK);
    CHECK_INT(replies(1, true), 1);
}

static void nothing_of_a_lifted_decision_is_lifted_before_it_is_saved(void) {
    keyboard_taken_away();
    ask_by(1, ROLE_ADMIN, REQ_ATTACH, 5, NULL);
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
    CHECK(core.slot[0].disconnected && op(OP_ATTACH, 0) == NULL && on_file() == ROLE_NONE);
    ended(false);
    CHECK(replies(1, false) == 1 && core.slot[0].disconnected && on_file() == ROLE_ADMIN && core.dirty);
}

static void a_decision_that_fails_late_is_undone(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "input");
    wait_ms(VH_T_DISK);
    ended(false);
    CHECK_STR(refusal(), "nothing was changed, because the decision cannot be saved: the disk does not answer");
    CHECK(!core.slot[0].disconnected && core.remembered.tag_decision[0].by == ROLE_NONE);
    struct fact f = {.kind = FACT_DISK_ANSWERS};
    step(&f);
    CHECK_INT(saves(), 1); /* parts of it may have reached the disk */
    ended(true);
    CHECK(!core.dirty && core_deadline(&core) == VH_NEVER);
}

static void a_save_that_nobody_asked_for_changes_nothing(void) {
    keyboard_in_a();
    ended(false);
    CHECK(out.n == 0 && core.stats.save_failed == 0);
}

/* ---- other requests ---- */

static void decisions_wait_for_each_other_in_their_order(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "disk");
    ask_by(2, ROLE_ADMIN, REQ_ATTACH, 0, "disk");
    CHECK(out.n == 0 && core.nwaiting == 1);
    ask_by(4, ROLE_ADMIN, REQ_DETACH, 0, "disk");
    CHECK(out.n == 0 && core.nwaiting == 2);
    ended(true); /* 2 lifts what 1 has decided */
    CHECK(replies(1, true) == 1 && saves() == 1 && core.nwaiting == 1);
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_ADMIN);
    ended(true);
    CHECK(replies(2, true) == 1 && saves() == 1 && core.nwaiting == 0);
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_NONE);
    ended(true);
    CHECK(replies(4, true) == 1 && saves() == 0);
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_ADMIN);
}

static void each_decision_that_waits_gets_its_own_failure(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    ask_by(2, ROLE_ADMIN, REQ_DETACH, 9, NULL); /* no such device */
    ask_by(4, ROLE_ADMIN, REQ_DETACH, 0, "input");
    ended(false);
    CHECK(replies(1, false) == 1 && replies(2, false) == 1 && saves() == 1);
    ended(false);
    CHECK(replies(4, false) == 1 && saves() == 0 && !core.slot[0].disconnected);
}

static void what_decides_nothing_does_not_wait(void) {
    keyboard_in_a();
    plug("1-2", 6, 8);
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    ask_by(2, ROLE_ADMIN, REQ_LIST, 0, NULL);
    CHECK(action(ACT_REPLY_PARTS) != NULL);
    ask_as(ROLE_GUEST, REQ_ATTACH, 6, "");
    CHECK(op(OP_ATTACH, 0) != NULL && core.nwaiting == 0);
    done(0, OP_OK);
    CHECK(replied(true));
}

static void a_guest_does_not_get_around_a_decision(void) {
    keyboard_in_a();
    ask_as(ROLE_GUEST, REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(replied(true));
    released();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    ask_as(ROLE_GUEST, REQ_ATTACH, 5, ""); /* nothing holds yet */
    CHECK(op(OP_ATTACH, 0) != NULL);
    ended(true);
    CHECK(replied(false)); /* pushed aside */
    done(0, OP_OK);
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replies(1, true) == 1 && core.slot[0].vm == -1);
}

static void a_change_meanwhile_is_saved_afterwards(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "disk");
    ask_by(2, ROLE_ADMIN, REQ_SUSPEND, 0, NULL);
    CHECK(saves() == 0 && core.dirty && core.slot[0].suspended == 0);
    ended(true);
    CHECK(replies(1, true) == 1 && saves() == 1 && core.save == SAVE_CHANGES && !core.dirty);
    ended(true);
    CHECK(saves() == 0 && !core.dirty);
}

static void a_decision_waits_for_the_save_of_a_change(void) {
    keyboard_in_a();
    ask_by(2, ROLE_ADMIN, REQ_SUSPEND, 0, NULL);
    CHECK(saves() == 1 && core.save == SAVE_CHANGES);
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "disk");
    CHECK(saves() == 0 && core.saving);
    ended(false); /* not that of the decision */
    CHECK(saves() == 1 && core.save == SAVE_DECISION && replies(1, false) == 0);
    ended(true);
    CHECK(replies(1, true) == 1 && !core.dirty);
}

static void there_is_room_for_as_many_as_there_are_clients(void) {
    keyboard_in_a();
    ask_by(0, ROLE_ADMIN, REQ_DETACH, 0, "input");
    for (unsigned k = 1; k < VH_MAX_CLIENTS; k++) {
        ask_by(k, ROLE_ADMIN, REQ_DETACH, 5, NULL);
        CHECK(out.n == 0);
    }
    ask_by(VH_MAX_CLIENTS, ROLE_ADMIN, REQ_DETACH, 5, NULL); /* those of closed connections count, too */
    CHECK_STR(refusal(), "too many requests are under way");
    for (unsigned k = 0; k < VH_MAX_CLIENTS; k++) {
        ended(false);
        CHECK_INT(replies(k, false), 1);
    }
    CHECK(!core.saving && core.nwaiting == 0);
}

static void clients_go_and_their_decisions_are_made(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    ask_by(2, ROLE_ADMIN, REQ_DETACH, 0, "disk");
    for (uint16_t k = 1; k <= 2; k++) {
        struct fact f = {.kind = FACT_CLIENT_GONE, .client = {.index = k, .gen = 1}};
        step(&f);
    }
    ended(true);
    CHECK(op(OP_DETACH, 0) != NULL);
    ended(true);
    CHECK(action(ACT_REPLY) == NULL && action(ACT_AUDIT) != NULL);
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_ADMIN);
    done(0, OP_OK);
    CHECK(action(ACT_REPLY) == NULL && action(ACT_AUDIT) != NULL);
}

/* ---- devices and VMs ---- */

static void an_unplugged_device_stays_taken_away(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 5, NULL);
    unplug("1-1");
    ended(true);
    CHECK(replies(1, false) == 1);
    CHECK_STR(refusal(), "the device was unplugged");
    CHECK_INT(on_file(), ROLE_ADMIN);
}

static void an_unplugged_device_is_not_freed(void) {
    keyboard_taken_away();
    ask_by(1, ROLE_ADMIN, REQ_ATTACH, 5, NULL);
    unplug("1-1");
    CHECK_INT(on_file(), ROLE_ADMIN);
    plug("1-1", 6, 3); /* the same again, as another plug */
    ended(true);
    CHECK(replies(1, false) == 1 && core.slot[0].disconnected && op(OP_ATTACH, 0) == NULL);
    CHECK_INT(saves(), 1); /* the disk has it as freed */
    ended(true);
    CHECK(!core.dirty);
}

static void another_device_that_matches_now_is_not_meant(void) {
    keyboard_in_a();
    static struct request r = {.kind = REQ_DETACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN}};
    r.sel = (struct selector){.by_vid = true, .vid = 0x1234};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    plug("1-2", 6, 3);
    done(0, OP_OK);
    ended(true);
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].vm == -1 && core.slot[1].vm == 0);
}

static void a_device_of_the_tag_that_came_meanwhile_is_taken_out_too(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "input");
    plug("1-2", 6, 3);
    done(0, OP_OK);
    ended(true);
    done(0, OP_OK);
    CHECK(replies(1, true) == 0);
    done(0, OP_OK);
    CHECK(replies(1, true) == 1 && core.slot[0].vm == -1 && core.slot[1].vm == -1);
}

static void a_vm_that_goes_down_meanwhile_fails_the_attach_and_restores_the_decision(void) {
    keyboard_taken_away();
    ask_by(1, ROLE_ADMIN, REQ_ATTACH, 5, NULL);
    vm_fact_of(FACT_VM_DOWN, 0);
    ended(true);
    CHECK_STR(refusal(), "VM 'a' is not running");
    CHECK(core.slot[0].disconnected && core.slot[0].disconnected_by == ROLE_ADMIN && saves() == 1);
    CHECK_INT(on_file(), ROLE_ADMIN);
}

static void the_exemption_of_an_attach_that_fails_meanwhile_ends(void) {
    keyboard_in_a();
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "input");
    ended(true);
    done(0, OP_OK);
    released();
    ask_by(1, ROLE_ADMIN, REQ_ATTACH, 5, NULL);
    CHECK(core.slot[0].disconnected && core.remembered.m[0].file.exempt == core.slot[0].dev.incarnation);
    vm_fact_of(FACT_VM_DOWN, 0);
    ended(true);
    CHECK(replies(1, false) == 1 && core.slot[0].disconnected && !core.remembered.m[0].used);
}

static void an_attach_that_fails_while_a_later_decision_is_saved_keeps_that_one(void) {
    keyboard_taken_away();
    ask_by(1, ROLE_ADMIN, REQ_ATTACH, 5, NULL);
    ended(true);
    CHECK(op(OP_ATTACH, 0) != NULL);
    ask_by(2, ROLE_OPERATOR, REQ_DETACH, 5, NULL); /* an admin is moving it */
    CHECK(strstr(refusal(), "busy") != NULL && !core.saving);
    ask_by(2, ROLE_ADMIN, REQ_DETACH, 0, "input");
    done(0, OP_FAILED);
    CHECK(replies(1, false) == 1 && core.slot[0].disconnected_by == ROLE_ADMIN && core.dirty);
    ended(true);
    CHECK_INT(saves(), 1); /* what was restored */
    ended(true);
    CHECK(remembered_tag_decision(&core, KIND_USB, "input") == ROLE_ADMIN && on_file() == ROLE_ADMIN && !core.dirty);
}

/* ---- the daemon ---- */

static const char without_a[] = "{\"vms\": [" VM("b") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"tag\": \"new\", "
                                                      "\"allow\": [{\"interfaceClass\": 3}]}]}";

static void a_new_configuration_meanwhile_is_asked_again(void) {
    keyboard_taken_away();
    ask_as(ROLE_ADMIN, REQ_ATTACH, 5, "a");
    vm_fact_of(FACT_VM_DOWN, 0);
    reload(without_a);
    ended(true);
    CHECK(replied(false) && core.slot[0].disconnected);
    ended(true);
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "new");
    reload("{\"vms\": [" VM("b") "]}");
    ended(true);
    CHECK(replies(1, true) == 1); /* it is on the disk, and holds when a rule has the tag again */
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "new"), ROLE_ADMIN);
}

static void at_the_end_nothing_is_attached(void) {
    keyboard_taken_away();
    ask_by(1, ROLE_ADMIN, REQ_ATTACH, 5, NULL);
    struct fact f = {.kind = FACT_STOP};
    step(&f);
    ended(true);
    CHECK_STR(refusal(), "the daemon is ending");
    CHECK(core.slot[0].disconnected && !core_holds(&core));
}

static void a_core_that_saves_is_not_at_rest(void) {
    const char *why = "";
    keyboard_in_a();
    CHECK(core_at_rest(&core, &why));
    ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "disk");
    CHECK(!core_at_rest(&core, &why));
    CHECK_STR(why, "something is being saved");
}

/* An admin's decision by tag becomes one about the device when a reload takes the tag away; an operator's, which is
 * just being saved, does not take its place. */
static void a_lesser_decision_under_way_takes_no_place(void) {
    for (int ok = 0; ok <= 1; ok++) {
        keyboard_in_a();
        ask_by(1, ROLE_ADMIN, REQ_DETACH, 0, "input");
        ended(true);
        done(0, OP_OK);
        released();
        CHECK(core.slot[0].disconnected_by == ROLE_ADMIN);
        ask_by(2, ROLE_OPERATOR, REQ_DETACH, 5, NULL);
        CHECK_INT(saves(), 1);
        reload("{\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": [{\"targetVm\": \"a\", \"allow\": "
                                                  "[{\"interfaceClass\": 3}]}]}");
        CHECK(core.slot[0].disconnected_by == ROLE_ADMIN);
        ended(ok);
        CHECK(core.slot[0].disconnected_by == ROLE_ADMIN);
        CHECK_INT(saves(), ok); /* as it is now; after a failure, later */
        ended(true);
        ask_by(2, ROLE_OPERATOR, REQ_ATTACH, 5, NULL);
        CHECK(strstr(out.texts[0], "taken away by an admin") != NULL);
        for (int i = 0; i < VH_MAX_REMEMBERED; i++)
            CHECK(!core.remembered.m[i].used || core.remembered.m[i].file.by == ROLE_ADMIN);
    }
}

int main(void) {
    RUN(nothing_of_a_decision_holds_before_it_is_saved);
    RUN(nothing_of_a_lifted_decision_is_lifted_before_it_is_saved);
    RUN(a_decision_that_fails_late_is_undone);
    RUN(a_save_that_nobody_asked_for_changes_nothing);
    RUN(decisions_wait_for_each_other_in_their_order);
    RUN(each_decision_that_waits_gets_its_own_failure);
    RUN(what_decides_nothing_does_not_wait);
    RUN(a_guest_does_not_get_around_a_decision);
    RUN(a_change_meanwhile_is_saved_afterwards);
    RUN(a_decision_waits_for_the_save_of_a_change);
    RUN(there_is_room_for_as_many_as_there_are_clients);
    RUN(clients_go_and_their_decisions_are_made);
    RUN(an_unplugged_device_stays_taken_away);
    RUN(an_unplugged_device_is_not_freed);
    RUN(another_device_that_matches_now_is_not_meant);
    RUN(a_device_of_the_tag_that_came_meanwhile_is_taken_out_too);
    RUN(a_vm_that_goes_down_meanwhile_fails_the_attach_and_restores_the_decision);
    RUN(the_exemption_of_an_attach_that_fails_meanwhile_ends);
    RUN(an_attach_that_fails_while_a_later_decision_is_saved_keeps_that_one);
    RUN(a_new_configuration_meanwhile_is_asked_again);
    RUN(at_the_end_nothing_is_attached);
    RUN(a_core_that_saves_is_not_at_rest);
    RUN(a_lesser_decision_under_way_takes_no_place);
    TEST_MAIN_END;
}
