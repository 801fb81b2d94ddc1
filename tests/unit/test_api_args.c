/*
 * test_api_args.c - api_args.c: the arguments of each type of VMM, word for word, and what is refused or left out.
 */
#include "api/api.h"
#include "api/api_args.h"
#include "test.h"

#include <stdlib.h>

static struct conf c;
static struct pci_device dev[8];
static int ndev;
static bool prepared[8];
static struct pci_fate fates[8];
static struct device_evdev inputs;
static const char *tables[VH_MAX_ACPI_TABLES];
static struct request request;
static char said[VH_ERROR_MAX];

static void configure(const char *type, const char *general, const char *sections) {
    char text[8192];
    (void)snprintf(text, sizeof text,
                   "{\"vms\": [{\"name\": \"a\", \"type\": \"%s\", \"socket\": \"/a\"}, {\"name\": \"b\", \"type\": "
                   "\"qemu\", \"socket\": \"/b\"}], \"general\": {%s}%s}",
                   type, general, sections);
    if (!conf_parse(&c, text, strlen(text), NULL, NULL)) {
        printf("# %s\n", text);
        exit(1);
    }
    ndev = 0;
    inputs.n = 0;
    request = (struct request){.kind = REQ_VMM_ARGS, .vm = "a"};
    for (int i = 0; i < VH_MAX_ACPI_TABLES; i++)
        tables[i] = "";
}

static struct pci_device *add(const char *address, uint16_t vendor, uint16_t device, uint32_t class, int group) {
    struct pci_device *d = &dev[ndev];
    prepared[ndev++] = true;
    *d = (struct pci_device){.vendor = vendor,
                             .device = device,
                             .cls = (uint8_t)(class >> 16),
                             .sub = (uint8_t)(class >> 8 & 0xff),
                             .grouped = group >= 0,
                             .group = group >= 0 ? (uint32_t)group : 0};
    CHECK(pci_address_parse(address, &d->address));
    return d;
}

static void input(uint16_t number, const char *name) {
    struct input_device *d = &inputs.row[inputs.n++];
    *d = (struct input_device){.number = number, .classes = 1};
    (void)snprintf(d->name, sizeof d->name, "%s", name);
}

static const char *reply_into(char *text, size_t cap) {
    struct sbuf sb;
    policy_pci_judge(&c, dev, ndev, fates);
    const struct pci_host host = {.row = dev, .fate = fates, .n = ndev};
    const struct args_host h = {.conf = &c, .pci = &host, .prepared = prepared, .evdev = &inputs, .tables = tables};
    sb_init(&sb, text, cap);
    return api_args(&h, &request, &sb, said, sizeof said) ? text : said;
}

/* The reply without what all replies have, or the error. */
static const char *args(void) {
    static char text[VH_REPLY_MAX];
    static const char before[] = "{\"result\": \"ok\", \"vmm_args\": [", after[] = "]}\n";
    const char *r = reply_into(text, sizeof text);
    size_t n = strlen(r);
    if (r == said || strncmp(r, before, sizeof before - 1) != 0 || n < sizeof before + sizeof after)
        return r == said ? r : strcmp(r, "{\"result\": \"ok\", \"vmm_args\": []}\n") == 0 ? "" : r;
    if (strcmp(r + n - (sizeof after - 1), after) == 0)
        text[n - (sizeof after - 1)] = '\0';
    return text + sizeof before - 1;
}

#define PCI(x) ", \"pciPassthrough\": [" x "]"
#define NET PCI("{\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 2}]}")
#define EVDEV(x) ", \"evdevPassthrough\": [" x "]"
#define ACPI(x) ", \"acpiPassthrough\": [" x "]"
#define NHLT "/sys/firmware/acpi/tables/NHLT"

static void nothing_is_an_empty_list(void) {
    configure("qemu", "", "");
    CHECK_STR(args(), "");
    (void)snprintf(request.id, sizeof request.id, "7");
    CHECK_STR(args(), "], \"id\": 7}\n");
    (void)snprintf(request.vm, sizeof request.vm, "x");
    CHECK_STR(args(), "unknown VM 'x'");
}

/* ---- PCI devices ---- */

static void a_pci_device_of_each_type(void) {
    configure("qemu", "", NET);
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:14.3,multifunction=on,id=vhp-pci-0\"");
    configure("crosvm", "", NET);
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    CHECK_STR(args(), "\"--vfio-isolate-hotplug\", \"--vfio\", "
                      "\"/sys/bus/pci/devices/0000:00:14.3,iommu=viommu,removable=true\"");
    ndev = 0; /* also while none is there */
    CHECK_STR(args(), "\"--vfio-isolate-hotplug\"");
    configure("cloud-hypervisor", "", NET);
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    CHECK_STR(args(), "\"--device\", \"path=/sys/bus/pci/devices/0000:00:14.3\"");
}

