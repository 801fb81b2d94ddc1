/*
 * test_conf.c - conf*.c: every key right and wrong, the exact place and path of every problem, files in the style of
 * both older daemons, and the bounds.
 */
#include "config/conf.h"
#include "config/policy.h"
#include "test.h"

#include <stdlib.h>
#include <time.h>

static struct conf c;
static char seen[65536]; /* every diagnostic as a line: "error 1:2 path: text" */
static bool with_notes;
static int diags;

static void collect(const struct diag *d, void *arg) {
    static const char *const names[] = {"error", "warning", "note"};
    size_t n = strlen(seen);
    diags++;
    CHECK(arg == &c);
    if (d->level == DIAG_NOTE && !with_notes)
        return;
    snprintf(seen + n, sizeof seen - n, "%s %u:%u %s: %s\n", names[d->level], d->line, d->column, d->path, d->text);
}

static bool parse(const char *text) {
    seen[0] = '\0';
    diags = 0;
    return conf_parse(&c, text, strlen(text), collect, &c);
}

/* Parses, and expects exactly these lines; success unless one is an error. */
#define EXPECT(text, lines)                                     \
    do {                                                        \
        bool ok_ = parse(text);                                 \
        CHECK_STR(seen, lines);                                 \
        CHECK_INT(ok_, strstr("\n" lines, "\nerror ") == NULL); \
    } while (0)

/* What is between the quotes stands on line 2, so columns can be counted in it. */
#define VM_A "{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\"}"
#define VM_B "{\"name\":\"b\",\"type\":\"qemu\",\"socket\":\"/b\"}"
#define ENTRY(x) "{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[{\n" x "}]}]}"
#define RULE(x) "{\"vms\":[" VM_A "," VM_B "],\"usbPassthrough\":[{\"allow\":[{\"bus\":1}],\n" x "}]}"
#define VM(x) "{\"vms\":[{\n" x "}]}"
#define GENERAL(x) "{\"general\":{\n" x "}}"
#define API(x) "{\"general\":{\"api\":{\n" x "}}}"

/* ---- the whole ---- */

static void defaults(void) {
    memset(&c, 0xa5, sizeof c);
    conf_default(&c);
    CHECK_INT(c.rule_match_any, false);
    CHECK_INT(c.persistency, true);
    CHECK_STR(c.state_path, "/var/lib/vhotplug/vhotplug.state");
    CHECK_INT(c.lease_seconds, 0);
    CHECK_INT(c.release_on_exit, false);
    CHECK_INT(c.nrules + c.nentries + c.nvms, 0);
    CHECK_INT(c.api.enable, true);
    CHECK_INT(c.api.unix_on, true);
    CHECK_INT(c.api.tcp_on, false);
    CHECK_INT(c.api.vsock_on, false);
    CHECK_STR(c.api.host, "127.0.0.1");
    CHECK_INT(c.api.tcp_port, 2000);
    CHECK_INT(c.api.vsock_port, 2000);
    CHECK_STR(c.api.unix_path, "/var/lib/vhotplug/vhotplug.sock");
    CHECK_STR(c.api.unix_user, "");
    CHECK_STR(c.api.unix_group, "");
    CHECK_INT(c.api.unix_mode, 0660);
    CHECK_INT(c.api.cid_policy, CIDS_NOBODY);
    CHECK_INT(c.api.ncids, 0);
}

static void empty_object_is_the_default(void) {
    EXPECT("{}", "");
    CHECK_INT(c.api.unix_on, true);
    EXPECT("{\"general\":{}}", "");
    CHECK_INT(c.api.unix_on, true);
    EXPECT("{\"general\":{\"api\":{}}}", "");
    CHECK_INT(c.api.unix_on, true);
    CHECK_INT(c.api.tcp_on, false);
    CHECK_INT(c.api.vsock_on, false);
}

static void a_second_parse_starts_afresh(void) {
    CHECK(parse(GENERAL("\"ruleMatch\":\"any\",\"api\":{\"transports\":[\"tcp\"]}")));
    CHECK(parse(ENTRY("\"bus\":1")));
    CHECK_INT(c.rule_match_any, false);
    CHECK_INT(c.api.tcp_on, false);
    CHECK_INT(c.nrules, 1);
    CHECK(parse("{}"));
    CHECK_INT(c.nrules + c.nentries + c.nvms, 0);
    CHECK_INT(c.nstrings, 0);
}

static void no_reporter_is_fine(void) {
    CHECK(!conf_parse(&c, "[", 1, NULL, NULL));
    CHECK(!conf_parse(&c, "[]", 2, NULL, NULL));
    CHECK(conf_parse(&c, "{\"x\":1}", 7, NULL, NULL));
}

static void not_json(void) {
    unsigned line = 0;
    CHECK(!parse("{\n  \"vms\": [,]\n}"));
    CHECK_INT(diags, 1);
    CHECK(sscanf(seen, "error %u:", &line) == 1);
    CHECK_INT(line, 2);
    CHECK(strstr(seen, "error 2:11 : ") == seen);
    CHECK(!parse(""));
    CHECK_INT(diags, 1);
    CHECK(!parse("{\"vms\":[],\"vms\":[]}")); /* twice the same key */
    CHECK_INT(diags, 1);
}

static void root_types(void) {
    EXPECT("[]", "error 1:1 : expected an object, found an array\n");
    EXPECT(" 12", "error 1:2 : expected an object, found the number 12\n");
    EXPECT("null", "error 1:1 : expected an object, found null\n");
    EXPECT("{\"vms\":{}}", "error 1:8 vms: expected an array of VMs, found an object\n");
    EXPECT("{\"usbPassthrough\":true}", "error 1:19 usbPassthrough: expected an array of rules, found true\n");
    EXPECT("{\"general\":\"x\"}", "error 1:12 general: expected an object, found the string \"x\"\n");
    EXPECT("{\"general\":{\"api\":1}}", "error 1:19 general.api: expected an object, found the number 1\n");
    EXPECT("{\"vms\":null,\"usbPassthrough\":null,\"general\":null,\"pciPassthrough\":null}", "");
    EXPECT("{\"$schema\":\"x\",\"description\":[\"any\",\"comment\"]}", "");
}

static void unknown_keys(void) {
    EXPECT("{\"usbPassthru\":[]}",
           "error 1:2 usbPassthru: unknown key 'usbPassthru': did you mean 'usbPassthrough'?\n");
    EXPECT("{\"x\":1}", "warning 1:2 x: unknown key 'x'\n");
    EXPECT("{\"api\":{}}", "warning 1:2 api: unknown key 'api': it belongs in 'general'\n");
    EXPECT(GENERAL("\"transports\":[]"),
           "warning 2:1 general.transports: unknown key 'transports': it belongs in 'general.api'\n");
    EXPECT(API("\"unixsocket\":\"/x\""),
           "warning 2:1 general.api.unixsocket: unknown key 'unixsocket': did you mean 'unixSocket'?\n");
    EXPECT(ENTRY("\"bus\":1,\"vendorID\":\"046d\""), "error 2:9 usbPassthrough[0].allow[0].vendorID: unknown key "
                                                     "'vendorID': did you mean 'vendorId'?\n");
    EXPECT(ENTRY("\"bus\":1, \"vid\":\"046d\""),
           "error 2:10 usbPassthrough[0].allow[0].vid: unknown key 'vid': did you mean 'vendorId'?\n");
    EXPECT(RULE("\"targetVm\":\"a\",\"vendorId\":\"046d\""),
           "error 2:16 usbPassthrough[0].vendorId: unknown key 'vendorId': it belongs in an 'allow' or 'deny' entry\n");
    EXPECT(RULE("\"vm\":\"a\""), "error 2:1 usbPassthrough[0].vm: unknown key 'vm': did you mean 'targetVm'?\n");
    EXPECT(VM("\"name\":\"a\",\"type\":\"qemu\",\"qmpSocket\":\"/a\",\"socket\":\"/a\""),
           "warning 2:26 vms[0].qmpSocket: unknown key 'qmpSocket': did you mean 'socket'?\n");
}

/* What is left out of a rule or an entry may cost a device, or open what should be closed. */
static void a_key_that_resembles_one_of_a_rule_is_an_error(void) {
    static const char *const wrong[] = {"targetVM", "targetvm", "target_vm", "allowedVM", "alow",
                                        "denny",    "tags",     "enabled",   "disabled",  "skipOnSupend",
                                        "vms",      "ignore",   "bus",       "serial"};
    static const char *const right[] = {"note",  "x",       "comment",   "Description", "descripton", "id", "_targetVm",
                                        "//tag", "#enable", "$targetVm", "-deny",       "owner",      "",   "name"};
    char text[400], expected[60];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, RULE("\"targetVm\":\"a\",\"%s\":\"a\""), wrong[i]);
        snprintf(expected, sizeof expected, "error 2:16 usbPassthrough[0].%s: unknown key", wrong[i]);
        CHECK(!parse(text) && strstr(seen, expected) == seen && diags == 1);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        snprintf(text, sizeof text, RULE("\"targetVm\":\"a\",\"%s\":\"a\""), right[i]);
        CHECK(parse(text) && strstr(seen, "warning 2:16 usbPassthrough[0].") == seen);
    }
}

static void a_key_that_resembles_one_of_an_entry_is_an_error(void) {
    static const char *const wrong[] = {"vendorID",        "vendor", "VendorId", "vendor_id", "idVendor", "pid",
                                        "interface_class", "class",  "targetVm", "allow",     "ports",    "Enable"};
    static const char *const right[] = {"name", "comment", "_vendorId", "Description", "note", "since", "x"};
    char text[300];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, ENTRY("\"bus\":1,\"%s\":\"1\""), wrong[i]);
        CHECK(!parse(text) && strstr(seen, "error 2:9 usbPassthrough[0].allow[0].") == seen && diags == 1);
    }
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        snprintf(text, sizeof text, ENTRY("\"bus\":1,\"%s\":\"1\""), right[i]);
        CHECK(parse(text) && strstr(seen, "warning 2:9 usbPassthrough[0].allow[0].") == seen && diags == 1);
    }
}

/* Nor is what follows from an error reported as well. */
static void a_misspelt_key_is_one_problem(void) {
    EXPECT(RULE("\"targetVM\":\"a\""),
           "error 2:1 usbPassthrough[0].targetVM: unknown key 'targetVM': did you mean 'targetVm'?\n");
    EXPECT(ENTRY("\"vendorID\":\"046d\""),
           "error 2:1 usbPassthrough[0].allow[0].vendorID: unknown key 'vendorID': did you mean 'vendorId'?\n");
    EXPECT(ENTRY("\"bus\":1}],\"deny\":[{\"vendorID\":\"046d\""),
           "error 2:20 usbPassthrough[0].deny[0].vendorID: unknown key 'vendorID': did you mean 'vendorId'?\n");
    EXPECT("{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\n\"alow\":[{\"bus\":1}]}]}",
           "error 2:1 usbPassthrough[0].alow: unknown key 'alow': did you mean 'allow'?\n");
    /* a VM whose name cannot be read may be the one that a rule names */
    EXPECT("{\"vms\":[{\"nam\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\"}],\n\"usbPassthrough\":[{\"targetVm\":\"a\","
           "\"allow\":[{\"bus\":1}]}]}",
           "error 1:9 vms[0]: 'name' is missing\n"
           "warning 1:10 vms[0].nam: unknown key 'nam': did you mean 'name'?\n");
}

static void a_deny_entry_without_a_field_is_an_error(void) {
    EXPECT(ENTRY("\"bus\":1}],\"deny\":[{"),
           "error 2:19 usbPassthrough[0].deny[0]: a 'deny' entry without any field denies nothing\n");
    EXPECT(ENTRY("\"bus\":1}],\"deny\":[{\"description\":\"x\",\"vendorId\":null"),
           "error 2:19 usbPassthrough[0].deny[0]: a 'deny' entry without any field denies nothing\n");
    EXPECT(ENTRY("\"bus\":1}],\"deny\":[{\"disable\":true"),
           "warning 2:19 usbPassthrough[0].deny[0]: an entry without any field matches nothing\n");
    EXPECT(ENTRY(""), "warning 1:94 usbPassthrough[0].allow[0]: an entry without any field matches nothing\n");
}

static void digits_in_quotes_are_noted_as_hexadecimal(void) {
    with_notes = true;
    EXPECT(ENTRY("\"interfaceClass\":\"14\""),
           "note 2:18 usbPassthrough[0].allow[0].interfaceClass: a string is hexadecimal: this is 20; for 14 write the "
           "number 14 without quotes\n");
    EXPECT(ENTRY("\"deviceClass\":\"99\""),
           "note 2:15 usbPassthrough[0].allow[0].deviceClass: a string is hexadecimal: this is 153; for 99 write the "
           "number 99 without quotes\n");
    EXPECT(ENTRY("\"interfaceClass\":\"09\""), "");
    EXPECT(ENTRY("\"interfaceClass\":\"9\""), "");
    EXPECT(ENTRY("\"interfaceClass\":\"e0\""), "");
    EXPECT(ENTRY("\"interfaceClass\":\"0x14\""), "");
    EXPECT(ENTRY("\"interfaceClass\":14"), "");
    with_notes = false;
}

static void a_byte_order_mark_is_skipped(void) {
    EXPECT("\xef\xbb\xbf{\"x\":1}", "warning 1:2 x: unknown key 'x'\n");
    EXPECT("\xef\xbb\xbf", "error 1:1 : the text ends where a value is expected\n");
    EXPECT("\xef\xbb\xbf\xef\xbb\xbf{}", "error 1:1 : expected a value\n");
}

static void a_long_unknown_key_is_shortened(void) {
    char text[600] = "{\"";
    memset(text + 2, 'k', 500);
    strcpy(text + 502, "\":1}");
    CHECK(parse(text));
    CHECK(strstr(seen, "warning 1:2 (a very long path): unknown key 'kkkk") == seen);
    CHECK(strstr(seen, "k...'\n") != NULL);
    CHECK_INT(diags, 1);
    /* shortened at a character, never inside one */
    strcpy(text, "{\"");
    for (int i = 0; i < 100; i++)
        strcat(text, "\xc3\xa4");
    strcat(text, "\":1}");
    CHECK(parse(text));
    CHECK(strstr(seen, "\xc3\xa4...'\n") != NULL);
}

#define AUTHORIZATION(text) "{\"usbAuthorization\":{" text "}}"
#define KEYBOARD_ALLOWED "\"hostAllow\":[{\"interfaceClass\":3}]"
#define NO_KEYBOARD(place)                                                                                   \
    "warning " place ": without 'hostAllow' the host can use no USB device that is plugged in, nor its own " \
    "keyboard\n"

