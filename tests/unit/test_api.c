/*
 * test_api.c - api*.c: request lines, good and bad; the exact text of replies, lists and events.
 */
#include "api/api.h"
#include "config/conf.h"
#include "core/core.h"
#include "test.h"

#include <stdlib.h>

static struct request r;
static char error[VH_ERROR_MAX];
static const struct principal admin = {.role = ROLE_ADMIN, .vm = -1};

static bool parse(const char *line) {
    return api_parse(&r, line, strlen(line), error, sizeof error);
}

static void every_request_of_the_definition(void) {
    CHECK(parse("{\"action\": \"enable_notifications\"}") && r.kind == REQ_SUBSCRIBE);
    CHECK(parse("{\"action\": \"enable_notifications\", \"audit\": null}") && r.kind == REQ_SUBSCRIBE);
    CHECK(parse("{\"action\": \"enable_notifications\", \"audit\": false}") && r.kind == REQ_SUBSCRIBE);
    CHECK(parse("{\"action\": \"enable_notifications\", \"audit\": true}") && r.kind == REQ_AUDIT);
    CHECK(parse("{\"action\": \"usb_list\"}") && r.kind == REQ_LIST && r.disconnected == TRI_ANY && !r.all);
    CHECK(parse("{\"action\": \"usb_attach\", \"device_node\": \"/dev/bus/usb/003/078\", \"vm\": \"vm1\"}"));
    CHECK(r.kind == REQ_ATTACH && r.sel.by_node && r.sel.node_bus == 3 && r.sel.node_dev == 78);
    CHECK_STR(r.vm, "vm1");
    CHECK(parse("{\"action\": \"usb_attach\", \"bus\": \"1\", \"port\": \"2\", \"vm\": \"vm1\"}"));
    CHECK(r.sel.by_bus && r.sel.bus == 1 && r.sel.by_port);
    CHECK_STR(r.sel.port, "2");
    CHECK(parse("{\"action\": \"usb_attach\", \"vid\": \"1111\", \"pid\": \"2222\", \"vm\": \"vm1\"}"));
    CHECK(r.sel.by_vid && r.sel.vid == 0x1111 && r.sel.by_pid && r.sel.pid == 0x2222);
    CHECK(parse("{\"action\": \"usb_detach\", \"device_node\": \"/dev/bus/usb/003/078\"}") && r.kind == REQ_DETACH);
    CHECK(parse("{\"action\": \"usb_detach\", \"bus\": \"1\", \"port\": \"2\"}"));
    CHECK(parse("{\"action\": \"usb_detach\", \"vid\": \"1111\", \"pid\": \"2222\"}"));
}

static void numbers_strings_and_nulls(void) {
    CHECK(parse("{\"action\":\"usb_detach\",\"bus\":1,\"port\":2}") && r.sel.bus == 1);
    CHECK_STR(r.sel.port, "2");
    CHECK(parse("{\"action\":\"usb_detach\",\"bus\":1,\"port\":\"2.3.4\"}"));
    CHECK_STR(r.sel.port, "2.3.4");
    CHECK(parse("{\"action\":\"usb_attach\",\"device_node\":null,\"bus\":null,\"port\":null,\"vid\":\"ABcd\",\"pid\":"
                "\"0001\",\"tag\":null,\"vm\":null}"));
    CHECK(!r.sel.by_node && !r.sel.by_bus && r.sel.vid == 0xabcd && r.vm[0] == '\0');
    CHECK(parse("{\"action\":\"usb_list\",\"disconnected\":true,\"tag\":\"cam\",\"all\":true}"));
    CHECK(r.disconnected == TRI_YES && r.sel.by_tag && r.all);
    CHECK(parse("{\"action\":\"usb_list\",\"disconnected\":false}") && r.disconnected == TRI_NO);
    CHECK(parse("{\"action\":\"usb_list\",\"disconnected\":null}") && r.disconnected == TRI_ANY);
    CHECK(parse("{\"action\":\"usb_suspend\",\"vm\":\"x\"}") && r.kind == REQ_SUSPEND);
    CHECK(parse("{\"action\":\"usb_resume\"}") && r.kind == REQ_RESUME);
    CHECK(parse("{\"action\":\"state_acknowledge\"}") && r.kind == REQ_ACKNOWLEDGE);
    CHECK(parse("{\"action\":\"history\"}") && r.kind == REQ_HISTORY && !r.sel.by_bus);
    CHECK(parse("{\"action\":\"history\",\"sys_name\":\"1-2.3\"}") && r.sel.bus == 1 && r.sel.by_port);
    CHECK(!parse("{\"action\":\"history\",\"vid\":\"046d\"}"));
    CHECK(parse("{\"action\":\"rules\"}") && r.kind == REQ_RULES);
    CHECK(parse("{\"action\":\"reload\"}") && r.kind == REQ_RELOAD);
    CHECK(parse("{\"action\":\"version\"}") && r.kind == REQ_VERSION);
    CHECK(parse("{\"unknown\":[1,{}],\"action\":\"usb_list\"}"));
}

