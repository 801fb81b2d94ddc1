/*
 * test_explain.c - api_explain.c and api_stats.c: explanations of devices and rules, and figures, also with everything
 * at its largest and with a reload between two parts.
 */
#include "api/api.h"
#include "codec/json.h"
#include "config/conf.h"
#include "core/core.h"
#include "devices.h"
#include "test.h"

#include <stdlib.h>

static struct conf conf, other;
static struct core core;
static struct actions out;
static struct request r;
static struct explained what;
static char error[VH_ERROR_MAX];
static char reply[4 << 20];
static jsmntok_t tok[200000];
static struct json j;

static void configure(struct conf *c, const char *text) {
    if (!conf_parse(c, text, strlen(text), NULL, NULL))
        exit(1);
}

static void start(const char *text) {
    configure(&conf, text);
    memset(&core, 0, sizeof core);
    core_init(&core, &conf, false);
}

static struct device keyboard(void) {
    struct device d;
    device_make(&d, "1-2", 1, 5, 3);
    d.incarnation = 1;
    d.vid = 0x46d;
    d.pid = 0xc31c;
    d.usb.root_port = 2;
    d.usb.ifaces[0].sub = 1;
    d.usb.ifaces[0].proto = 1;
    return d;
}

static void plug(const struct device *d) {
    struct fact f = {.kind = FACT_DEVICE, .device = d};
    core_step(&core, &f, 0, &out);
}

static const char *authorization_why;

/* The whole reply, parsed; each part within its bound. `between` is called before each part. */
static void collect(bool stats, void (*between)(int part)) {
    const struct figures figures = {.uptime_ms = 5,
                                    .connected = 1,
                                    .workers_ended = 3,
                                    .connectors = {.running = 2, .late = 1},
                                    .disk_worker = {.ended = 1},
                                    .log_dropped = 17,
                                    .quarantine_why = "it was so",
                                    .quarantine_hubs = 2,
                                    .quarantine_waiting = 1,
                                    .quarantine_late = 6,
                                    .quarantine_ports = 9,
                                    .quarantine_refused = 4,
                                    .port_workers = {.ended = 2},
                                    .vfio_workers = {.running = 2, .late = 1},
                                    .authorization_why = authorization_why,
                                    .authorization_closed = 3,
                                    .authorization_waiting = 5,
                                    .authorization_open = 7,
                                    .reload_failed_at = 1764457000023,
                                    .reload_error = "x.conf:1:1: no"};
    struct json_error err;
    uint64_t cursor = 0;
    size_t len = 0;
    bool more = true;
    for (int part = 0; more && part < 10000; part++) {
        struct sbuf sb;
        sb_init(&sb, reply + len, VH_REPLY_MAX);
        if (between != NULL)
            between(part);
        more = stats ? api_stats_part(&core, &r, &figures, &cursor, &sb)
                     : api_explain_part(&core, &r, &what, &cursor, &sb);
        CHECK(sb_ok(&sb));
        len += sb.len;
    }
    CHECK(len > 0 && reply[len - 1] == '\n' && memchr(reply, '\n', len) == reply + len - 1);
    if (!json_parse(&j, reply, len, tok, sizeof tok / sizeof *tok, &err)) {
        test_ok = false;
        printf("# not JSON at %zu: %s\n%.300s\n", err.at, err.why, reply + (err.at > 200 ? err.at - 200 : 0));
    }
}

/* Asks as a client would. False with `error` if it is refused. */
static bool ask(const char *line) {
    if (!api_parse(&r, line, strlen(line), error, sizeof error))
        return false;
    r.client = (struct client_ref){.index = 0, .gen = 1};
    r.who.role = ROLE_ADMIN;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    core_step(&core, &f, 0, &out);
    CHECK_INT(out.n, 1);
    if (out.a[0].kind == ACT_REPLY) {
        snprintf(error, sizeof error, "%s", out.texts[out.a[0].text]);
        return false;
    }
    CHECK(out.a[0].kind == ACT_REPLY_PARTS);
    api_explained(&what, &core, &r, out.a[0].slot);
    collect(false, NULL);
    return true;
}