/* Their order is the other way round than in rules. */
static void authorization_by_enable_else_by_disable_else_off(void) {
    EXPECT("{\"usbAuthorization\":null}", "");
    CHECK(!c.authorization.enabled);
    EXPECT(AUTHORIZATION(KEYBOARD_ALLOWED), "");
    CHECK(!c.authorization.enabled && c.authorization.nallow == 1);
    EXPECT(AUTHORIZATION("\"enable\":true," KEYBOARD_ALLOWED), "");
    CHECK(c.authorization.enabled && !c.authorization.unmatched);
    EXPECT(AUTHORIZATION("\"disable\":false,\"deauthorizeUnmatched\":true," KEYBOARD_ALLOWED), "");
    CHECK(c.authorization.enabled && c.authorization.unmatched);
    EXPECT(AUTHORIZATION("\"disable\":true"), "");
    CHECK(!c.authorization.enabled);
    EXPECT(AUTHORIZATION("\"enable\":true,\"disable\":true," KEYBOARD_ALLOWED),
           "warning 1:46 usbAuthorization.disable: 'enable' and 'disable' contradict each other: 'enable' decides\n");
    CHECK(c.authorization.enabled);
}

static void authorization_without_a_keyboard_is_warned_of(void) {
    EXPECT(AUTHORIZATION("\"enable\":true"), NO_KEYBOARD("1:31 usbAuthorization.enable"));
    EXPECT(AUTHORIZATION("\"enable\":true,\"hostAllow\":[{\"interfaceClass\":3,\"disable\":true}]"),
           NO_KEYBOARD("1:31 usbAuthorization.enable"));
    EXPECT("{\"usbPassthrough\":[{\"host\":true,\"allow\":[{\"interfaceClass\":3}]}],"
           "\"usbAuthorization\":{\"enable\":true}}",
           "");
    EXPECT(
        AUTHORIZATION("\"deauthorizeUnmatched\":true"),
        "warning 1:45 usbAuthorization.deauthorizeUnmatched: 'deauthorizeUnmatched' means nothing unless 'enable' is "
        "true\n");
}

static void authorization_with_a_slip_is_an_error(void) {
    EXPECT("{\"usbAuthorization\":true}", "error 1:21 usbAuthorization: expected an object, found true\n");
    EXPECT("{\"usbAuthorisation\":{}}",
           "error 1:2 usbAuthorisation: unknown key 'usbAuthorisation': did you mean 'usbAuthorization'?\n");
    EXPECT(AUTHORIZATION("\"enabled\":true"),
           "error 1:22 usbAuthorization.enabled: unknown key 'enabled': did you mean 'enable'?\n");
    EXPECT(AUTHORIZATION("\"hostallow\":[]"),
           "error 1:22 usbAuthorization.hostallow: unknown key 'hostallow': did you mean 'hostAllow'?\n");
    EXPECT(AUTHORIZATION("\"enable\":\"yes\""),
           "error 1:31 usbAuthorization.enable: expected true or false, found the string \"yes\"\n");
    EXPECT(AUTHORIZATION("\"hostAllow\":[{\"vendorld\":\"046d\"}]"),
           "error 1:36 usbAuthorization.hostAllow[0].vendorld: unknown key 'vendorld': did you mean 'vendorId'?\n");
}

static void keys_for_later(void) {
    with_notes = true;
    EXPECT(GENERAL("\"modprobe\":\"m\",\"modinfo\":\"i\",\"crosvm\":\"c\""),
           "note 2:1 general.modprobe: 'modprobe' is accepted but not acted on: drivers are found without it\n"
           "note 2:16 general.modinfo: 'modinfo' is accepted but not acted on: drivers are found without it\n"
           "note 2:30 general.crosvm: 'crosvm' is accepted but not acted on: crosvm is asked at its control socket, "
           "and not run\n");
    with_notes = false;
}

/* ---- general ---- */

static void firmware(void) {
    EXPECT(GENERAL("\"ovmfCode\":\"/fw/code.fd\",\"ovmfVars\":\"/fw/vars.fd\""), "");
    CHECK_STR(c.ovmf_code, "/fw/code.fd");
    CHECK_STR(c.ovmf_vars, "/fw/vars.fd");
    EXPECT(GENERAL("\"ovmfCode\":null,\"ovmfVars\":\"\""), "");
    CHECK(c.ovmf_code[0] == '\0' && c.ovmf_vars[0] == '\0');
    EXPECT(GENERAL("\"ovmfCode\":\"code.fd\""),
           "error 2:12 general.ovmfCode: expected an absolute path, found the string \"code.fd\"\n");
}

static void general_values(void) {
    EXPECT(GENERAL("\"ruleMatch\":\"any\""), "");
    CHECK_INT(c.rule_match_any, true);
    EXPECT(GENERAL("\"ruleMatch\":\"all\""), "");
    CHECK_INT(c.rule_match_any, false);
    EXPECT(GENERAL("\"ruleMatch\":\"some\""),
           "error 2:13 general.ruleMatch: expected \"all\" or \"any\", found the string \"some\"\n");
    EXPECT(GENERAL("\"persistency\":true"), "");
    EXPECT(GENERAL("\"persistency\":false"), "");
    CHECK_INT(c.persistency, false);
    EXPECT(GENERAL("\"persistency\":\"no\""),
           "error 2:15 general.persistency: expected true or false, found the string \"no\"\n");
    CHECK_INT(c.closed_on_loss, false);
    EXPECT(GENERAL("\"onCorruptState\":\"closed\""), "");
    CHECK_INT(c.closed_on_loss, true);
    EXPECT(GENERAL("\"onCorruptState\":\"open\""), "");
    CHECK_INT(c.closed_on_loss, false);
    EXPECT(GENERAL("\"onCorruptState\":\"shut\""),
           "error 2:18 general.onCorruptState: expected \"open\" or \"closed\", found the string \"shut\"\n");
    EXPECT(GENERAL("\"statePath\":\"/x/state\",\"leaseSeconds\":30,\"releaseOnExit\":true"), "");
    CHECK_STR(c.state_path, "/x/state");
    CHECK_INT(c.lease_seconds, 30);
    CHECK_INT(c.release_on_exit, true);
    CHECK_INT(c.quarantine, QUARANTINE_OFF);
    EXPECT(GENERAL("\"quarantine\":\"rules\""), "");
    CHECK_INT(c.quarantine, QUARANTINE_RULES);
    EXPECT(GENERAL("\"quarantine\":\"all\""), "");
    CHECK_INT(c.quarantine, QUARANTINE_ALL);
    EXPECT(GENERAL("\"quarantine\":\"off\""), "");
    CHECK_INT(c.quarantine, QUARANTINE_OFF);
    EXPECT(GENERAL("\"quarantine\":\"yes\""),
           "error 2:14 general.quarantine: expected \"off\", \"rules\" or \"all\", found the string \"yes\"\n");
    CHECK(!parse(GENERAL("\"statePath\":\"x\"")));
    CHECK(strstr(seen, "error 2:13 general.statePath: expected an absolute path, found the string \"x\"\n"));
    CHECK(!parse(GENERAL("\"leaseSeconds\":86401")));
    CHECK(strstr(seen, "error 2:16 general.leaseSeconds: expected seconds from 0 to 86400, found the number 86401\n"));
    CHECK(!parse(GENERAL("\"leaseSeconds\":-1")));
    CHECK(!parse(GENERAL("\"leaseSeconds\":1.5")));
    EXPECT(GENERAL("\"ruleMatch\":null,\"persistency\":null,\"statePath\":null,\"leaseSeconds\":null,\"api\":null,"
                   "\"modprobe\":null"),
           "");
}

/* ---- general.api ---- */

static void api_transports(void) {
    EXPECT(API("\"transports\":[\"unix\",\"tcp\",\"vsock\"],\"allowedCids\":[3]"), "");
    CHECK(c.api.unix_on && c.api.tcp_on && c.api.vsock_on);
    EXPECT(API("\"transports\":[\"tcp\"]"), "");
    CHECK(!c.api.unix_on && c.api.tcp_on && !c.api.vsock_on);
    EXPECT(API("\"transports\":[]"), "warning 2:14 general.api.transports: no transport: nobody can reach the API\n");
    CHECK(!c.api.unix_on && !c.api.tcp_on && !c.api.vsock_on);
    EXPECT(API("\"transports\":[\"unix\",\"udp\",7]"),
           "error 2:22 general.api.transports[1]: expected \"unix\", \"tcp\" or \"vsock\", found the string \"udp\"\n"
           "error 2:28 general.api.transports[2]: expected \"unix\", \"tcp\" or \"vsock\", found the number 7\n");
    EXPECT(API("\"transports\":\"unix\""), "error 2:14 general.api.transports: expected an array of \"unix\", \"tcp\" "
                                           "and \"vsock\", found the string \"unix\"\n");
}

static void tcp_is_open_to_browsers(void) {
    with_notes = true;
    EXPECT(API("\"transports\":[\"tcp\"]"),
           "note 2:14 general.api.transports: without 'clients' whoever reaches the TCP port is operator: each program "
           "and browser of this host, and guests behind user-mode networks, to whom the host's loopback is open\n");
    EXPECT(API("\"transports\":[\"tcp\"],\"clients\":[{\"tcp\":\"::1\",\"role\":\"observer\"}]"), "");
    EXPECT(API("\"enable\":false,\"transports\":[\"tcp\"]"), "");
    with_notes = false;
}

static void api_enable(void) {
    EXPECT(API("\"enable\":false,\"transports\":[\"unix\",\"tcp\",\"vsock\"]"), "");
    CHECK(!c.api.enable && !c.api.unix_on && !c.api.tcp_on && !c.api.vsock_on);
    EXPECT(API("\"disable\":true"), "");
    CHECK(!c.api.enable);
    EXPECT(API("\"disable\":false"), "");
    CHECK(c.api.enable && c.api.unix_on);
    EXPECT(API("\"enable\":true,\"disable\":true"),
           "warning 2:25 general.api.disable: 'enable' and 'disable' contradict each other: 'disable' decides\n");
    CHECK(!c.api.enable);
    EXPECT(API("\"enable\":false,\"disable\":true"), "");
    EXPECT(API("\"enable\":1,\"disable\":\"x\""),
           "error 2:10 general.api.enable: expected true or false, found the number 1\n"
           "error 2:22 general.api.disable: expected true or false, found the string \"x\"\n");
}

static void api_host(void) {
    static const char *const quiet[] = {"127.0.0.1", "127.9.9.9", "::1", "localhost"};
    char text[256];
    for (size_t i = 0; i < 4; i++) {
        snprintf(text, sizeof text, API("\"transports\":[\"tcp\"],\"host\":\"%s\""), quiet[i]);
        EXPECT(text, "");
        CHECK_STR(c.api.host, quiet[i]);
    }
    EXPECT(API("\"transports\":[\"tcp\"],\"host\":\"fd00::1\""),
           "warning 2:29 general.api.host: TCP knows no users: whoever reaches fd00::1 may move devices within the "
           "rules\n");
    EXPECT(API("\"host\":\"\",\"transports\":[\"tcp\"]"),
           "warning 2:8 general.api.host: TCP knows no users: whoever reaches 0.0.0.0 may move devices within the "
           "rules\n");
    CHECK_STR(c.api.host, "0.0.0.0");
    EXPECT(API("\"host\":\"0.0.0.0\""), ""); /* without TCP it opens nothing */
    EXPECT(API("\"transports\":[\"tcp\"],\"host\":\"my.host\""),
           "error 2:29 general.api.host: expected a numeric IPv4 or IPv6 address (names are not resolved), found the "
           "string \"my.host\"\n");
    EXPECT(API("\"host\":\"my.host\""), "warning 2:8 general.api.host: not a numeric address, which TCP would need; "
                                        "\"tcp\" is not among the transports\n");
    CHECK_STR(c.api.host, "127.0.0.1");
    EXPECT(API("\"host\":5"),
           "error 2:8 general.api.host: expected a numeric address such as \"127.0.0.1\", found the number 5\n");
    CHECK(!parse(API("\"host\":\"1111111111222222222233333333334444444444555555555566666666667777\"")));
    CHECK_STR(seen, "error 2:8 general.api.host: 64 bytes are too many here: at most 63\n");
}

static void api_ports(void) {
    EXPECT(API("\"port\":3000"), "");
    CHECK_INT(c.api.tcp_port, 3000);
    CHECK_INT(c.api.vsock_port, 3000);
    EXPECT(API("\"port\":\"3000\",\"tcpPort\":3001,\"vsockPort\":\"3002\""), "");
    CHECK_INT(c.api.tcp_port, 3001);
    CHECK_INT(c.api.vsock_port, 3002);
    EXPECT(API("\"vsockPort\":4294967294,\"tcpPort\":65535"), "");
    CHECK_INT(c.api.vsock_port, 4294967294);
    CHECK_INT(c.api.tcp_port, 65535);
    EXPECT(API("\"port\":70000"), ""); /* a VSOCK port may be that high, and TCP is off */
    CHECK_INT(c.api.vsock_port, 70000);
    CHECK_INT(c.api.tcp_port, 2000);
    EXPECT(API("\"port\":70000,\"transports\":[\"tcp\"]"),
           "error 2:8 general.api.port: expected a TCP port from 1 to 65535, found the number 70000\n");
    EXPECT(API("\"port\":70000,\"transports\":[\"tcp\"],\"tcpPort\":5"), "");
    EXPECT(API("\"port\":0,\"tcpPort\":65536,\"vsockPort\":4294967295"),
           "error 2:8 general.api.port: expected a port number from 1, found the number 0\n"
           "error 2:20 general.api.tcpPort: expected a TCP port from 1 to 65535, found the number 65536\n"
           "error 2:38 general.api.vsockPort: expected a VSOCK port from 1 to 4294967294, found the number "
           "4294967295\n");
    EXPECT(API("\"port\":\"20x\""),
           "error 2:8 general.api.port: expected a port number from 1, found the string \"20x\"\n");
    EXPECT(API("\"port\":[1]"), "error 2:8 general.api.port: expected a port number from 1, found an array\n");
    EXPECT(API("\"tcpPort\":\"0\""),
           "error 2:11 general.api.tcpPort: expected a TCP port from 1 to 65535, found the string \"0\"\n");
}

#define VSOCK "\"transports\":[\"vsock\"]"