static void ids_are_echoed_as_they_came(void) {
    CHECK(parse("{\"action\":\"usb_list\",\"id\":17}"));
    CHECK_STR(r.id, "17");
    CHECK(parse("{\"id\":\"a\\u0041\",\"action\":\"usb_list\"}"));
    CHECK_STR(r.id, "\"a\\u0041\"");
    CHECK(!parse("{\"id\":5,\"action\":\"nonsense\"}"));
    CHECK_STR(r.id, "5");
    CHECK(!parse("{\"id\":[1],\"action\":\"usb_list\"}"));
    CHECK_STR(error, "\"id\" is an array: expected a string or a number");
}

static void refused(const char *line, const char *why) {
    CHECK(!parse(line));
    CHECK_STR(error, why);
}

static void errors_name_the_field_the_value_and_what_was_expected(void) {
    refused("{}", "\"action\" is missing");
    refused("[]", "a request is a JSON object, this is an array");
    refused("{\"action\":\"usb_attach\"}",
            "no device named: give \"device_node\", \"sys_name\", \"connector\", \"bus\" and \"port\", \"vid\" and "
            "\"pid\", or \"tag\"");
    refused("{\"action\":\"usb_attach\",\"bus\":1}", "\"bus\" needs \"port\" as well");
    refused("{\"action\":\"usb_attach\",\"pid\":\"0001\"}", "\"pid\" needs \"vid\" as well");
    refused("{\"action\":\"usb_attach\",\"vid\":\"12\",\"pid\":\"0001\"}",
            "\"vid\" is \"12\": expected 4 hexadecimal digits");
    refused("{\"action\":\"usb_attach\",\"vid\":\"0x1234\",\"pid\":\"0001\"}",
            "\"vid\" is \"0x1234\": expected 4 hexadecimal digits");
    refused("{\"action\":\"usb_attach\",\"vid\":4660,\"pid\":\"0001\"}",
            "\"vid\" is a number: expected 4 hexadecimal digits");
    refused("{\"action\":\"usb_attach\",\"device_node\":\"/dev/sda\"}",
            "\"device_node\" is \"/dev/sda\": expected a node such as \"/dev/bus/usb/003/078\"");
    refused("{\"action\":\"usb_attach\",\"bus\":300,\"port\":1}", "\"bus\" is a number: expected a bus number");
    refused("{\"action\":\"usb_attach\",\"bus\":\"-1\",\"port\":1}", "\"bus\" is \"-1\": expected a bus number");
    refused("{\"action\":\"usb_attach\",\"bus\":1,\"port\":\"2.\"}",
            "\"port\" is \"2.\": expected a port number or a path such as \"2.3\"");
    refused("{\"action\":\"usb_list\",\"disconnected\":\"yes\"}",
            "\"disconnected\" is \"yes\": expected true, false or null");
    CHECK(!parse("{\"action\":\"usb_list\",\"action\":\"usb_list\"}"));
    CHECK(strstr(error, "not JSON: ") == error);
    CHECK(!parse("garbage"));
    CHECK(strstr(error, "not JSON: ") == error);
}