static void ports_are_numbered(void) {
    configure("qemu", "", PCI("{\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 4}, {\"deviceClass\": 2}]}"));
    (void)snprintf(request.bus_prefix, sizeof request.bus_prefix, "pci_hotplug_");
    request.first_index = 1;
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    add("0000:02:00.0", 0x8086, 0x51f1, 0x020000, 11);
    add("0000:00:1f.3", 0x8086, 0x51c8, 0x040300, 12);
    add("0000:00:02.0", 0x8086, 0x46a6, 0x030000, 1);
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:1f.3,multifunction=on,id=vhp-pci-1,bus=pci_hotplug_1\", "
                      "\"-device\", \"vfio-pci,host=0000:00:14.3,multifunction=on,id=vhp-pci-2,bus=pci_hotplug_2\", "
                      "\"-device\", \"vfio-pci,host=0000:02:00.0,multifunction=on,id=vhp-pci-3,bus=pci_hotplug_3\"");
    CHECK_STR((request.bus_prefix[0] = '\0', args()),
              "\"-device\", \"vfio-pci,host=0000:00:1f.3,multifunction=on,id=vhp-pci-1\", "
              "\"-device\", \"vfio-pci,host=0000:00:14.3,multifunction=on,id=vhp-pci-2\", "
              "\"-device\", \"vfio-pci,host=0000:02:00.0,multifunction=on,id=vhp-pci-3\"");
}

static void a_root_bus_needs_no_port(void) {
    static const char rules[] =
        PCI("{\"targetVm\": \"a\", \"qemuUseRootBus\": true, \"crosvmUseRootBus\": true, \"allow\": "
            "[{\"deviceClass\": 3}]}, {\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 2}]}");
    configure("qemu", "", rules);
    (void)snprintf(request.bus_prefix, sizeof request.bus_prefix, "p");
    add("0000:00:02.0", 0x8086, 0x46a6, 0x030000, 1);
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:02.0,multifunction=on,id=vhp-pci-0\", "
                      "\"-device\", \"vfio-pci,host=0000:00:14.3,multifunction=on,id=vhp-pci-1,bus=p1\"");
    configure("crosvm", "", rules);
    add("0000:00:02.0", 0x8086, 0x46a6, 0x030000, 1);
    CHECK_STR(args(), "\"--vfio-isolate-hotplug\", \"--vfio\", \"/sys/bus/pci/devices/0000:00:02.0,iommu=viommu\"");
}

static void groups_go_along_or_stay(void) {
    configure("qemu", "",
              PCI("{\"targetVm\": \"a\", \"pciIommuAddAll\": true, \"allow\": [{\"deviceClass\": 4}]}, {\"targetVm\": "
                  "\"a\", \"pciIommuSkipIfShared\": true, \"allow\": [{\"deviceClass\": 2}]}"));
    add("0000:00:1f.0", 0x8086, 0x5182, 0x060100, 14)->uses = PCI_BRIDGE;
    add("0000:00:1f.3", 0x8086, 0x51c8, 0x040300, 14);
    add("0000:00:1f.4", 0x8086, 0x51a3, 0x0c0500, 14);
    add("0000:03:00.0", 0x8086, 0x10d3, 0x020000, 15);
    add("0000:03:00.1", 0x8086, 0x10d3, 0x010000, 15);
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:1f.3,multifunction=on,id=vhp-pci-0\", "
                      "\"-device\", \"vfio-pci,host=0000:00:1f.4,multifunction=on,id=vhp-pci-1\"");
    (void)snprintf(request.vm, sizeof request.vm, "b"); /* whose they are not */
    CHECK_STR(args(), "");
}

static void no_device_is_named_that_is_not_prepared(void) {
    configure("qemu", "", NET);
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    add("0000:00:1f.3", 0x8086, 0x51c8, 0x040300, 14); /* another VM's, or nobody's */
    prepared[1] = false;
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:14.3,multifunction=on,id=vhp-pci-0\"");
    prepared[0] = false;
    CHECK_STR(args(), "not supported yet: the PCI device 0000:00:14.3 is for VM 'a', and none is prepared for a start");
}

static void what_the_host_needs_is_left_out(void) {
    configure("qemu", "", NET);
    struct pci_device *d = add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    d->uses = PCI_STORAGE;
    (void)snprintf(d->why, sizeof d->why, "holds the mounted file system /");
    add("0000:00:15.0", 0x8086, 0x51f1, 0x020000, 11);
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:15.0,multifunction=on,id=vhp-pci-0\"], \"left_out\": "
                      "[{\"device\": \"0000:00:14.3\", \"reason\": \"holds the mounted file system /\"}");
    request.require_pci = true;
    ndev = 1;
    CHECK_STR(args(), "no PCI device of this host goes to VM 'a' by the rules of pciPassthrough");
    request.require_pci = false;
    CHECK(strstr(args(), "\"left_out\"") != NULL);
}