static void api_cids(void) {
    EXPECT(API(VSOCK ",\"allowedCids\":[3,\"4\",5]"), "");
    CHECK_INT(c.api.cid_policy, CIDS_LISTED);
    CHECK_INT(c.api.ncids, 3);
    CHECK(c.api.cids[0] == 3 && c.api.cids[1] == 4 && c.api.cids[2] == 5);
    EXPECT(API(VSOCK ",\"allowedCids\":\"any\""), "warning 2:38 general.api.allowedCids: every guest with a VSOCK "
                                                  "device may move devices within the rules\n");
    CHECK_INT(c.api.cid_policy, CIDS_ANY);
    EXPECT(API("\"allowedCids\":\"any\""), "");
    EXPECT(
        API(VSOCK ",\"allowedCids\":[]"),
        "warning 2:38 general.api.allowedCids: nobody may connect over VSOCK: allowedCids is empty; list the guests' "
        "CIDs (\"allowedCids\": [3]) or open it to every guest (\"allowedCids\": \"any\")\n");
    CHECK_INT(c.api.cid_policy, CIDS_NOBODY);
    EXPECT(API(VSOCK), "warning 2:14 general.api.transports: nobody may connect over VSOCK: allowedCids is missing; "
                       "list the guests' CIDs (\"allowedCids\": [3]) or open it to every guest (\"allowedCids\": "
                       "\"any\")\n");
    EXPECT(API(VSOCK ",\"allowedCids\":[3,3]"), "warning 2:41 general.api.allowedCids[1]: CID 3 is listed twice\n");
    CHECK_INT(c.api.ncids, 1);
    EXPECT(API(VSOCK ",\"allowedCids\":[-1,\"x\",4294967295,null]"),
           "error 2:39 general.api.allowedCids[0]: expected a CID from 0 to 4294967294, found the number -1\n"
           "error 2:42 general.api.allowedCids[1]: expected a CID from 0 to 4294967294, found the string \"x\"\n"
           "error 2:46 general.api.allowedCids[2]: expected a CID from 0 to 4294967294, found the number 4294967295\n"
           "error 2:57 general.api.allowedCids[3]: expected a CID from 0 to 4294967294, found null\n");
    EXPECT(API(VSOCK ",\"allowedCids\":\"all\""),
           "error 2:38 general.api.allowedCids: expected an array of CIDs, or \"any\", found the string \"all\"\n");
    with_notes = true;
    EXPECT(API(VSOCK ",\"allowedCids\":[0,1,2]"),
           "note 2:39 general.api.allowedCids[0]: CID 0 is no guest: it lets the hypervisor in\n"
           "note 2:41 general.api.allowedCids[1]: CID 1 is no guest: it lets every process of this host, over VSOCK "
           "loopback in\n"
           "note 2:43 general.api.allowedCids[2]: CID 2 is no guest: it lets every process of the host in\n");
    with_notes = false;
}

static void too_many_cids(void) {
    char text[2048] = "{\"general\":{\"api\":{\"allowedCids\":[3";
    for (int i = 1; i < VH_MAX_CIDS; i++)
        sprintf(text + strlen(text), ",%d", i + 3);
    size_t n = strlen(text);
    strcpy(text + n, "]}}}");
    EXPECT(text, "");
    CHECK_INT(c.api.ncids, VH_MAX_CIDS);
    strcpy(text + n, ",1000]}}}");
    CHECK(!parse(text));
    CHECK(strstr(seen, "general.api.allowedCids[64]: more than 64 CIDs (VH_MAX_CIDS); \"allowedCids\": \"any\" opens"));
}

/* ---- general.api.clients, general.api.limits ---- */

#define WITH_VMS(clients)                                                                                           \
    "{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\"},{\"name\":\"b\",\"type\":\"qemu\",\"socket\":"  \
    "\"/b\",\"cid\":4}],\n\"usbPassthrough\":[{\"allowedVms\":[\"a\",\"b\"],\"allow\":[{\"vendorId\":\"1111\"}]}]," \
    "\"general\":{\"api\":{\"clients\":\n" clients "}}}"

static void clients_values(void) {
    EXPECT(WITH_VMS("[{\"uid\":0,\"role\":\"admin\"},{\"gid\":\"50\",\"role\":\"operator\",\"vm\":null},"
                    "{\"cid\":4,\"role\":\"guest\",\"vm\":\"b\",\"description\":\"x\"},"
                    "{\"tcp\":\"10.0.0.0/8\",\"role\":\"observer\"},{\"tcp\":\"::1\",\"role\":\"operator\"}]"),
           "");
    CHECK(c.api.only_clients);
    CHECK_INT(c.api.naccess, 5);
    const struct access_conf *a = c.api.access;
    CHECK(a[0].kind == ACCESS_UID && a[0].id == 0 && a[0].role == ROLE_ADMIN && a[0].vm == -1);
    CHECK(a[1].kind == ACCESS_GID && a[1].id == 50 && a[1].role == ROLE_OPERATOR);
    CHECK(a[2].kind == ACCESS_CID && a[2].id == 4 && a[2].role == ROLE_GUEST && a[2].vm == 1);
    CHECK(a[3].kind == ACCESS_NET && a[3].bits == 104 && a[3].net[12] == 10 && a[3].role == ROLE_OBSERVER);
    CHECK(a[4].kind == ACCESS_NET && a[4].bits == 128 && a[4].net[15] == 1 && a[4].role == ROLE_OPERATOR);
}

/* What one entry says, with the VMs' CIDs out of the way. */
#define ONE(entry) WITH_VMS("[{\"cid\":4,\"role\":\"guest\",\"vm\":\"b\"},\n" entry "]")
#define AT "general.api.clients[1]"

static void clients_errors(void) {
    EXPECT(ONE("{\"role\":\"admin\"}"),
           "error 4:1 " AT ": nobody is named: exactly one of 'cid', 'uid', 'gid' and 'tcp' says who is meant\n");
    EXPECT(ONE("{\"uid\":0,\"gid\":0,\"role\":\"admin\"}"),
           "error 4:1 " AT ": too much is named: exactly one of 'cid', 'uid', 'gid' and 'tcp' says who is meant\n");
    EXPECT(ONE("{\"uid\":0}"),
           "error 4:1 " AT ": 'role' is missing: \"admin\", \"operator\", \"guest\" or \"observer\"\n");
    EXPECT(ONE("{\"uid\":0,\"role\":\"root\"}"),
           "error 4:17 " AT ".role: expected \"admin\", \"operator\", \"guest\" or "
           "\"observer\", found the string \"root\"\n");
    EXPECT(ONE("{\"uid\":\"root\",\"role\":\"admin\"}"),
           "error 4:8 " AT ".uid: expected a user's number from 0 to 4294967294 (names are not resolved), found the "
           "string \"root\"\n");
    EXPECT(ONE("{\"cid\":3,\"role\":\"guest\"}"),
           "error 4:1 " AT ": 'vm' is missing: a guest is the guest of one VM\n");
    EXPECT(ONE("{\"cid\":3,\"role\":\"guest\",\"vm\":\"c\"}"), "error 4:30 " AT ".vm: no VM named 'c' in 'vms'\n");
    EXPECT(ONE("{\"cid\":3,\"role\":\"operator\",\"vm\":\"a\"}"),
           "error 4:33 " AT ".vm: only a \"guest\" belongs to a VM\n");
    EXPECT(ONE("{\"tcp\":\"127.0.0.1\",\"role\":\"admin\"}"),
           "error 4:27 " AT ".role: TCP knows no users: an address is \"operator\" at most\n");
    EXPECT(ONE("{\"tcp\":\"10.0.0.1/8\",\"role\":\"observer\"}"),
           "error 4:8 " AT ".tcp: the address has bits beyond its prefix: \"10.0.0.1/8\" would be no network\n");
    EXPECT(ONE("{\"tcp\":\"fd00::1/64\",\"role\":\"observer\"}"),
           "error 4:8 " AT ".tcp: the address has bits beyond its prefix: \"fd00::1/64\" would be no network\n");
    EXPECT(ONE("{\"cid\":4,\"role\":\"operator\"}"),
           "error 4:1 " AT ": the same client as in entry [0], and the first one counts\n");
    EXPECT(ONE("{\"cid\":3,\"rolle\":\"guest\",\"vm\":\"a\"}"),
           "error 4:1 " AT ": 'role' is missing: \"admin\", \"operator\", \"guest\" or \"observer\"\n"
           "warning 4:10 " AT ".rolle: unknown key 'rolle': did you mean 'role'?\n");
    EXPECT(ONE("7"), "error 4:1 " AT ": expected an object, found the number 7\n");
    EXPECT(WITH_VMS("7"), "error 3:1 general.api.clients: expected an array of clients, found the number 7\n");
}

static void networks_that_are_none(void) {
    static const char *const wrong[] = {"",       "x",      "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8",
                                        "::/129", "10.0.0", "localhost",   "/8",        "1.2.3.4/08x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[640];
        snprintf(text, sizeof text, "{\"general\":{\"api\":{\"clients\":[{\"tcp\":\"%s\",\"role\":\"observer\"}]}}}",
                 wrong[i]);
        CHECK(!parse(text));
        CHECK(strstr(seen, "clients[0].tcp: expected an address or a network") != NULL);
    }
}

static void clients_that_never_decide(void) {
    EXPECT(ONE("{\"tcp\":\"10.0.0.0/8\",\"role\":\"observer\"},{\"tcp\":\"10.1.0.0/16\",\"role\":\"operator\"}"),
           "error 4:40 general.api.clients[2]: never decides: entry [1] already means every such address, and the "
           "first one counts\n");
    EXPECT(ONE("{\"tcp\":\"10.1.0.0/16\",\"role\":\"observer\"},{\"tcp\":\"10.0.0.0/8\",\"role\":\"operator\"}"), "");
}

static void clients_and_the_older_keys(void) {
    EXPECT(WITH_VMS("[]"), "warning 3:1 general.api.clients: nobody may use the API: no client is listed\n"
                           "warning 3:1 general.api.clients: CID 4 of the VM 'b' is not listed: it has no access\n");
    CHECK(c.api.only_clients);
    EXPECT(WITH_VMS("[{\"cid\":4,\"role\":\"guest\",\"vm\":\"b\"}],\"allowedCids\":[3]"),
           "warning 3:51 general.api.allowedCids: does not count: 'clients' alone says who may come in\n");
    EXPECT(WITH_VMS("null"), ""); /* the VM's CID makes a guest */
    CHECK(!c.api.only_clients);
    CHECK_INT(c.api.naccess, 1);
    CHECK(c.api.access[0].kind == ACCESS_CID && c.api.access[0].id == 4 && c.api.access[0].role == ROLE_GUEST);
    CHECK_INT(c.api.access[0].vm, 1);
    EXPECT(WITH_VMS("null,\"transports\":[\"vsock\"]"), ""); /* somebody may connect */
    EXPECT(WITH_VMS("null,\"allowedCids\":[4]"), "warning 3:20 general.api.allowedCids: CID 4 is the guest of the VM "
                                                 "'b', which says so: it is no operator\n");
    with_notes = true;
    EXPECT(ONE("{\"cid\":3,\"role\":\"operator\"}"),
           "note 4:1 general.api.clients[1]: counts whether or not a VM with CID 3 runs: who may open the host's "
           "vhost-vsock device may claim it\n");
    with_notes = false;
}

static void too_many_clients(void) {
    static char text[16384];
    strcpy(text, "{\"general\":{\"api\":{\"clients\":[{\"uid\":0,\"role\":\"admin\"}");
    for (int i = 1; i < VH_MAX_ACCESS; i++)
        sprintf(text + strlen(text), ",{\"uid\":%d,\"role\":\"admin\"}", i);
    size_t n = strlen(text);
    strcpy(text + n, "]}}}");
    EXPECT(text, "");
    CHECK_INT(c.api.naccess, VH_MAX_ACCESS);
    strcpy(text + n, ",{\"uid\":1000,\"role\":\"admin\"}]}}}");
    CHECK(!parse(text));
    CHECK(strstr(seen, "general.api.clients[128]: more than 128 entries (VH_MAX_ACCESS)") != NULL);
}

static void limits_values(void) {
    EXPECT(API("\"limits\":{}"), "");
    CHECK_INT(c.api.peer_clients, VH_PEER_CLIENTS);
    CHECK_INT(c.api.peer_rate, VH_PEER_RATE);
    CHECK_INT(c.api.line_seconds, VH_LINE_SECONDS);
    EXPECT(API("\"limits\":{\"connectionsPerPeer\":64,\"requestsPerSecond\":\"5\",\"lineSeconds\":1}"), "");
    CHECK_INT(c.api.peer_clients, 64);
    CHECK_INT(c.api.peer_rate, 5);
    CHECK_INT(c.api.line_seconds, 1);
    EXPECT(API("\"limits\":{\"connectionsPerPeer\":65,\"requestsPerSecond\":0,\"lineSeconds\":0,\"x\":1}"),
           "error 2:32 general.api.limits.connectionsPerPeer: expected connections, from 1 to 64 (VH_MAX_CLIENTS), "
           "found the number 65\n"
           "error 2:55 general.api.limits.requestsPerSecond: expected requests per second, from 1 to 100000, found "
           "the number 0\n"
           "error 2:71 general.api.limits.lineSeconds: expected seconds from 1 to 3600, found the number 0\n"
           "warning 2:73 general.api.limits.x: unknown key 'x'\n");
}

static void api_socket(void) {
    EXPECT(API("\"unixSocket\":\"/run/v.sock\",\"unixSocketUser\":\"vh\",\"unixSocketGroup\":\"users\""), "");
    CHECK_STR(c.api.unix_path, "/run/v.sock");
    CHECK_STR(c.api.unix_user, "vh");
    CHECK_STR(c.api.unix_group, "users");
    EXPECT(API("\"unixSocketUser\":0,\"unixSocketGroup\":1000"), "");
    CHECK_STR(c.api.unix_user, "0");
    CHECK_STR(c.api.unix_group, "1000");
    EXPECT(API("\"unixSocketUser\":null,\"unixSocketGroup\":null,\"unixSocketMode\":null"), "");
    EXPECT(API("\"unixSocket\":\"v.sock\",\"unixSocketUser\":true,\"unixSocketGroup\":-1"),
           "error 2:14 general.api.unixSocket: expected an absolute path, found the string \"v.sock\"\n"
           "error 2:40 general.api.unixSocketUser: expected the name of a user, found true\n"
           "error 2:63 general.api.unixSocketGroup: expected the name of a group, found the number -1\n");
    EXPECT(API("\"unixSocket\":\"\",\"unixSocketUser\":\"a\\nb\",\"unixSocketGroup\":\"a\\u0000\""),
           "error 2:14 general.api.unixSocket: expected an absolute path, found the string \"\"\n"
           "error 2:34 general.api.unixSocketUser: control characters cannot be part of this value\n"
           "error 2:59 general.api.unixSocketGroup: U+0000 cannot be part of a value\n");
}

/* A name is shown, logged and sent to clients. What is printable may be in it, in any script. */
static void names_do_not_steer_who_reads_them(void) {
    static const char *const bad[] = {"a\x1f", "a\x7f", "\\u0085", "\\u202e", "\xe2\x80\xae", "a\\ufeff"};
    char text[200];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "{\"vms\":[{\"name\":\"%s\",\"type\":\"qemu\",\"socket\":\"/s\"}]}", bad[i]);
        CHECK(!parse(text));
    }
    CHECK(parse("{\"vms\":[{\"name\":\"b\xc3\xbcro \xe5\xae\xa2\",\"type\":\"qemu\",\"socket\":\"/s\"}]}"));
    CHECK_STR(c.vms[0].name, "b\xc3\xbcro \xe5\xae\xa2");
}