static void a_device_is_named_as_lists_call_it(void) {
    static const char *const wrong[] = {
        "\"1-\"",  "\"-1\"",   "\"0-1\"",     "\"256-1\"", "\"1-2x\"",
        "\"1.2\"", "\"usb1\"", "\"1-1:1.0\"", "12",        "\"1-2\",\"bus\":1,\"port\":2"};
    char line[200];
    CHECK(parse("{\"action\":\"usb_attach\",\"sys_name\":\"12-2.3\"}") && r.sel.by_bus && r.sel.by_port);
    CHECK_INT(r.sel.bus, 12);
    CHECK_STR(r.sel.port, "2.3");
    CHECK(parse("{\"action\":\"explain\",\"sys_name\":\"1-2\",\"vid\":\"1234\",\"pid\":\"0001\"}") && r.sel.by_vid);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(line, sizeof line, "{\"action\":\"usb_detach\",\"sys_name\":%s}", wrong[i]);
        CHECK(!parse(line) && strstr(error, "\"sys_name\" is ") == error &&
              strstr(error, "expected a device's name") != NULL);
    }
}

static void what_is_too_long_or_of_the_wrong_type_is_refused(void) {
    char line[2 * VH_NAME_MAX + 200], name[2 * VH_NAME_MAX];
    memset(name, 'x', sizeof name);
    snprintf(line, sizeof line, "{\"action\":\"usb_suspend\",\"vm\":\"%.*s\"}", VH_NAME_MAX - 1, name);
    CHECK(parse(line) && strlen(r.vm) == VH_NAME_MAX - 1);
    snprintf(line, sizeof line, "{\"action\":\"usb_suspend\",\"vm\":\"%.*s\"}", VH_NAME_MAX, name);
    refused(line, "\"vm\" is a string: expected the name of a VM, at most 63 bytes");
    refused("{\"action\":\"usb_suspend\",\"vm\":1}", "\"vm\" is a number: expected the name of a VM, at most 63 bytes");
    snprintf(line, sizeof line, "{\"action\":\"usb_list\",\"id\":\"%.*s\"}", VH_ID_MAX - 3, name);
    CHECK(parse(line) && strlen(r.id) == VH_ID_MAX - 1);
    snprintf(line, sizeof line, "{\"action\":\"usb_list\",\"id\":\"%.*s\"}", VH_ID_MAX - 2, name);
    refused(line, "\"id\" is longer than 71 bytes");
    CHECK_STR(r.id, ""); /* not half of it */
    snprintf(line, sizeof line, "{\"action\":\"%.*s\"}", 40, name);
    CHECK(!parse(line) && strstr(error, "\"action\" is \"xxx") == error);
    CHECK(!parse("{\"action\":5}") && strstr(error, "\"action\" is a number: expected usb_list") == error);
    refused("{\"action\":\"usb_list\",\"all\":1}", "\"all\" is a number: expected true or false");
    refused("{\"action\":\"enable_notifications\",\"audit\":\"yes\"}", "\"audit\" is \"yes\": expected true or false");
    refused("{\"action\":\"usb_list\",\"tag\":true}", "\"tag\" is a boolean: expected a tag of at most 63 bytes");
    refused("{\"action\":\"usb_detach\",\"bus\":true,\"port\":1}", "\"bus\" is a boolean: expected a bus number");
    refused("{\"action\":\"usb_detach\",\"bus\":\"123456789012345678901234567890\",\"port\":1}",
            "\"bus\" is \"123456789012345678901234567890\": expected a bus number");
}

static void nodes_and_ports_are_read_to_the_letter(void) {
    static const char *const nodes[] = {
        "/dev/bus/usb/1",       "/dev/bus/usb/001/",      "/dev/bus/usb//001",   "/dev/bus/usb/001/256",
        "/dev/bus/usb/256/001", "/dev/bus/usb/001/002/3", "/dev/bus/usb/001/2x", "/dev/bus/usb/x/2",
        "dev/bus/usb/001/002",  "/dev/bus/usb/",
    };
    static const char *const ports[] = {"\"\"",
                                        "\"0\"",
                                        "\"2.0\"",
                                        "\"256\"",
                                        "\"2,3\"",
                                        "\".2\"",
                                        "\"2..3\"",
                                        "\"x\"",
                                        "0",
                                        "256",
                                        "2.5",
                                        "true",
                                        "\"2.3.4.5.6.7.8.9.10.11.12\""};
    char line[200];
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        snprintf(line, sizeof line, "{\"action\":\"usb_detach\",\"device_node\":\"%s\"}", nodes[i]);
        CHECK(!parse(line) && strstr(error, "expected a node such as") != NULL);
    }
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        snprintf(line, sizeof line, "{\"action\":\"usb_detach\",\"bus\":1,\"port\":%s}", ports[i]);
        CHECK(!parse(line) && strstr(error, "expected a port number or a path") != NULL);
    }
}

