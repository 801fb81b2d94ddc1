/*
 * test_qemu_pci.c - the QMP of PCI devices against answers that QEMU 7.2 and 11.1 were seen to give, and what its
 * sources of 5.2 to 10 say where those differ.
 */
#include "codec/vm_pci_id.h"
#include "test.h"
#include "vmm/qemu_pci.h"

#define NIC "0000:01:00.0"
#define OURS "vhp-pci-0000-01-00.0"

static struct qemu_pci q;
static struct qemu_pci_out out;
static char sent[VH_QMP_OUT_MAX];
static jsmntok_t tokens[VH_QMP_TOKENS];

static struct json parse(const char *line) {
    struct json j;
    struct json_error err;
    CHECK(json_parse(&j, line, strlen(line), tokens, VH_QMP_TOKENS, &err));
    return j;
}

static void clear(void) {
    sb_init(&out.text, sent, sizeof sent);
}

static void begin_with(enum qemu_pci_what what, bool by_fd) {
    struct qemu_pci_op op = {.serial = 7, .what = what, .by_fd = by_fd};
    CHECK(pci_address_parse(NIC, &op.address));
    memset(&q, 0xff, sizeof q);
    clear();
    qemu_pci_begin(&q, &op, &out);
}

static void begin(enum qemu_pci_what what) {
    begin_with(what, false);
}

static void command_is(const char *text) {
    if (out.text.len > 0) {
        struct json j = parse(sent);
        CHECK(json_type(&j, 0) == JSON_OBJECT && sb_ok(&out.text) && sent[out.text.len - 1] == '\n');
    }
    if (strstr(sent, text) == NULL)
        printf("# not \"%s\": %s", text, sent);
    CHECK(strstr(sent, text) != NULL);
}

/* True: the operation has ended. form: what is beside the id, "return": ... or "error": ... */
static bool take(const char *form) {
    char line[8192];
    (void)snprintf(line, sizeof line, "{%s, \"id\": \"7.pci%u\"}", form, (unsigned)q.count);
    struct json j = parse(line);
    clear();
    return qemu_pci_message(&q, &j, &out);
}

static bool done(const char *form) {
    char line[4096];
    (void)snprintf(line, sizeof line, "\"return\": %s", form);
    return take(line);
}

static bool refused(const char *class, const char *text) {
    char line[1024];
    (void)snprintf(line, sizeof line, "\"error\": {\"class\": \"%s\", \"desc\": \"%s\"}", class, text);
    return take(line);
}

/* What a VM with two root ports has; `more` in its list. */
static void lists(const char *more) {
    char line[2048];
    command_is("\"qom-list\", \"id\": \"7.pci1\", \"arguments\": {\"path\": \"/machine/peripheral\"}");
    (void)snprintf(line, sizeof line,
                   "[{\"name\": \"type\", \"type\": \"string\"}, {\"name\": \"p0\", \"type\": "
                   "\"child<pcie-root-port>\"}, {\"name\": \"p1\", \"type\": \"child<ioh3420>\"}, {\"name\": \"n0\", "
                   "\"type\": \"child<e1000e>\"}%s]",
                   more);
    CHECK(!done(line));
    command_is("\"path\": \"/machine/peripheral-anon\"");
}

#define NO_UNNAMED "[{\"name\": \"type\", \"type\": \"string\"}]"
#define FREE_PORT "[{\"name\": \"realized\", \"type\": \"bool\"}, {\"name\": \"hotplug-handler\", \"type\": \"link\"}]"
#define FULL_PORT "[{\"name\": \"realized\", \"type\": \"bool\"}, {\"name\": \"child[0]\", \"type\": \"link<e1000e>\"}]"

/* ---- lists ---- */