static void a_socket_path_fits_sun_path(void) {
    char path[VH_SUN_PATH_MAX + 1], text[400];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[VH_SUN_PATH_MAX - 1] = '\0';
    snprintf(text, sizeof text, API("\"unixSocket\":\"%s\""), path);
    EXPECT(text, "");
    CHECK_STR(c.api.unix_path, path);
    path[VH_SUN_PATH_MAX - 1] = 'x';
    path[VH_SUN_PATH_MAX] = '\0';
    snprintf(text, sizeof text, API("\"unixSocket\":\"%s\""), path);
    EXPECT(text, "error 2:14 general.api.unixSocket: 108 bytes are too many here: at most 107\n");
    snprintf(text, sizeof text, VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"%s\""), path);
    EXPECT(text, "error 2:35 vms[0].socket: 108 bytes are too many here: at most 107\n");
}

static void api_mode(void) {
    static const struct {
        const char *text;
        unsigned mode;
    } right[] = {
        {"\"0660\"", 0660}, {"\"660\"", 0660}, {"\"0o660\"", 0660}, {"\"0O600\"", 0600}, {"660", 0660},
        {"600", 0600},      {"\"0000\"", 0},   {"\"0770\"", 0770},  {"\"0\"", 0},
    };
    static const char *const wrong[] = {"\"\"",   "\"0o\"",   "\"06600\"", "\"1777\"", "\"0680\"",
                                        "\"rw\"", "\"0x1b\"", "6600",      "680",      "-660",
                                        "6e2",    "true",     "[]",        "{}",       "1.0"};
    char text[200];
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        snprintf(text, sizeof text, API("\"unixSocketMode\":%s"), right[i].text);
        EXPECT(text, "");
        CHECK_INT(c.api.unix_mode, right[i].mode);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, API("\"unixSocketMode\":%s"), wrong[i]);
        CHECK(!parse(text));
        CHECK(strstr(seen, "error 2:18 general.api.unixSocketMode: expected octal file permissions such as \"0660\", "
                           "found ") == seen);
    }
    /* 0660 converted to decimal by a generator */
    EXPECT(API("\"unixSocketMode\":432"),
           "error 2:18 general.api.unixSocketMode: a number is read by its digits, so this is mode 0432, which shuts "
           "out the socket's owner; write octal permissions as a string such as \"0660\"\n");
    EXPECT(API("\"unixSocketMode\":\"0666\""),
           "warning 2:18 general.api.unixSocketMode: every user of this host may connect, and is admin\n");
    EXPECT(API("\"unixSocketMode\":\"0666\",\"transports\":[\"tcp\"]"), "");
}

/* ---- vms ---- */

static void vm_values(void) {
    EXPECT(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/run/a.sock\",\"description\":\"x\""), "");
    CHECK_INT(c.nvms, 1);
    CHECK_STR(c.vms[0].name, "a");
    CHECK_STR(c.vms[0].type, "qemu");
    CHECK_STR(c.vms[0].socket, "/run/a.sock");
    CHECK_INT(c.vms[0].supported, true);
    CHECK_INT(c.vms[0].keep_monitor, false);
    CHECK_INT(c.vms[0].cid, 0);
    CHECK_INT(c.vms[0].passing, PASS_AUTO);
    CHECK_INT(c.vms[0].line, 1);
    EXPECT(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"qmp\":\"keep\",\"usbPassing\":\"path\",\"cid\":3"),
           "");
    CHECK_INT(c.vms[0].keep_monitor, true);
    CHECK_INT(c.vms[0].passing, PASS_PATH);
    CHECK_INT(c.vms[0].cid, 3);
    EXPECT(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"qmp\":\"share\",\"usbPassing\":\"fd\""), "");
    CHECK_INT(c.vms[0].keep_monitor, false);
    CHECK_INT(c.vms[0].passing, PASS_FD);
    CHECK_INT(conf_vm(&c, "a"), 0);
    CHECK_INT(conf_vm(&c, "b"), -1);
    CHECK_INT(conf_vm(&c, ""), -1);
}

static void vm_types(void) {
    EXPECT("{\"vms\":[{\"name\":\"a\",\"type\":\"crosvm\",\"socket\":\"/a\"},\n"
           "{\"name\":\"b\",\"type\":\"cloud-hypervisor\",\"socket\":\"/b\"}]}",
           "warning 2:20 vms[1].type: VMs of type 'cloud-hypervisor' are accepted but get no devices yet\n");
    EXPECT("{\"vms\":[" VM_A ",{\"name\":\"b\",\"type\":\"cloud-hypervisor\",\"socket\":\"/b\"},"
           "{\"name\":\"c\",\"type\":\"cloud-hypervisor\",\"socket\":\"/c\"}]}",
           "warning 1:69 vms[1].type: VMs of type 'cloud-hypervisor' are accepted but get no devices yet: 2 of them\n");
    EXPECT("{\"vms\":[{\"name\":\"a\",\"type\":\"crosvm\",\"socket\":\"/a\",\"usbPassing\":\"path\"}]}",
           "error 1:64 vms[0].usbPassing: a VM of type 'crosvm' takes descriptors only\n");
    EXPECT("{\"vms\":[{\"name\":\"a\",\"type\":\"auto\",\"socket\":\"/a\",\"usbPassing\":\"path\"}]}",
           "error 1:62 vms[0].usbPassing: a VM of type 'auto' may take descriptors only\n");
    CHECK(parse("{\"vms\":[{\"name\":\"a\",\"type\":\"auto\",\"socket\":\"/a\"}]}") && c.vms[0].supported &&
          c.vms[0].listens == VM_EITHER);
    /* What a type never takes is not sent to it; a rule that is off sends nothing. */
    EXPECT("{\"vms\":[{\"name\":\"b\",\"type\":\"cloud-hypervisor\",\"socket\":\"/b\"}],\"usbPassthrough\":[\n"
           "{\"targetVm\":\"b\",\"allow\":[{\"vendorId\":\"1234\"}]},"
           "{\"targetVm\":\"b\",\"disable\":true,\"allow\":[{\"vendorId\":\"1234\"}]}]}",
           "warning 1:28 vms[0].type: VMs of type 'cloud-hypervisor' are accepted but get no devices yet\n"
           "error 2:13 usbPassthrough[0].targetVm: the VM 'b' is of type 'cloud-hypervisor', which takes no USB "
           "devices\n");
    CHECK(parse("{\"vms\":[{\"name\":\"a\",\"type\":\"crosvm\",\"socket\":\"/a\"},"
                "{\"name\":\"b\",\"type\":\"cloud-hypervisor\",\"socket\":\"/b\"}]}"));
    CHECK_INT(c.nvms, 2);
    CHECK_STR(c.vms[1].type, "cloud-hypervisor");
    CHECK(c.vms[0].supported && c.vms[0].listens == VM_PACKETS && c.vms[1].supported && c.vms[1].listens == VM_API);
    CHECK_INT(c.vms[1].line, 1);
    EXPECT(VM("\"name\":\"a\",\"type\":\"xen\",\"socket\":\"/a\""),
           "error 2:19 vms[0].type: expected \"qemu\", \"crosvm\", \"cloud-hypervisor\" or \"auto\", found the string "
           "\"xen\"\n");
}

static void vm_errors(void) {
    EXPECT("{\"vms\":[7]}", "error 1:9 vms[0]: expected an object, found the number 7\n");
    EXPECT("{\"vms\":[null]}", "error 1:9 vms[0]: expected an object, found null\n");
    EXPECT("{\"vms\":[{}]}", "error 1:9 vms[0]: 'name' is missing\n"
                             "error 1:9 vms[0]: 'type' is missing, for instance \"type\": \"qemu\"\n"
                             "error 1:9 vms[0]: 'socket' is missing: the path of the VM's control socket\n");
    EXPECT(
        VM("\"name\":\"\",\"type\":1,\"socket\":\"a\",\"qmp\":\"x\",\"usbPassing\":1,\"cid\":2"),
        "error 2:8 vms[0].name: expected the name of a VM, found the string \"\"\n"
        "error 2:18 vms[0].type: expected \"qemu\", \"crosvm\", \"cloud-hypervisor\" or \"auto\", found the number 1\n"
        "error 2:29 vms[0].socket: expected an absolute path, found the string \"a\"\n"
        "error 2:39 vms[0].qmp: expected \"share\" or \"keep\", found the string \"x\"\n"
        "error 2:56 vms[0].usbPassing: expected \"auto\", \"fd\" or \"path\", found the number 1\n"
        "error 2:64 vms[0].cid: expected a guest's CID, 3 or more, found the number 2\n");
    EXPECT(
        VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"usbBus\":\"x\\\"y\""),
        "error 2:49 vms[0].usbBus: expected the name of a USB bus of the VM, such as \"xhci.0\": letters, digits and "
        "\"-._\"\n");
    EXPECT(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"usbBus\":\"\""), "");
    CHECK(c.vms[0].usb_bus[0] == '\0');
    EXPECT(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"usbBus\":\"xhci.0\""), "");
    CHECK_STR(c.vms[0].usb_bus, "xhci.0");
    CHECK(!parse(VM("\"name\":\"0123456789012345678901234567890123456789012345678901234567890123\","
                    "\"type\":\"qemu\",\"socket\":\"/a\"")));
    CHECK_STR(seen, "error 2:8 vms[0].name: 64 bytes are too many here: at most 63\n");
}

static void who_serves_a_vm_may_be_said(void) {
    CHECK(parse(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"uid\":0")) && c.vms[0].uid_given);
    CHECK_INT(c.vms[0].uid, 0);
    CHECK(parse(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"uid\":\"4294967294\"")) && c.vms[0].uid_given);
    CHECK_INT(c.vms[0].uid, UINT32_MAX - 1);
    CHECK(parse(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"uid\":null")) && !c.vms[0].uid_given);
    CHECK(!parse(
        VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"uid\":4294967295"))); /* the kernel's "no change" */
    CHECK(!parse(VM("\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"uid\":\"qemu\"")));
}

/* Whoever only wants to know whether it is right need not listen. */
static void problems_need_no_listener(void) {
    static char big[VH_CONF_MAX + 1];
    memset(big, ' ', sizeof big);
    CHECK(!conf_parse(&c, big, sizeof big, NULL, NULL));
    CHECK(!conf_parse(&c, "{", 1, NULL, NULL));
    CHECK(conf_parse(&c, "{}", 2, NULL, NULL));
}

static void vm_duplicates(void) {
    EXPECT("{\"vms\":[" VM_A ",\n" VM_A "]}", "error 2:9 vms[1].name: a second VM named 'a'; the first is on line 1\n"
                                              "warning 2:36 vms[1].socket: the VM 'a' has the same socket\n");
    EXPECT("{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\",\"cid\":3},\n"
           "{\"name\":\"b\",\"type\":\"qemu\",\"socket\":\"/b\",\"cid\":3}]}",
           "error 2:47 vms[1].cid: the VM 'a' has CID 3 too\n");
}

static void too_many_vms(void) {
    static char text[16384];
    strcpy(text, "{\"vms\":[");
    for (int i = 0; i < VH_MAX_VMS; i++)
        sprintf(text + strlen(text), "%s{\"name\":\"v%d\",\"type\":\"qemu\",\"socket\":\"/v%d\"}", i ? ",\n" : "", i,
                i);
    size_t n = strlen(text);
    strcpy(text + n, "]}");
    EXPECT(text, "");
    CHECK_INT(c.nvms, VH_MAX_VMS);
    strcpy(text + n, ",\n" VM_A ",\n" VM_B "]}");
    EXPECT(text, "error 65:1 vms[64]: more than 64 VMs (VH_MAX_VMS)\n");
}

/* ---- rules ---- */

static void rule_values(void) {
    EXPECT(RULE("\"targetVm\":\"b\",\"description\":\"d\",\"tag\":\"cam\",\"skipOnSuspend\":true,"
                "\"resetOnRelease\":false"),
           "");
    CHECK_INT(c.nrules, 1);
    CHECK_STR(c.rules[0].description, "d");
    CHECK_STR(c.rules[0].tag, "cam");
    CHECK(c.rules[0].enabled && c.rules[0].single && c.rules[0].skip_on_suspend && !c.rules[0].reset_on_release);
    CHECK_INT(c.rules[0].nvms, 1);
    CHECK_INT(c.rules[0].vms[0], 1);
    CHECK_INT(c.rules[0].vm_mask, 2);
    CHECK_INT(c.rules[0].line, 1);
    CHECK_INT(c.rules[0].nallow, 1);
    CHECK_INT(c.rules[0].ndeny, 0);
    EXPECT(RULE("\"allowedVms\":[\"b\",\"a\"],\"deny\":[{\"bus\":2},{\"bus\":3}],\"tag\":\"\""), "");
    CHECK(!c.rules[0].single && !c.rules[0].skip_on_suspend && c.rules[0].reset_on_release);
    CHECK_STR(c.rules[0].description, "");
    CHECK_STR(c.rules[0].tag, "");
    CHECK_INT(c.rules[0].nvms, 2);
    CHECK(c.rules[0].vms[0] == 1 && c.rules[0].vms[1] == 0); /* in the order written */
    CHECK_INT(c.rules[0].vm_mask, 3);
    CHECK_INT(c.rules[0].ndeny, 2);
    CHECK_INT(c.entries[c.rules[0].deny].bus, 2);
    CHECK_INT(c.entries[c.rules[0].deny + 1].bus, 3);
    CHECK_INT(c.entries[c.rules[0].allow].bus, 1);
    CHECK(!c.rules[0].host);
    EXPECT(RULE("\"host\":true"), "");
    CHECK(c.rules[0].host && c.rules[0].enabled && c.rules[0].nvms == 0 && !c.rules[0].single);
    EXPECT(RULE("\"host\":true,\"targetVm\":\"\",\"allowedVms\":[]"), "");
    EXPECT(RULE("\"host\":true,\"targetVm\":\"a\""),
           "error 2:8 usbPassthrough[0].host: a rule with 'host' names no VM: its devices stay with the host\n");
    EXPECT(RULE("\"host\":false,\"targetVm\":\"a\""), "");
    CHECK(!c.rules[0].host && c.rules[0].nvms == 1);
    EXPECT(RULE("\"targetVm\":\"a\",\"allowedVms\":null,\"disable\":true"), "");
    CHECK(!c.rules[0].enabled);
    EXPECT(RULE("\"targetVm\":\"a\",\"enable\":false"), "");
    CHECK(!c.rules[0].enabled);
    EXPECT(RULE("\"targetVm\":\"a\",\"enable\":false,\"disable\":false"),
           "warning 2:41 usbPassthrough[0].disable: 'enable' and 'disable' contradict each other: 'disable' decides\n");
    CHECK(c.rules[0].enabled);
}