/* Half of a place or of a model is none; with a node or a tag it narrows. */
static void half_a_selector_is_refused_unless_it_narrows_another(void) {
    refused("{\"action\":\"usb_detach\",\"port\":1}", "\"port\" needs \"bus\" as well");
    refused("{\"action\":\"usb_detach\",\"vid\":\"1234\"}", "\"vid\" needs \"pid\" as well");
    refused("{\"action\":\"usb_detach\",\"bus\":1,\"port\":1,\"vid\":\"1234\"}", "\"vid\" needs \"pid\" as well");
    CHECK(parse("{\"action\":\"usb_detach\",\"tag\":\"t\",\"bus\":1}") && r.sel.by_tag && r.sel.by_bus);
    CHECK(parse("{\"action\":\"usb_detach\",\"tag\":\"t\",\"vid\":\"1234\"}") && r.sel.by_tag && r.sel.by_vid);
    CHECK(parse("{\"action\":\"usb_detach\",\"device_node\":\"/dev/bus/usb/001/002\",\"port\":1}"));
}

static struct conf conf;
static struct core core;

static void one_device(void) {
    static const char text[] =
        "{\"vms\":[{\"name\":\"vm1\",\"type\":\"qemu\",\"socket\":\"/run/"
        "1\"},{\"name\":\"vm2\",\"type\":\"qemu\",\"socket\":\"/run/2\"}],"
        "\"usbPassthrough\":[{\"allowedVms\":[\"vm1\",\"vm2\"],\"tag\":\"t\",\"allow\":[{\"vendorId\":\"046d\"}]}]}";
    if (!conf_parse(&conf, text, sizeof text - 1, NULL, NULL))
        exit(1);
    memset(&core, 0, sizeof core);
    core_init(&core, &conf, false);
    static struct actions out;
    struct device d = {.incarnation = 1,
                       .sys_name = "3-2.1",
                       .node = "/dev/bus/usb/003/078",
                       .usb.port_path = "2.1",
                       .usb.speed = "12",
                       .vendor_name = "Logi\"tech",
                       .product_name = "K\n120",
                       .serial = "",
                       .protect = "",
                       .malformed = "",
                       .note = "",
                       .stable_path = "pci0000:00-0000:00:14.0/2:2.1",
                       .twin = "",
                       .connector = -1,
                       .vid = 0x46d,
                       .pid = 0xc31c,
                       .usb.busnum = 3,
                       .usb.devnum = 78,
                       .usb.root_port = 2,
                       .settled = true,
                       .usb.removable = REMOVABLE_REMOVABLE,
                       .usb.nifaces = 2,
                       .usb.ifaces = {{3, 1, 1, 0}, {3, 0, 0, 1}}};
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    core_step(&core, &f, 0, &out);
}

#define IDENTITY                                                                                                 \
    "\"device_node\": \"/dev/bus/usb/003/078\", \"vid\": \"046d\", \"pid\": \"c31c\", "                          \
    "\"vendor_name\": \"Logi\\\"tech\", \"product_name\": \"K\\u000a120\", \"serial\": null, "                   \
    "\"interfaces\": \":030101:030000:\", \"device_class\": 0, \"device_subclass\": 0, \"device_protocol\": 0, " \
    "\"busnum\": 3, \"devnum\": 78, \"portnum\": 2, \"port_path\": \"2.1\", \"speed\": \"12\", "                 \
    "\"sys_name\": \"3-2.1\", \"connector\": \"pci0000:00-0000:00:14.0/2:2.1\", \"stable_path\": "               \
    "\"pci0000:00-0000:00:14.0/2:2.1\", \"removable\": \"removable\""