static int get(const char *path) {
    char key[64];
    int t = 0;
    while (*path != '\0') {
        size_t n = strcspn(path, ".");
        memcpy(key, path, n);
        key[n] = '\0';
        if (key[0] >= '0' && key[0] <= '9') {
            t = json_first(&j, t);
            for (int i = atoi(key); i > 0 && t >= 0; i--)
                t = json_next(&j, t);
        } else {
            t = json_get(&j, t, key);
        }
        path += n + (path[n] == '.');
    }
    return t;
}

static void is(const char *path, const char *value) {
    int t = get(path);
    char text[512] = "(missing)";
    if (t >= 0)
        snprintf(text, sizeof text, "%.*s", j.tok[t].end - j.tok[t].start, j.text + j.tok[t].start);
    if (strcmp(text, value) != 0) {
        test_ok = false;
        printf("# %s is %s, not %s\n", path, text, value);
    }
}

static const char rules[] =
    "{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\"},{\"name\":\"b\",\"type\":\"qemu\",\"socket\":\"/"
    "b\"}],"
    "\"usbPassthrough\":["
    "{\"targetVm\":\"a\",\"disable\":true,\"allow\":[{\"interfaceClass\":3}]},"
    "{\"targetVm\":\"a\",\"allow\":[{\"vendorId\":\"1234\",\"interfaceClass\":8}]},"
    "{\"targetVm\":\"a\",\"allow\":[{\"interfaceClass\":3}],\"deny\":[{\"serial\":\"7\"},{\"productId\":\"c31c\"}]},\n"
    "{\"description\":\"mine\",\"targetVm\":\"b\",\"tag\":\"in\",\"allow\":[{\"bus\":1,\"enable\":false},{\"bus\":1}]},"
    "{\"allowedVms\":[\"a\",\"b\"],\"allow\":[{\"interfaceClass\":3}]}]}";

static void every_verdict(void) {
    struct device d = keyboard();
    start(rules);
    plug(&d);
    CHECK(ask("{\"action\":\"explain\",\"device_node\":\"/dev/bus/usb/001/005\",\"id\":\"x\"}"));
    is("present", "true");
    is("usb_device.vid", "046d");
    is("rules.0.verdict", "disabled");
    is("rules.1.verdict", "no allow entry matches");
    is("rules.1.entries.0.misses.0", "vendorId");
    is("rules.1.entries.0.misses.1", "interfaceClass");
    is("rules.2.verdict", "a deny entry matches");
    is("rules.2.entries.0.entry", "allow[0]");
    is("rules.2.entries.1.entry", "deny[0]");
    is("rules.2.entries.1.misses", "[\"serial\"]");
    is("rules.2.entries.2.matches", "true");
    is("rules.3.verdict", "decides");
    is("rules.3.line", "2");
    is("rules.3.description", "mine");
    is("rules.3.tag", "in");
    is("rules.3.vms", "[\"b\"]");
    is("rules.3.entries.0.enabled", "false");
    is("rules.4.verdict", "applies, but an earlier rule decides");
    is("decides", "3");
    is("target", "b");
    is("state", "waiting");
    is("vm", "null");
    is("reason", "VM 'b' is not running");
    is("id", "x");
}