static void rule_vms(void) {
    EXPECT(RULE("\"targetVm\":\"a\",\"allowedVms\":[\"b\"]"),
           "error 2:29 usbPassthrough[0].allowedVms: 'targetVm' and 'allowedVms' cannot both be given\n");
    EXPECT(RULE("\"targetVm\":\"a\",\"allowedVms\":[]"), "");
    CHECK_INT(c.rules[0].vm_mask, 1);
    EXPECT(RULE("\"targetVm\":\"\",\"allowedVms\":[\"b\"]"), "");
    CHECK_INT(c.rules[0].vm_mask, 2);
    EXPECT(RULE("\"allowedVms\":[]"),
           "warning 1:110 usbPassthrough[0]: neither 'targetVm' nor 'allowedVms' names a VM: the rule never applies\n");
    CHECK(!c.rules[0].enabled);
    EXPECT(RULE("\"allowedVms\":[\"a\",\"zz9\",\"b\",\"a\"]"),
           "warning 2:19 usbPassthrough[0].allowedVms[1]: there is no VM 'zz9' in 'vms'\n"
           "warning 2:29 usbPassthrough[0].allowedVms[3]: the VM 'a' is named twice\n");
    CHECK_INT(c.rules[0].nvms, 2);
    EXPECT(
        RULE("\"targetVm\":\"netvm\""),
        "warning 2:12 usbPassthrough[0].targetVm: there is no VM 'netvm' in 'vms'\n"
        "warning 2:12 usbPassthrough[0].targetVm: the rule goes nowhere: a device that it decides for stays with the "
        "host\n");
    CHECK(c.rules[0].enabled && c.rules[0].single);
    CHECK_INT(c.rules[0].nvms, 0);
    EXPECT("{\"vms\":[{\"name\":\"net-vm\",\"type\":\"qemu\",\"socket\":\"/a\"}],\"usbPassthrough\":[{\"allow\":[{"
           "\"bus\":1}],\n\"allowedVms\":[\"netvm\",\"net-vm\"]}]}",
           "warning 2:15 usbPassthrough[0].allowedVms[0]: there is no VM 'netvm' in 'vms': did you mean 'net-vm'?\n");
    EXPECT(RULE("\"targetVm\":7"),
           "error 2:12 usbPassthrough[0].targetVm: expected the name of a VM, found the number 7\n");
    EXPECT(RULE("\"allowedVms\":\"a\""),
           "error 2:14 usbPassthrough[0].allowedVms: expected an array of names of VMs, found the string \"a\"\n");
    EXPECT(RULE("\"allowedVms\":[\"a\",null]"),
           "error 2:19 usbPassthrough[0].allowedVms[1]: expected the name of a VM, found null\n");
}

static void rules_before_vms_in_the_file(void) {
    EXPECT("{\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[{\"bus\":1}]}],\n\"vms\":[" VM_A "]}", "");
    CHECK_INT(c.rules[0].vm_mask, 1);
}

static void rule_errors(void) {
    EXPECT("{\"usbPassthrough\":[[]]}", "error 1:20 usbPassthrough[0]: expected an object, found an array\n");
    EXPECT(RULE("\"targetVm\":\"a\",\"deny\":{},\"tag\":1,\"skipOnSuspend\":\"yes\",\"description\":5"),
           "error 2:23 usbPassthrough[0].deny: expected an array of entries, found an object\n"
           "error 2:32 usbPassthrough[0].tag: expected a tag, found the number 1\n"
           "error 2:50 usbPassthrough[0].skipOnSuspend: expected true or false, found the string \"yes\"\n"
           "error 2:70 usbPassthrough[0].description: expected a string, found the number 5\n");
    EXPECT(RULE("\"targetVm\":\"a\",\"minSpeed\":\"fast\""),
           "error 2:27 usbPassthrough[0].minSpeed: expected \"low\", \"full\", \"high\" or \"super\", found the string "
           "\"fast\"\n");
    CHECK(parse(RULE("\"targetVm\":\"a\",\"minSpeed\":\"super\"")));
    CHECK_INT(c.rules[0].min_speed, USB_SPEED_SUPER);
    EXPECT(RULE("\"targetVm\":\"a\",\"tag\":\"0123456789012345678901234567890123456789012345678901234567890123\""),
           "error 2:22 usbPassthrough[0].tag: 64 bytes are too many here: at most 63\n");
    EXPECT("{\"vms\":[" VM_A "],\"usbPassthrough\":[\n{\"targetVm\":\"a\"},{\"targetVm\":\"a\",\"allow\":[]}]}",
           "warning 2:1 usbPassthrough[0]: no 'allow' entry: the rule never applies\n"
           "warning 2:18 usbPassthrough[1]: no 'allow' entry: the rule never applies\n");
    EXPECT(ENTRY("},3,{\"bus\":1"),
           "warning 1:94 usbPassthrough[0].allow[0]: an entry without any field matches nothing\n"
           "error 2:3 usbPassthrough[0].allow[1]: expected an object, found the number 3\n");
}

/* ---- entries ---- */

static void entry_ids(void) {
    EXPECT(ENTRY("\"vendorId\":\"046D\",\"productId\":\"0xc52b\""), "");
    CHECK_INT(c.entries[0].fields, F_VID | F_PID);
    CHECK_INT(c.entries[0].vid, 0x046d);
    CHECK_INT(c.entries[0].pid, 0xc52b);
    CHECK_INT(c.entries[0].line, 1);
    CHECK(c.entries[0].enabled);
    CHECK_STR(c.entries[0].description, "");
    EXPECT(ENTRY("\"vendorId\":\"46d\""),
           "error 2:12 usbPassthrough[0].allow[0].vendorId: expected 4 hex digits: write \"046d\"\n");
    EXPECT(ENTRY("\"vendorId\":\"5\""),
           "error 2:12 usbPassthrough[0].allow[0].vendorId: expected 4 hex digits: write \"0005\"\n");
    EXPECT(ENTRY("\"vendorId\":1133"), "error 2:12 usbPassthrough[0].allow[0].vendorId: expected a string of 4 hex "
                                       "digits such as \"046d\", found the number 1133\n");
    EXPECT(ENTRY("\"vendorId\":\"046g\""), "error 2:12 usbPassthrough[0].allow[0].vendorId: expected a string of 4 hex "
                                           "digits such as \"046d\", found the string \"046g\"\n");
    EXPECT(ENTRY("\"vendorId\":\"\""), "error 2:12 usbPassthrough[0].allow[0].vendorId: expected a string of 4 hex "
                                       "digits such as \"046d\", found the string \"\"\n");
    EXPECT(ENTRY("\"vendorId\":\"0x\",\"productId\":\"00046d\""),
           "error 2:12 usbPassthrough[0].allow[0].vendorId: expected a string of 4 hex digits such as \"046d\", found "
           "the string \"0x\"\n"
           "error 2:29 usbPassthrough[0].allow[0].productId: expected a string of 4 hex digits such as \"046d\", found "
           "the string \"00046d\"\n");
    EXPECT(ENTRY("\"productId\":\"c52b\""),
           "warning 2:13 usbPassthrough[0].allow[0].productId: 'productId' without 'vendorId' means little: it differs "
           "from one to the next\n");
}

static void entry_classes(void) {
    EXPECT(ENTRY("\"deviceClass\":224,\"deviceSubclass\":\"1\",\"deviceProtocol\":\"0x01\",\"interfaceClass\":\"E0\","
                 "\"interfaceSubclass\":0,\"interfaceProtocol\":255"),
           "");
    CHECK_INT(c.entries[0].fields,
              F_DEV_CLASS | F_DEV_SUBCLASS | F_DEV_PROTOCOL | F_IF_CLASS | F_IF_SUBCLASS | F_IF_PROTOCOL);
    CHECK_INT(c.entries[0].dev_class, 224);
    CHECK_INT(c.entries[0].dev_sub, 1);
    CHECK_INT(c.entries[0].dev_proto, 1);
    CHECK_INT(c.entries[0].if_class, 0xe0);
    CHECK_INT(c.entries[0].if_sub, 0);
    CHECK_INT(c.entries[0].if_proto, 255);
    EXPECT(ENTRY("\"interfaceClass\":\"14\""), ""); /* in a string hex, as lsusb prints classes */
    CHECK_INT(c.entries[0].if_class, 0x14);
    static const char *const wrong[] = {"256", "-1", "3.0", "\"\"", "\"0x\"", "\"100\"", "\"hid\"", "true", "[3]"};
    char text[300];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(text, sizeof text, ENTRY("\"interfaceClass\":%s"), wrong[i]);
        CHECK(!parse(text));
        CHECK(strstr(seen,
                     "error 2:18 usbPassthrough[0].allow[0].interfaceClass: expected a number from 0 to 255, or a "
                     "string of two hex digits such as \"e0\", found ") == seen);
    }
    EXPECT(ENTRY("\"interfaceSubclass\":1,\"deviceSubclass\":1"),
           "warning 2:21 usbPassthrough[0].allow[0].interfaceSubclass: 'interfaceSubclass' without 'interfaceClass' "
           "means little: it differs from one to the next\n"
           "warning 2:40 usbPassthrough[0].allow[0].deviceSubclass: 'deviceSubclass' without 'deviceClass' means "
           "little: it differs from one to the next\n");
}

#define ALL_OF "usbPassthrough[0].allow[0].allInterfaces"

static void entry_all_interfaces(void) {
    EXPECT(ENTRY("\"allInterfaces\":[{\"interfaceClass\":3},{\"interfaceClass\":\"e0\",\"interfaceSubclass\":1,"
                 "\"interfaceProtocol\":\"0x02\",\"description\":\"radio\"}]"),
           "");
    CHECK_INT(c.entries[0].fields, F_ALL_IFACES);
    CHECK_INT(c.entries[0].nclasses, 2);
    const struct iface_class *k = &c.classes[c.entries[0].classes];
    CHECK(k[0].fields == F_IF_CLASS && k[0].cls == 3);
    CHECK(k[1].fields == F_IFACE && k[1].cls == 0xe0 && k[1].sub == 1 && k[1].proto == 2);
    EXPECT(ENTRY("\"allInterfaces\":null,\"bus\":1"), "");
    CHECK_INT(c.entries[0].fields, F_BUS);
    EXPECT(ENTRY("\"allInterfaces\":[]"), "error 2:17 " ALL_OF ": an empty list: no device would match\n");
    EXPECT(ENTRY("\"allInterfaces\":{\"interfaceClass\":3}"),
           "error 2:17 " ALL_OF
           ": expected an array of classes such as [ { \"interfaceClass\": 3 } ], found an object\n");
    EXPECT(ENTRY("\"allInterfaces\":[3]"), "error 2:18 " ALL_OF "[0]: expected an object, found the number 3\n");
    EXPECT(ENTRY("\"allInterfaces\":[{\"description\":\"\"}]"),
           "error 2:18 " ALL_OF "[0]: a class without any field: each interface would be of it\n");
    EXPECT(ENTRY("\"allInterfaces\":[{\"interfaceClass\":256}]"),
           "error 2:36 " ALL_OF "[0].interfaceClass: expected a number from 0 to 255, or a string of two hex digits "
           "such as \"e0\", found the number 256\n");
    EXPECT(ENTRY("\"allInterfaces\":[{\"interfaceSubclass\":1}]"),
           "warning 2:39 " ALL_OF
           "[0].interfaceSubclass: 'interfaceSubclass' without 'interfaceClass' means little: it "
           "differs from one to the next\n");
    EXPECT(ENTRY("\"allInterfaces\":[{\"class\":3}]"),
           "error 2:19 " ALL_OF "[0].class: unknown key 'class': did you mean 'interfaceClass'?\n");
    EXPECT(ENTRY("\"allInterfaces\":[{\"interfaceClass\":3,\"bus\":1}]"),
           "error 2:38 " ALL_OF "[0].bus: unknown key 'bus': it belongs in an 'allow' or 'deny' entry\n");
    EXPECT(ENTRY("\"allInterface\":[{\"interfaceClass\":3}]"),
           "error 2:1 usbPassthrough[0].allow[0].allInterface: unknown key 'allInterface': did you mean "
           "'allInterfaces'?\n");
}

static void too_many_classes(void) {
    static char text[VH_MAX_CLASSES * 24 + 400];
    for (int n = VH_MAX_CLASSES; n <= VH_MAX_CLASSES + 1; n++) {
        char *p = text + sprintf(text, "%s",
                                 "{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":["
                                 "{\"allInterfaces\":[");
        for (int i = 0; i < n; i++)
            p += sprintf(p, "%s{\"interfaceClass\":3}", i > 0 ? "," : "");
        strcpy(p, "]}]}]}");
        CHECK_INT(parse(text), n == VH_MAX_CLASSES);
        CHECK((strstr(seen, "more than 1024 classes in all (VH_MAX_CLASSES)\n") != NULL) == (n > VH_MAX_CLASSES));
    }
}

static void entry_places(void) {
    static const struct {
        const char *text, *port; /* NULL: an error */
    } ports[] = {
        {"2", "2"},           {"\"2\"", "2"},
        {"\"2.3\"", "2.3"},   {"255", "255"},
        {"22", "22"},         {"\"1.2.3.4.5.6\"", "1.2.3.4.5.6"},
        {"0", NULL},          {"256", NULL},
        {"-1", NULL},         {"\"\"", NULL},
        {"\"2.\"", NULL},     {"\".2\"", NULL},
        {"\"2..3\"", NULL},   {"\"02\"", NULL},
        {"\"1-2\"", NULL},    {"\"2.999\"", NULL},
        {"2e1", NULL},        {"\"two\"", NULL},
        {"[2]", NULL},        {"\"1.1.1.1.1.1.1.1.1.1.1.1.1\"", NULL},
        {"\"1.10\"", "1.10"}, {"\"2.0\"", NULL},
        {"\"2.3 \"", NULL},
    };
    char text[300];
    EXPECT(ENTRY("\"bus\":\"3\",\"port\":7"), "");
    CHECK_INT(c.entries[0].fields, F_BUS | F_PORT);
    CHECK_INT(c.entries[0].bus, 3);
    CHECK_STR(c.entries[0].port, "7");
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        snprintf(text, sizeof text, ENTRY("\"port\":%s"), ports[i].text);
        CHECK_INT(parse(text), ports[i].port != NULL);
        if (ports[i].port)
            CHECK_STR(c.entries[0].port, ports[i].port);
    }
    EXPECT(ENTRY("\"port\":2.3"),
           "error 2:8 usbPassthrough[0].allow[0].port: a port path is written as a string: \"2.3\"\n");
    EXPECT(ENTRY("\"port\":\"2:3\""),
           "error 2:8 usbPassthrough[0].allow[0].port: expected a port from 1 to 255 such as "
           "2, or a path behind hubs such as \"2.3\", found the string \"2:3\"\n");
    EXPECT(ENTRY("\"bus\":0"),
           "error 2:7 usbPassthrough[0].allow[0].bus: expected a bus number from 1 to 255, found the number 0\n");
    EXPECT(ENTRY("\"bus\":\"256\""),
           "error 2:7 usbPassthrough[0].allow[0].bus: expected a bus number from 1 to 255, found the string \"256\"\n");
}

