/* pci_sysfs.c, pci_address.c and api_pci.c: PCI devices from a made-up sysfs to the reply that lists them. */
#include "api/api_pci.h"
#include "bus/pci_sysfs.h"
#include "codec/json.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <errno.h>
#include <sys/syscall.h>

static union device_answer answer;
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
    sb_init(&sb, reply, sizeof reply);
    while (api_pci_part(&answer.pci, r, &cursor, &sb))
        CHECK(cursor != 0);
    CHECK(sb_ok(&sb) && json_parse(&j, reply, sb.len - 1, tok, sizeof tok / sizeof *tok, &err));
    return reply;
}

static void a_host_without_pci_has_an_empty_list(void) {
    struct request r = {.kind = REQ_PCI_LIST};
    CHECK(list()->n == 0 && answer.pci.whole == 1);
    CHECK_STR(told(&r), "{\"result\": \"ok\", \"pci_devices\": []}\n");
}

static void a_device_is_listed_as_the_older_daemons_do(void) {
    struct request r = {.kind = REQ_PCI_LIST, .id = "3"};
    device("0000:00:1f.3", "0x8086\n", "0x0c0510\n");
    attribute("0000:00:1f.3", "subsystem_vendor", "0x1af4\n");
    attribute("0000:00:1f.3", "subsystem_device", "0x1100\n");
    link_of("0000:00:1f.3", "driver", "../../../bus/pci/drivers/i801_smbus");
    link_of("0000:00:1f.3", "iommu_group", "../../../kernel/iommu_groups/14");
    CHECK(list()->n == 1);
    CHECK_STR(
        told(&r),
        "{\"result\": \"ok\", \"pci_devices\": [{\"address\": \"0000:00:1f.3\", \"driver\": \"i801_smbus\", "
        "\"vendor_id\": 32902, \"device_id\": 10544, \"vid\": \"8086\", \"did\": \"2930\", \"vendor_name\": \"PCI "
        "vendor 8086\", \"device_name\": \"PCI device 2930\", \"pci_class\": 12, \"pci_subclass\": 5, "
        "\"pci_prog_if\": 16, \"pci_subsystem_vendor_id\": \"1af4\", \"pci_subsystem_id\": \"1100\", "
        "\"iommu_group\": 14, \"allowed_vms\": [], \"vm\": null, \"disconnected\": false}], \"id\": 3}\n");
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
        const struct device_pci_row *row = &answer.pci.row[i];
        if (row->vendor == 0x1234)
            CHECK(row->device == 0 && row->cls == 0 && row->grouped == 0 && row->driver[0] == '\0');
    }
}

static void devices_are_in_the_order_of_addresses_and_bridges_apart(void) {
    struct request r = {.kind = REQ_PCI_LIST};
    device("0000:10:00.0", "0x1af4\n", "0x020000\n");
    device("0000:00:00.0", "0x8086\n", "0x060000\n");
    device("10000:00:00.0", "0x8086\n", "0x010802\n");
    list();
    told(&r);
    const char *first = strstr(reply, "0000:00:02.0"), *second = strstr(reply, "0000:00:1f.3"),
               *third = strstr(reply, "0000:10:00.0"), *last = strstr(reply, "10000:00:00.0");
    CHECK(first != NULL && first < second && second < third && third < last);
    CHECK(strstr(reply, "\"0000:00:00.0\"") == NULL);
    r.all = true;
    CHECK(strstr(told(&r), "[{\"address\": \"0000:00:00.0\"") != NULL);
}

static void more_than_the_list_holds_are_left_out_and_that_is_said(void) {
    struct request r = {.kind = REQ_PCI_LIST};
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
    RUN(devices_are_in_the_order_of_addresses_and_bridges_apart);
    RUN(more_than_the_list_holds_are_left_out_and_that_is_said);
    RUN(what_cannot_be_read_is_said);
    remove_tree();
    TEST_MAIN_END;
}