static void who_is_meant(void) {
    struct device d = keyboard();
    start(rules);
    CHECK(!ask("{\"action\":\"explain\"}"));
    CHECK(!ask("{\"action\":\"explain\",\"bus\":1,\"port\":\"2\"}"));
    CHECK_STR(error, "no such USB device: bus 1 port 2");
    plug(&d);
    CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":\"2\"}"));
    d.incarnation = 2;
    d.usb.devnum = 6;
    strcpy(d.node, "/dev/bus/usb/001/006");
    strcpy(d.sys_name, "1-3");
    plug(&d);
    CHECK(!ask("{\"action\":\"explain\",\"vid\":\"046d\",\"pid\":\"c31c\"}"));
    CHECK(strstr(error, "ambiguous: /dev/bus/usb/001/005") != NULL);
    /* A hub, too, by its place. */
    d.incarnation = 3;
    d.cls = 9;
    strcpy(d.node, "/dev/bus/usb/001/007");
    strcpy(d.sys_name, "1-4");
    d.usb.devnum = 7;
    plug(&d);
    CHECK(ask("{\"action\":\"explain\",\"device_node\":\"/dev/bus/usb/001/007\"}"));
}

static void a_tag_is_no_device(void) {
    struct device d = keyboard();
    start(rules);
    CHECK(!ask("{\"action\":\"explain\",\"tag\":\"in\"}")); /* nothing has it */
    CHECK_STR(error, "a tag may be of several devices: name one to have it explained");
    CHECK(!ask("{\"action\":\"explain\",\"tag\":\"none\"}"));
    plug(&d);
    CHECK(!ask("{\"action\":\"explain\",\"tag\":\"in\"}"));
    CHECK_STR(error, "a tag may be of several devices: name one to have it explained");
    CHECK(!ask("{\"action\":\"explain\",\"bus\":1,\"port\":\"2\",\"tag\":\"in\"}"));
    CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":\"2\",\"tag\":null}"));
}

/* What the core would do with it, not the rules alone. */
static void a_hub_that_is_described_stays_with_the_host(void) {
    start(rules);
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"bus\":1,\"device_class\":9}}"));
    is("decides", "3");
    is("target", "null");
    is("asks", "false");
    is("reason", "stays with the host: it is a hub");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"interfaces\":\"030101:090000\"}}"));
    is("decides", "2");
    is("target", "null");
    is("reason", "stays with the host: it is a hub");
}

static void every_field_of_a_description(void) {
    start("{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/"
          "a\"},{\"name\":\"b\",\"type\":\"qemu\",\"socket\":\"/"
          "b\"}],\"general\":{\"ruleMatch\":\"any\"},\"usbPassthrough\":["
          "{\"targetVm\":\"nowhere\",\"allow\":[{\"bus\":7}]},"
          "{\"allowedVms\":[\"nowhere\",\"elsewhere\"],\"allow\":[{\"bus\":8}]},"
          "{\"allowedVms\":[\"a\",\"b\"],\"tag\":\"two\",\"allow\":[{\"bus\":9}]}]}");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"port\":7,\"removable\":\"removable\",\"product_name\":\"thing\","
              "\"vendor_name\":\"maker\",\"interfaces\":\":\"}}"));
    is("rule_match", "any");
    is("usb_device.port_path", "7");
    is("usb_device.portnum", "7");
    is("usb_device.removable", "removable");
    is("usb_device.product_name", "thing");
    is("usb_device.vendor_name", "maker");
    is("usb_device.interfaces", "null");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"removable\":\"unknown\"}}"));
    is("usb_device.removable", "unknown");
    is("usb_device.port_path", "null");
    is("rules.0.vms", "[]");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"bus\":7}}"));
    is("target", "null");
    is("asks", "false");
    is("reason", "its rule names no VM that is configured");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"bus\":8}}"));
    is("asks", "false");
    is("reason", "its rule names no VM that is configured");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"bus\":9}}"));
    is("target", "null");
    is("asks", "true");
    is("reason", "null");
    core.remembered.tag_decision[0] = (struct tag_decision){.by = ROLE_ADMIN, .now = ROLE_ADMIN, .tag = "two"};
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"bus\":9}}"));
    is("asks", "false");
    is("reason", "devices with its tag are disconnected");
}

