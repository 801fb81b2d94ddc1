/* pci_sysfs.c, pci_use.c, pci_address.c and api_pci.c: PCI devices from a made-up sysfs to the reply that lists them.
 */
#include "api/api_pci.h"
#include "bus/pci_sysfs.h"
#include "codec/json.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <errno.h>
#include <sys/syscall.h>

static union device_answer answer;
static struct conf conf;
static struct core core;
static struct pci_fate fates[VH_MAX_PCI];
static char reply[1 << 18];

/* ---- addresses ---- */

static void an_address_is_as_the_kernel_writes_it(void) {
    static const char *const good[] = {"0000:00:00.0", "0000:00:1f.7", "ffff:ff:1f.0", "10000:e1:00.0",
                                       "ffffffff:00:00.0"};
    static const char *const bad[] = {"",
                                      "0000:00:1f",
                                      "00:1f.3",
                                      "000:00:1f.3",
                                      "0000:00:20.0",
                                      "0000:00:1f.8",
                                      "0000:00:1F.3",
                                      "00000:00:1f.3",
                                      "0000:00:1f.3 ",
                                      "0000:00:1f,3",
                                      "0000:00-1f.3",
                                      "0x00:00:1f.3",
                                      "100000000:00:00.0",
                                      "0000:000:1f.3",
                                      "pci0000:00:00.0",
                                      "..",
                                      ":00:1f.3"};
    struct pci_address a = {.domain = 7};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[32];
        struct sbuf sb;
        CHECK(pci_address_parse(good[i], &a) && pci_address_order(&a) < UINT64_MAX);
        sb_init(&sb, text, sizeof text);
        pci_address_print(&sb, &a);
        CHECK_STR(text, good[i]);
    }
    a.domain = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (pci_address_parse(bad[i], &a))
            printf("# \"%s\"\n", bad[i]);
        CHECK(!pci_address_parse(bad[i], &a) && a.domain == 7);
    }
}

/* ---- reading ---- */

static void attribute(const char *address, const char *name, const char *text) {
    char path[128];
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/%s", address, name);
    make_file(path, text);
}

static void link_of(const char *address, const char *name, const char *target) {
    char path[128];
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/%s", address, name);
    make_parents(path);
    (void)unlink(at(path));
    CHECK(symlink(target, at(path)) == 0);
}

static void device(const char *address, const char *vendor, const char *class) {
    attribute(address, "vendor", vendor);
    attribute(address, "device", "0x2930\n");
    attribute(address, "class", class);
}

static const struct device_pci *list(void) {
    struct device_order o = {.head = {.serial = 1, .kind = DEVICE_PCI}};
    memset(&answer, 0xff, sizeof answer);
    pci_sysfs_list(&answer.pci);
    CHECK(device_answer_valid(&o, &answer, device_answer_size(DEVICE_PCI, &answer), false));
    return &answer.pci;
}

static const char *told(const struct request *r) {
    static jsmntok_t tok[1 << 15];
    struct json_error err;
    struct json j;
    struct sbuf sb;
    uint64_t cursor = 0;
    struct pci_host h = {.row = answer.pci.row, .fate = fates, .n = (int)answer.pci.n};
    core.conf = &conf;
    policy_pci_judge(&conf, h.row, h.n, fates);
    sb_init(&sb, reply, sizeof reply);
    while (api_pci_part(&core, &h, answer.pci.whole != 0, r, &cursor, &sb))
        CHECK(cursor != 0);
    CHECK(sb_ok(&sb) && json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
    return reply;
}

static void a_host_without_pci_has_an_empty_list(void) {
    struct request r = {.kind = REQ_LIST, .about = KIND_PCI};
    CHECK(list()->n == 0 && answer.pci.whole == 1);
    CHECK_STR(told(&r), "{\"result\": \"ok\", \"pci_devices\": []}\n");
}

static void configure(const char *rules) {
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "{\"vms\": [{\"name\": \"vm1\", \"type\": \"qemu\", \"socket\": \"/a\"}], \"pciPassthrough\": [%s]}",
                   rules);
    CHECK(conf_parse(&conf, text, strlen(text), NULL, NULL));
}

