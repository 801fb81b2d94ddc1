/* evdev_sysfs.c, input_device.c and api_evdev.c: input devices from a made-up sysfs to the reply that lists them. */
#include "api/api_evdev.h"
#include "bus/evdev_sysfs.h"
#include "codec/json.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <errno.h>
#include <sys/syscall.h>

static union device_answer answer;
static struct conf conf;
static char reply[1 << 19];

#define KEYS                                                                           \
    (sizeof(long) == 8 ? "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe" \
                       : "4 2000000 3803078 f800d001 feffffdf ffefffff ffffffff fffffffe")

/* ---- a made-up sysfs ---- */

static void make_link(const char *name, const char *target) {
    make_parents(name);
    (void)unlink(at(name));
    CHECK(symlink(target, at(name)) == 0);
}

static void attribute(const char *device, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "sys/devices/%s/%s", device, name);
    make_file(path, text);
}

/* A directory that is a device of this subsystem; "" for one without. `up`: from it to sys/. */
static void node_of(const char *device, const char *subsystem) {
    char path[256], target[256] = "";
    attribute(device, "uevent", "");
    for (const char *c = device; *c != '\0'; c++)
        strcat(target, *c == '/' ? "../" : "");
    (void)snprintf(target + strlen(target), sizeof target - strlen(target), "../../bus/%s", subsystem);
    (void)snprintf(path, sizeof path, "sys/devices/%s/subsystem", device);
    if (subsystem[0] != '\0')
        make_link(path, target);
}

/* parent: "platform/i8042/serio0" */
static void input(const char *parent, unsigned n, const char *name, const char *ev, const char *key) {
    char device[192], event[224], link[256], target[256];
    (void)snprintf(device, sizeof device, "%s/input/input%u", parent, n);
    (void)snprintf(event, sizeof event, "%s/event%u", device, n);
    node_of(device, "input");
    node_of(event, "input");
    attribute(device, "name", name);
    attribute(device, "phys", "isa0060/serio0/input0\n");
    attribute(device, "capabilities/ev", ev);
    attribute(device, "capabilities/key", key);
    attribute(device, "capabilities/rel", "0\n");
    attribute(device, "capabilities/abs", "0\n");
    attribute(device, "properties", "0\n");
    attribute(device, "id/bustype", "0011\n");
    (void)snprintf(link, sizeof link, "sys/devices/%s/device", event);
    (void)snprintf(target, sizeof target, "../../input%u", n);
    make_link(link, target);
    (void)snprintf(link, sizeof link, "sys/class/input/event%u", n);
    (void)snprintf(target, sizeof target, "../../devices/%s", event);
    make_link(link, target);
}

static void keyboard(void) {
    char key[128];
    (void)snprintf(key, sizeof key, "%s\n", KEYS);
    node_of("platform/i8042", "platform");
    node_of("platform/i8042/serio0", "serio");
    input("platform/i8042/serio0", 0, "AT Translated Set 2 keyboard\n", "120013\n", key);
}

static const struct device_evdev *list(void) {
    struct device_order o = {.head = {.serial = 1, .kind = DEVICE_EVDEV}};
    memset(&answer, 0xff, sizeof answer);
    evdev_sysfs_list(&answer.evdev);
    CHECK(device_answer_valid(&o, &answer, device_answer_size(DEVICE_EVDEV, &answer), false));
    return &answer.evdev;
}

static const struct input_device *find(unsigned number) {
    for (uint32_t i = 0; i < answer.evdev.n; i++) {
        if (answer.evdev.row[i].number == number)
            return &answer.evdev.row[i];
    }
    return NULL;
}

