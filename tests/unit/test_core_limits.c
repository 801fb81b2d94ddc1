/*
 * test_core_limits.c - the core with full tables: what comes too late is refused or counted, and what was there before
 * is none the worse.
 */
#include "core_story.h"

static const char *port(int i) {
    static char name[VH_SYSNAME_MAX];
    snprintf(name, sizeof name, "%d-%d", 1 + i / 100, 1 + i % 100);
    return name;
}

/* As client number `client`: a device by its port, since 127 addresses are not enough here. */
static void ask_port(enum role role, enum request_kind kind, uint16_t client, int i, const char *vm) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r.kind = kind;
    r.client = (struct client_ref){.index = client, .gen = 9};
    r.who = (struct principal){.role = role, .vm = role == ROLE_GUEST ? 0 : -1};
    snprintf(r.vm, sizeof r.vm, "%s", vm);
    r.sel.by_port = true;
    snprintf(r.sel.port, sizeof r.sel.port, "%s", strchr(port(i), '-') + 1);
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

static void a_table_full_of_leaving_slots_refuses_the_next(void) {
    begin(false);
    vm_up(0);
    for (int i = 0; i < 100; i++) {
        plug(port(i), i + 1, 3);
        done(0, OP_OK);
    }
    for (int i = 0; i < 100; i++)
        unplug(port(i)); /* the monitor does not answer: all devices are still to be detached */
    CHECK_INT(core.used, 100);
    for (int i = 100; i < CORE_SLOTS; i++)
        plug(port(i), 1 + i % 127, 2);
    CHECK_INT(core.used, CORE_SLOTS);
    CHECK_INT(core.stats.table_full, 0);
    plug("9-9", 5, 2);
    CHECK_INT(core.stats.table_full, 1);
    CHECK(event(EV_CONNECTED) == NULL);
    done(0, OP_OK); /* one leaving slot less */
    plug("9-9", 5, 2);
    CHECK(event(EV_CONNECTED) != NULL);
}

/* Clients that ask and leave: their requests go on until they end. */
static void ask_and_leave(enum role role, int i) {
    plug(port(i), i + 1, 8);
    ask_port(role, REQ_ATTACH, (uint16_t)(i % VH_MAX_CLIENTS), i, "a");
    CHECK(action(ACT_REPLY) == NULL);
    struct fact gone = {.kind = FACT_CLIENT_GONE, .client = {.index = (uint16_t)(i % VH_MAX_CLIENTS), .gen = 9}};
    step(&gone);
}

static void too_many_requests_under_way_are_refused(void) {
    begin(false);
    vm_up(0);
    plug("9-99", 101, 3);
    plug("9-98", 102, 8);
    ask_as(ROLE_OPERATOR, REQ_DETACH, 102, "");
    CHECK(replied(true) && core.slot[1].disconnected);
    for (int i = 0; i < VH_MAX_CLIENTS - VH_ADMIN_CLIENTS; i++)
        ask_and_leave(ROLE_OPERATOR, i);
    static const enum request_kind kinds[] = {REQ_ATTACH, REQ_DETACH, REQ_SUSPEND, REQ_RESUME};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int role = ROLE_GUEST; role <= ROLE_OPERATOR; role++) {
            ask_as((enum role)role, kinds[k], kinds[k] == REQ_ATTACH || kinds[k] == REQ_DETACH ? 101 : 0, "");
            CHECK(replied(false));
            CHECK_STR(refusal(), "too many requests are under way");
        }
    }
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 102, "");
    CHECK_STR(refusal(), "too many requests are under way");
    CHECK(core.slot[1].disconnected && !core.slot[0].disconnected); /* nothing was decided */
    for (int i = VH_MAX_CLIENTS - VH_ADMIN_CLIENTS; i < VH_MAX_CLIENTS; i++)
        ask_and_leave(ROLE_ADMIN, i); /* they fill the table */
    ask_as(ROLE_ADMIN, REQ_DETACH, 101, "");
    CHECK_STR(refusal(), "too many requests are under way");
    for (int i = 0; i < VH_ADMIN_CLIENTS; i++)
        done(0, OP_OK);
    done(0, OP_OK); /* the earlier operation */
    done(0, OP_OK); /* the first of these requests: one entry is free */
    ask_as(ROLE_OPERATOR, REQ_SUSPEND, 0, "b");
    CHECK(replied(true));
}