static void entry_serial_and_description(void) {
    EXPECT(ENTRY("\"serial\":\"A\\u00e4\\\"1\",\"description\":\"d\""), "");
    CHECK_INT(c.entries[0].fields, F_SERIAL);
    CHECK_STR(c.entries[0].serial, "A\xc3\xa4\"1");
    CHECK_STR(c.entries[0].description, "d");
    EXPECT(ENTRY("\"serial\":\"\",\"description\":[]"),
           "error 2:10 usbPassthrough[0].allow[0].serial: expected a serial number, found the string \"\"\n"
           "error 2:27 usbPassthrough[0].allow[0].description: expected a string, found an array\n");
    EXPECT(ENTRY("\"serial\":12"),
           "error 2:10 usbPassthrough[0].allow[0].serial: expected a string, found the number 12\n");
    EXPECT(ENTRY("\"serial\":\"a\\u0000b\""),
           "error 2:10 usbPassthrough[0].allow[0].serial: U+0000 cannot be part of a value\n");
}

/* A serial number of n times this text, and an end, in an entry. */
static const char *serial_of(int n, const char *repeated, const char *end) {
    static char value[1024], entry[1100];
    size_t len = 0;
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(value + len, sizeof value - len, "%s", repeated);
    snprintf(entry, sizeof entry, "\"serial\":\"%s%s\"", value, end);
    return entry;
}

static void a_serial_that_no_device_can_have_is_an_error(void) {
    static const char error[] = "error 2:10 usbPassthrough[0].allow[0].serial: no device has such a serial number: USB "
                                "has at most 126 characters\n";
    static const struct {
        const char *repeated, *end;
        int n;
        bool valid;
    } cases[] = {
        {"x", "", 126, true},
        {"x", "y", 126, false},
        {"\xe6\xbc\xa2", "", 126, true},
        {"\xe6\xbc\xa2", "\xe6\xbc\xa2", 126, false},
        {"\xf0\x9f\x94\x91", "", 63, true}, /* two units each */
        {"\xf0\x9f\x94\x91", "\xc3\xa4", 63, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1500];
        snprintf(text, sizeof text, ENTRY("%s"), serial_of(cases[i].n, cases[i].repeated, cases[i].end));
        CHECK(parse(text) == cases[i].valid);
        CHECK_STR(seen, cases[i].valid ? "" : error);
        CHECK_INT(c.entries[0].fields, cases[i].valid ? F_SERIAL : 0);
    }
}

static void entry_removable(void) {
    EXPECT(ENTRY("\"removable\":[\"removable\",\"unknown\"]"), "");
    CHECK_INT(c.entries[0].fields, F_REMOVABLE);
    CHECK_INT(c.entries[0].removable, 1 << REMOVABLE_REMOVABLE | 1 << REMOVABLE_UNKNOWN);
    EXPECT(ENTRY("\"removable\":\"fixed\""), "");
    CHECK_INT(c.entries[0].removable, 1 << REMOVABLE_FIXED);
    EXPECT(ENTRY("\"removable\":[]"),
           "warning 2:13 usbPassthrough[0].allow[0].removable: an empty list: the entry matches nothing\n");
    CHECK_INT(c.entries[0].fields, F_REMOVABLE);
    CHECK_INT(c.entries[0].removable, 0);
    EXPECT(
        ENTRY("\"removable\":[\"fixd\",true]"),
        "error 2:14 usbPassthrough[0].allow[0].removable[0]: expected \"fixed\", \"removable\" or \"unknown\", found "
        "the string \"fixd\"\n"
        "error 2:21 usbPassthrough[0].allow[0].removable[1]: expected \"fixed\", \"removable\" or \"unknown\", found "
        "true\n");
    EXPECT(ENTRY("\"removable\":true"),
           "error 2:13 usbPassthrough[0].allow[0].removable: expected \"fixed\", \"removable\" or \"unknown\", or an "
           "array of them, found true\n");
    EXPECT(ENTRY("\"removable\":\"yes\""),
           "error 2:13 usbPassthrough[0].allow[0].removable: expected \"fixed\", \"removable\" or \"unknown\", or an "
           "array of them, found the string \"yes\"\n");
}

static void entry_patterns(void) {
    EXPECT(ENTRY("\"vendorName\":\"logitech.*\",\"productName\":\".*c\\\\d+\\u0030\""), "");
    CHECK_INT(c.entries[0].fields, F_VENDOR_NAME | F_PRODUCT_NAME);
    CHECK(regex_match(&c.regexes, &c.entries[0].vendor_name, "Logitech, Inc.", 14));
    CHECK(regex_match(&c.regexes, &c.entries[0].product_name, "Webcam C2700", 12));
    CHECK(!regex_match(&c.regexes, &c.entries[0].product_name, "Webcam Cxx0", 11));
    EXPECT(ENTRY("\"vendorName\":\"\""),
           "error 2:14 usbPassthrough[0].allow[0].vendorName: expected a regular expression (an empty one would match "
           "everything), found the string \"\"\n");
    EXPECT(ENTRY("\"productName\":5"),
           "error 2:15 usbPassthrough[0].allow[0].productName: expected a string, found the number 5\n");
    /* the column is that of the character in the pattern, escapes counted */
    CHECK(!parse(ENTRY("\"vendorName\":\"ab(?=c)\"")));
    CHECK(strstr(seen, "usbPassthrough[0].allow[0].vendorName: regular expression: ") != NULL);
    unsigned plain = 0, escaped = 0, line = 0;
    CHECK(sscanf(seen, "error %u:%u", &line, &plain) == 2);
    CHECK_INT(line, 2);
    CHECK(plain >= 17 && plain <= 19); /* ( or ? or = */
    CHECK(!parse(ENTRY("\"vendorName\":\"\\u0061\\/(?=c)\"")));
    CHECK(sscanf(seen, "error %u:%u", &line, &escaped) == 2);
    CHECK_INT(escaped, plain + 6); /* a is six bytes there, and / two */
    CHECK(!parse(ENTRY("\"vendorName\":\"\\ud83d\\ude00\\u00e4\\u20ac(?=c)\"")));
    CHECK(sscanf(seen, "error %u:%u", &line, &escaped) == 2);
    CHECK_INT(escaped, plain - 2 + 24);
}

static void a_pattern_of_any_length(void) {
    static char text[4096];
    char pattern[VH_REGEX_PATTERN_MAX + 2];
    memset(pattern, 'x', sizeof pattern);
    pattern[VH_REGEX_PATTERN_MAX] = '\0';
    snprintf(text, sizeof text, ENTRY("\"vendorName\":\"%s\""), pattern);
    EXPECT(text, "");
    pattern[VH_REGEX_PATTERN_MAX] = 'x';
    pattern[VH_REGEX_PATTERN_MAX + 1] = '\0';
    snprintf(text, sizeof text, ENTRY("\"vendorName\":\"%s\""), pattern);
    EXPECT(text, "error 2:14 usbPassthrough[0].allow[0].vendorName: a regular expression of 513 bytes: at most 512 "
                 "(VH_REGEX_PATTERN_MAX)\n");
}

static void driver_paths_are_patterns(void) {
    EXPECT(ENTRY("\"driverPath\":\".*/x\"},{\"driverPath\":\".*/y\""), "");
    CHECK_INT(c.entries[1].fields, F_DRIVER_PATH);
    CHECK(regex_match(&c.regexes, &c.entries[1].driver_path, "/lib/y", 6));
}

static void entry_switches(void) {
    EXPECT(ENTRY("\"bus\":1,\"disable\":true"), "");
    CHECK(!c.entries[0].enabled);
    EXPECT(ENTRY("\"bus\":1,\"enable\":false"), "");
    CHECK(!c.entries[0].enabled);
    EXPECT(ENTRY("\"bus\":null,\"vendorId\":null"),
           "warning 1:94 usbPassthrough[0].allow[0]: an entry without any field matches nothing\n");
    CHECK_INT(c.entries[0].fields, 0);
}

/* ---- notes ---- */

#define FOREIGN(x)                          \
    "{\"general\":{\"ruleMatch\":\"all\"}," \
    "\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[{\n" x "}]}]}"

static void notes_on_readings(void) {
    with_notes = true;
    EXPECT(ENTRY("\"bus\":1,\"vendorName\":\"y\""), ""); /* a file of ours has one reading */
    EXPECT(FOREIGN("\"vendorId\":\"046d\",\"productId\":\"c52b\",\"serial\":\"x\",\"removable\":\"fixed\""), "");
    EXPECT(
        FOREIGN("\"vendorId\":\"046d\",\"productName\":\"x\",\"bus\":1,\"deviceClass\":1,\"interfaceClass\":2,"
                "\"vendorName\":\"y\""),
        "note 1:124 usbPassthrough[0].allow[0]: every field must match here; with \"ruleMatch\": \"any\" one of these "
        "would suffice: the ids, vendorName, productName, bus and port, the device class, the interface class\n");
    EXPECT(FOREIGN("\"removable\":\"fixed\""),
           "note 1:124 usbPassthrough[0].allow[0]: 'removable' alone selects devices with \"ruleMatch\": \"all\" and "
           "none with \"any\"\n");
    EXPECT(FOREIGN("\"port\":\"2\""), "note 1:124 usbPassthrough[0].allow[0]: port 2 is the port itself with "
                                      "\"ruleMatch\": \"all\"; with \"any\" also what is behind a hub there\n");
    EXPECT(FOREIGN("\"port\":\"2.1\""), "");
    EXPECT(FOREIGN("\"bus\":1,\"vendorName\":\"y\",\"disable\":true"), "");
    EXPECT("{\"general\":{\"ruleMatch\":\"any\"},\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":"
           "[{\"bus\":1}],\"deny\":[\n{\"bus\":1,\"interfaceClass\":2}]}]}",
           "note 2:1 usbPassthrough[0].deny[0]: any one suffices here (bus and port, the interface class); with "
           "\"ruleMatch\": \"all\" every one must match\n");
    EXPECT("{\"usbAuthorization\":null,\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":["
           "{\"port\":2}]}]}",
           "note 1:118 usbPassthrough[0].allow[0]: port 2 is the port itself with \"ruleMatch\": \"all\"; with \"any\" "
           "also what is behind a hub there\n");
    EXPECT("{\"vms\":[" VM_A ",\n{\"name\":\"b\",\"type\":\"cloud-hypervisor\",\"socket\":\"/b\"}],\"usbPassthrough\":["
           "{\"allowedVms\":[\"a\"],\"allow\":[\n{\"port\":2}]}]}",
           "note 2:1 vms[1]: no rule uses the VM 'b'\n"
           "warning 2:20 vms[1].type: VMs of type 'cloud-hypervisor' are accepted but get no devices yet\n"
           "note 3:1 usbPassthrough[0].allow[0]: port 2 is the port itself with \"ruleMatch\": \"all\"; with \"any\" "
           "also what is behind a hub there\n");
    with_notes = false;
}

#define TAKES(what, class)                      \
    "one such interface suffices: also a " what \
    " is taken; \"allInterfaces\": [ { \"interfaceClass\": " class " } ] takes what is nothing else\n"
#define STICK TAKES("keyboard that is a stick as well", "3")
#define TYPES TAKES("stick that is a keyboard as well", "8")

static void notes_on_composite_devices(void) {
    with_notes = true;
    EXPECT(ENTRY("\"interfaceClass\":3"), "note 1:94 usbPassthrough[0].allow[0]: " STICK);
    EXPECT(ENTRY("\"interfaceClass\":3,\"interfaceProtocol\":1"), "note 1:94 usbPassthrough[0].allow[0]: " STICK);
    EXPECT(ENTRY("\"interfaceClass\":8,\"removable\":\"fixed\""), "note 1:94 usbPassthrough[0].allow[0]: " TYPES);
    EXPECT(ENTRY("\"interfaceClass\":14"), "");
    EXPECT(ENTRY("\"interfaceClass\":3,\"serial\":\"1\""), "");
    EXPECT(ENTRY("\"interfaceClass\":3,\"disable\":true"), "");
    EXPECT(ENTRY("\"allInterfaces\":[{\"interfaceClass\":3}]"), "");
    EXPECT(ENTRY("\"interfaceClass\":3}],\"deny\":[{\"interfaceClass\":8"), "");
    EXPECT(ENTRY("\"interfaceClass\":8}],\"deny\":[{\"interfaceClass\":3"), "");
    EXPECT(ENTRY("\"interfaceClass\":8}],\"deny\":[{\"interfaceClass\":3,\"interfaceProtocol\":1"),
           "note 1:94 usbPassthrough[0].allow[0]: " TYPES);
    EXPECT(ENTRY("\"interfaceClass\":3}],\"deny\":[{\"interfaceClass\":14"),
           "note 1:94 usbPassthrough[0].allow[0]: " STICK);
    CHECK(parse("{\"general\":{\"ruleMatch\":\"any\"},\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\","
                "\"allow\":[{\"interfaceClass\":3,\"bus\":1}]}]}"));
    CHECK(strstr(seen, STICK) != NULL);
    with_notes = false;
}

static void notes_on_vms(void) {
    with_notes = true;
    EXPECT(RULE("\"targetVm\":\"b\""), "note 1:9 vms[0]: no rule uses the VM 'a'\n");
    EXPECT(RULE("\"targetVm\":\"b\",\"disable\":true"), "note 1:9 vms[0]: no rule uses the VM 'a'\n"
                                                        "note 1:50 vms[1]: no rule uses the VM 'b'\n");
    EXPECT(RULE("\"allowedVms\":[\"b\",\"a\"]"), "");
    with_notes = false;
}

/* Two rules with one entry each, the second on line 2. */
#define TWO(general, first, second)                                                                \
    "{\"general\":{" general "},\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\"," first \
    "},{\"targetVm\":\"a\",\"allow\":[\n{" second "}]}]}"
#define SHADOWED                                                                                                  \
    "warning 2:1 usbPassthrough[1].allow[0]: never decides: usbPassthrough[0] (line 1) already takes every such " \
    "device, by the "                                                                                             \
    "entry on line 1\n"

static void shadowed_entries(void) {
    EXPECT(TWO("", "\"allow\":[{\"bus\":1}]", "\"bus\":1"), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"bus\":1}]", "\"bus\":2"), "");
    EXPECT(TWO("", "\"allow\":[{\"bus\":1}]", "\"bus\":1,\"port\":3"), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"bus\":1,\"port\":3}]", "\"bus\":1"), "");
    EXPECT(TWO("", "\"allow\":[{\"port\":3}]", "\"port\":4"), "");
    EXPECT(TWO("", "\"allow\":[{\"serial\":\"x\"}]", "\"serial\":\"x\""), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"serial\":\"x\"}]", "\"serial\":\"y\""), "");
    EXPECT(TWO("", "\"allow\":[{\"productName\":\"x\"}]", "\"bus\":1,\"productName\":\"x\""), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"productName\":\"x\"}]", "\"productName\":\"xy\""), "");
    EXPECT(TWO("", "\"allow\":[{\"removable\":[\"fixed\",\"unknown\"]}]", "\"removable\":\"fixed\""), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"removable\":[\"fixed\"]}]", "\"removable\":[\"fixed\",\"unknown\"]"), "");
    EXPECT(TWO("", "\"allow\":[{\"bus\":1}],\"deny\":[{\"port\":1}]", "\"bus\":1"), "");
    EXPECT(TWO("", "\"allow\":[{\"bus\":1}],\"deny\":[{\"port\":1,\"disable\":true}]", "\"bus\":1"), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"bus\":1,\"disable\":true}]", "\"bus\":1"), "");
    EXPECT(TWO("", "\"disable\":true,\"allow\":[{\"bus\":1}]", "\"bus\":1"), "");
    EXPECT(TWO("\"ruleMatch\":\"any\"", "\"allow\":[{\"bus\":1}]", "\"bus\":1"), SHADOWED);
    EXPECT(TWO("\"ruleMatch\":\"any\"", "\"allow\":[{\"bus\":1}]", "\"bus\":1,\"vendorName\":\"x\""), "");
