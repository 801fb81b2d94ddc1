/* api_reload.c: the reply to `reload`, whatever was found, within its bound. */
#include "api/api_reload.h"
#include "codec/json.h"
#include "test.h"

#include <stdlib.h>

static struct conf conf;
static struct reloaded r;
static char reply[VH_REPLY_MAX];
static jsmntok_t tok[4096];
static struct json j;

static const char *told(const char *id) {
    struct json_error err;
    struct sbuf sb;
    sb_init(&sb, reply, sizeof reply);
    api_reloaded(&sb, id, &r);
    CHECK(sb_ok(&sb) && reply[sb.len - 1] == '\n');
    CHECK(json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
    return reply;
}

static int problems(void) {
    int n = 0;
    for (int t = json_first(&j, json_get(&j, 0, "problems")); t >= 0; t = json_next(&j, t))
        n++;
    return n;
}

static int64_t number(const char *name) {
    int64_t v = -1;
    (void)json_int(&j, json_get(&j, 0, name), 0, INT64_MAX, &v);
    return v;
}

static void configure(void) {
    static const char text[] =
        "{\"vms\": [{\"name\": \"a\", \"type\": \"qemu\", \"socket\": \"/a\"}, {\"name\": \"b\", \"type\": \"qemu\", "
        "\"socket\": \"/b\"}], \"usbPassthrough\": [{\"targetVm\": \"a\", \"allow\": [{\"bus\": 1}]}]}";
    if (!conf_parse(&conf, text, sizeof text - 1, NULL, NULL))
        exit(1);
    conf.vms[1].retired = true;
}

static void what_was_put_in_force_is_counted(void) {
    api_reload_begin(&r);
    api_reload_problem(&r, DIAG_WARNING, 1, "x.conf:1:2: vms: odd \"name\"");
    api_reload_problem(&r, DIAG_NOTE, 1, "x.conf:3:4: so");
    api_reload_end(&r, &conf, "");
    CHECK_STR(told("7"), "{\"result\": \"ok\", \"rules\": 1, \"vms\": 1, \"warnings\": 1, \"problems\": ["
                         "{\"severity\": \"warning\", \"text\": \"x.conf:1:2: vms: odd \\\"name\\\"\"}, "
                         "{\"severity\": \"note\", \"text\": \"x.conf:3:4: so\"}], \"id\": 7}\n");
}

static void the_first_error_is_the_reason(void) {
    api_reload_begin(&r);
    api_reload_problem(&r, DIAG_WARNING, 1, "a");
    api_reload_problem(&r, DIAG_ERROR, 1, "b");
    api_reload_problem(&r, DIAG_ERROR, 1, "c");
    api_reload_end(&r, NULL, "");
    CHECK_STR(told(""),
              "{\"result\": \"failed\", \"error\": \"b\", \"problems\": [{\"severity\": \"warning\", \"text\": "
              "\"a\"}, {\"severity\": \"error\", \"text\": \"b\"}, {\"severity\": \"error\", \"text\": "
              "\"c\"}]}\n");
    api_reload_begin(&r);
    api_reload_end(&r, NULL, "no answer in time");
    CHECK_STR(told(""), "{\"result\": \"failed\", \"error\": \"no answer in time\", \"problems\": []}\n");
    api_reload_begin(&r);
    api_reload_end(&r, NULL, "");
    CHECK_STR(told(""), "{\"result\": \"failed\", \"error\": \"the configuration is not usable\", \"problems\": []}\n");
}

static void errors_have_room_after_any_number_of_warnings(void) {
    char text[900];
    memset(text, '\x01', sizeof text - 1); /* six bytes each on the wire */
    text[sizeof text - 1] = '\0';
    api_reload_begin(&r);
    for (int i = 0; i < 500; i++)
        api_reload_problem(&r, i % 2 ? DIAG_WARNING : DIAG_NOTE, 1, text);
    api_reload_problem(&r, DIAG_WARNING, 40, "40 more warnings, not shown");
    api_reload_problem(&r, DIAG_ERROR, 1, "the error");
    api_reload_end(&r, NULL, "");
    told("");
    CHECK_INT(problems() + number("more_problems"), 541);
    CHECK(problems() == 2 && strstr(reply, "{\"severity\": \"error\", \"text\": \"the error\"}]") != NULL);
    for (int i = 0; i < 500; i++)
        api_reload_problem(&r, DIAG_ERROR, 1, text);
    told("\"01234567890123456789012345678901234567890123456789012345678901234567\"");
    CHECK_INT(problems() + number("more_problems"), 1041);
    CHECK(number("warnings") == -1 && r.warnings == 290);
}

static void a_long_reason_is_cut_between_characters(void) {
    char text[3 * VH_ERROR_MAX + 1] = "";
    for (int i = 0; i < VH_ERROR_MAX; i++)
        memcpy(text + 3 * i, "\xe2\x98\x83", 4);
    api_reload_begin(&r);
    api_reload_problem(&r, DIAG_ERROR, 1, text);
    api_reload_end(&r, NULL, "");
    CHECK(strlen(r.error) < VH_ERROR_MAX && strlen(r.error) >= VH_ERROR_MAX - 4);
    CHECK_STR(r.error + strlen(r.error) - 6, "\xe2\x98\x83...");
    told("");
}

int main(void) {
    configure();
    RUN(what_was_put_in_force_is_counted);
    RUN(the_first_error_is_the_reason);
    RUN(errors_have_room_after_any_number_of_warnings);
    RUN(a_long_reason_is_cut_between_characters);
    TEST_MAIN_END;
}