/* The VM does not answer, so no operation ends. */
static void a_guest_has_its_share_of_requests_under_way(void) {
    begin(false);
    vm_up(0);
    int i = 0;
    for (; i < VH_GUEST_REQUESTS; i++)
        ask_and_leave(ROLE_GUEST, i);
    plug(port(i), i + 1, 8);
    ask_port(ROLE_GUEST, REQ_ATTACH, 3, i, "a");
    CHECK_STR(refusal(), "too many requests are under way");
    ask_port(ROLE_OPERATOR, REQ_ATTACH, 3, i, "a");
    CHECK(action(ACT_REPLY) == NULL);
}

static void an_ambiguous_answer_lists_what_it_has_room_for(void) {
    begin(false);
    for (int i = 0; i < 30; i++)
        plug(port(i), i + 1, 8);
    static struct request r;
    r = (struct request){.kind = REQ_ATTACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    r.sel.by_vid = r.sel.by_pid = true;
    r.sel.vid = 0x1234;
    r.sel.pid = 8;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK(replied(false));
    int listed = 0, more = 0;
    for (const char *s = refusal(); (s = strstr(s, "/dev/bus/usb/")) != NULL; s++)
        listed++;
    const char *tail = strstr(refusal(), " and ");
    CHECK(tail != NULL && sscanf(tail, " and %d more", &more) == 1);
    CHECK(listed > 3 && more > 0);
    CHECK_INT(listed + more, 30);
}

static void a_number_that_comes_round_is_never_none(void) {
    begin(false);
    core.next_serial = UINT32_MAX;
    vm_fact_of(FACT_VM_SOCKET, 0);
    const struct action *a = op(OP_LIST, 0);
    CHECK(a != NULL && a->op.serial == 1);
    done(0, OP_OK);
    CHECK_INT(core.vm[0].state, VM_UP);
}

static void more_filters_than_a_vm_has_room_for_are_counted(void) {
    static struct vmm_found found[VH_VM_FILTERS + 2];
    begin(false);
    for (int i = 0; i < VH_VM_FILTERS + 2; i++) {
        found[i] = (struct vmm_found){.filter = true, .vid = 0x1234, .pid = (uint16_t)(i + 1)};
        snprintf(found[i].id, sizeof found[i].id, "f%d", i);
    }
    plug("1-1", 5, VH_VM_FILTERS + 2); /* present before the listing: matched all the same */
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", found, VH_VM_FILTERS + 2);
    CHECK_INT(core.stats.claims_refused, 2);
    CHECK_INT(core.slot[0].claims, 2);
    plug("1-2", 6, VH_VM_FILTERS);
    CHECK_INT(core.slot[1].claims, 2);
    plug("1-3", 7, VH_VM_FILTERS + 1); /* plugged too late to be matched with the VM's filter */
    CHECK_INT(core.slot[2].claims, 0);
    struct vmm_found one = {.id = "own", .filter = true, .vid = 0x1234, .pid = VH_VM_FILTERS + 1};
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", &one, 1); /* what one VM has too many takes no room from another */
    plug("1-4", 8, VH_VM_FILTERS + 1);
    CHECK_INT(core.slot[3].claims, 1);
}

/* ---- memories ---- */

/* Fills the table except `left` entries: absent devices, each with a decision or a choice of VM b. */
static void fill(enum role by, int left) {
    for (int i = 0; i < VH_MAX_REMEMBERED - left; i++) {
        struct remembered *m = &core.remembered.m[i];
        *m = (struct remembered){
            .used = true, .vid = 1, .pid = 1, .file.by = by, .now.by = by, .stamp = ++core.remembered.stamp};
        snprintf(m->serial, sizeof m->serial, "away %d", i);
        if (by == ROLE_NONE) {
            snprintf(m->vm, sizeof m->vm, "b");
            m->vm_by = ROLE_OPERATOR;
        }
    }
}

static bool is_remembered(const char *its_serial) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        if (core.remembered.m[i].used && str_eq(core.remembered.m[i].serial, its_serial))
            return true;
    }
    return false;
}

static void the_oldest_choice_gives_way(void) {
    begin(false);
    vm_up(0);
    fill(ROLE_NONE, 0);
    core.remembered.m[0].file.by = core.remembered.m[0].now.by = ROLE_OPERATOR; /* a decision is kept */
    core.remembered.m[1].stamp = 400;                                           /* used again since */
    core.remembered.m[400].stamp = 3;
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    CHECK(replied(true) && is_remembered("S1-1"));
    CHECK(is_remembered("away 0") && is_remembered("away 1") && !is_remembered("away 2") && is_remembered("away 3"));
    CHECK_INT(core.stats.table_full, 0);
}

static void a_table_full_of_decisions_takes_no_other(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    fill(ROLE_ADMIN, 0);
    ask(REQ_DETACH, 5, "");
    CHECK(replied(false) && op(OP_DETACH, 0) == NULL);
    CHECK_STR(refusal(), "too many decisions are remembered: attach some devices again first");
    CHECK(!core.slot[0].disconnected);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input"); /* tags have their own table */
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].disconnected);
}