#define ALL(classes) "\"allInterfaces\":[" classes "]"
#define CLS(n) "{\"interfaceClass\":" n "}"
    EXPECT(TWO("", "\"allow\":[{" ALL(CLS("3")) "}]", ALL(CLS("3"))), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{" ALL(CLS("3") "," CLS("1")) "}]", ALL(CLS("1"))), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{" ALL(CLS("1")) "}]", ALL(CLS("1") "," CLS("3"))), "");
    EXPECT(TWO("", "\"allow\":[{" ALL(CLS("3")) "}]", "\"interfaceClass\":3"), "");
    EXPECT(TWO("", "\"allow\":[{\"interfaceClass\":3}]", ALL(CLS("3"))), SHADOWED);
    EXPECT(TWO("", "\"allow\":[{\"interfaceClass\":3}]", ALL(CLS("3") "," CLS("1"))), "");
    EXPECT(TWO("", "\"allow\":[{\"interfaceClass\":3,\"interfaceProtocol\":1}]", ALL(CLS("3"))), "");
    EXPECT(TWO("", "\"allow\":[{\"interfaceClass\":3}]", "\"interfaceClass\":8," ALL(CLS("8") "," CLS("3"))), "");
    static const char *const numbers[] = {"vendorId\":\"0001\"",   "deviceClass\":1",     "deviceSubclass\":1",
                                          "deviceProtocol\":1",    "interfaceClass\":1",  "interfaceSubclass\":1",
                                          "interfaceProtocol\":1", "productId\":\"0001\""};
    char text[700], other[64];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        snprintf(text, sizeof text, TWO("", "\"allow\":[{\"%s}]", "\"%s"), numbers[i], numbers[i]);
        CHECK(parse(text) && strstr(seen, SHADOWED));
        strcpy(other, numbers[i]);
        *strchr(other, '1') = '2';
        snprintf(text, sizeof text, TWO("", "\"allow\":[{\"%s}]", "\"%s"), numbers[i], other);
        CHECK(parse(text) && !strstr(seen, "never decides"));
    }
}

/* ---- what a reload would lose ---- */

static struct conf before;

/* Both texts have VMs a and b and these rules; does a reload from the first to the second lose a rule? */
static bool loses(const char *old, const char *fresh) {
    char text[2000];
    snprintf(text, sizeof text, "{\"vms\":[" VM_A "," VM_B "],\"usbPassthrough\":[%s]}", old);
    CHECK(conf_parse(&before, text, strlen(text), NULL, NULL));
    snprintf(text, sizeof text, "{\"vms\":[" VM_A "," VM_B "],\"usbPassthrough\":[%s]}", fresh);
    CHECK(conf_parse(&c, text, strlen(text), NULL, NULL)); /* by itself it is valid */
    seen[0] = '\0';
    bool ok = conf_parse_again(&c, &before, text, strlen(text), collect, &c);
    CHECK_INT(ok, strstr(seen, "the rule applies in the configuration in force and never would in this one") == NULL);
    return !ok;
}

#define TO(vm, allow) "{\"targetVm\":\"" vm "\",\"allow\":[" allow "]}"
#define NAMED(what, vm, allow) "{\"description\":\"" what "\",\"targetVm\":\"" vm "\",\"allow\":[" allow "]}"
#define BUS "{\"bus\":1}"
#define PORT "{\"bus\":1,\"port\":2}"
#define NAME "{\"productName\":\"[a-c]x\"}"

static void a_rule_that_applied_must_not_stop_by_mistake(void) {
    CHECK(loses(TO("a", BUS), TO("x", BUS)));            /* a VM that there is not */
    CHECK(loses(TO("a", BUS), "{\"allow\":[" BUS "]}")); /* no VM */
    CHECK(loses(TO("a", BUS), "{\"allowedVms\":[\"x\"],\"allow\":[" BUS "]}"));
    CHECK(loses(TO("a", BUS), TO("a", "")));   /* no entry */
    CHECK(loses(TO("a", BUS), TO("a", "{}"))); /* none that matches */
    CHECK(loses(TO("a", BUS), TO("a", "{\"removable\":[]}")));
    CHECK(loses(TO("a", BUS) "," TO("b", PORT), TO("b", BUS) "," TO("a", BUS)));
    CHECK(loses(TO("a", PORT) "," TO("b", BUS), TO("b", BUS) "," TO("a", PORT))); /* shadowed by the order */
    CHECK(loses(TO("a", PORT), TO("b", BUS) "," TO("a", PORT)));                  /* shadowed by a new one */
    CHECK(loses(TO("a", BUS), "{\"targetVm\":\"a\",\"allow\":[" BUS "],\"deny\":[" BUS "]}"));
    CHECK(loses(NAMED("x", "a", BUS), TO("b", PORT) "," NAMED("x", "a", PORT))); /* known by its description */
    CHECK(loses("{\"tag\":\"t\",\"targetVm\":\"a\",\"allow\":[" BUS "]}",
                TO("b", PORT) ",{\"tag\":\"t\",\"targetVm\":\"x\"}"));
    CHECK(loses(TO("a", NAME), TO("b", PORT) "," TO("x", NAME))); /* and by an entry */
    CHECK(strstr(seen, "usbPassthrough[1]: the rule applies") != NULL);
}

static void what_is_meant_is_no_loss(void) {
    CHECK(!loses(TO("a", BUS), TO("a", BUS)));
    CHECK(!loses(TO("a", BUS), ""));
    CHECK(!loses(TO("a", BUS), TO("b", BUS)));
    CHECK(!loses(TO("a", BUS), "{\"disable\":true,\"targetVm\":\"x\",\"allow\":[" BUS "]}"));
    CHECK(!loses(TO("a", BUS), "{\"enable\":false,\"allow\":[]}"));
    CHECK(!loses(TO("a", BUS), TO("a", "{\"bus\":1,\"disable\":true}")));
    CHECK(!loses(TO("a", BUS), TO("a", BUS) "," TO("b", PORT))); /* a new one that never applies: a warning */
    CHECK(!loses(TO("a", BUS), TO("a", BUS) "," TO("b", "")));
    CHECK(!loses(TO("a", BUS) "," TO("b", PORT), TO("a", BUS) "," TO("b", PORT))); /* never applied before either */
    CHECK(!loses(TO("a", BUS) "," TO("b", PORT), TO("b", "{\"bus\":7}") "," TO("a", BUS) "," TO("b", PORT)));
    CHECK(!loses(TO("x", BUS), TO("x", BUS) "," TO("a", NAME)));
    CHECK(!loses(TO("a", NAME), TO("a", NAME) "," TO("x", "{\"productName\":\"[a-d]x\"}")));
    CHECK(!loses("{\"tag\":\"t\",\"targetVm\":\"a\",\"allow\":[" BUS
                 "]},{\"tag\":\"t\",\"targetVm\":\"x\",\"allow\":[" NAME "]}",
                 "{\"tag\":\"t\",\"targetVm\":\"a\",\"allow\":[" BUS
                 "]},{\"tag\":\"t\",\"targetVm\":\"x\",\"allow\":[" NAME "]}"));
}

/* One rule with as many entries, whose product ids are `pid`, and then `idle` rules that never apply. */
static void write_large(char *text, int entries, const char *pid, int idle) {
    char *at = text + sprintf(text, "{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[");
    for (int i = 0; i < entries; i++)
        at += sprintf(at, "%s{\"vendorId\":\"%04x\",\"productId\":\"%s\"}", i > 0 ? "," : "", i + 1, pid);
    at += sprintf(at, "]}");
    for (int i = 0; i < idle; i++)
        at += sprintf(at, ",{\"targetVm\":\"a\",\"allow\":[]}");
    strcpy(at, "]}");
}

/* Each comparison of 4000 entries with 4000 is some 0.1 s, so it must not come once for each idle rule. */
static void a_reload_of_the_largest_rules_ends_soon(void) {
    static char text[1 << 18];
    write_large(text, 4000, "0001", 0);
    CHECK(conf_parse(&before, text, strlen(text), NULL, NULL));
    write_large(text, 4000, "0002", VH_MAX_RULES - 1);
    clock_t begun = clock();
    CHECK(conf_parse_again(&c, &before, text, strlen(text), NULL, NULL));
    CHECK((clock() - begun) / CLOCKS_PER_SEC < 15); /* of this process, with a sanitizer */
}

static void misspelt_rules_or_vms_are_errors(void) {
    EXPECT("{\"usbPassthru\":[]}",
           "error 1:2 usbPassthru: unknown key 'usbPassthru': did you mean 'usbPassthrough'?\n");
    EXPECT("{\"vm\":[],\"vmss\":[" VM_A "],\"usbPassthrough\":[" TO("a", BUS) "]}",
           "warning 1:2 vm: unknown key 'vm': it belongs in an element of 'general.api.clients'\n"
           "error 1:10 vmss: unknown key 'vmss': did you mean 'vms'?\n"); /* not that there is no VM 'a' */
}

/* ---- several at once ---- */

static void in_the_order_of_the_file(void) {
    EXPECT("{\n"
           "  \"usbPassthrough\": [\n"
           "    {\"targetVm\": \"a\", \"deny\": [{\"bus\": 0}], \"allow\": [{\"vendorId\": \"x\"}]}\n"
           "  ],\n"
           "  \"vms\": [{\"name\": \"a\", \"type\": \"qemu\"}],\n"
           "  \"general\": {\"api\": {\"port\": 0}, \"\xc3\xa4\": 1, \"y\": 1}\n"
           "}",
           "error 3:40 usbPassthrough[0].deny[0].bus: expected a bus number from 1 to 255, found the number 0\n"
           "error 3:68 usbPassthrough[0].allow[0].vendorId: expected a string of 4 hex digits such as \"046d\", found "
           "the string \"x\"\n"
           "error 5:11 vms[0]: 'socket' is missing: the path of the VM's control socket\n"
           "error 6:31 general.api.port: expected a port number from 1, found the number 0\n"
           "warning 6:35 general.\xc3\xa4: unknown key '\xc3\xa4'\n"
           "warning 6:43 general.y: unknown key 'y'\n"); /* columns count characters, not bytes */
    CHECK_INT(c.vms[0].line, 5);
}

static void too_many_problems_are_counted(void) {
    static char text[65536];
    strcpy(text, "{\"vms\":[");
    for (int i = 0; i < 300; i++)
        sprintf(text + strlen(text), "%s%d", i ? "," : "", i);
    strcat(text, "],");
    for (int i = 0; i < 300; i++)
        sprintf(text + strlen(text), "\"k%d\":1,", i);
    strcat(text, "\"z\":1}");
    CHECK(!parse(text));
    CHECK(strstr(seen, "error 0:0 : 172 more errors, not shown\n") != NULL);
    CHECK(strstr(seen, "warning 0:0 : 173 more warnings, not shown\n") != NULL);
    CHECK_INT(diags, 2 * 128 + 2);
}

/* ---- as the existing daemons' users write it ---- */

static void the_style_of_the_older_daemons(void) {
    EXPECT("{\n"
           "  \"usbPassthrough\": [\n"
           "    { \"description\": \"Devices for the GUI\", \"targetVm\": \"gui-vm\", \"tag\": \"hid\",\n"
           "      \"skipOnSuspend\": true,\n"
           "      \"allow\": [\n"
           "        { \"interfaceClass\": 3, \"interfaceProtocol\": 1, \"description\": \"HID Keyboard\" },\n"
           "        { \"interfaceClass\": 8, \"interfaceSubclass\": 6, \"removable\": [\"removable\", \"unknown\"] },\n"
           "        { \"productName\": \".*ethernet.*\", \"disable\": true }\n"
           "      ],\n"
           "      \"deny\": [ { \"vendorId\": \"0b95\", \"productId\": \"1790\", \"description\": \"AX88179\" } ] },\n"
           "    { \"description\": \"Cameras\", \"allowedVms\": [\"gui-vm\", \"chat-vm\"], \"tag\": \"cam\",\n"
           "      \"allow\": [ { \"interfaceClass\": 14 }, { \"bus\": 11, \"port\": 22 } ] },\n"
           "    { \"targetVm\": \"chat-vm\", \"disable\": false, \"allow\": [ { \"deviceClass\": 224 } ] }\n"
           "  ],\n"
           "  \"pciPassthrough\": [],\n"
           "  \"evdevPassthrough\": { \"disable\": true, \"targetVm\": \"gui-vm\" },\n"
           "  \"vms\": [\n"
           "    { \"name\": \"gui-vm\", \"type\": \"qemu\", \"socket\": \"/run/gui.sock\" },\n"
           "    { \"name\": \"chat-vm\", \"type\": \"crosvm\", \"socket\": \"/run/chat.sock\" }\n"
           "  ],\n"
           "  \"general\": {\n"
           "    \"api\": { \"enable\": true, \"host\": \"127.0.0.1\", \"port\": 2000,\n"
           "      \"unixSocket\": \"/var/lib/vhotplug/vhotplug.sock\", \"unixSocketUser\": \"root\",\n"
           "      \"unixSocketGroup\": \"users\", \"unixSocketMode\": \"0660\",\n"
           "      \"transports\": [\"tcp\", \"vsock\", \"unix\"], \"allowedCids\": [3, 4, 5] },\n"
           "    \"crosvm\": \"/usr/local/bin/crosvm\", \"persistency\": true,\n"
           "    \"statePath\": \"/var/lib/vhotplug/vhotplug.state\", \"modprobe\": \"/sbin/modprobe\"\n"
           "  }\n"
           "}\n",
           "");
    CHECK_INT(c.nrules, 3);
    CHECK_INT(c.nentries, 7);
    CHECK_INT(c.nvms, 2);
    CHECK_INT(c.entries[0].line, 6);
    CHECK_INT(c.entries[3].line, 10);
    CHECK_INT(c.rules[1].line, 11);
    CHECK_STR(c.rules[0].tag, "hid");
    struct device dev = {.vid = 0x04f2,
                         .usb.nifaces = 1,
                         .usb.ifaces = {{14, 1, 0, 0}},
                         .vendor_name = "x",
                         .product_name = "y",
                         .serial = "",
                         .protect = "",
                         .malformed = "",
                         .note = ""};
    CHECK_INT(policy_rule(&c, &dev), 1);
    dev.usb.ifaces[0] = (struct usb_iface){3, 1, 1, 0};
    CHECK_INT(policy_rule(&c, &dev), 0);
}