static void a_device_is_listed_as_the_older_daemons_do(void) {
    struct request r = {.kind = REQ_LIST, .about = KIND_PCI, .id = "3"};
    configure("{\"targetVm\": \"vm1\", \"allow\": [{\"deviceClass\": 12}]}");
    device("0000:00:1f.3", "0xfff1\n", "0x0c0510\n"); /* which no table knows */
    attribute("0000:00:1f.3", "subsystem_vendor", "0x1af4\n");
    attribute("0000:00:1f.3", "subsystem_device", "0x1100\n");
    link_of("0000:00:1f.3", "driver", "../../../bus/pci/drivers/i801_smbus");
    link_of("0000:00:1f.3", "iommu_group", "../../../kernel/iommu_groups/14");
    CHECK(list()->n == 1);
    CHECK_STR(
        told(&r),
        "{\"result\": \"ok\", \"pci_devices\": [{\"address\": \"0000:00:1f.3\", \"driver\": \"i801_smbus\", "
        "\"vendor_id\": 65521, \"device_id\": 10544, \"vid\": \"fff1\", \"did\": \"2930\", \"vendor_name\": \"PCI "
        "vendor fff1\", \"device_name\": \"PCI device 2930\", \"pci_class\": 12, \"pci_subclass\": 5, "
        "\"pci_prog_if\": 16, \"pci_subsystem_vendor_id\": \"1af4\", \"pci_subsystem_id\": \"1100\", "
        "\"iommu_group\": 14, \"allowed_vms\": [\"vm1\"], \"vm\": null, \"disconnected\": false, \"tag\": null, "
        "\"parent\": null}], \"id\": 3}\n");
    r.who.role = ROLE_OPERATOR; /* and who may know all */
    CHECK(strstr(told(&r), "\"parent\": null, \"protected\": null}]") != NULL);
    configure("");
    CHECK_STR(told(&r), "{\"result\": \"ok\", \"pci_devices\": [], \"id\": 3}\n");
}

static void what_is_missing_or_odd_is_unknown(void) {
    device("0000:00:02.0", "0x1234\n", "0x1030000\n"); /* more than three bytes */
    attribute("0000:00:02.0", "device", "2930\n");
    link_of("0000:00:02.0", "iommu_group", "../groups/x");
    char longest[VH_IFNAME_MAX + 8] = "../";
    memset(longest + 3, 'd', VH_IFNAME_MAX);
    link_of("0000:00:02.0", "driver", longest);
    attribute("0000:00:03.0", "vendor", "\n"); /* it goes just now */
    make_directory("sys/bus/pci/devices/0000:00:04.0");
    make_file("sys/bus/pci/devices/README", "");
    CHECK(list()->n == 2 && answer.pci.whole == 1);
    for (uint32_t i = 0; i < answer.pci.n; i++) {
        const struct pci_device *row = &answer.pci.row[i];
        if (row->vendor == 0x1234)
            CHECK(row->device == 0 && row->cls == 0 && row->grouped == 0 && row->driver[0] == '\0');
    }
}