static void as_many_interfaces_as_there_may_be(void) {
    char line[1024];
    size_t n = (size_t)snprintf(line, sizeof line, "{\"action\":\"explain\",\"device\":{\"interfaces\":\":");
    size_t head = n;
    for (int i = 0; i < VH_MAX_IFACES; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, "0301%02x:", (unsigned)i);
    snprintf(line + n, sizeof line - n, "\"}}");
    start(rules);
    CHECK(ask(line));
    is("rules.1.entries.0.misses", "[\"vendorId\", \"interfaceClass\"]");
    snprintf(line + n, sizeof line - n, "030100:\"}}"); /* one more */
    CHECK(!ask(line));
    line[head] = 'x';
    CHECK(!ask(line));
    CHECK(strstr(error, "classes such as") != NULL);
}

static void a_device_that_is_there_is_where_it_is(void) {
    struct device d = keyboard();
    start(rules);
    core.vm[1].state = VM_UP;
    plug(&d);
    CHECK_INT(core.slot[0].op, OP_ATTACH);
    struct op_result done = {.serial = core.vm[1].op_serial, .vm = 1, .status = OP_OK};
    struct fact f = {.kind = FACT_OP_DONE, .op = &done};
    core_step(&core, &f, 0, &out);
    CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":2}"));
    is("vm", "b");
    is("target", "b");
    is("state", "attached");
    is("reason", "null");
    is("usb_device.note", "(missing)");
    d.note = "bNumInterfaces is wrong";
    plug(&d);
    CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":2}"));
    is("usb_device.note", "bNumInterfaces is wrong");
    d.malformed = "bLength 0";
    plug(&d);
    CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":2}"));
    is("rules.0.verdict", "disabled");
    is("rules.3.verdict", "the device is unclassifiable");
    is("decides", "null");
    is("target", "null");
    is("reason", "unclassifiable: bLength 0");
}

static void ids_stand_for_a_device_only_alone(void) {
    static const char *const with[] = {"\"device_node\":\"/dev/bus/usb/001/009\"", "\"bus\":1,\"port\":\"3\""};
    char line[256];
    start(rules);
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        snprintf(line, sizeof line, "{\"action\":\"explain\",\"vid\":\"1234\",\"pid\":\"0001\",%s}", with[i]);
        CHECK(!ask(line));
        CHECK(strstr(error, "no such USB device") != NULL);
    }
}

static void what_is_not_there_is_described(void) {
    start(rules);
    CHECK(ask("{\"action\":\"explain\",\"vid\":\"1234\",\"pid\":\"0001\"}")); /* ids alone, if none is there */
    is("present", "false");
    is("decides", "null");
    is("reason", "no rule applies");
    is("usb_device.device_node", "null");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"vid\":\"1234\",\"pid\":\"0001\",\"interfaces\":\":080650:\"}}"));
    is("decides", "1");
    is("target", "a");
    is("asks", "false");
    is("reason", "null");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"interfaces\":\"030101:0e0100\"}}"));
    is("decides", "2"); /* its product is not the denied one */
    is("usb_device.interfaces", ":030101:0e0100:");
    start("{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/"
          "a\"}],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[{"
          "\"driverPath\":\".*/net/"
          ".*\",\"removable\":\"fixed\",\"bus\":3,\"port\":\"2.1\",\"serial\":\"7\",\"vendorName\":\"acme\","
          "\"deviceClass\":239}]}]}");
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"vid\":null,\"driver_path\":\"/x/net/"
              "y.ko\",\"removable\":\"fixed\",\"bus\":\"3\","
              "\"port\":\"2.1\",\"serial\":\"7\",\"vendor_name\":\"ACME\",\"device_class\":239,\"interfaces\":\":"
              "ff0000:\"}}"));
    is("decides", "0");
    is("usb_device.drivers.0", "/x/net/y.ko");
}