/* As a generator writes it: null for what is not set. */
static void nulls_for_what_is_not_set(void) {
    EXPECT("{\"usbPassthrough\":[{\"description\":null,\"targetVm\":\"a\",\"allowedVms\":null,\"tag\":null,"
           "\"skipOnSuspend\":null,\"enable\":null,\"allow\":[{\"vendorId\":\"046d\",\"productId\":\"c52b\","
           "\"vendorName\":null,\"bus\":null,\"port\":null,\"interfaceClass\":null,\"removable\":null,"
           "\"driverPath\":null,\"disable\":null}],\"deny\":null}],\"pciPassthrough\":null,"
           "\"vms\":[" VM_A "],\"general\":{\"api\":{\"enable\":true,\"host\":null,\"transports\":null,"
           "\"allowedCids\":null,\"tcpPort\":null,\"unixSocket\":null}}}",
           "");
    CHECK_INT(c.entries[0].fields, F_VID | F_PID);
}

/* ---- what we ship and print ---- */

static char file_text[65536];

static char *read_whole(const char *path) {
    char name[512];
    const char *end = strstr(__FILE__, "tests/unit/test_conf.c");
    snprintf(name, sizeof name, "%.*s%s", (int)(end - __FILE__), __FILE__, path);
    FILE *f = fopen(name, "r");
    CHECK(f != NULL);
    file_text[0] = '\0';
    if (!f)
        return file_text;
    size_t n = fread(file_text, 1, sizeof file_text - 1, f);
    CHECK(n < sizeof file_text - 1);
    file_text[n] = '\0';
    fclose(f);
    return file_text;
}

static void the_shipped_file_is_clean(void) {
    EXPECT(read_whole("rootfs-overlay/etc/vhotplug.conf"), "");
    CHECK_INT(c.nvms, 3);
    CHECK_INT(c.nrules, 4);
    CHECK(c.api.unix_on && c.api.vsock_on && !c.api.tcp_on);
    struct device dev = {.vid = 0x0b95,
                         .vendor_name = "ASIX",
                         .product_name = "AX88179 Gigabit Ethernet",
                         .serial = "",
                         .protect = "",
                         .malformed = "",
                         .note = "",
                         .usb.nifaces = 1,
                         .usb.ifaces = {{255, 255, 0, 0}}};
    CHECK_INT(policy_rule(&c, &dev), 1);
    dev = (struct device){.vid = 0x046d,
                          .pid = 0xc52b,
                          .vendor_name = "x",
                          .product_name = "y",
                          .serial = "",
                          .protect = "",
                          .malformed = "",
                          .note = "",
                          .usb.nifaces = 1,
                          .usb.ifaces = {{3, 1, 1, 0}}};
    CHECK_INT(policy_rule(&c, &dev), -1);
    dev.pid = 1;
    CHECK_INT(policy_rule(&c, &dev), 0);
    dev.usb.ifaces[0] = (struct usb_iface){8, 6, 80, 0};
    dev.usb.removable = REMOVABLE_FIXED;
    CHECK_INT(policy_rule(&c, &dev), -1);
    dev.usb.removable = REMOVABLE_REMOVABLE;
    CHECK_INT(policy_rule(&c, &dev), 3);
}

static void the_manuals_examples_are_clean(void) {
    int examples = 0;
    char *text = read_whole("docs/config.md");
    for (char *p = strstr(text, "```json\n"); p; p = strstr(p, "```json\n")) {
        char *end = strstr(p + 8, "```");
        CHECK(end != NULL);
        if (!end)
            return;
        *end = '\0';
        EXPECT(p + 8, "");
        p = end + 3;
        examples++;
    }
    CHECK(examples > 0);
}

/* ---- bounds ---- */

static char big[VH_CONF_MAX + 64];

static size_t many(unsigned rules, unsigned each) {
    size_t n = (size_t)sprintf(big, "{\"vms\":[" VM_A "],\"usbPassthrough\":[");
    for (unsigned i = 0; i < rules; i++) {
        n += (size_t)sprintf(big + n, "%s\n{\"targetVm\":\"a\",\"tag\":\"t%u\",\"allow\":[", i ? "," : "", i);
        for (unsigned k = 0; k < each; k++)
            n += (size_t)sprintf(big + n, "%s{\"vendorId\":\"%04x\",\"interfaceClass\":%u}", k ? "," : "", i, k);
        n += (size_t)sprintf(big + n, "]}");
    }
    return n + (size_t)sprintf(big + n, "]}");
}

static void rules_and_entries_to_the_last(void) {
    many(VH_MAX_RULES, VH_MAX_ENTRIES / VH_MAX_RULES);
    EXPECT(big, "");
    CHECK_INT(c.nrules, VH_MAX_RULES);
    CHECK_INT(c.nentries, VH_MAX_ENTRIES);
    CHECK_INT(c.rules[VH_MAX_RULES - 1].line, VH_MAX_RULES + 1);
    CHECK_INT(c.entries[VH_MAX_ENTRIES - 1].line, VH_MAX_RULES + 1);
    CHECK_STR(c.rules[VH_MAX_RULES - 1].tag, "t511");
    CHECK_INT(c.entries[VH_MAX_ENTRIES - 1].vid, 511);
    many(VH_MAX_RULES + 3, 1);
    EXPECT(big, "error 514:1 usbPassthrough[512]: more than 512 rules (VH_MAX_RULES)\n");
    many(VH_MAX_RULES, VH_MAX_ENTRIES / VH_MAX_RULES);
    size_t n = strlen(big);
    strcpy(big + n - 4, ",{\"bus\":1},{\"bus\":1}]}]}");
    CHECK(!parse(big));
    CHECK(
        strstr(seen, "usbPassthrough[511].allow[8]: more than 4096 allow and deny entries in all (VH_MAX_ENTRIES)\n"));
    CHECK(strchr(seen, '\n') == seen + strlen(seen) - 1); /* and nothing else but notes */
}

static void what_a_rule_denies_itself_never_decides(void) {
    EXPECT(ENTRY("\"bus\":1,\"port\":2}],\"deny\":[{\"bus\":1"),
           "warning 1:94 usbPassthrough[0].allow[0]: never decides: the rule's own 'deny' entry on line 2 takes every "
           "such device out\n");
    EXPECT(ENTRY("\"bus\":1}],\"deny\":[{\"bus\":1,\"port\":2"), "");
    EXPECT(ENTRY("\"bus\":1}],\"deny\":[{\"bus\":1,\"disable\":true"), "");
    EXPECT(ENTRY("\"bus\":1},{\"bus\":2}],\"deny\":[{\"bus\":1},{\"bus\":2"),
           "warning 1:69 usbPassthrough[0]: the rule never decides: none of its entries does\n"
           "warning 1:94 usbPassthrough[0].allow[0]: never decides: the rule's own 'deny' entry on line 2 takes every "
           "such device out\n"
           "warning 2:10 usbPassthrough[0].allow[1]: never decides: the rule's own 'deny' entry on line 2 takes every "
           "such device out\n");
    with_notes = true;
    EXPECT(ENTRY("\"bus\":1},{\"bus\":2},{\"bus\":1"),
           "note 2:20 usbPassthrough[0].allow[2]: adds nothing: the entry on line 1 of the same rule takes every such "
           "device\n");
    with_notes = false;
}

/* With errors, too; of what is wrong nothing more is said. */
static void all_is_told_at_once(void) {
    EXPECT(ENTRY("\"bus\":0},{\"bus\":1},{\"bus\":2,\"port\":1},{\"buss\":2}],\"deny\":[{\"bus\":2"),
           "error 2:7 usbPassthrough[0].allow[0].bus: expected a bus number from 1 to 255, found the number 0\n"
           "warning 2:20 usbPassthrough[0].allow[2]: never decides: the rule's own 'deny' entry on line 2 takes every "
           "such device out\n"
           "error 2:40 usbPassthrough[0].allow[3].buss: unknown key 'buss': did you mean 'bus'?\n");
}

static void strings_to_the_last(void) {
    /* one description that leaves room for exactly the tag */
    size_t n =
        (size_t)sprintf(big, "{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[{\"bus\":1}],"
                             "\"tag\":\"t\",\"description\":\"");
    memset(big + n, 'd', VH_CONF_STRINGS);
    strcpy(big + n + VH_CONF_STRINGS - 1, "\"}]}");
    CHECK(!parse(big));
    CHECK(strstr(seen, "usbPassthrough[0].tag: no room for this string: all strings together may have 262144 bytes "
                       "(VH_CONF_STRINGS)\n"));
    memset(big + n, 'd', VH_CONF_STRINGS);
    strcpy(big + n + VH_CONF_STRINGS - 3, "\"}]}");
    EXPECT(big, "");
    CHECK_INT(c.nstrings, VH_CONF_STRINGS);
    CHECK_STR(c.rules[0].tag, "t");
    memset(big + n, 'd', VH_CONF_STRINGS);
    strcpy(big + n + VH_CONF_STRINGS, "\"}]}");
    CHECK(!parse(big));
    CHECK(strstr(seen, "usbPassthrough[0].description: no room for this string"));
    n = (size_t)sprintf(big, "{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"description\":\"");
    memset(big + n, 'd', VH_CONF_STRINGS);
    strcpy(big + n + VH_CONF_STRINGS - 2, "\",\"allow\":[{\"port\":22}]}]}");
    CHECK(!parse(big));
    CHECK(strstr(seen, "usbPassthrough[0].allow[0].port: no room for this string"));
}

static void a_mebibyte(void) {
    size_t n = many(VH_MAX_RULES, 8);
    memset(big + n, ' ', VH_CONF_MAX - n);
    seen[0] = '\0';
    CHECK(conf_parse(&c, big, VH_CONF_MAX, collect, &c));
    CHECK_STR(seen, "");
    big[VH_CONF_MAX] = ' ';
    diags = 0;
    CHECK(!conf_parse(&c, big, VH_CONF_MAX + 1, collect, &c));
    CHECK_STR(seen, "error 0:0 : the file has more than 1048576 bytes (VH_CONF_MAX)\n");
}

static void too_many_tokens(void) {
    size_t n = (size_t)sprintf(big, "{\"x\":[1");
    while (n < VH_CONF_MAX - 4)
        n += (size_t)sprintf(big + n, ",1");
    strcpy(big + n, "]}");
    CHECK(!parse(big));
    CHECK_INT(diags, 1);
}

static void too_many_patterns(void) {
    size_t n = (size_t)sprintf(big, "{\"vms\":[" VM_A "],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[");
    for (int i = 0; i < 4000; i++)
        n += (size_t)sprintf(big + n, "%s{\"vendorName\":\"abcdefghijklmnopqrstuvwxyz%d\"}", i ? "," : "", i);
    strcpy(big + n, "]}]}");
    CHECK(!parse(big));
    CHECK(strstr(seen, ".vendorName: regular expression: ") != NULL);
}

static void scratch(void) {
    size_t size = 0;
    void *p = conf_scratch(&size);
    CHECK(p != NULL);
    CHECK_INT((size_t)p % 4096, 0);
    CHECK_INT(size % 4096, 0);
    CHECK(parse(ENTRY("\"bus\":1,\"port\":2,\"productName\":\"x\"")));
    memset(p, 0xa5, size); /* what was parsed does not live there */
    CHECK_STR(c.entries[0].port, "2");
    CHECK(regex_match(&c.regexes, &c.entries[0].product_name, "xy", 2));
    CHECK(parse(ENTRY("\"bus\":1")));
}

int main(void) {
    RUN(defaults);
    RUN(empty_object_is_the_default);
    RUN(a_second_parse_starts_afresh);
    RUN(no_reporter_is_fine);
    RUN(not_json);
    RUN(root_types);
    RUN(unknown_keys);
    RUN(a_key_that_resembles_one_of_a_rule_is_an_error);
    RUN(a_key_that_resembles_one_of_an_entry_is_an_error);
    RUN(a_misspelt_key_is_one_problem);
    RUN(a_deny_entry_without_a_field_is_an_error);
    RUN(digits_in_quotes_are_noted_as_hexadecimal);
    RUN(a_byte_order_mark_is_skipped);
    RUN(a_long_unknown_key_is_shortened);
    RUN(authorization_by_enable_else_by_disable_else_off);
    RUN(authorization_without_a_keyboard_is_warned_of);
    RUN(authorization_with_a_slip_is_an_error);
    RUN(keys_for_later);
    RUN(firmware);
    RUN(general_values);
    RUN(api_transports);
    RUN(tcp_is_open_to_browsers);
    RUN(api_enable);
    RUN(api_host);
    RUN(api_ports);
    RUN(api_cids);
    RUN(too_many_cids);
    RUN(clients_values);
    RUN(clients_errors);
    RUN(networks_that_are_none);
    RUN(clients_that_never_decide);
    RUN(clients_and_the_older_keys);
    RUN(too_many_clients);
    RUN(limits_values);
    RUN(api_socket);
    RUN(names_do_not_steer_who_reads_them);
    RUN(a_socket_path_fits_sun_path);
    RUN(api_mode);
    RUN(vm_values);
    RUN(vm_types);
    RUN(vm_errors);
    RUN(who_serves_a_vm_may_be_said);
    RUN(problems_need_no_listener);
    RUN(vm_duplicates);
    RUN(too_many_vms);
    RUN(rule_values);
    RUN(rule_vms);
    RUN(rules_before_vms_in_the_file);
    RUN(rule_errors);
    RUN(entry_ids);
    RUN(entry_classes);
    RUN(entry_all_interfaces);
    RUN(too_many_classes);
    RUN(entry_places);
    RUN(entry_serial_and_description);
    RUN(a_serial_that_no_device_can_have_is_an_error);
    RUN(entry_removable);
    RUN(entry_patterns);
    RUN(a_pattern_of_any_length);
    RUN(driver_paths_are_patterns);
    RUN(entry_switches);
    RUN(notes_on_readings);
    RUN(notes_on_composite_devices);
    RUN(notes_on_vms);
    RUN(shadowed_entries);
    RUN(a_rule_that_applied_must_not_stop_by_mistake);
    RUN(what_is_meant_is_no_loss);
    RUN(a_reload_of_the_largest_rules_ends_soon);
    RUN(misspelt_rules_or_vms_are_errors);
    RUN(in_the_order_of_the_file);
    RUN(too_many_problems_are_counted);
    RUN(the_style_of_the_older_daemons);
    RUN(nulls_for_what_is_not_set);
    RUN(the_shipped_file_is_clean);
    RUN(the_manuals_examples_are_clean);
    RUN(rules_and_entries_to_the_last);
    RUN(what_a_rule_denies_itself_never_decides);
    RUN(all_is_told_at_once);
    RUN(strings_to_the_last);
    RUN(a_mebibyte);
    RUN(too_many_tokens);
    RUN(too_many_patterns);
    RUN(scratch);
    TEST_MAIN_END;
}