static void devices_are_in_the_order_of_entries_and_addresses(void) {
    struct request r = {.kind = REQ_LIST, .about = KIND_PCI};
    configure("{\"targetVm\": \"vm1\", \"tag\": \"net\", \"allow\": [{\"address\": \"10000:00:00.0\"}, "
              "{\"deviceClass\": 2}]}, "
              "{\"targetVm\": \"none\", \"allow\": [{\"deviceClass\": 12}]}");
    device("0000:10:00.0", "0x1af4\n", "0x020000\n");
    device("0000:00:00.0", "0x8086\n", "0x060000\n");
    device("10000:00:00.0", "0x8086\n", "0x010802\n");
    list();
    told(&r);
    const char *first = strstr(reply, "10000:00:00.0"), *second = strstr(reply, "0000:10:00.0"),
               *third = strstr(reply, "0000:00:1f.3");
    CHECK(first != NULL && first < second && second < third);
    CHECK(strstr(reply, "\"0000:00:00.0\"") == NULL && strstr(reply, "\"0000:00:02.0\"") == NULL);
    CHECK(strstr(reply, "\"allowed_vms\": [\"vm1\"]") != NULL && strstr(third, "\"allowed_vms\": []") != NULL);
    r.all = true;
    told(&r);
    first = strstr(reply, "0000:00:1f.3");
    second = strstr(reply, "\"0000:00:00.0\"");
    third = strstr(reply, "0000:00:02.0");
    CHECK(first != NULL && first < second && second < third);
    r.sel.by_tag = true;
    (void)snprintf(r.sel.tag, sizeof r.sel.tag, "net");
    told(&r);
    CHECK(strstr(reply, "0000:10:00.0") != NULL && strstr(reply, "0000:00:1f.3") == NULL);
    (void)snprintf(r.sel.tag, sizeof r.sel.tag, "nosuch");
    CHECK_STR(told(&r), "{\"result\": \"ok\", \"pci_devices\": []}\n");
}

/* ---- what the host uses ---- */

static const struct pci_device *row(const char *address) {
    struct pci_address a = {0};
    CHECK(pci_address_parse(address, &a));
    for (uint32_t i = 0; i < answer.pci.n; i++) {
        if (pci_address_order(&answer.pci.row[i].address) == pci_address_order(&a))
            return &answer.pci.row[i];
    }
    static const struct pci_device none;
    return &none;
}

#define BELOW "../../devices/pci0000:00/"

static void link_at(const char *path, const char *target) {
    make_parents(path);
    (void)unlink(at(path));
    CHECK(symlink(target, at(path)) == 0);
}

static void what_is_below_a_use_is_found_with_all_that_is_above(void) {
    device("0000:00:1c.0", "0x8086\n", "0x060400\n");
    device("0000:05:00.0", "0x144d\n", "0x010802\n");
    device("0000:06:00.0", "0x144d\n", "0x010802\n");
    device("0000:00:14.0", "0x8086\n", "0x0c0330\n");
    link_at("sys/dev/block/259:1", BELOW "0000:00:1c.0/0000:05:00.0/nvme/nvme0/nvme0n1/nvme0n1p1");
    link_at("sys/class/block/sda2", BELOW "0000:00:14.0/usb1/1-2/1-2:1.0/host3/block/sda/sda2");
    make_file("proc/self/mountinfo", "36 35 259:1 / / rw - ext4 /dev/root rw\n");
    make_file("proc/swaps", "Filename\n/dev/sda2\n");
    list();
    CHECK_STR(row("0000:05:00.0")->why, "holds the mounted file system /");
    CHECK_INT(row("0000:05:00.0")->uses, PCI_STORAGE);
    CHECK_INT(row("0000:00:1c.0")->uses, PCI_BRIDGE | PCI_STORAGE);
    CHECK_STR(row("0000:00:1c.0")->why, "is a bridge");
    CHECK_STR(row("0000:00:14.0")->why, "holds the swap space /dev/sda2");
    CHECK_INT(row("0000:06:00.0")->uses, 0);
    CHECK_STR(row("0000:06:00.0")->why, "");
}

