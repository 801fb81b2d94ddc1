/*
 * test_core_closed.c - after the loss of the state file: with general.onCorruptState "closed" no VM gets a device,
 * whoever asks, until an admin has acknowledged the loss; what a VM has it keeps, and decisions are made all the same.
 * Otherwise nothing changes but what admins are told.
 */
#include "api/api.h"
#include "core_story.h"

#include <stdio.h>

static const char text[] = "{\"vms\": [" VM("a") ", " VM(
    "b") "], \"general\": {\"onCorruptState\": \"closed\"}, "
         "\"usbPassthrough\": [{\"targetVm\": \"a\", \"tag\": \"input\", \"allow\": "
         "[{\"interfaceClass\": 3}]}, {\"allowedVms\": [\"a\", \"b\"], \"allow\": "
         "[{\"interfaceClass\": 8}]}, {\"targetVm\": \"b\", \"allow\": [{\"interfaceClass\": 14}]}]}";
static const char why_closed[] =
    "the state file was corrupt: no VM is given a device until an admin acknowledges that (state_acknowledge)";

/* VMs a and b are up; what was remembered is lost. */
static void lose(bool closed) {
    begin(false);
    core.persist = true;
    if (closed) {
        static struct conf closes;
        CHECK(conf_parse(&closes, text, sizeof text - 1, no_diag, NULL));
        core.conf = &closes;
    }
    CHECK_INT(core.conf->closed_on_loss, closed);
    snprintf(core.remembered.corrupt, sizeof core.remembered.corrupt, "not JSON");
    vm_up(0);
    vm_up(1);
    core.dirty = true; /* as the daemon that has loaded it */
    wait_ms(0);
    saved(true);
}

static const char *told(void) {
    static char words[VH_REPLY_MAX];
    struct sbuf sb;
    sb_init(&sb, words, sizeof words);
    api_state_event(&sb, &core);
    return words;
}

static void open_is_as_without_a_loss(void) {
    lose(false);
    plug("1-1", 5, 3);
    CHECK(!core_closed(&core) && op(OP_ATTACH, 0) != NULL);
    ask(REQ_SUBSCRIBE, 0, "");
    CHECK(replied(true) && action(ACT_STATE) == NULL);
    wait_ms(VH_T_ANNOUNCE);
    CHECK(action(ACT_STATE) != NULL && action(ACT_STATE)->client.gen != 0);
    CHECK_STR(told(), "{\"event\": \"state_corrupt\", \"error\": \"not JSON\", \"closed\": false}\n");
    ask(REQ_ACKNOWLEDGE, 0, "");
    CHECK(replied(true) && core.remembered.corrupt[0] == '\0');
}

static void rules_give_nothing_until_it_is_acknowledged(void) {
    lose(true);
    plug("1-1", 5, 3);
    CHECK(event(EV_CONNECTED) != NULL && op(OP_ATTACH, 0) == NULL);
    CHECK_STR(core_state_name(&core, &core.slot[0]), "idle");
    CHECK_STR(reason_of(&core.slot[0]), why_closed);
    CHECK(!core_wants_device(&core, "1-1"));
    plug("1-2", 6, 8);
    CHECK(event(EV_SELECT_VM) == NULL);
    CHECK_STR(reason_of(&core.slot[1]), why_closed);
    plug("1-3", 7, 0xff);
    CHECK_STR(reason_of(&core.slot[2]), "no rule applies"); /* nor would it get anywhere without the loss */
    uint64_t changes = core.changes;
    ask(REQ_ACKNOWLEDGE, 0, "");
    CHECK(replied(true) && op(OP_ATTACH, 0) != NULL && event(EV_SELECT_VM) != NULL);
    CHECK(action(ACT_STATE) != NULL && action(ACT_STATE)->client.gen == 0);
    CHECK_STR(told(), "{\"event\": \"state_acknowledged\"}\n");
    CHECK(action(ACT_AUDIT) != NULL && out.audits[0].changes && out.audits[0].outcome == AUDIT_OK);
    CHECK(action(ACT_SAVE) != NULL && core.changes > changes);
    ask(REQ_ACKNOWLEDGE, 0, "");
    CHECK(replied(true) && action(ACT_STATE) == NULL && !out.audits[0].changes);
}

static void nobody_attaches_meanwhile(void) {
    lose(true);
    plug("1-1", 5, 3);
    ask(REQ_ATTACH, 5, "");
    CHECK_STR(refusal(), why_closed);
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 5, "a");
    CHECK_STR(refusal(), why_closed);
    ask_tag(ROLE_ADMIN, REQ_ATTACH, "input");
    CHECK(replied(false));
    ask_as(ROLE_GUEST, REQ_ATTACH, 5, ""); /* that of VM a */
    CHECK(replied(false) && strstr(refusal(), "stays with the host") != NULL);
    CHECK_STR(core_guest_reason(&core, &core.slot[0], 0), "stays with the host");
    CHECK(core.slot[0].vm < 0 && core.vm[0].op == OP_NONE);
}

