/* api_rules.c: the rules in force, with the devices that each decides for and has decided for. */
#include "api/api.h"
#include "codec/json.h"
#include "core_story.h"

#include <stdlib.h>

static char reply[1 << 16];
static jsmntok_t tok[1 << 13];
static struct json j;

static const char *rules(const char *id) {
    static struct request r;
    struct json_error err;
    struct sbuf sb;
    uint64_t cursor = 0;
    r = (struct request){.kind = REQ_RULES, .who = {.role = ROLE_OPERATOR, .vm = -1}};
    (void)snprintf(r.id, sizeof r.id, "%s", id);
    sb_init(&sb, reply, sizeof reply);
    while (api_rules_part(&core, &r, &cursor, &sb))
        CHECK(cursor != 0);
    CHECK(sb_ok(&sb) && json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
    return reply;
}

static int rule_at(int index) {
    int t = json_first(&j, json_get(&j, 0, "rules"));
    while (index-- > 0)
        t = json_next(&j, t);
    return t;
}

static int64_t hits(int rule) {
    int64_t v = -1;
    rules("");
    (void)json_int(&j, json_get(&j, rule_at(rule), "hits"), 0, INT64_MAX, &v);
    return v;
}

static int devices(int rule) {
    int n = 0;
    rules("");
    for (int t = json_first(&j, json_get(&j, rule_at(rule), "devices")); t >= 0; t = json_next(&j, t))
        n++;
    return n;
}

static void each_rule_is_told_with_its_vms(void) {
    begin(false);
    plug("1-2", 5, 3);
    rules("7");
    CHECK(strstr(reply,
                 "{\"result\": \"ok\", \"rules\": [{\"bus\": \"usb\", \"index\": 0, \"line\": 1, \"description\": "
                 "\"hid\", \"tag\": \"input\", \"enabled\": true, \"target_vm\": \"a\", \"allowed_vms\": [\"a\"], "
                 "\"hits\": 1, \"devices\": [\"1-2\"]}, {\"bus\": \"usb\", \"index\": 1, \"line\": 1, "
                 "\"description\": \"stick\", \"tag\": \"disk\", \"enabled\": true, \"target_vm\": null, "
                 "\"allowed_vms\": [\"a\", \"b\"], \"hits\": 0, \"devices\": []}") == reply);
    CHECK_STR(reply + strlen(reply) - 13, "}], \"id\": 7}\n");
}

static void each_plug_counts_once(void) {
    begin(false);
    plug("1-2", 5, 3);
    step(&(struct fact){.kind = FACT_DEVICE, .device = &dev}); /* read again */
    CHECK(hits(0) == 1 && devices(0) == 1);
    plug("1-3", 6, 3);
    CHECK(hits(0) == 2 && devices(0) == 2);
    unplug("1-2");
    CHECK(hits(0) == 2 && devices(0) == 1);
    plug("1-2", 7, 3);
    CHECK(hits(0) == 3 && devices(0) == 2);
    plug("1-4", 8, 9); /* hubs are nobody's */
    plug("1-5", 9, 99);
    CHECK(hits(0) == 3 && hits(1) == 0 && devices(1) == 0);
}

static void a_device_that_becomes_another_ones_counts_for_both(void) {
    begin(false);
    plug("1-2", 5, 3);
    struct device d = dev;
    d.usb.ifaces[0].cls = 8;
    step(&(struct fact){.kind = FACT_DEVICE, .device = &d});
    CHECK(hits(0) == 1 && devices(0) == 0 && hits(1) == 1 && devices(1) == 1);
}

static void a_reload_counts_anew(void) {
    begin(false);
    plug("1-2", 5, 3);
    unplug("1-2");
    plug("1-3", 6, 3);
    CHECK(hits(0) == 2);
    reload("{\"vms\": [" VM("a") ", " VM(
        "b") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"disable\": true, "
             "\"allow\": [{\"bus\": 1}]}, {\"targetVm\": \"b\", \"allow\": [{\"bus\": 1}]}]}");
    CHECK(hits(0) == 0 && hits(1) == 1 && devices(1) == 1);
    CHECK(strstr(reply, "\"tag\": null, \"enabled\": false") != NULL);
    reload("{\"vms\": [" VM("a") ", " VM(
        "b") "], \"usbPassthrough\": [{\"targetVm\": \"b\", \"disable\": true, "
             "\"allow\": [{\"bus\": 1}]}, {\"targetVm\": \"a\", \"allow\": [{\"bus\": 1}]}]}");
    CHECK(hits(1) == 1 && devices(1) == 1); /* in the same place, and counted once */
    reload("{\"vms\": [" VM("a") "]}");
    CHECK_STR(rules(""), "{\"result\": \"ok\", \"rules\": []}\n");
}

static void a_reload_between_two_parts_ends_the_reply(void) {
    struct request r = {.kind = REQ_RULES, .who = {.role = ROLE_ADMIN}};
    struct sbuf sb;
    uint64_t cursor = 0;
    begin(false);
    sb_init(&sb, reply, sizeof reply);
    CHECK(api_rules_part(&core, &r, &cursor, &sb) && api_rules_part(&core, &r, &cursor, &sb));
    reload("{\"vms\": [" VM("a") "]}");
    CHECK(!api_rules_part(&core, &r, &cursor, &sb));
    struct json_error err;
    CHECK(json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
}

int main(void) {
    RUN(each_rule_is_told_with_its_vms);
    RUN(each_plug_counts_once);
    RUN(a_device_that_becomes_another_ones_counts_for_both);
    RUN(a_reload_counts_anew);
    RUN(a_reload_between_two_parts_ends_the_reply);
    TEST_MAIN_END;
}