/* dm on md on a partition, and a namespace with several paths. */
static void what_is_stacked_is_found(void) {
    make_file("proc/self/mountinfo", "36 35 253:0 / /home rw - ext4 /dev/mapper/home rw\n");
    make_file("proc/swaps", "");
    link_at("sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
    link_at("sys/class/block/nvme1n1p2", BELOW "0000:06:00.0/nvme/nvme1/nvme1n1/nvme1n1p2");
    make_file("sys/devices/pci0000:00/0000:06:00.0/nvme/nvme1/nvme1n1/nvme1n1p2/holders/md0", "");
    list();
    CHECK_STR(row("0000:06:00.0")->why, "is part of md0");
    CHECK_INT(row("0000:05:00.0")->uses, 0);
    CHECK(unlink(at("sys/devices/pci0000:00/0000:06:00.0/nvme/nvme1/nvme1n1/nvme1n1p2/holders/md0")) == 0);
    make_file("proc/self/mountinfo", "36 35 259:7 / /srv rw - xfs /dev/nvme0n1 rw\n");
    link_at("sys/dev/block/259:7", "../../devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1");
    make_directory("sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3n1");
    link_at("sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme3", "../../../pci0000:00/0000:05:00.0/nvme/nvme3");
    link_at("sys/devices/virtual/nvme-subsystem/nvme-subsys3/nvme4", "../../../pci0000:00/0000:06:00.0/nvme/nvme4");
    list();
    CHECK_STR(row("0000:05:00.0")->why, "holds the mounted file system /srv");
    CHECK_STR(row("0000:06:00.0")->why, "holds the mounted file system /srv");
    make_file("proc/self/mountinfo", "");
}

static void a_bridge_is_known_by_its_class_or_by_its_bus(void) {
    device("0000:00:1f.0", "0x8086\n", "0x060100\n");
    device("0000:00:1d.0", "0x8086\n", "0x088000\n");
    attribute("0000:00:1d.0", "secondary_bus_number", "3\n");
    list();
    CHECK_STR(row("0000:00:1f.0")->why, "is the ISA bridge");
    CHECK_STR(row("0000:00:1d.0")->why, "is a bridge");
    CHECK_INT(row("0000:00:1d.0")->uses, PCI_BRIDGE);
}

static void the_gpu_of_the_console_is_found(void) {
    device("0000:00:02.0", "0x8086\n", "0x030000\n");
    device("0000:07:00.0", "0x10de\n", "0x030000\n");
    attribute("0000:00:02.0", "boot_vga", "1\n");
    attribute("0000:07:00.0", "boot_vga", "0\n");
    list();
    CHECK_INT(row("0000:00:02.0")->uses, PCI_CONSOLE);
    CHECK_INT(row("0000:07:00.0")->uses, 0);
    link_of("0000:00:02.0", "driver", "../../../bus/pci/drivers/vfio-pci"); /* it was taken from the host already */
    list();
    CHECK_INT(row("0000:00:02.0")->uses, 0);
    link_at("sys/class/graphics/fb0", BELOW "0000:00:01.0/0000:07:00.0/graphics/fb0");
    list();
    CHECK_STR(row("0000:07:00.0")->why, "shows the console: it has the frame buffer fb0");
}

static void keyboard(const char *keys) {
    make_file("sys/devices/pci0000:00/0000:00:14.0/usb1/1-3/input/input5/event5/device/capabilities/key", keys);
    link_at("sys/class/input/event5", BELOW "0000:00:14.0/usb1/1-3/input/input5/event5");
    list();
}

static void a_keyboard_has_the_first_keys(void) {
    static const char *const keyboards[] = {"1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe\n",
                                            "fffffffe\n", "1 fffffffe\n", "fffffffffffffffe\n"};
    static const char *const others[] = {"10000000000000 0\n", "0\n",        "\n", "fffffffc\n",
                                         "fffffffe 0\n",       "7ffffffe\n", "x\n"};
    make_file("sys/class/input/mice", "");
    link_at("sys/class/input/event6", "../../devices/virtual/input/input6/event6");
    for (size_t i = 0; i < sizeof keyboards / sizeof *keyboards; i++) {
        keyboard(keyboards[i]);
        CHECK_STR(row("0000:00:14.0")->why, "has a keyboard of the host: event5");
        CHECK_INT(row("0000:00:14.0")->uses, PCI_KEYBOARD);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        keyboard(others[i]);
        CHECK_INT(row("0000:00:14.0")->uses, 0);
    }
}

static void the_adapter_of_a_route_is_found(void) {
    device("0000:08:00.0", "0x8086\n", "0x020000\n");
    link_at("sys/class/net/eth0", BELOW "0000:00:1c.0/0000:08:00.0/net/eth0");
    make_file("sys/class/net/br0/lower_eth0", "");
    make_file("proc/net/route", "Iface\tDestination\nbr0\t00000000\t0101A8C0\n");
    list();
    CHECK_STR(row("0000:08:00.0")->why, "carries the default route by br0");
    CHECK_INT(row("0000:08:00.0")->uses, PCI_UPLINK);
    make_file("proc/net/route", "");
}

static void the_bridge_above_is_told(void) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s", at("sys/bus/pci/devices/0000:09:00.0"));
    make_file("sys/devices/pci0000:00/0000:00:1c.0/0000:09:00.0/vendor", "0x1234\n");
    CHECK(symlink("../../../devices/pci0000:00/0000:00:1c.0/0000:09:00.0", path) == 0);
    make_file("sys/devices/pci0000:00/0000:00:0a.0/vendor", "0x1234\n");
    (void)snprintf(path, sizeof path, "%s", at("sys/bus/pci/devices/0000:00:0a.0"));
    CHECK(symlink("../../../devices/pci0000:00/0000:00:0a.0", path) == 0);
    list();
    CHECK(row("0000:09:00.0")->behind == 1 && row("0000:09:00.0")->parent.devfn == 0x1c << 3);
    CHECK(row("0000:00:0a.0")->vendor == 0x1234 && row("0000:00:0a.0")->behind == 0);
}