static void firmware_for_a_gpu_comes_first(void) {
    static const char rules[] = PCI("{\"targetVm\": \"a\", \"autoOvmf\": true, \"allow\": [{\"deviceClass\": 3}]}");
    configure("qemu", "\"ovmfCode\": \"/fw/code,4m.fd\", \"ovmfVars\": \"/fw/vars.fd\"", rules);
    add("0000:01:00.0", 0x10de, 0x2520, 0x030000, 1);
    CHECK_STR(args(), "\"-drive\", \"if=pflash,format=raw,unit=0,readonly=on,file=/fw/code,,4m.fd\", "
                      "\"-drive\", \"if=pflash,format=raw,unit=1,readonly=on,file=/fw/vars.fd\", "
                      "\"-device\", \"vfio-pci,host=0000:01:00.0,multifunction=on,id=vhp-pci-0\"");
    dev[0].vendor = 0x8086; /* another maker's */
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:01:00.0,multifunction=on,id=vhp-pci-0\"");
    configure("qemu", "\"ovmfCode\": \"/fw/code.fd\"", rules);
    add("0000:01:00.0", 0x10de, 0x2520, 0x030000, 1);
    CHECK_STR(args(), "general.ovmfVars is not given, and 'autoOvmf' of a rule needs it");
    configure("qemu", "", rules);
    add("0000:01:00.0", 0x10de, 0x2520, 0x030000, 1);
    CHECK_STR(args(), "general.ovmfCode is not given, and 'autoOvmf' of a rule needs it");
    configure("crosvm", "", rules);
    add("0000:01:00.0", 0x10de, 0x2520, 0x030000, 1);
    CHECK(strstr(args(), "--vfio") != NULL && strstr(args(), "pflash") == NULL);
}

/* ---- ACPI tables ---- */

static void a_table_of_each_type(void) {
    static const char rules[] =
        ACPI("{\"targetVm\": \"a\", \"allow\": [{\"acpiTable\": \"" NHLT "\"}, {\"acpiTable\": \"/x\", \"disable\": "
             "true}, {\"acpiTable\": \"/t,1\"}]}, {\"targetVm\": \"b\", \"allow\": [{\"acpiTable\": \"/b\"}]}, "
             "{\"targetVm\": \"a\", \"disable\": true, \"allow\": [{\"acpiTable\": \"/d\"}]}");
    configure("qemu", "", rules);
    CHECK_STR(args(), "\"-acpitable\", \"file=" NHLT "\", \"-acpitable\", \"file=/t,,1\"");
    tables[0] = "No such file or directory";
    CHECK_STR(args(), "\"-acpitable\", \"file=/t,,1\"], \"left_out\": [{\"device\": \"" NHLT
                      "\", \"reason\": \"No such file or directory\"}");
    tables[2] = "no regular file";
    CHECK_STR(args(), "], \"left_out\": [{\"device\": \"" NHLT "\", \"reason\": \"No such file or directory\"}, "
                      "{\"device\": \"/t,1\", \"reason\": \"no regular file\"}");
    configure("crosvm", "", rules);
    CHECK_STR(args(), "\"--acpi-table\", \"" NHLT "\", \"--acpi-table\", \"/t,1\"");
    configure("cloud-hypervisor", "", rules);
    CHECK_STR(args(), "cloud-hypervisor takes no ACPI table, and acpiPassthrough has one for VM 'a'");
}

/* ---- input devices ---- */

static void an_input_device_of_each_type(void) {
    static const char rules[] = EVDEV("{\"targetVm\": \"a\", \"allow\": [{\"name\": \"Lid\"}, {\"name\": \"AT\"}]}, "
                                      "{\"targetVm\": \"b\", \"allow\": [{\"name\": \"Power\"}]}");
    configure("qemu", "", rules);
    input(12, "AT keyboard");
    input(3, "AT keyboard");
    input(9, "Lid Switch");
    input(1, "Power Button");
    CHECK_STR(args(), "\"-device\", \"virtio-input-host-pci,evdev=/dev/input/event9,id=vhp-evdev-0\", "
                      "\"-device\", \"virtio-input-host-pci,evdev=/dev/input/event3,id=vhp-evdev-1\", "
                      "\"-device\", \"virtio-input-host-pci,evdev=/dev/input/event12,id=vhp-evdev-2\"");
    (void)snprintf(request.vm, sizeof request.vm, "b");
    request.first_index = 4;
    CHECK_STR(args(), "\"-device\", \"virtio-input-host-pci,evdev=/dev/input/event1,id=vhp-evdev-4\"");
    configure("crosvm", "", rules);
    input(65535, "AT keyboard");
    CHECK_STR(args(), "\"--input\", \"evdev[path=/dev/input/event65535]\"");
    configure("cloud-hypervisor", "", rules);
    input(3, "AT keyboard");
    CHECK_STR(args(), "cloud-hypervisor takes no input device, and evdevPassthrough sends VM 'a' /dev/input/event3");
}

