/* api_history.c: the last events told again, to each role no more than the events themselves told. */
#include "api/api.h"
#include "api/api_history.h"
#include "codec/json.h"
#include "core_story.h"

#include <stdlib.h>

static struct history history;
static char reply[1 << 17];
static jsmntok_t tok[1 << 14];
static struct json j;
static struct request r;

/* What notify.c does. */
static void note(void) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == ACT_EVENT && out.a[i].client.gen == 0)
            history_add(&history, &core, &out.a[i], 1764457000000 + now / VH_NSEC_PER_MSEC);
    }
}

static void start(void) {
    memset(&history, 0, sizeof history);
    begin(false);
    vm_up(0);
    vm_up(1);
}

static const char *tell(enum role role, int vm, void (*between)(void)) {
    struct json_error err;
    struct sbuf sb;
    uint64_t cursor = 0;
    r.kind = REQ_HISTORY;
    r.who = (struct principal){.role = role, .vm = vm};
    sb_init(&sb, reply, sizeof reply);
    for (bool more = true; more;) {
        size_t before = sb.len;
        more = api_history_part(&history, &core, &r, &cursor, &sb);
        CHECK(sb.len - before <= VH_REPLY_MAX && (cursor != 0 || !more));
        if (between != NULL)
            between();
    }
    CHECK(sb_ok(&sb) && json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
    return reply;
}

/* "usb_connected usb_attached": the kinds. */
static const char *kinds(enum role role, int vm) {
    static char text[8192];
    struct sbuf sb;
    char name[32];
    tell(role, vm, NULL);
    sb_init(&sb, text, sizeof text);
    for (int t = json_first(&j, json_get(&j, 0, "events")); t >= 0; t = json_next(&j, t)) {
        CHECK(json_string(&j, json_get(&j, t, "event"), name, sizeof name));
        sb_fmt(&sb, "%s%s", sb.len > 0 ? " " : "", name + strlen("usb_"));
    }
    CHECK(sb_ok(&sb));
    return text;
}

static bool more(void) {
    bool b = false;
    return json_bool(&j, json_get(&j, 0, "more"), &b) && b;
}

static const char *reason(const char *of) { /* of the last event of this kind */
    static char text[VH_TEXT_MAX];
    text[0] = '\0';
    tell(ROLE_ADMIN, -1, NULL);
    for (int t = json_first(&j, json_get(&j, 0, "events")); t >= 0; t = json_next(&j, t)) {
        if (json_string_is(&j, json_get(&j, t, "event"), of) &&
            !json_string(&j, json_get(&j, t, "reason"), text, sizeof text))
            text[0] = '\0';
    }
    return text;
}

static void nothing_has_happened(void) {
    start();
    CHECK_STR(tell(ROLE_ADMIN, -1, NULL), "{\"result\": \"ok\", \"events\": []}\n");
}

static void attached(void) {
    plug("1-2", 5, 3);
    note();
    done(0, OP_OK);
    note();
}

static void an_event_is_told_with_its_time(void) {
    start();
    attached();
    (void)snprintf(r.id, sizeof r.id, "7");
    CHECK_STR(
        tell(ROLE_ADMIN, -1, NULL),
        "{\"result\": \"ok\", \"events\": [{\"time\": 1764457000.000, \"event\": \"usb_connected\", \"sys_name\": "
        "\"1-2\", \"connector\": null, \"vid\": \"1234\", \"pid\": \"0003\", \"product_name\": \"P\", \"vm\": null, "
        "\"reason\": "
        "null}, {\"time\": 1764457000.000, \"event\": \"usb_attached\", \"sys_name\": \"1-2\", \"connector\": null, "
        "\"vid\": \"1234\", "
        "\"pid\": \"0003\", \"product_name\": \"P\", \"vm\": \"a\", \"reason\": null}], \"id\": 7}\n");
    r.id[0] = '\0';
}

static void each_role_is_told_what_it_was_told(void) {
    start();
    attached();
    plug("1-3", 6, 8); /* a stick: both may have it */
    note();
    unplug("1-2");
    note();
    CHECK_STR(kinds(ROLE_OPERATOR, -1), "connected attached connected select_vm detached disconnected");
    CHECK_STR(kinds(ROLE_OBSERVER, -1), "connected attached connected detached disconnected");
    CHECK(strstr(reply, "\"vm\": \"") == NULL && strstr(reply, "\"reason\": \"") == NULL);
    CHECK_STR(kinds(ROLE_GUEST, 0), "connected attached connected select_vm detached disconnected");
    CHECK(strstr(reply, "\"vm\": \"a\"") != NULL && strstr(reply, "\"reason\": \"") == NULL);
    CHECK_STR(kinds(ROLE_GUEST, 1), "connected select_vm");
    CHECK_STR(kinds(ROLE_NONE, -1), "");
}

static void the_reason_says_why_a_vm_has_it_no_longer(void) {
    start();
    attached();
    unplug("1-2");
    note();
    CHECK_STR(reason("usb_detached"), "it was unplugged");
    start();
    attached();
    vm_fact_of(FACT_VM_DOWN, 0);
    note();
    CHECK_STR(reason("usb_detached"), "the VM is down");
    start();
    attached();
    ask(REQ_SUSPEND, 0, "a");
    done(0, OP_OK);
    note();
    CHECK_STR(reason("usb_detached"), "suspended");
    start();
    attached();
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    note();
    CHECK_STR(reason("usb_detached"), "somebody took it away");
    plug("1-3", 6, 99);
    note();
    CHECK_STR(reason("usb_connected"), "no rule applies");
}

static void the_reason_names_a_guest_a_move_and_the_rules(void) {
    start();
    attached();
    ask_as(ROLE_GUEST, REQ_DETACH, 5, "");
    done(0, OP_OK);
    note();
    CHECK_STR(reason("usb_detached"), "the guest detached it");
    start();
    plug("1-3", 6, 8);
    ask(REQ_ATTACH, 6, "a");
    done(0, OP_OK);
    ask(REQ_ATTACH, 6, "b");
    done(0, OP_OK);
    note();
    CHECK_STR(reason("usb_detached"), "it goes to another VM");
    start();
    attached();
    reload("{\"vms\": [" VM("a") ", " VM("b") "]}");
    done(0, OP_OK);
    note();
    CHECK_STR(reason("usb_detached"), "the rules do not give it to that VM");
    start();
    attached();
    struct fact f = {.kind = FACT_STOP};
    step(&f);
    done(0, OP_OK);
    note();
    CHECK_STR(reason("usb_detached"), "the daemon is ending");
}

static void a_device_is_selected_as_for_an_attach(void) {
    start();
    attached();
    plug("1-3", 6, 8);
    note();
    r.sel = (struct selector){.by_bus = true, .bus = 1, .by_port = true, .port = "3"};
    CHECK_STR(kinds(ROLE_ADMIN, -1), "connected select_vm");
    r.sel = (struct selector){.by_vid = true, .vid = 0x1234, .by_pid = true, .pid = 3};
    CHECK_STR(kinds(ROLE_ADMIN, -1), "connected attached");
    r.sel = (struct selector){.by_node = true, .node_bus = 1, .node_dev = 6};
    CHECK_STR(kinds(ROLE_ADMIN, -1), "connected select_vm");
    r.sel = (struct selector){.by_tag = true, .tag = "disk"};
    CHECK_STR(kinds(ROLE_ADMIN, -1), "connected select_vm");
    r.sel = (struct selector){.by_tag = true, .tag = "none"};
    CHECK_STR(kinds(ROLE_ADMIN, -1), "");
    r.sel = (struct selector){0};
}

static void full(void) {
    for (int i = 0; i < VH_MAX_HISTORY; i++) {
        plug("1-4", 7, 99);
        note();
        unplug("1-4");
        note();
        wait_ms(VH_T_FLAP_COST);
    }
}

static void the_newest_are_kept(void) {
    start();
    attached();
    CHECK(strstr(tell(ROLE_ADMIN, -1, NULL), "\"more\"") == NULL);
    full();
    tell(ROLE_ADMIN, -1, NULL);
    int n = 0;
    for (int t = json_first(&j, json_get(&j, 0, "events")); t >= 0; t = json_next(&j, t))
        n++;
    CHECK(n == VH_MAX_HISTORY && more() && strstr(reply, "\"1-2\"") == NULL);
    CHECK(str_eq(kinds(ROLE_GUEST, 0), "") && more());
    CHECK(str_eq(kinds(ROLE_GUEST, 1), "") && !more()); /* nothing of what was dropped was for it */
}

static void one_more(void) {
    plug("1-5", 8, 99);
    note();
    unplug("1-5");
    note();
    wait_ms(VH_T_FLAP_COST);
}

/* Between two parts as many events come as go: each part is of what is kept, and the reply ends. */
static void events_that_come_while_it_is_read_are_not_for_it(void) {
    start();
    full();
    tell(ROLE_ADMIN, -1, one_more);
    CHECK(strstr(reply, "\"1-5\"") == NULL && more());
    tell(ROLE_ADMIN, -1, NULL);
    CHECK(strstr(reply, "\"1-5\"") != NULL);
}

static void a_reload_that_names_another_vm(void) {
    struct conf *fresh;
    start();
    attached();
    plug("1-3", 6, 8);
    note();
    fresh = other_conf("{\"vms\": [" VM("c") ", " VM("b") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"tag\": "
                                                          "\"disk\", \"allow\": [{\"interfaceClass\": 8}]}]}");
    history_reload(&history, &conf, fresh, 1);
    core.conf = fresh;
    CHECK_STR(kinds(ROLE_GUEST, 0), ""); /* that of c: a was told */
    CHECK_STR(kinds(ROLE_GUEST, 1), "connected select_vm");
    tell(ROLE_ADMIN, -1, NULL);
    CHECK(strstr(reply, "\"vm\": \"") == NULL);
    r.sel = (struct selector){.by_tag = true, .tag = "disk"};
    CHECK_STR(kinds(ROLE_ADMIN, -1), "connected select_vm");
    r.sel = (struct selector){0};
}

static void a_long_name_is_cut_between_characters(void) {
    start();
    attached();
    struct device d = dev;
    char name_of_signs[3 * 20 + 1];
    for (int i = 0; i < 20; i++)
        memcpy(name_of_signs + 3 * i, "\xe2\x98\x83", 4);
    d.product_name = name_of_signs;
    struct fact f = {.kind = FACT_GONE, .sys_name = "1-2"};
    step(&f);
    d.incarnation += 100;
    f = (struct fact){.kind = FACT_DEVICE, .device = &d};
    step(&f);
    note();
    const char *name = history.event[history.n - 1].name;
    CHECK(strlen(name) < VH_HISTORY_NAME && strlen(name) % 3 == 0);
    CHECK_STR(name + strlen(name) - 6, "\xe2\x98\x83...");
    tell(ROLE_ADMIN, -1, NULL);
}

int main(void) {
    RUN(nothing_has_happened);
    RUN(an_event_is_told_with_its_time);
    RUN(each_role_is_told_what_it_was_told);
    RUN(the_reason_says_why_a_vm_has_it_no_longer);
    RUN(the_reason_names_a_guest_a_move_and_the_rules);
    RUN(a_device_is_selected_as_for_an_attach);
    RUN(the_newest_are_kept);
    RUN(events_that_come_while_it_is_read_are_not_for_it);
    RUN(a_reload_that_names_another_vm);
    RUN(a_long_name_is_cut_between_characters);
    TEST_MAIN_END;
}