static void more_than_the_list_holds_are_left_out_and_that_is_said(void) {
    struct request r = {.kind = REQ_LIST, .about = KIND_PCI};
    char address[16];
    for (unsigned i = 0; i < VH_MAX_PCI; i++) {
        (void)snprintf(address, sizeof address, "0001:%02x:00.0", i);
        device(address, "0x1234\n", "0x020000\n");
    }
    CHECK(list()->n == VH_MAX_PCI && answer.pci.whole == 0);
    told(&r);
    CHECK(strstr(reply, "], \"incomplete\": true}\n") != NULL);
}

static void what_cannot_be_read_is_said(void) {
    heal();
    fail_nr(SYS_getdents64, 1, EIO);
    CHECK(list()->whole == 0);
    heal();
    char before[512];
    (void)snprintf(before, sizeof before, "%s", at("sys/bus/pci"));
    CHECK(rename(before, at("sys/bus/none")) == 0 && list()->n == 0 && answer.pci.whole == 1);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    make_directory("sys/bus");
    CHECK(sysfs_root(top));
    RUN(an_address_is_as_the_kernel_writes_it);
    RUN(a_host_without_pci_has_an_empty_list);
    RUN(a_device_is_listed_as_the_older_daemons_do);
    RUN(what_is_missing_or_odd_is_unknown);
    RUN(devices_are_in_the_order_of_entries_and_addresses);
    RUN(what_is_below_a_use_is_found_with_all_that_is_above);
    RUN(what_is_stacked_is_found);
    RUN(a_bridge_is_known_by_its_class_or_by_its_bus);
    RUN(the_gpu_of_the_console_is_found);
    RUN(a_keyboard_has_the_first_keys);
    RUN(the_adapter_of_a_route_is_found);
    RUN(the_bridge_above_is_told);
    RUN(more_than_the_list_holds_are_left_out_and_that_is_said);
    RUN(what_cannot_be_read_is_said);
    remove_tree();
    TEST_MAIN_END;
}
