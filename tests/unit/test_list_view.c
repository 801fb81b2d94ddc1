/*
 * test_list_view.c - api_list_view(): two requests with the same view must get the same list, because one rendered list
 * is sent to both. Also what counts as a change of a list.
 */
#include "api/api.h"
#include "core_story.h"
#include "devices.h"

#include <stdlib.h>

enum { EYES = 5, FILTERS = 6, KINDS = EYES * FILTERS, TEXT = 8192 };

static char words[KINDS][TEXT];

static struct request request_of(int n) {
    static const struct principal eyes[EYES] = {{.role = ROLE_ADMIN, .vm = -1},
                                                {.role = ROLE_OPERATOR, .vm = -1},
                                                {.role = ROLE_OBSERVER, .vm = -1},
                                                {.role = ROLE_GUEST, .vm = 0},
                                                {.role = ROLE_GUEST, .vm = 1}};
    struct request r = {.kind = REQ_LIST, .who = eyes[n / FILTERS]};
    switch (n % FILTERS) {
    case 1:
        r.all = true;
        break;
    case 2:
        (void)snprintf(r.id, sizeof r.id, "7");
        break;
    case 3:
        r.sel.by_tag = true;
        (void)snprintf(r.sel.tag, sizeof r.sel.tag, "disk");
        break;
    case 4:
        r.disconnected = TRI_YES;
        break;
    case 5:
        r.disconnected = TRI_NO;
        break;
    default:
        break;
    }
    return r;
}

static void render(int n) {
    struct request r = request_of(n);
    uint64_t cursor = 0;
    struct sbuf sb;
    sb_init(&sb, words[n], TEXT);
    while (api_list_part(&core, &r, &cursor, &sb)) {
    }
    CHECK(sb_ok(&sb));
}

static void situation(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", 1, 3);
    done(0, OP_OK);
    plug("1-2", 2, 8);
    plug("1-3", 3, 8);
    plug("1-4", 4, 14);
    done(1, OP_OK);
    plug("1-5", 5, 9); /* a hub */
    ask_as(ROLE_ADMIN, REQ_ATTACH, 3, "b");
    done(1, OP_OK);
}

static void one_view_is_one_text(void) {
    unsigned views[KINDS];
    int shared = 0, differ = 0;
    situation();
    for (int n = 0; n < KINDS; n++) {
        struct request r = request_of(n);
        views[n] = api_list_view(&r);
        CHECK(views[n] <= 255);
        render(n);
    }
    for (int a = 0; a < KINDS; a++) {
        for (int b = a + 1; b < KINDS; b++) {
            bool same = strcmp(words[a], words[b]) == 0;
            differ += !same;
            if (views[a] == 0 || views[a] != views[b])
                continue;
            shared++;
            CHECK(same);
        }
    }
    CHECK(shared == 2 && differ > 200); /* an admin and an operator, plain and with `all`; the others are others' */
}

static const char *order(void) {
    static char text[VH_REPLY_MAX], names[200];
    struct request r = {.kind = REQ_LIST, .who = {.role = ROLE_ADMIN, .vm = -1}, .all = true};
    uint64_t cursor = 0;
    names[0] = '\0';
    for (bool more = true; more;) {
        struct sbuf sb;
        sb_init(&sb, text, sizeof text);
        more = api_list_part(&core, &r, &cursor, &sb);
        const char *name = strstr(text, "\"sys_name\": \"");
        if (name != NULL)
            (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%.*s ", (int)strcspn(name + 13, "\""),
                           name + 13);
    }
    return names;
}

static void a_list_is_in_the_order_of_bus_and_port(void) {
    static const char *const plugged[] = {"2-1", "1-10", "1-2.3", "10-1", "1-2", "1-2.10", "1-2.3.1"};
    begin(false);
    for (unsigned i = 0; i < sizeof plugged / sizeof *plugged; i++) {
        struct fact f = {.kind = FACT_DEVICE, .device = &dev};
        device_make(&dev, plugged[i], (unsigned)atoi(plugged[i]), i + 1, 3);
        dev.incarnation = 100 + i;
        step(&f);
    }
    CHECK_STR(order(), "1-2 1-2.3 1-2.3.1 1-2.10 1-10 2-1 10-1 ");
    unplug("1-2.3");
    plug("1-2.3", 20, 3); /* in its place again, whatever place it has in the table */
    unplug("2-1");
    CHECK_STR(order(), "1-2 1-2.3 1-2.3.1 1-2.10 1-10 10-1 ");
}