static void devices_are_known_by_their_host(void) {
    begin(QEMU_PCI_LIST);
    lists(", {\"name\": \"" OURS "\", \"type\": \"child<vfio-pci>\"}, {\"name\": \"vhp-pci-0\", \"type\": "
          "\"child<vfio-pci>\"}, {\"name\": \"gpu\", \"type\": \"child<vfio-pci>\"}, {\"name\": \"x/y\", \"type\": "
          "\"child<vfio-pci>\"}");
    CHECK(!done("[{\"name\": \"device[0]\", \"type\": \"child<pcie-root-port>\"}, {\"name\": \"device[1]\", \"type\": "
                "\"child<vfio-pci>\"}]"));
    command_is("\"qom-get\", \"id\": \"7.pci3\", \"arguments\": {\"path\": \"/machine/peripheral/" OURS
               "\", \"property\": \"host\"}");
    CHECK(!done("\"ffff:ff:ff.f\"")); /* given by a descriptor alone; our id tells */
    command_is("/machine/peripheral/vhp-pci-0\"");
    CHECK(!done("\"0000:02:00.0\""));
    command_is("/machine/peripheral/gpu\"");
    CHECK(!refused("GenericError", "Property 'vfio-pci.host' not found"));
    command_is("/machine/peripheral-anon/device[1]\"");
    CHECK(done("\"0000:00:1f.3\""));
    CHECK(q.end == QEMU_PCI_DONE && q.nfound == 4 && q.nports == 2 && q.op.what == QEMU_PCI_NONE);
    CHECK_STR(q.text, "");
    CHECK(q.found[0].ours && q.found[0].known && q.found[0].address.bus == 1);
    CHECK(!q.found[1].ours && q.found[1].known && q.found[1].address.bus == 2 && !q.found[1].anonymous);
    CHECK(!q.found[2].ours && !q.found[2].known);
    CHECK(q.found[3].anonymous && q.found[3].known && q.found[3].address.devfn == 0xfb);
}

static void a_vm_without_any_has_none(void) {
    begin(QEMU_PCI_LIST);
    lists("");
    CHECK(done(NO_UNNAMED) && q.end == QEMU_PCI_DONE && q.nfound == 0);
}

static void more_than_can_be_listed_is_a_failure(void) {
    static char many[8000];
    struct sbuf sb;
    sb_init(&sb, many, sizeof many);
    for (int i = 0; i <= VH_MAX_VM_PCI; i++)
        sb_fmt(&sb, "%s{\"name\": \"d%d\", \"type\": \"child<vfio-pci>\"}", i == 0 ? "\"return\": [" : ", ", i);
    sb_str(&sb, "]");
    CHECK(sb_ok(&sb));
    begin(QEMU_PCI_LIST);
    CHECK(take(many) && q.end == QEMU_PCI_FAILED);
    CHECK_STR(q.text, "the VM has more PCI devices than can be listed");
}

/* ---- one more ---- */

static void to_port(int n) {
    char text[64];
    (void)snprintf(text, sizeof text, "\"path\": \"/machine/peripheral/p%d/p%d\"", n, n);
    command_is(text);
}

static void begin_add(void) {
    begin(QEMU_PCI_ADD);
    lists("");
    CHECK(!done(NO_UNNAMED));
    to_port(0);
}

static void a_device_goes_to_the_first_free_port(void) {
    begin_add();
    CHECK(!done(FULL_PORT));
    to_port(1);
    CHECK(!done(FREE_PORT));
    command_is("\"device_add\", \"id\": \"7.pci5\", \"arguments\": {\"driver\": \"vfio-pci\", \"host\": \"" NIC
               "\", \"id\": \"" OURS "\", \"bus\": \"p1\", \"addr\": \"0\"}");
    CHECK(out.fd == QEMU_PCI_NO_FD && done("{}") && q.end == QEMU_PCI_DONE);
}

static void a_device_that_is_there_is_not_added_again(void) {
    begin(QEMU_PCI_ADD);
    lists(", {\"name\": \"vhp-pci-3\", \"type\": \"child<vfio-pci>\"}");
    CHECK(!done(NO_UNNAMED));
    CHECK(done("\"" NIC "\"") && q.end == QEMU_PCI_DONE);
    CHECK_STR(sent, "");
}

/* Seen: 7.2.22 and 11.1.3 (the first, the fourth), 7.2.22 (the fifth); the older daemons look for the second. */
static void an_occupied_or_unfit_port_is_passed_over(void) {
    static const char *const texts[] = {
        "PCI: slot 0 function 0 not available for vfio-pci, in use by e1000e,id=n0",
        "PCI: slot 0 function 0 already occupied by e1000e, new func vfio-pci cannot be exposed to guest.",
        "PCI: no slot/function available for vfio-pci, all in use or reserved",
        "Bus 'p0' does not support hotplugging",
        "Bus 'p0' not found",
        "PCI: slot 0 function 0 not available for vfio-pci, reserved",
        "Hot-plug failed: unsupported by the port device 'p0'",
        "Unsupported bus. Bus doesn't have property 'acpi-pcihp-bsel' set",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        begin_add();
        CHECK(!done(FREE_PORT) && !refused("GenericError", texts[i]));
        to_port(1);
        CHECK(!done(FREE_PORT) && refused("GenericError", texts[i]));
        CHECK(q.end == QEMU_PCI_NO_PORT);
        CHECK_STR(q.text, "no PCIe root port of the VM is free");
    }
    begin_add();
    CHECK(!refused("DeviceNotFound", "Device '/machine/peripheral/p0/p0' not found"));
    to_port(1);
    begin(QEMU_PCI_ADD);
    CHECK(!done("[]") && done("[]") && q.end == QEMU_PCI_NO_PORT);
    CHECK_STR(q.text, "the VM has no PCIe root port with an id");
}

