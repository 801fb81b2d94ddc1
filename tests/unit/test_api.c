/*
 * test_api.c - request lines, good and bad; replies, lists and events to the letter.
 */
#include "api.h"
#include "conf.h"
#include "core.h"
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
            "no device named: give \"device_node\", or \"bus\" and \"port\", or \"vid\" and \"pid\", or \"tag\"");
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
                       .port_path = "2.1",
                       .speed = "12",
                       .vendor_name = "Logi\"tech",
                       .product_name = "K\n120",
                       .vid = 0x46d,
                       .pid = 0xc31c,
                       .busnum = 3,
                       .devnum = 78,
                       .root_port = 2,
                       .settled = true,
                       .removable = REMOVABLE_REMOVABLE,
                       .nifaces = 2,
                       .ifaces = {{3, 1, 1, 0}, {3, 0, 0, 1}}};
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    core_step(&core, &f, 0, &out);
}

#define IDENTITY                                                                                                 \
    "\"device_node\": \"/dev/bus/usb/003/078\", \"vid\": \"046d\", \"pid\": \"c31c\", "                          \
    "\"vendor_name\": \"Logi\\\"tech\", \"product_name\": \"K\\u000a120\", \"serial\": null, "                   \
    "\"interfaces\": \":030101:030000:\", \"device_class\": 0, \"device_subclass\": 0, \"device_protocol\": 0, " \
    "\"busnum\": 3, \"devnum\": 78, \"portnum\": 2, \"port_path\": \"2.1\", \"speed\": \"12\", "                 \
    "\"sys_name\": \"3-2.1\", \"removable\": \"removable\""

static void lists_are_json_to_the_letter(void) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    struct request list = {.kind = REQ_LIST, .who = {.role = ROLE_ADMIN, .vm = -1}};
    uint32_t cursor = 0;
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
}

int main(void) {
    RUN(every_request_of_the_definition);
    RUN(numbers_strings_and_nulls);
    RUN(ids_are_echoed_as_they_came);
    RUN(errors_name_the_field_the_value_and_what_was_expected);
    RUN(lists_are_json_to_the_letter);
    RUN(events_are_as_defined);
    RUN(replies);
    TEST_MAIN_END;
}