static void descriptions_are_checked(void) {
    static const struct {
        const char *device, *expected;
    } bad[] = {
        {"5", "an object"},
        {"{\"vid\":\"12\"}", "4 hexadecimal digits"},
        {"{\"interfaces\":\":0301\"}", "classes such as"},
        {"{\"interfaces\":\":030101x\"}", "classes such as"},
        {"{\"interfaces\":\":03010g:\"}", "classes such as"},
        {"{\"interfaces\":\":030101:03\"}", "classes such as"},
        {"{\"interfaces\":3}", "classes such as"},
        {"{\"removable\":\"no\"}", "fixed, removable or unknown"},
        {"{\"port\":\"2.\"}", "a port path"},
        {"{\"port\":999}", "a port path"},
        {"{\"bus\":256}", "a number from 0 to 255"},
        {"{\"device_class\":\"x\"}", "a number from 0 to 255"},
        {"{\"serial\":[]}", "a serial number"},
        {"{\"driver_path\":1}", "the path of a module"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[256];
        snprintf(line, sizeof line, "{\"action\":\"explain\",\"device\":%s}", bad[i].device);
        CHECK(!api_parse(&r, line, strlen(line), error, sizeof error));
        if (strstr(error, bad[i].expected) == NULL) {
            test_ok = false;
            printf("# %s: %s\n", bad[i].device, error);
        }
    }
}

static void a_tag_that_was_taken_away_keeps_the_next_one_waiting(void) {
    start(rules);
    core.remembered.tag_decision[0] = (struct tag_decision){.by = ROLE_ADMIN, .now = ROLE_ADMIN, .tag = "in"};
    CHECK(core_tag_taken(&core, KIND_USB, "in") == ROLE_ADMIN && core_tag_taken(&core, KIND_USB, "x") == ROLE_NONE);
    CHECK(ask("{\"action\":\"explain\",\"device\":{\"bus\":1}}"));
    is("decides", "3");
    is("target", "null");
    is("reason", "devices with its tag are disconnected");
}

/* As many rules and entries as there may be, with long texts: no part is too long, and the whole is JSON. */
static void the_largest_explanation(void) {
    static char text[VH_CONF_MAX];
    size_t n = 0;
    char name[2 * VH_NAME_MAX];
    for (int i = 0; i < VH_NAME_MAX - 4; i++)
        memcpy(name + 2 * i, "\\\"", 2);
    name[2 * (VH_NAME_MAX - 4)] = '\0';
    n += (size_t)snprintf(text + n, sizeof text - n, "{\"vms\":[");
    for (int v = 0; v < VH_MAX_VMS; v++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"name\":\"%s%02d\",\"type\":\"qemu\",\"socket\":\"/%d\"}",
                              v > 0 ? "," : "", name, v, v);
    n += (size_t)snprintf(text + n, sizeof text - n, "],\"usbPassthrough\":[{\"description\":\"");
    for (int i = 0; i < 10000; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "\\u0001\\u20ac");
    n += (size_t)snprintf(text + n, sizeof text - n, "\",\"allow\":[{\"bus\":2}],\"allowedVms\":[");
    for (int v = 0; v < VH_MAX_VMS; v++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s%02d\"", v > 0 ? "," : "", name, v);
    n += (size_t)snprintf(text + n, sizeof text - n, "]}");
    for (int i = 1; i < VH_MAX_RULES; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",{\"targetVm\":\"%s00\",\"allow\":[{\"bus\":2},{\"bus\":3}]}",
                              name);
    n += (size_t)snprintf(text + n, sizeof text - n, "]}");
    start(text);
    CHECK_INT(conf.nrules, VH_MAX_RULES);
    struct device d = keyboard();
    char longest[VH_STRING_MAX] = "";
    memset(longest, 1, sizeof longest - 1);
    d.vendor_name = d.product_name = d.serial = longest;
    d.usb.nifaces = VH_MAX_IFACES;
    static char path[VH_PATH_MAX];
    memset(path, 1, sizeof path - 1);
    for (int i = 0; i < VH_MAX_DRIVERS; i++)
        d.driver_path[i] = path;
    plug(&d);
    CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":2}"));
    is("rules.511.verdict", "no allow entry matches");
    CHECK(strstr(reply, "...\"") != NULL);
}