static const char *told(const struct request *r) {
    static jsmntok_t tok[1 << 15];
    struct json_error err;
    struct json j;
    struct sbuf sb;
    uint64_t cursor = 0;
    sb_init(&sb, reply, sizeof reply);
    for (size_t before = 0; api_evdev_part(&answer.evdev, &conf, r, &cursor, &sb); before = sb.len)
        CHECK(cursor != 0 && sb.len - before < VH_REPLY_MAX);
    CHECK(sb_ok(&sb) && json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
    return reply;
}

static const struct request admin = {.kind = REQ_LIST, .about = KIND_EVDEV, .who = {.role = ROLE_ADMIN, .vm = -1}};

/* ---- reading ---- */

static void a_host_without_input_has_an_empty_list(void) {
    CHECK(list()->n == 0 && answer.evdev.whole == 1);
    CHECK_STR(told(&admin), "{\"result\": \"ok\", \"evdev_devices\": []}\n");
}

static void a_device_has_the_properties_of_udev(void) {
    struct request r = admin;
    memcpy(r.id, "3", 2);
    keyboard();
    make_directory("sys/class/input/input0"); /* other members of the class are none */
    make_directory("sys/class/input/mice");
    make_directory("sys/class/input/event");
    make_directory("sys/class/input/event01");
    make_directory("sys/class/input/event1x");
    make_directory("sys/class/input/event70000");
    CHECK(list()->n == 1 && answer.evdev.whole == 1);
    CHECK_STR(told(&r),
              "{\"result\": \"ok\", \"evdev_devices\": [{\"device_node\": \"/dev/input/event0\", \"name\": \"AT "
              "Translated Set 2 keyboard\", \"phys\": \"isa0060/serio0/input0\", \"bus\": \"i8042\", \"path_tag\": "
              "\"platform-i8042-serio-0\", \"properties\": {\"ID_INPUT\": \"1\", \"ID_INPUT_KEY\": \"1\", "
              "\"ID_INPUT_KEYBOARD\": \"1\", \"ID_BUS\": \"i8042\", \"ID_PATH\": \"platform-i8042-serio-0\", "
              "\"ID_PATH_TAG\": \"platform-i8042-serio-0\"}, \"allowed_vms\": [], \"vm\": null}], \"id\": 3}\n");
}

static void a_place_ends_where_no_device_is(void) {
    node_of("pci0000:00", "");
    node_of("pci0000:00/0000:00:0e.0", "pci");
    node_of("pci0000:00/0000:00:0e.0/pci10000:e0", ""); /* a root of its own */
    node_of("pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0", "pci");
    node_of("pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0", "pci");
    input("pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:06.0/10000:e1:00.0", 5, "x\n", "3\n", "2\n");
    input("virtual", 6, "made up\n", "3\n", "2\n");
    CHECK(list()->n == 3);
    CHECK_STR(find(5)->path, "pci-0000:00:0e.0-pci-10000:e1:00.0");
    CHECK_STR(find(6)->path, "");
    CHECK(find(5)->bus == INPUT_PCI && find(6)->bus == INPUT_NO_BUS);
    CHECK(strstr(told(&admin),
                 "\"name\": \"made up\", \"phys\": \"isa0060/serio0/input0\", \"bus\": null, "
                 "\"path_tag\": null, \"properties\": {\"ID_INPUT\": \"1\", \"ID_INPUT_KEY\": \"1\"}") != NULL);
    const char *first = strstr(reply, "event0\""), *second = strstr(reply, "event5\""),
               *last = strstr(reply, "event6\"");
    CHECK(first != NULL && first < second && second < last);
}

static void what_is_missing_is_not_there_and_odd_bytes_are_none(void) {
    input("virtual", 7, "bad \xff\xc3x name\n", "3\n", "2\n");
    (void)unlink(at("sys/devices/virtual/input/input7/properties"));
    (void)unlink(at("sys/devices/virtual/input/input7/phys"));
    (void)unlink(at("sys/devices/virtual/input/input7/id/bustype"));
    input("virtual", 8, "", "3\n", "2\n");
    (void)unlink(at("sys/devices/virtual/input/input8/name"));
    char longest[VH_INPUT_PHYS + 8];
    memset(longest, 'p', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    attribute("virtual/input/input8", "phys", longest);
    CHECK(list()->n == 5 && answer.evdev.whole == 1);
    CHECK_STR(find(7)->name, "bad ??x name");
    CHECK_STR(find(7)->phys, "");
    CHECK_STR(find(8)->name, "");
    CHECK(strlen(find(8)->phys) == VH_INPUT_PHYS - 1 && strstr(find(8)->phys, "p...") != NULL);
}

/* What a rule would be compared with is not known, so the device is not offered to any. */
static void a_device_that_cannot_be_read_is_left_out_and_that_is_said(void) {
    char name[VH_INPUT_NAME + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    attribute("virtual/input/input7", "name", name); /* two bytes too long */
    CHECK(list()->n == 4 && answer.evdev.whole == 0 && find(7) == NULL);
    name[VH_INPUT_NAME - 1] = '\0';
    attribute("virtual/input/input7", "name", name);
    CHECK(list()->n == 5 && answer.evdev.whole == 1 && strlen(find(7)->name) == VH_INPUT_NAME - 1);
    attribute("virtual/input/input7", "capabilities/key", "keys\n");
    CHECK(list()->n == 4 && answer.evdev.whole == 0);
    CHECK(strstr(told(&admin), "], \"incomplete\": true}\n") != NULL);
    attribute("virtual/input/input7", "capabilities/key", "0\n");
    (void)unlink(at("sys/class/input/event7"));
    make_link("sys/class/input/event7", "/elsewhere");
    CHECK(list()->n == 4 && answer.evdev.whole == 0);
    (void)unlink(at("sys/class/input/event7"));
    CHECK(list()->n == 4 && answer.evdev.whole == 1);
}

static void failures_of_the_kernel_are_said(void) {
    heal();
    fail_nr(SYS_getdents64, 1, EIO);
    CHECK(list()->whole == 0);
    heal();
    CHECK(list()->whole == 1);
    char before[512];
    (void)snprintf(before, sizeof before, "%s", at("sys/class/input"));
    CHECK(rename(before, at("sys/class/none")) == 0 && list()->n == 0 && answer.evdev.whole == 1);
    CHECK(rename(at("sys/class/none"), before) == 0);
}

/* ---- what rules say ---- */

static void configure(const char *rules) {
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "{\"vms\":[{\"name\":\"a\",\"type\":\"qemu\",\"socket\":\"/a\"},{\"name\":\"b\",\"type\":\"qemu\","
                   "\"socket\":\"/b\"}],\"evdevPassthrough\":[%s]}",
                   rules);
    CHECK(conf_parse(&conf, text, strlen(text), NULL, NULL));
}

static int listed(const struct request *r) {
    int n = 0;
    for (const char *p = told(r); (p = strstr(p, "\"device_node\"")) != NULL; p++)
        n++;
    return n;
}

static void each_role_is_told_what_it_may_know(void) {
    struct request r = admin;
    configure("{\"targetVm\":\"b\",\"tag\":\"keys\",\"allow\":[{\"name\":\"AT\"}]},"
              "{\"targetVm\":\"elsewhere\",\"tag\":\"lost\",\"allow\":[{\"name\":\"made up\"}]}");
    list();
    CHECK_INT(listed(&r), 4);
    CHECK(strstr(reply, "serio-0\"}, \"allowed_vms\": [\"b\"], \"vm\": null}") != NULL);
    r.who.role = ROLE_OBSERVER;
    CHECK_INT(listed(&r), 4);
    CHECK(strstr(reply, "[\"b\"]") == NULL);
    r.who = (struct principal){.role = ROLE_GUEST, .vm = 1};
    CHECK_INT(listed(&r), 1);
    CHECK(strstr(reply, "/dev/input/event0") != NULL && strstr(reply, "[\"b\"]") != NULL);
    r.who.vm = 0;
    CHECK_INT(listed(&r), 0);
    r = admin;
    r.sel.by_tag = true;
    memcpy(r.sel.tag, "keys", 5);
    CHECK_INT(listed(&r), 1);
    memcpy(r.sel.tag, "lost", 5);
    CHECK_INT(listed(&r), 1);
    memcpy(r.sel.tag, "none", 5);
    CHECK_INT(listed(&r), 0);
    r = admin;
    r.disconnected = TRI_YES;
    CHECK_INT(listed(&r), 0);
    r.disconnected = TRI_NO;
    CHECK_INT(listed(&r), 4);
}

static void devices_on_usb_are_listed_on_demand(void) {
    struct request r = admin;
    configure("{\"targetVm\":\"a\",\"allow\":[{\"name\":\".*\"}]}");
    node_of("pci0000:00/0000:00:14.0", "pci");
    node_of("pci0000:00/0000:00:14.0/usb1", "usb");
    node_of("pci0000:00/0000:00:14.0/usb1/1-2", "usb");
    node_of("pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0", "usb");
    node_of("pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:046D:C31C.0001", "hid");
    input("pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/0003:046D:C31C.0001", 1023, "USB keys\n", "3\n", "2\n");
    list();
    CHECK_STR(find(1023)->path, "pci-0000:00:14.0-usb-0:2:1.0");
    CHECK_INT(listed(&r), 4);
    CHECK(strstr(reply, "event1023") == NULL);
    r.all = true;
    CHECK_INT(listed(&r), 5);
    CHECK(strstr(reply, "event1023\", \"name\": \"USB keys\"") != NULL &&
          strstr(reply, "pci-0000_00_14_0-usb-0_2_1_0\"}, \"allowed_vms\": [], ") != NULL);
}

static void more_than_the_list_holds_are_left_out_and_that_is_said(void) {
    for (unsigned n = 100; n <= 100 + VH_MAX_EVDEV; n++)
        input("virtual", n, "one of many\n", "3\n", "2\n");
    CHECK(list()->n == VH_MAX_EVDEV && answer.evdev.whole == 0);
    struct request r = admin;
    r.all = true;
    CHECK_INT(listed(&r), VH_MAX_EVDEV);
    CHECK(strstr(reply, "], \"incomplete\": true}\n") != NULL);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    make_directory("sys/class");
    CHECK(sysfs_root(top));
    conf_default(&conf);
    RUN(a_host_without_input_has_an_empty_list);
    RUN(a_device_has_the_properties_of_udev);
    RUN(a_place_ends_where_no_device_is);
    RUN(what_is_missing_is_not_there_and_odd_bytes_are_none);
    RUN(a_device_that_cannot_be_read_is_left_out_and_that_is_said);
    RUN(failures_of_the_kernel_are_said);
    RUN(each_role_is_told_what_it_may_know);
    RUN(devices_on_usb_are_listed_on_demand);
    RUN(more_than_the_list_holds_are_left_out_and_that_is_said);
    remove_tree();
    TEST_MAIN_END;
}