static void lists_are_json_to_the_letter(void) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    struct request list = {.kind = REQ_LIST, .who = {.role = ROLE_ADMIN, .vm = -1}};
    uint64_t cursor = 0;
    one_device();
    sb_init(&sb, text, sizeof text);
    while (api_list_part(&core, &list, &cursor, &sb))
        CHECK(sb.len < 4000);
    CHECK_STR(text, "{\"result\": \"ok\", \"usb_devices\": [{" IDENTITY
                    ", \"allowed_vms\": [\"vm1\", \"vm2\"], \"vm\": null, \"foreign\": false, \"disconnected\": false, "
                    "\"tag\": \"t\", "
                    "\"state\": \"waiting\", \"reason\": \"waiting for a choice of VM\"}]}\n");
    sb_init(&sb, text, sizeof text);
    list.disconnected = TRI_YES;
    snprintf(list.id, sizeof list.id, "7");
    cursor = 0;
    CHECK(!api_list_part(&core, &list, &cursor, &sb));
    CHECK_STR(text, "{\"result\": \"ok\", \"usb_devices\": [], \"id\": 7}\n");
}

/* Slot 0 in a list that this client asks for. */
static void entry(struct sbuf *sb, const struct principal *who) {
    struct request list = {.kind = REQ_LIST, .who = *who};
    api_list_entry(sb, &core, &list, 0);
}

/* Only with quarantine, and to those who see everything. */
static void who_may_use_a_device_on_the_host_is_told(void) {
    static const struct principal observer = {.role = ROLE_OBSERVER, .vm = -1};
    char text[4096];
    struct sbuf sb;
    one_device();
    core.slot[0].shut = true;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, "driven") == NULL && strstr(text, "quarantined") == NULL);
    core.quarantine = QUARANTINE_RULES;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &observer);
    CHECK(strstr(text, "driven") == NULL);
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, ", \"driven\": false, \"quarantined\": true") != NULL);
    core.slot[0].dev.driven = true;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, ", \"driven\": true, \"quarantined\": false") != NULL);
}

static void whether_a_device_is_authorised_is_told_with_usb_authorization(void) {
    static const struct principal observer = {.role = ROLE_OBSERVER, .vm = -1};
    char text[4096];
    struct sbuf sb;
    one_device();
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, "authorized") == NULL);
    core.authorises = true;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &observer);
    CHECK(strstr(text, "authorized") == NULL);
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, ", \"authorized\": true") != NULL);
    core.slot[0].dev.unauthorised = true;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, ", \"authorized\": false") != NULL);
}

/* A note is what a device says of itself, and may tell whose it is: it is for those who see serial numbers. */
static void what_is_odd_is_told_to_those_who_see_everything(void) {
    static const struct {
        struct principal who;
        bool told;
    } cases[] = {{{.role = ROLE_ADMIN, .vm = -1}, true},
                 {{.role = ROLE_OPERATOR, .vm = -1}, true},
                 {{.role = ROLE_OBSERVER, .vm = -1}, false},
                 {{.role = ROLE_GUEST, .vm = 0}, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096];
        struct sbuf sb;
        one_device();
        core.slot[0].dev.note = "bNumInterfaces is wrong";
        sb_init(&sb, text, sizeof text);
        entry(&sb, &cases[i].who);
        CHECK((strstr(text, ", \"note\": \"bNumInterfaces is wrong\"}") != NULL) == cases[i].told);
        sb_init(&sb, text, sizeof text);
        api_event(&sb, &core, &cases[i].who, EV_CONNECTED, 0, -1); /* events are about what changes */
        CHECK(strstr(text, "note") == NULL);
    }
}

static const char *list_tag(const char *tag) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    struct request list = {.kind = REQ_LIST, .who = admin, .sel = {.by_tag = true}};
    uint64_t cursor = 0;
    snprintf(list.sel.tag, sizeof list.sel.tag, "%s", tag);
    sb_init(&sb, text, sizeof text);
    while (api_list_part(&core, &list, &cursor, &sb))
        continue;
    return text;
}

/* Devices of the tag that come later: will they be kept away? */
static void a_list_by_tag_says_how_the_tag_is(void) {
    one_device();
    CHECK_STR(list_tag("x"), "{\"result\": \"ok\", \"usb_devices\": [], \"tag_disconnected\": null}\n");
    CHECK(strstr(list_tag("t"), "\"sys_name\": \"3-2.1\"") != NULL);
    CHECK(strstr(list_tag("t"), "}], \"tag_disconnected\": false}\n") != NULL);
    core.remembered.tag_decision[1] = (struct tag_decision){.by = ROLE_ADMIN, .now = ROLE_ADMIN, .tag = "t"};
    CHECK(strstr(list_tag("t"), "}], \"tag_disconnected\": true}\n") != NULL);
}