/* Between two parts the configuration becomes another one, with fewer rules; the device leaves. */
static int change_at;
static void change(int part) {
    if (part != change_at)
        return;
    struct fact reload = {.kind = FACT_RELOAD, .conf = &other}, gone = {.kind = FACT_GONE, .sys_name = "1-2"};
    core_step(&core, &reload, 0, &out);
    core_step(&core, &gone, 0, &out);
}

static void a_reload_half_way_leaves_it_json(void) {
    for (change_at = 0; change_at < 14; change_at++) {
        struct device d = keyboard();
        start(rules);
        configure(&other,
                  "{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\"},{\"name\":\"b\",\"type\":\"qemu\","
                  "\"socket\":\"/b\"}],\"usbPassthrough\":[{\"targetVm\":\"a\",\"allow\":[{\"bus\":1}]}]}");
        plug(&d);
        CHECK(ask("{\"action\":\"explain\",\"bus\":1,\"port\":2}"));
        collect(false, change);
        is("result", "ok");
        is("reason", "it was unplugged meanwhile");
        start(rules);
        plug(&d);
        collect(true, change);
        is("result", "ok");
    }
}

static void figures_of_quarantine(void) {
    struct device d = keyboard();
    start(rules);
    core.quarantine = QUARANTINE_RULES;
    d.usb.nconfigs = 1;
    plug(&d);
    CHECK(api_parse(&r, "{\"action\":\"stats\"}", 18, error, sizeof error));
    collect(true, NULL);
    is("quarantine.mode", "rules");
    is("quarantine.works", "false");
    is("quarantine.reason", "it was so");
    is("quarantine.hubs", "2");
    is("quarantine.waiting", "1");
    is("quarantine.ports", "9");
    is("quarantine.refused", "4");
    is("quarantine.late", "6");
    is("quarantine.devices", "1");
    is("port_workers.ended", "2");
}

static void figures_of_pci_devices(void) {
    start(rules);
    core.gives_pci = true;
    CHECK(api_parse(&r, "{\"action\":\"stats\"}", 18, error, sizeof error));
    collect(true, NULL);
    is("vfio_workers.running", "2");
    is("vfio_workers.late", "1");
}

static void figures_of_authorization(void) {
    struct device d = keyboard();
    start(rules);
    core.authorises = true;
    d.unauthorised = true;
    plug(&d);
    CHECK(api_parse(&r, "{\"action\":\"stats\"}", 18, error, sizeof error));
    authorization_why = "read-only";
    collect(true, NULL);
    is("usb_authorization.works", "false");
    is("usb_authorization.reason", "read-only");
    authorization_why = NULL;
    collect(true, NULL);
    is("usb_authorization.works", "true");
    is("usb_authorization.reason", "null");
    is("usb_authorization.buses", "3");
    is("usb_authorization.waiting", "5");
    is("usb_authorization.open", "7");
    is("usb_authorization.devices", "1");
}

/* Of devices that are there; what a VM says of one that has left counts no more. */
static void figures_of_claims(void) {
    struct device d = keyboard();
    start(rules);
    plug(&d);
    CHECK(api_parse(&r, "{\"action\":\"stats\"}", 18, error, sizeof error));
    collect(true, NULL);
    is("claims.listed", "0");
    is("claims.confirmed", "0");
    core.slot[0].claims = 2;
    collect(true, NULL);
    is("claims.listed", "1");
    is("claims.confirmed", "0");
    core.slot[0].foreign = 0;
    core.stats.claims_refused = 6;
    collect(true, NULL);
    is("claims.listed", "1");
    is("claims.confirmed", "1");
    is("claims.refused", "6");
    core.slot[0].state = SLOT_LEAVING;
    collect(true, NULL);
    is("claims.listed", "0");
    is("claims.confirmed", "0");
}