/* So that what was decided can be decided again before it is acknowledged. */
static void decisions_are_made_meanwhile(void) {
    lose(true);
    plug("1-1", 5, 3);
    plug("1-2", 6, 14);
    ask(REQ_DETACH, 5, "");
    saved(true);
    CHECK(replied(true));
    CHECK_STR(reason_of(&core.slot[0]), "disconnected by an admin");
    ask(REQ_ACKNOWLEDGE, 0, "");
    CHECK(op(OP_ATTACH, 0) == NULL && op(OP_ATTACH, 1) != NULL);
}

static void what_a_vm_has_it_keeps(void) {
    lose(true);
    plug_as("1-1", 5, 3, true, true);
    done(1, OP_OK);
    struct vmm_found found = {.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5};
    done_with(0, OP_OK, "", &found, 1);
    CHECK_INT(core.slot[0].vm, 0);
    CHECK(op(OP_DETACH, 0) == NULL);
    CHECK_STR(reason_of(&core.slot[0]), "");
    ask(REQ_SUSPEND, 0, "a");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].vm < 0);
    released();
    ask(REQ_RESUME, 0, "a");
    CHECK(replied(true) && op(OP_ATTACH, 0) == NULL);
    CHECK_STR(reason_of(&core.slot[0]), why_closed);
    ask(REQ_ACKNOWLEDGE, 0, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_reload_closes_and_opens(void) {
    static struct conf closes, opens;
    lose(false);
    CHECK(conf_parse(&closes, text, sizeof text - 1, no_diag, NULL));
    opens = *core.conf;
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_FAILED); /* the rules would try again */
    CHECK(op(OP_LIST, 0) != NULL);
    done(0, OP_OK);
    plug("1-2", 6, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    struct fact f = {.kind = FACT_RELOAD, .conf = &closes};
    step(&f);
    CHECK(action(ACT_STATE) != NULL && core_closed(&core));
    CHECK_STR(told(), "{\"event\": \"state_corrupt\", \"error\": \"not JSON\", \"closed\": true}\n");
    wait_ms(60000);
    CHECK(core.vm[0].op == OP_NONE && core.vm[1].op == OP_NONE);
    step(&f);
    CHECK(action(ACT_STATE) == NULL);
    f.conf = &opens;
    step(&f);
    CHECK(action(ACT_STATE) != NULL && !core_closed(&core));
    CHECK(op(OP_ATTACH, 0) != NULL && event(EV_SELECT_VM) != NULL); /* the question is asked anew */
}

/* A request that waits for its VM is not served once the daemon is closed. */
static void a_request_under_way_fails(void) {
    static struct conf closes;
    lose(false);
    CHECK(conf_parse(&closes, text, sizeof text - 1, no_diag, NULL));
    plug("1-1", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL); /* VM a is busy with it */
    plug("1-2", 6, 8);
    ask(REQ_ATTACH, 6, "a");
    CHECK(!replied(true) && !replied(false));
    struct fact f = {.kind = FACT_RELOAD, .conf = &closes};
    step(&f);
    CHECK_STR(refusal(), why_closed);
    done(0, OP_OK); /* what was under way is done */
    CHECK_INT(core.slot[0].vm, 0);
    CHECK(op(OP_ATTACH, 0) == NULL && op(OP_DETACH, 0) == NULL);
}

static void only_admins_are_told(void) {
    lose(true);
    ask_as(ROLE_OPERATOR, REQ_SUBSCRIBE, 0, "");
    wait_ms(VH_T_ANNOUNCE);
    CHECK(action(ACT_STATE) == NULL);
    ask_as(ROLE_ADMIN, REQ_AUDIT, 0, "");
    wait_ms(VH_T_ANNOUNCE);
    CHECK(action(ACT_STATE) != NULL);
    ask(REQ_SUBSCRIBE, 0, "");
    ask(REQ_ACKNOWLEDGE, 0, "");
    CHECK(action(ACT_STATE) != NULL && action(ACT_STATE)->client.gen == 0);
    wait_ms(VH_T_ANNOUNCE);
    CHECK(action(ACT_STATE) == NULL);
}

int main(void) {
    RUN(open_is_as_without_a_loss);
    RUN(rules_give_nothing_until_it_is_acknowledged);
    RUN(nobody_attaches_meanwhile);
    RUN(decisions_are_made_meanwhile);
    RUN(what_a_vm_has_it_keeps);
    RUN(a_reload_closes_and_opens);
    RUN(a_request_under_way_fails);
    RUN(only_admins_are_told);
    TEST_MAIN_END;
}