static const struct error {
    const char *text;
    enum qemu_pci_end end;
    const char *why; /* "" QEMU's own */
} errors[] = {
    /* 7.2.22 and 11.1.3 */
    {"vfio 0000:01:00.0: group 25 is not viable", QEMU_PCI_GROUP,
     "another device of its IOMMU group has a driver of the host"},
    {"vfio 0000:01:00.0: failed to open /dev/vfio/25: Device or resource busy", QEMU_PCI_BUSY,
     "another VM has a device of its IOMMU group"},
    {"vfio 0000:01:00.0: failed to open /dev/vfio/26: Permission denied", QEMU_PCI_DENIED,
     "QEMU may not open the node of the device's IOMMU group"},
    {"vfio 0000:01:00.0: device is already attached", QEMU_PCI_BUSY, ""},
    {"Duplicate device ID 'vhp-pci-0000-01-00.0'", QEMU_PCI_FAILED, ""},
    /* 7.2.22 */
    {"vfio 0000:01:00.0: failed to setup container for group 19: memory listener initialization failed: Region "
     "pc.ram: vfio_dma_map(0x55d0c6c0a2d0, 0x0, 0xa0000, 0x7f3b2fe00000) = -12 (Cannot allocate memory)",
     QEMU_PCI_MEMLOCK, "QEMU may lock too little memory (RLIMIT_MEMLOCK): it needs the VM's memory and 64 MB more"},
    {"vfio 0000:01:00.0: failed to setup container for group 19: No available IOMMU models", QEMU_PCI_MODULE,
     "the kernel module vfio_iommu_type1 is not loaded"},
    {"vfio /sys/bus/pci/devices/0000:01:00.0: no such host device: No such file or directory", QEMU_PCI_FAILED, ""},
    /* 11.1.3 */
    {"vfio 0000:01:00.0: vfio_container_dma_map(0x5581c6c0a2d0, 0x0, 0xa0000, 0x7f3b2fe00000) = -12 (Cannot allocate "
     "memory)",
     QEMU_PCI_MEMLOCK, "QEMU may lock too little memory (RLIMIT_MEMLOCK): it needs the VM's memory and 64 MB more"},
    {"vfio vhp-pci-0000-01-00.0: error bind device fd=19 to iommufd=18: Invalid argument", QEMU_PCI_BUSY,
     "another VM has a device of its IOMMU group"},
};

static void an_error_says_what_is_wrong(void) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        begin_add();
        CHECK(!done(FREE_PORT) && refused("GenericError", errors[i].text));
        CHECK_INT(q.end, errors[i].end);
        CHECK_STR(q.text, errors[i].why[0] != '\0' ? errors[i].why : errors[i].text);
    }
    begin_add();
    CHECK(!done(FREE_PORT) && take("\"error\": {\"class\": \"GenericError\"}") && q.end == QEMU_PCI_FAILED);
    CHECK_STR(q.text, "QEMU refused without a readable reason");
    begin(QEMU_PCI_ADD); /* only of device_add is that so */
    CHECK(refused("GenericError", "Permission denied") && q.end == QEMU_PCI_FAILED);
}