/* A device that somebody else attached is marked foreign; a guest sees the mark only if the device is in its own VM. */
static void what_others_attached_is_told_as_foreign(void) {
    static const struct {
        struct principal who;
        int foreign;
        const char *vm, *said;
    } cases[] = {
        {{.role = ROLE_ADMIN, .vm = -1}, 1, "\"vm2\"", "true"}, {{.role = ROLE_OBSERVER, .vm = -1}, 1, "null", "true"},
        {{.role = ROLE_GUEST, .vm = 1}, 1, "\"vm2\"", "true"},  {{.role = ROLE_GUEST, .vm = 0}, 1, "null", "false"},
        {{.role = ROLE_ADMIN, .vm = -1}, -1, "null", "false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[4096], expected[100];
        struct sbuf sb;
        one_device();
        core.slot[0].foreign = cases[i].foreign;
        sb_init(&sb, text, sizeof text);
        entry(&sb, &cases[i].who);
        snprintf(expected, sizeof expected, "\"vm\": %s, \"foreign\": %s,", cases[i].vm, cases[i].said);
        CHECK(strstr(text, expected) != NULL);
    }
    core.slot[0].vm = 0; /* in a VM by our doing: not foreign, whoever else claims it */
    core.slot[0].foreign = 1;
    char text[4096];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, "\"vm\": \"vm1\", \"foreign\": false,") != NULL);
}

/* No rule, but a lease: the VM that it had may have it. */
static void a_lease_is_told_as_the_only_vm(void) {
    char text[4096];
    struct sbuf sb;
    one_device();
    core.slot[0].rule = -1;
    core.slot[0].lease = 1;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, "\"allowed_vms\": [\"vm2\"], ") != NULL);
    core.slot[0].lease = -1;
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(strstr(text, "\"allowed_vms\": [], ") != NULL);
}

/* Whatever a configuration may call VMs and a device itself: one object of a list, and one event, have room. */
static void the_largest_device_fits(void) {
    static char json[65536], text[VH_REPLY_MAX];
    char name[VH_NAME_MAX];
    size_t n = 0;
    struct sbuf sb;
    for (int i = 0; i < (VH_NAME_MAX - 4) / 2; i++)
        memcpy(name + 2 * i, "ä", 2); /* 6 bytes for 2 */
    name[VH_NAME_MAX - 4] = '\0';
    n += (size_t)snprintf(json + n, sizeof json - n, "{\"vms\":[");
    for (int v = 0; v < VH_MAX_VMS; v++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s{\"name\":\"%s%02d\",\"type\":\"qemu\",\"socket\":\"/%d\"}",
                              v > 0 ? "," : "", name, v, v);
    n += (size_t)snprintf(json + n, sizeof json - n,
                          "],\"usbPassthrough\":[{\"tag\":\"%s\",\"allow\":[{\"bus\":3}],"
                          "\"allowedVms\":[",
                          name);
    for (int v = 0; v < VH_MAX_VMS; v++)
        n += (size_t)snprintf(json + n, sizeof json - n, "%s\"%s%02d\"", v > 0 ? "," : "", name, v);
    n += (size_t)snprintf(json + n, sizeof json - n, "]}]}");
    one_device();
    if (!conf_parse(&conf, json, n, NULL, NULL))
        exit(1);
    CHECK(conf.nvms == VH_MAX_VMS && conf.rules[0].nvms == VH_MAX_VMS);
    struct slot *s = &core.slot[0];
    char longest[VH_STRING_UNITS + 1] = "";
    memset(longest, 1, sizeof longest - 1);
    s->dev.vendor_name = s->dev.product_name = s->dev.serial = longest;
    s->dev.usb.nifaces = VH_MAX_IFACES;
    s->vm = s->choice = 1;
    s->disconnected = true;
    s->disconnected_by = ROLE_OPERATOR;
    s->failures = 1;
    memset(core.reason[0], 1, sizeof core.reason[0] - 1); /* as its VM said */
    sb_init(&sb, text, sizeof text);
    entry(&sb, &admin);
    CHECK(sb_ok(&sb) && strstr(text, "\"state\": \"attached\", \"reason\": \"\\u0001") != NULL);
    sb_init(&sb, text, sizeof text);
    api_event(&sb, &core, &admin, EV_SELECT_VM, 0, -1);
    CHECK(sb_ok(&sb));
}

static void event_is(enum event_kind kind, int vm, const char *expected) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    api_event(&sb, &core, &admin, kind, 0, vm);
    CHECK_STR(text, expected);
}