/* Paths that the kernel does not make may have the same place in the order: both are listed. */
static void no_device_is_left_out_of_a_list(void) {
    begin(false);
    plug("1-1.1.1.1.1.1.2", 1, 3);
    plug("1-1.1.1.1.1.1.1", 2, 3);
    plug("1-3", 3, 3);
    CHECK_STR(order(), "1-1.1.1.1.1.1.2 1-1.1.1.1.1.1.1 1-3 ");
}

static void devices_come_and_go_while_a_list_is_read(void) {
    char text[VH_REPLY_MAX];
    struct request r = {.kind = REQ_LIST, .who = {.role = ROLE_ADMIN, .vm = -1}, .all = true};
    uint64_t cursor = 0;
    struct sbuf sb;
    begin(false);
    plug("1-3", 3, 3);
    plug("1-5", 5, 3);
    sb_init(&sb, text, sizeof text);
    CHECK(api_list_part(&core, &r, &cursor, &sb) && strstr(text, "\"1-3\"") != NULL);
    unplug("1-3");
    plug("1-1", 1, 3); /* in the freed slot: before what was listed */
    plug("1-4", 4, 3);
    sb_init(&sb, text, sizeof text);
    CHECK(api_list_part(&core, &r, &cursor, &sb) && strstr(text, "\"1-4\"") != NULL);
    sb_init(&sb, text, sizeof text);
    CHECK(api_list_part(&core, &r, &cursor, &sb) && strstr(text, "\"1-5\"") != NULL);
    sb_init(&sb, text, sizeof text);
    CHECK(!api_list_part(&core, &r, &cursor, &sb));
    CHECK_STR(text, "]}\n");
}

static void what_is_filtered_or_has_an_id_is_its_own(void) {
    for (int n = 0; n < KINDS; n++) {
        struct request r = request_of(n);
        CHECK((api_list_view(&r) == 0) == (n % FILTERS >= 2));
    }
    struct request last = {.kind = REQ_LIST, .all = true, .who = {.role = ROLE_GUEST, .vm = VH_MAX_VMS - 1}};
    CHECK(api_list_view(&last) > 0 && api_list_view(&last) <= 255);
}

static uint64_t changes_by(enum request_kind kind) {
    uint64_t before = core.changes;
    ask_as(ROLE_ADMIN, kind, 0, "");
    return core.changes - before;
}

static void who_only_asks_changes_nothing(void) {
    situation();
    CHECK(changes_by(REQ_LIST) == 0 && changes_by(REQ_VERSION) == 0 && changes_by(REQ_STATS) == 0);
    CHECK(changes_by(REQ_SUBSCRIBE) == 0 && changes_by(REQ_UNSUBSCRIBE) == 0);
    struct fact gone = {.kind = FACT_CLIENT_GONE, .client = {.index = 3, .gen = 9}};
    uint64_t before = core.changes;
    step(&gone);
    CHECK(core.changes == before);
}

static void what_may_show_is_counted(void) {
    situation();
    uint64_t before = core.changes;
    unplug("1-2");
    CHECK(event(EV_DISCONNECTED) != NULL && core.changes > before);
    before = core.changes;
    ask_as(ROLE_ADMIN, REQ_DETACH, 3, "");
    CHECK(core.changes > before);
    before = core.changes;
    done(1, OP_OK);
    CHECK(core.changes > before);
    before = core.changes;
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(core.changes > before);
}

/* A step that only asks does what has become due before it. */
static void time_that_passed_before_a_question_counts(void) {
    situation();
    plug("1-6", 6, 3);
    done(0, OP_FAILED); /* tried again later */
    CHECK(core_deadline(&core) != VH_NEVER);
    now = core_deadline(&core);
    CHECK(changes_by(REQ_LIST) > 0);
}

int main(void) {
    RUN(one_view_is_one_text);
    RUN(a_list_is_in_the_order_of_bus_and_port);
    RUN(no_device_is_left_out_of_a_list);
    RUN(devices_come_and_go_while_a_list_is_read);
    RUN(what_is_filtered_or_has_an_id_is_its_own);
    RUN(who_only_asks_changes_nothing);
    RUN(what_may_show_is_counted);
    RUN(time_that_passed_before_a_question_counts);
    TEST_MAIN_END;
}