static void descriptors_go_with_the_commands_that_name_them(void) {
    begin_with(QEMU_PCI_ADD, true);
    CHECK(out.fd == QEMU_PCI_NO_FD);
    lists("");
    CHECK(!done(NO_UNNAMED) && !done(FREE_PORT));
    command_is("\"path\": \"/objects\"");
    CHECK(!done("[{\"name\": \"pc.ram\", \"type\": \"child<memory-backend-ram>\"}]"));
    command_is("\"getfd\", \"id\": \"7.pci5\", \"arguments\": {\"fdname\": \"vhp-iommu\"}");
    CHECK(out.fd == QEMU_PCI_IOMMU_FD && !done("{}"));
    command_is(
        "\"object-add\", \"id\": \"7.pci6\", \"arguments\": {\"qom-type\": \"iommufd\", \"id\": \"vhp-iommufd\", "
        "\"fd\": \"vhp-iommu\"}");
    CHECK(out.fd == QEMU_PCI_NO_FD && !done("{}"));
    command_is("\"getfd\", \"id\": \"7.pci7\", \"arguments\": {\"fdname\": \"vhp-pci\"}");
    CHECK(out.fd == QEMU_PCI_DEVICE_FD && !done("{}"));
    command_is("\"host\": \"" NIC "\", \"id\": \"" OURS "\", \"bus\": \"p0\", \"addr\": \"0\", \"iommufd\": "
               "\"vhp-iommufd\", \"fd\": \"vhp-pci\"");
    CHECK(out.fd == QEMU_PCI_NO_FD && !refused("GenericError", "Bus 'p0' not found"));
    to_port(1); /* its name is used up; the object is there */
    CHECK(!done(FREE_PORT) && !done("[{\"name\": \"vhp-iommufd\", \"type\": \"child<iommufd>\"}]"));
    command_is("\"fdname\": \"vhp-pci\"");
    CHECK(out.fd == QEMU_PCI_DEVICE_FD && !done("{}"));
    CHECK(done("{}") && q.end == QEMU_PCI_DONE);
    begin_with(QEMU_PCI_ADD, true);
    lists("");
    CHECK(!done(NO_UNNAMED) && !done(FREE_PORT) && !done("[]") && !done("{}"));
    CHECK(refused("GenericError", "invalid object type: iommufd") && q.end == QEMU_PCI_FAILED); /* before 9.0 */
}

/* ---- one less ---- */

static void begin_del(void) {
    begin(QEMU_PCI_DEL);
    lists(", {\"name\": \"" OURS "\", \"type\": \"child<vfio-pci>\"}");
    CHECK(!done(NO_UNNAMED) && !done("\"" NIC "\""));
    command_is("\"device_del\", \"id\": \"7.pci4\", \"arguments\": {\"id\": \"/machine/peripheral/" OURS "\"}");
}

static void a_guest_is_asked_for_its_device(void) {
    begin_del();
    CHECK(done("{}") && q.end == QEMU_PCI_ACCEPTED);
    begin_del();
    CHECK(refused("GenericError", "Device " OURS " is already in the process of unplug")); /* 7.2.22 */
    CHECK(q.end == QEMU_PCI_ACCEPTED && q.text[0] == '\0');
    begin_del();
    CHECK(refused("DeviceNotFound", "Device '" OURS "' not found") && q.end == QEMU_PCI_DONE);
    begin_del();
    CHECK(refused("GenericError", "Bus 'pcie.0' does not support hotplugging") && q.end == QEMU_PCI_FAILED);
    CHECK_STR(q.text, "Bus 'pcie.0' does not support hotplugging");
}

static void a_device_of_others_is_asked_for_by_its_path(void) {
    begin(QEMU_PCI_DEL);
    lists(", {\"name\": \"vhp-pci-0\", \"type\": \"child<vfio-pci>\"}");
    CHECK(!done("[{\"name\": \"device[4]\", \"type\": \"child<vfio-pci>\"}]"));
    CHECK(!done("\"0000:02:00.0\"") && !done("\"" NIC "\""));
    command_is("{\"id\": \"/machine/peripheral-anon/device[4]\"}");
    CHECK(done("{}") && q.end == QEMU_PCI_ACCEPTED);
    begin(QEMU_PCI_DEL);
    lists("");
    CHECK(done(NO_UNNAMED) && q.end == QEMU_PCI_DONE); /* it is out */
}

/* ---- lines of others ---- */

static void other_lines_change_nothing(void) {
    static const char *const lines[] = {
        "{\"return\": {}, \"id\": \"7.pci2\"}",
        "{\"return\": {}, \"id\": \"6.pci1\"}",
        "{\"return\": {}, \"id\": \"7.1\"}",
        "{\"return\": {}}",
        "{\"error\": {\"class\": \"GenericError\", \"desc\": \"x\"}}",
        "{\"id\": \"7.pci1\"}",
        "{\"return\": {}, \"error\": {}, \"id\": \"7.pci1\"}",
        "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1, \"microseconds\": 2}}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        begin(QEMU_PCI_LIST);
        struct json j = parse(lines[i]);
        clear();
        CHECK(!qemu_pci_message(&q, &j, &out) && sent[0] == '\0' && q.count == 1);
        CHECK(!done("[]") && done(NO_UNNAMED));
        j = parse(lines[0]);
        CHECK(!qemu_pci_message(&q, &j, &out)); /* no operation is under way */
    }
}

