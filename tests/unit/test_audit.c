/*
 * test_audit.c - audit.c: the exact text of audit lines and audit events, also with every field at its longest: a line
 * that does not fit ends the daemon.
 */
#include "api/audit.h"
#include "base/limits.h"
#include "codec/json.h"
#include "config/access.h"
#include "test.h"

#include <stdlib.h>

static struct conf conf;
static struct core core;
static char text[VH_REPLY_MAX];
static const struct principal root = {.role = ROLE_ADMIN, .vm = -1, .name = "unix uid=0 gid=0 pid=12"};

static void configure(const char *json) {
    if (!conf_parse(&conf, json, strlen(json), NULL, NULL))
        exit(1);
    memset(&core, 0, sizeof core);
    core_init(&core, &conf, false);
}

static const char *as_line(const struct audit_entry *e, size_t cap) {
    struct sbuf sb;
    sb_init(&sb, text, cap);
    audit_line(&sb, &core, e);
    CHECK(sb_ok(&sb));
    return text;
}

static const char *as_event(const struct audit_entry *e) {
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    audit_event(&sb, &core, e);
    CHECK(sb_ok(&sb));
    return text;
}

static struct audit detach(void) {
    struct audit a = {
        .asked = {.kind = REQ_DETACH, .who = root, .vm = "vm 1", .id = "\"x\""}, .devices = 2, .taken = "uncertain"};
    a.asked.sel = (struct selector){.by_tag = true, .tag = "k=b"};
    snprintf(a.device, sizeof a.device, "1-2");
    a.vid = 0x46d;
    a.pid = 0xc31c;
    return a;
}

static void a_decision_in_both_forms(void) {
    struct audit a = detach();
    struct audit_entry e = {
        .who = &root, .action = "usb_detach", .outcome = "failed", .reason = "no = \"room\"", .a = &a};
    configure("{}");
    CHECK_STR(
        as_line(&e, VH_AUDIT_MAX),
        "audit: by=\"unix uid=0 gid=0 pid=12\" role=admin action=usb_detach asked=\"tag 'k\\u003db'\" vm=\"vm 1\" "
        "request=\"\\\"x\\\"\" device=1-2 id=046d:c31c devices=2 taken_away=uncertain outcome=failed reason=\"no "
        "\\u003d \\\"room\\\"\"");
    CHECK_STR(as_event(&e),
              "{\"event\": \"audit\", \"by\": \"unix uid=0 gid=0 pid=12\", \"role\": \"admin\", \"action\": "
              "\"usb_detach\", \"asked\": \"tag 'k=b'\", \"vm\": \"vm 1\", \"request\": \"\\\"x\\\"\", \"device\": "
              "\"1-2\", \"id\": \"046d:c31c\", \"devices\": 2, \"taken_away\": \"uncertain\", \"outcome\": \"failed\", "
              "\"reason\": \"no = "
              "\\\"room\\\"\"}\n");
}

static void what_is_not_known_is_not_said(void) {
    struct audit a = {.asked = {.kind = REQ_SUSPEND, .who = root}};
    struct audit_entry e = {.who = &root, .action = "usb_suspend", .outcome = "ok", .a = &a};
    configure("{}");
    CHECK_STR(as_line(&e, VH_AUDIT_MAX),
              "audit: by=\"unix uid=0 gid=0 pid=12\" role=admin action=usb_suspend outcome=ok");
    e = (struct audit_entry){.who = &root, .action = "connect", .outcome = "refused", .reason = "too many"};
    CHECK_STR(as_line(&e, VH_AUDIT_MAX),
              "audit: by=\"unix uid=0 gid=0 pid=12\" role=admin action=connect outcome=refused reason=\"too many\"");
}

static void a_guest_is_of_its_vm_while_that_is_in_the_file(void) {
    struct principal guest = {.role = ROLE_GUEST, .vm = 0, .name = "vsock cid=3"};
    struct audit_entry e = {.who = &guest, .action = "connect", .outcome = "ok"};
    configure("{\"vms\": [{\"name\": \"work\", \"type\": \"qemu\", \"socket\": \"/s\"}]}");
    CHECK_STR(as_line(&e, VH_AUDIT_MAX), "audit: by=\"vsock cid=3\" role=guest of=\"work\" action=connect outcome=ok");
    guest.vm = 1;
    CHECK_STR(as_line(&e, VH_AUDIT_MAX), "audit: by=\"vsock cid=3\" role=guest action=connect outcome=ok");
}

static void outcomes_have_names(void) {
    CHECK_STR(audit_outcome_name(AUDIT_OK), "ok");
    CHECK_STR(audit_outcome_name(AUDIT_REFUSED), "refused");
    CHECK_STR(audit_outcome_name(AUDIT_FAILED), "failed");
}

static void fill(char *dst, size_t cap, char c) {
    memset(dst, c, cap - 1);
    dst[cap - 1] = '\0';
}

/* Every text that a client may choose, of full length and of characters that need the longest escapes. notify.c cuts
 * the reason. */
static void the_longest_line_and_the_longest_event_fit(void) {
    static char json[1024], reason[VH_ERROR_MAX], name[VH_NAME_MAX];
    static jsmntok_t tok[64];
    struct principal guest = {.role = ROLE_GUEST, .vm = 0};
    struct audit a = detach();
    struct audit_entry e = {.who = &guest, .action = "enable_notifications", .outcome = "refused", .a = &a};
    struct json j;
    struct json_error err;
    fill(name, sizeof name, '=');
    snprintf(json, sizeof json, "{\"vms\": [{\"name\": \"%s\", \"type\": \"qemu\", \"socket\": \"/s\"}]}", name);
    configure(json);
    fill(guest.name, sizeof "tcp " - 1 + sizeof((struct peer_facts *)NULL)->text, 'f'); /* addresses need no escapes */
    fill(a.asked.vm, sizeof a.asked.vm, 1);
    fill(a.asked.id, sizeof a.asked.id, '=');
    fill(a.device, sizeof a.device, '1');
    a.devices = VH_MAX_DEVICES;
    a.asked.sel = (struct selector){.by_node = true,
                                    .by_bus = true,
                                    .by_port = true,
                                    .by_vid = true,
                                    .by_pid = true,
                                    .by_tag = true,
                                    .node_bus = 255,
                                    .node_dev = 255,
                                    .bus = 255};
    fill(a.asked.sel.tag, sizeof a.asked.sel.tag, 1);
    fill(a.asked.sel.port, sizeof a.asked.sel.port, '1');
    e.reason = "(too long)";
    (void)as_line(&e, VH_AUDIT_MAX);
    fill(reason, sizeof reason, 1);
    e.reason = reason;
    (void)as_event(&e);
    CHECK(json_parse(&j, text, strlen(text) - 1, tok, 64, &err));
}

int main(void) {
    RUN(a_decision_in_both_forms);
    RUN(what_is_not_known_is_not_said);
    RUN(a_guest_is_of_its_vm_while_that_is_in_the_file);
    RUN(outcomes_have_names);
    RUN(the_longest_line_and_the_longest_event_fit);
    TEST_MAIN_END;
}