static void events_are_as_defined(void) {
    one_device();
    event_is(EV_CONNECTED, -1, "{\"event\": \"usb_connected\", \"usb_device\": {" IDENTITY "}}\n");
    event_is(EV_DISCONNECTED, -1, "{\"event\": \"usb_disconnected\", \"usb_device\": {" IDENTITY "}}\n");
    event_is(EV_ATTACHED, 0, "{\"event\": \"usb_attached\", \"usb_device\": {" IDENTITY "}, \"vm\": \"vm1\"}\n");
    event_is(EV_DETACHED, 1, "{\"event\": \"usb_detached\", \"usb_device\": {" IDENTITY "}, \"vm\": \"vm2\"}\n");
    event_is(EV_SELECT_VM, -1,
             "{\"event\": \"usb_select_vm\", \"usb_device\": {" IDENTITY "}, \"allowed_vms\": [\"vm1\", \"vm2\"]}\n");
}

static void replies(void) {
    char text[512];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    api_ok(&sb, "");
    CHECK_STR(text, "{\"result\": \"ok\"}\n");
    sb_init(&sb, text, sizeof text);
    api_failed(&sb, "\"x\"", "a \"b\"\n");
    CHECK_STR(text, "{\"result\": \"failed\", \"error\": \"a \\\"b\\\"\\u000a\", \"id\": \"x\"}\n");
    sb_init(&sb, text, sizeof text); /* an id is repeated as it was written, but for what is not ASCII */
    api_ok(&sb, "\"\\\"\\u0041ä\xf0\x9f\x98\x80\"");
    CHECK_STR(text, "{\"result\": \"ok\", \"id\": \"\\\"\\u0041\\u00e4\\ud83d\\ude00\"}\n");
    sb_init(&sb, text, sizeof text);
    api_version(&sb, "1");
    CHECK_STR(text, "{\"result\": \"ok\", \"version\": \"" VH_VERSION "\", \"id\": 1}\n");
}

static void every_request_has_its_name(void) {
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_ATTACH}), "usb_attach");
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_ATTACH, .about = KIND_PCI}), "pci_attach");
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_LIST, .about = KIND_EVDEV}), "evdev_list");
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_VERSION}), "version");
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_ACKNOWLEDGE}), "state_acknowledge");
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_SUBSCRIBE}), "enable_notifications");
    CHECK_STR(api_request_name(&(struct request){.kind = REQ_AUDIT}),
              "enable_notifications"); /* which it is a way to ask for */
}

int main(void) {
    RUN(every_request_of_the_definition);
    RUN(numbers_strings_and_nulls);
    RUN(ids_are_echoed_as_they_came);
    RUN(errors_name_the_field_the_value_and_what_was_expected);
    RUN(a_device_is_named_as_lists_call_it);
    RUN(what_is_too_long_or_of_the_wrong_type_is_refused);
    RUN(nodes_and_ports_are_read_to_the_letter);
    RUN(half_a_selector_is_refused_unless_it_narrows_another);
    RUN(lists_are_json_to_the_letter);
    RUN(who_may_use_a_device_on_the_host_is_told);
    RUN(whether_a_device_is_authorised_is_told_with_usb_authorization);
    RUN(what_is_odd_is_told_to_those_who_see_everything);
    RUN(a_list_by_tag_says_how_the_tag_is);
    RUN(what_others_attached_is_told_as_foreign);
    RUN(a_lease_is_told_as_the_only_vm);
    RUN(the_largest_device_fits);
    RUN(events_are_as_defined);
    RUN(replies);
    RUN(every_request_has_its_name);
    TEST_MAIN_END;
}
