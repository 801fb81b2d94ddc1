/*
 * test_core_limits.c - the core with full tables: who comes too late is told so or counted, and what was there before
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

static void a_table_full_of_ghosts_refuses_the_next(void) {
    begin(false);
    vm_up(0);
    for (int i = 0; i < 100; i++) {
        plug(port(i), i + 1, 3);
        done(0, OP_OK);
    }
    for (int i = 0; i < 100; i++)
        unplug(port(i)); /* the monitor does not answer: all of them are still to be taken out */
    CHECK_INT(core.used, 100);
    for (int i = 100; i < CORE_SLOTS; i++)
        plug(port(i), 1 + i % 127, 2);
    CHECK_INT(core.used, CORE_SLOTS);
    CHECK_INT(core.stats.table_full, 0);
    plug("9-9", 5, 2);
    CHECK_INT(core.stats.table_full, 1);
    CHECK(event(EV_CONNECTED) == NULL);
    done(0, OP_OK); /* one ghost less */
    plug("9-9", 5, 2);
    CHECK(event(EV_CONNECTED) != NULL);
}

/* Clients that ask and leave: what they began goes on, and its end is to be waited for. */
static void too_many_requests_under_way_are_refused(void) {
    begin(false);
    vm_up(0);
    plug("9-99", 101, 3);
    plug("9-98", 102, 8);
    ask_as(ROLE_OPERATOR, REQ_DETACH, 102, "");
    CHECK(replied(true) && core.slot[1].disconnected);
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        plug(port(i), i + 1, 8);
        ask_port(ROLE_OPERATOR, REQ_ATTACH, (uint16_t)i, i, "a");
        CHECK(action(ACT_REPLY) == NULL);
        struct fact gone = {.kind = FACT_CLIENT_GONE, .client = {.index = (uint16_t)i, .gen = 9}};
        step(&gone);
    }
    static const enum request_kind kinds[] = {REQ_ATTACH, REQ_DETACH, REQ_SUSPEND, REQ_RESUME};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (int role = ROLE_GUEST; role <= ROLE_OPERATOR; role++) {
            ask_as((enum role)role, kinds[k], kinds[k] == REQ_ATTACH || kinds[k] == REQ_DETACH ? 101 : 0, "");
            CHECK(replied(false));
            CHECK_STR(error(), "too many requests are under way");
        }
    }
    ask_as(ROLE_OPERATOR, REQ_ATTACH, 102, "");
    CHECK_STR(error(), "too many requests are under way");
    CHECK(core.slot[1].disconnected && !core.slot[0].disconnected); /* nothing was decided */
    done(0, OP_OK);                                                 /* what was under way before them */
    done(0, OP_OK);                                                 /* the first of theirs: there is room for one */
    ask_as(ROLE_OPERATOR, REQ_SUSPEND, 0, "b");
    CHECK(replied(true));
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
    for (const char *s = error(); (s = strstr(s, "/dev/bus/usb/")) != NULL; s++)
        listed++;
    const char *tail = strstr(error(), " and ");
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

static void more_filters_than_are_remembered_are_counted(void) {
    static struct vmm_found found[VH_MAX_FILTERS + 2];
    begin(false);
    for (int i = 0; i < VH_MAX_FILTERS + 2; i++) {
        found[i] = (struct vmm_found){.filter = true, .vid = 0x1234, .pid = (uint16_t)(i + 1)};
        snprintf(found[i].id, sizeof found[i].id, "f%d", i);
    }
    plug("1-1", 5, VH_MAX_FILTERS + 2); /* is there already: found all the same */
    vm_fact_of(FACT_VM_SOCKET, 1);
    done_with(1, OP_OK, "", found, VH_MAX_FILTERS + 2);
    CHECK_INT(core.stats.table_full, 2);
    CHECK_INT(core.slot[0].foreign, 1);
    plug("1-2", 6, VH_MAX_FILTERS);
    CHECK_INT(core.slot[1].foreign, 1);
    plug("1-3", 7, VH_MAX_FILTERS + 1); /* comes too late to be known for the VM's */
    CHECK_INT(core.slot[2].foreign, -1);
}

int main(void) {
    RUN(a_table_full_of_ghosts_refuses_the_next);
    RUN(too_many_requests_under_way_are_refused);
    RUN(an_ambiguous_answer_lists_what_it_has_room_for);
    RUN(a_number_that_comes_round_is_never_none);
    RUN(more_filters_than_are_remembered_are_counted);
    TEST_MAIN_END;
}