static void answers_of_another_form_are_survived(void) {
    static const char *const forms[] = {"{}", "[]", "7", "\"x\"", "null", "[7, [], {\"name\": 7, \"type\": 7}]"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        for (int what = QEMU_PCI_LIST; what <= QEMU_PCI_DEL; what++) {
            begin_with((enum qemu_pci_what)what, true);
            for (int n = 0; n < 12 && q.op.what != QEMU_PCI_NONE; n++)
                (void)done(forms[i]);
            CHECK(q.op.what == QEMU_PCI_NONE);
        }
    }
}

/* ---- events ---- */

static void an_event_names_the_device(void) {
    static const struct {
        const char *line, *id;
        enum qemu_pci_event event;
    } cases[] = {
        {"{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"" OURS "\", \"path\": \"/machine/peripheral/" OURS
         "\"}}",
         OURS, QEMU_PCI_DELETED},
        {"{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/machine/peripheral-anon/device[4]\"}}", "device[4]",
         QEMU_PCI_DELETED},
        {"{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": \"x\", \"path\": "
         "\"/machine/peripheral/x\"}}",
         "x", QEMU_PCI_GUEST_REFUSED},
        {"{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/machine/peripheral/ev/virtio-backend\"}}", "",
         QEMU_PCI_OTHER_EVENT},
        {"{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/machine/unattached/device[3]\"}}", "",
         QEMU_PCI_OTHER_EVENT},
        {"{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/machine/peripheral\"}}", "", QEMU_PCI_OTHER_EVENT},
        {"{\"event\": \"DEVICE_DELETED\", \"data\": {}}", "", QEMU_PCI_OTHER_EVENT},
        {"{\"event\": \"DEVICE_DELETED\"}", "", QEMU_PCI_OTHER_EVENT},
        {"{\"event\": \"RESET\", \"data\": {\"path\": \"/machine/peripheral/x\"}}", "", QEMU_PCI_OTHER_EVENT},
        {"{\"return\": {}}", "", QEMU_PCI_OTHER_EVENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char id[VH_OPID_MAX];
        struct json j = parse(cases[i].line);
        CHECK(qemu_pci_event(&j, id) == cases[i].event);
        CHECK_STR(id, cases[i].id);
    }
}

/* ---- input devices ---- */

static void begin_input(enum qemu_pci_what what) {
    struct qemu_pci_op op = {.serial = 7, .what = what, .input = true, .number = 4};
    memset(&q, 0xff, sizeof q);
    clear();
    qemu_pci_begin(&q, &op, &out);
}

#define INPUT(id) ", {\"name\": \"" id "\", \"type\": \"child<virtio-input-host-pci>\"}"

static void input_devices_are_known_by_their_node(void) {
    begin_input(QEMU_PCI_LIST);
    lists(INPUT("vhp-evdev-event4") INPUT("vhp-evdev-0") INPUT("kbd")
              INPUT("x/y") ", {\"name\": \"" OURS "\", \"type\": \"child<vfio-pci>\"}");
    CHECK(!done("[{\"name\": \"device[0]\", \"type\": \"child<virtio-input-host-pci>\"}]"));
    command_is("\"qom-get\", \"id\": \"7.pci3\", \"arguments\": {\"path\": "
               "\"/machine/peripheral/vhp-evdev-event4\", \"property\": \"evdev\"}");
    CHECK(!refused("GenericError", "Property not found")); /* our id tells */
    CHECK(!done("\"/dev/input/event5\""));
    CHECK(!done("\"/dev/input/by-path/platform-i8042-serio-0-event-kbd\""));
    command_is("/machine/peripheral-anon/device[0]\"");
    CHECK(done("\"/dev/input/event12\"") && q.end == QEMU_PCI_DONE && q.nfound == 4 && q.nports == 2);
    CHECK(q.found[0].ours && q.found[0].known && q.found[0].number == 4);
    CHECK(!q.found[1].ours && q.found[1].known && q.found[1].number == 5);
    CHECK(!q.found[2].ours && !q.found[2].known);
    CHECK(q.found[3].anonymous && q.found[3].known && q.found[3].number == 12);
}

static void an_input_device_goes_to_a_free_port(void) {
    begin_input(QEMU_PCI_ADD);
    lists("");
    CHECK(!done(NO_UNNAMED));
    to_port(0);
    CHECK(!done(FULL_PORT));
    to_port(1);
    CHECK(!done(FREE_PORT));
    command_is("\"device_add\", \"id\": \"7.pci5\", \"arguments\": {\"driver\": \"virtio-input-host-pci\", \"evdev\": "
               "\"/dev/input/event4\", \"id\": \"vhp-evdev-event4\", \"bus\": \"p1\", \"addr\": \"0\"}");
    CHECK(out.fd == QEMU_PCI_NO_FD);
    CHECK(done("{}") && q.end == QEMU_PCI_DONE);
    begin_input(QEMU_PCI_ADD); /* it is there */
    lists(INPUT("vhp-evdev-0"));
    CHECK(!done(NO_UNNAMED) && done("\"/dev/input/event4\"") && q.end == QEMU_PCI_DONE);
}

static const char *add_refused(const char *text) {
    begin_input(QEMU_PCI_ADD);
    lists("");
    CHECK(!done(NO_UNNAMED) && !done(FREE_PORT) && refused("GenericError", text));
    return q.text;
}

static void why_an_input_device_does_not_go(void) {
    CHECK_STR(add_refused("/dev/input/event4: failed to get exclusive access: Device or resource busy"),
              "another program has grabbed it");
    CHECK(q.end == QEMU_PCI_BUSY);
    CHECK_STR(add_refused("Could not open '/dev/input/event4': Permission denied"),
              "QEMU may not open the node of the input device");
    CHECK(q.end == QEMU_PCI_DENIED);
    CHECK_STR(add_refused("Could not open '/dev/input/event4': No such file or directory"),
              "Could not open '/dev/input/event4': No such file or directory");
    CHECK(q.end == QEMU_PCI_FAILED);
}

static void an_input_device_leaves_by_its_guest(void) {
    char id[VH_OPID_MAX];
    begin_input(QEMU_PCI_DEL);
    lists(INPUT("vhp-evdev-event4"));
    CHECK(!done(NO_UNNAMED) && !done("\"/dev/input/event4\""));
    command_is("\"device_del\", \"id\": \"7.pci4\", \"arguments\": {\"id\": \"/machine/peripheral/vhp-evdev-event4\"}");
    CHECK(done("{}") && q.end == QEMU_PCI_ACCEPTED);
    struct json j = parse("{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": "
                          "\"/machine/peripheral/vhp-evdev-event4/virtio-backend\"}}");
    CHECK(qemu_pci_event(&j, id) == QEMU_PCI_OTHER_EVENT); /* a part of it */
    j = parse("{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"vhp-evdev-event4\", \"path\": "
              "\"/machine/peripheral/vhp-evdev-event4\"}}");
    CHECK(qemu_pci_event(&j, id) == QEMU_PCI_DELETED);
    CHECK_STR(id, "vhp-evdev-event4");
    begin_input(QEMU_PCI_DEL); /* it has gone */
    lists("");
    CHECK(done(NO_UNNAMED) && q.end == QEMU_PCI_DONE);
}

int main(void) {
    RUN(devices_are_known_by_their_host);
    RUN(a_vm_without_any_has_none);
    RUN(more_than_can_be_listed_is_a_failure);
    RUN(a_device_goes_to_the_first_free_port);
    RUN(a_device_that_is_there_is_not_added_again);
    RUN(an_occupied_or_unfit_port_is_passed_over);
    RUN(an_error_says_what_is_wrong);
    RUN(descriptors_go_with_the_commands_that_name_them);
    RUN(a_guest_is_asked_for_its_device);
    RUN(a_device_of_others_is_asked_for_by_its_path);
    RUN(other_lines_change_nothing);
    RUN(answers_of_another_form_are_survived);
    RUN(an_event_names_the_device);
    RUN(input_devices_are_known_by_their_node);
    RUN(an_input_device_goes_to_a_free_port);
    RUN(why_an_input_device_does_not_go);
    RUN(an_input_device_leaves_by_its_guest);
    TEST_MAIN_END;
}