static void figures_of_everything(void) {
    struct device d = keyboard();
    start(rules);
    plug(&d);
    CHECK(api_parse(&r, "{\"action\":\"stats\",\"id\":3}", 25, error, sizeof error) && r.kind == REQ_STATS);
    core.stats.op_ended[OP_BUSY] = 4;
    core.stats.latency[15] = 9;
    core.stats.latency_ms = 1234;
    core.vm[1].state = VM_UP;
    collect(true, NULL);
    is("version", VH_VERSION);
    is("uptime_ms", "5");
    is("devices.present", "1");
    is("devices.waiting", "1");
    is("plugs.plugged", "1");
    is("operations.monitor_busy", "4");
    is("plug_to_attached.count.15", "9");
    is("plug_to_attached.sum_ms", "1234");
    is("device_workers.ended", "3");
    is("connectors.running", "2");
    is("connectors.late", "1");
    is("opener.running", "0");
    is("disk_worker.ended", "1");
    is("quarantine", "(missing)"); /* it is off */
    is("usb_authorization", "(missing)");
    is("port_workers", "(missing)");
    is("vfio_workers", "(missing)");
    is("log.dropped", "17");
    is("state.failing", "0");
    is("vms.0.name", "a");
    is("vms.0.connected", "true");
    is("vms.1.state", "up");
    is("vms.1.connected", "false");
    is("vms.1.operation", "null");
    is("id", "3");
    struct fact socket = {.kind = FACT_VM_SOCKET, .vm = 0}, reload = {.kind = FACT_RELOAD, .conf = &other};
    core_step(&core, &socket, 0, &out);
    d.cls = 9;
    d.incarnation = 8;
    snprintf(d.sys_name, sizeof d.sys_name, "1-3");
    plug(&d);
    core.persist = true;
    collect(true, NULL);
    is("devices.present", "1"); /* a hub does not count */
    is("state.unsaved", "0");
    is("vms.0.state", "unknown");
    is("vms.0.operation", "list");
    core.dirty = true;
    core.save_failures = 2;
    core.slot[0].vm = 1;
    collect(true, NULL);
    is("state.unsaved", "1");
    is("state.failing", "1");
    is("state.corrupt", "0");
    is("state.closed", "0");
    snprintf(core.remembered.corrupt, sizeof core.remembered.corrupt, "not JSON");
    collect(true, NULL);
    is("state.corrupt", "1");
    is("state.closed", "0");
    conf.closed_on_loss = true;
    collect(true, NULL);
    is("state.closed", "1");
    conf.closed_on_loss = false;
    core.remembered.corrupt[0] = '\0';
    collect(true, NULL);
    is("vms.0.devices", "0");
    is("vms.1.devices", "1");
    configure(&other, "{\"vms\":[{\"name\":\"b\",\"type\":\"qemu\",\"socket\":\"/b\"}]}");
    CHECK(conf_align(&other, &conf, 0));
    core_step(&core, &reload, 0, &out);
    collect(true, NULL);
    is("vms.0.name", "b"); /* not the one that has gone from the file */
    CHECK_INT(json_size(&j, get("vms")), 1);
    CHECK_INT(json_size(&j, get("plug_to_attached.count")), json_size(&j, get("plug_to_attached.below_ms")) + 1);
}

int main(void) {
    RUN(every_verdict);
    RUN(who_is_meant);
    RUN(a_tag_is_no_device);
    RUN(a_hub_that_is_described_stays_with_the_host);
    RUN(every_field_of_a_description);
    RUN(as_many_interfaces_as_there_may_be);
    RUN(a_device_that_is_there_is_where_it_is);
    RUN(ids_stand_for_a_device_only_alone);
    RUN(what_is_not_there_is_described);
    RUN(descriptions_are_checked);
    RUN(a_tag_that_was_taken_away_keeps_the_next_one_waiting);
    RUN(the_largest_explanation);
    RUN(a_reload_half_way_leaves_it_json);
    RUN(figures_of_quarantine);
    RUN(figures_of_pci_devices);
    RUN(figures_of_authorization);
    RUN(figures_of_claims);
    RUN(figures_of_everything);
    TEST_MAIN_END;
}