/* ---- all of it ---- */

/* Any of the types has its own words, and none has the words of another one by default. */
static void a_type_that_is_not_known_yet_has_no_words(void) {
    configure("auto", "", NET EVDEV("{\"targetVm\": \"a\", \"allow\": [{\"name\": \"AT\"}]}"));
    CHECK_STR(args(), "VM 'a' has the type \"auto\": which arguments it takes is not known before it runs");
    input(3, "AT keyboard");
    CHECK_STR(args(), "VM 'a' has the type \"auto\": which arguments it takes is not known before it runs");
}

static void kinds_come_in_their_order(void) {
    configure("qemu", "",
              NET EVDEV("{\"targetVm\": \"a\", \"allow\": [{\"name\": \"AT\"}]}")
                  ACPI("{\"targetVm\": \"a\", \"allow\": [{\"acpiTable\": \"/t\"}]}"));
    (void)snprintf(request.bus_prefix, sizeof request.bus_prefix, "p");
    request.first_index = 5;
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    input(3, "AT keyboard");
    CHECK_STR(args(), "\"-device\", \"vfio-pci,host=0000:00:14.3,multifunction=on,id=vhp-pci-5,bus=p5\", "
                      "\"-acpitable\", \"file=/t\", "
                      "\"-device\", \"virtio-input-host-pci,evdev=/dev/input/event3,id=vhp-evdev-5\"");
}

static void an_answer_that_does_not_fit_says_so(void) {
    char small[64];
    configure("qemu", "", NET);
    add("0000:00:14.3", 0x8086, 0x51f1, 0x020000, 10);
    (void)reply_into(small, sizeof small);
    CHECK(strstr(said, "do not fit") != NULL);
}

/* ---- the request ---- */

static const char *asked(const char *fields) {
    static char line[VH_LINE_MAX], error[VH_ERROR_MAX];
    (void)snprintf(line, sizeof line, "{\"action\": \"vmm_args\", \"vm\": \"a\", %s}", fields);
    return api_parse(&request, line, strlen(line), error, sizeof error) ? "" : error;
}

static void fields_of_the_request(void) {
    CHECK_STR(asked("\"qemu_bus_prefix\": \"pci_hotplug_\", \"qemu_bus_start_index\": 1"), "");
    CHECK_STR(request.bus_prefix, "pci_hotplug_");
    CHECK_INT(request.first_index, 1);
    CHECK_STR(asked("\"qemu_bus_prefix\": null, \"qemu_bus_start_index\": null, \"require_pci\": null"), "");
    CHECK(request.bus_prefix[0] == '\0' && request.first_index == 0 && !request.require_pci);
    CHECK_STR(asked("\"qemu_bus_prefix\": \"\", \"qemu_bus_start_index\": \"65535\", \"require_pci\": true"), "");
    CHECK(request.bus_prefix[0] == '\0' && request.first_index == UINT16_MAX && request.require_pci);
    CHECK_STR(asked("\"qemu_bus_start_index\": 65536"),
              "\"qemu_bus_start_index\" is a number: expected a number from 0 to 65535");
    CHECK_STR(asked("\"qemu_bus_start_index\": \"one\""),
              "\"qemu_bus_start_index\" is \"one\": expected a number from 0 to 65535");
    CHECK_STR(asked("\"qemu_bus_prefix\": \"p,addr=1\""),
              "\"qemu_bus_prefix\" is \"p,addr=1\": expected letters, digits "
              "and \"-._\", at most 63 of them");
    CHECK_STR(asked("\"qemu_bus_prefix\": 1"),
              "\"qemu_bus_prefix\" is a number: expected letters, digits and \"-._\", at most 63 of them");
}

int main(void) {
    RUN(nothing_is_an_empty_list);
    RUN(a_pci_device_of_each_type);
    RUN(ports_are_numbered);
    RUN(a_root_bus_needs_no_port);
    RUN(groups_go_along_or_stay);
    RUN(no_device_is_named_that_is_not_prepared);
    RUN(what_the_host_needs_is_left_out);
    RUN(firmware_for_a_gpu_comes_first);
    RUN(a_table_of_each_type);
    RUN(an_input_device_of_each_type);
    RUN(a_type_that_is_not_known_yet_has_no_words);
    RUN(kinds_come_in_their_order);
    RUN(an_answer_that_does_not_fit_says_so);
    RUN(fields_of_the_request);
    TEST_MAIN_END;
}