static void what_cannot_be_remembered_holds_as_long_as_it_can(void) {
    begin(false);
    vm_up(0);
    fill(ROLE_ADMIN, 0);
    plug("1-1", 5, 8);
    ask(REQ_ATTACH, 5, "a");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].vm == 0); /* but the next plug will ask */
    CHECK_INT(core.stats.table_full, 1);
    ask(REQ_SUSPEND, 0, "");
    done(0, OP_OK);
    CHECK(replied(true) && core.slot[0].suspended == 0);
    CHECK_INT(core.stats.table_full, 2);
    released();
    ask(REQ_RESUME, 0, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* The tag stays away; the exception of one device that has it cannot be remembered. */
static void an_exception_that_cannot_be_remembered_is_refused(void) {
    begin(false);
    vm_up(0);
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    plug("1-1", 5, 3);
    fill(ROLE_ADMIN, 0);
    ask(REQ_ATTACH, 5, "");
    CHECK(replied(false) && op(OP_ATTACH, 0) == NULL);
    CHECK_STR(refusal(), "too many decisions are remembered: attach some devices again first");
    CHECK(core.slot[0].disconnected && core.slot[0].restore_by == ROLE_NONE);
    wait_ms(0);
    CHECK(op(OP_ATTACH, 0) == NULL);
}

/* A decision that is being lifted keeps its entry: the decision comes back if lifting it is refused. */
static void a_decision_being_lifted_keeps_its_place(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    released();
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    plug("1-2", 6, 3);
    struct remembered own = core.remembered.m[0];
    fill(ROLE_ADMIN, 0);
    core.remembered.m[0] = own;
    static struct request r;
    r = (struct request){.kind = REQ_ATTACH, .client = {.index = 3, .gen = 9}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    r.sel = (struct selector){.by_tag = true, .tag = "input", .by_bus = true, .bus = 1};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK(replied(false) && op(OP_ATTACH, 0) == NULL);
    CHECK_STR(refusal(), "too many decisions are remembered: attach some devices again first");
    CHECK(core.slot[0].disconnected && core.slot[1].disconnected);
    CHECK_INT(remembered_decision(&core, &core.slot[0].dev), ROLE_ADMIN);
    CHECK(core.slot[0].restore_by == ROLE_NONE && core.slot[1].restore_by == ROLE_NONE);
}

/* The table filled while the attach was under way. */
static void a_decision_that_cannot_come_back_is_counted(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    released();
    ask(REQ_ATTACH, 5, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
    fill(ROLE_ADMIN, 0);
    done(0, OP_FAILED);
    CHECK(replied(false));
    CHECK_INT(core.stats.table_full, 1);
}

static void more_tags_than_are_remembered_are_refused(void) {
    begin(false);
    vm_up(0);
    plug("1-1", 5, 3);
    done(0, OP_OK);
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        core.remembered.tag_decision[i].by = core.remembered.tag_decision[i].now = ROLE_ADMIN;
        snprintf(core.remembered.tag_decision[i].tag, sizeof core.remembered.tag_decision[i].tag, "of old %d", i);
    }
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    CHECK(replied(false) && op(OP_DETACH, 0) == NULL);
    CHECK_STR(refusal(), "too many tags are kept away: attach some again first");
    CHECK(!core.slot[0].disconnected && remembered_tag_decision(&core, KIND_USB, "of old 7") == ROLE_ADMIN);
    core.remembered.tag_decision[40].by = core.remembered.tag_decision[40].now = ROLE_NONE;
    ask_tag(ROLE_ADMIN, REQ_DETACH, "input");
    CHECK(op(OP_DETACH, 0) != NULL);
}

int main(void) {
    RUN(a_table_full_of_leaving_slots_refuses_the_next);
    RUN(too_many_requests_under_way_are_refused);
    RUN(a_guest_has_its_share_of_requests_under_way);
    RUN(an_ambiguous_answer_lists_what_it_has_room_for);
    RUN(a_number_that_comes_round_is_never_none);
    RUN(more_filters_than_a_vm_has_room_for_are_counted);
    RUN(the_oldest_choice_gives_way);
    RUN(a_table_full_of_decisions_takes_no_other);
    RUN(what_cannot_be_remembered_holds_as_long_as_it_can);
    RUN(an_exception_that_cannot_be_remembered_is_refused);
    RUN(a_decision_being_lifted_keeps_its_place);
    RUN(a_decision_that_cannot_come_back_is_counted);
    RUN(more_tags_than_are_remembered_are_refused);
    TEST_MAIN_END;
}
