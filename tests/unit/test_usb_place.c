/*
 * test_usb_place.c - paths of nodes, port paths and ids in a VM: written, and read loosely and exactly.
 */
#include "base/str.h"
#include "codec/usb_place.h"
#include "codec/vm_id.h"
#include "test.h"

static uint8_t bus, devnum;

static bool loose(const char *node) {
    bus = devnum = 99;
    return usb_node_parse(node, &bus, &devnum);
}

static bool exact(const char *node) {
    bus = devnum = 99;
    return usb_node_parse_exact(node, &bus, &devnum);
}

static bool is_place(uint8_t b, uint8_t d) {
    return bus == b && devnum == d;
}

static void nodes_are_written_as_the_kernel_does(void) {
    char node[VH_NODE_MAX];
    usb_node_print(node, 3, 78);
    CHECK_STR(node, "/dev/bus/usb/003/078");
    CHECK(exact(node) && is_place(3, 78));
    usb_node_print(node, 255, 255);
    CHECK_STR(node, "/dev/bus/usb/255/255");
}

static void a_node_may_be_written_loosely(void) {
    CHECK(loose("/dev/bus/usb/003/078") && is_place(3, 78));
    CHECK(loose("/dev/bus/usb/3/78") && is_place(3, 78));
    CHECK(loose("/dev/bus/usb/0003/00078") && is_place(3, 78));
    CHECK(loose("/dev/bus/usb/255/255") && is_place(255, 255));
    static const char *const bad[] = {
        "",
        "/dev/bus/usb/",
        "/dev/bus/usb/1",
        "/dev/bus/usb/001/",
        "/dev/bus/usb//001",
        "/dev/bus/usb/256/001",
        "/dev/bus/usb/001/256",
        "/dev/bus/usb/001/002/3",
        "/dev/bus/usb/001/2x",
        "/dev/bus/usb/-1/2",
        "/proc/bus/usb/001/002",
        "dev/bus/usb/001/002",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!loose(bad[i]) && is_place(99, 99) && !exact(bad[i]) && is_place(99, 99));
}

static void an_exact_node_has_three_digits_twice(void) {
    CHECK(exact("/dev/bus/usb/255/127") && is_place(255, 127));
    CHECK(exact("/dev/bus/usb/000/000") && is_place(0, 0));
    static const char *const bad[] = {
        "/dev/bus/usb/3/78",    "/dev/bus/usb/003/78",  "/dev/bus/usb/0003/078",
        "/dev/bus/usb/0003/78", "/dev/bus/usb/003/128", "/dev/bus/usb/00000000000000000000000000000000000003/078"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!exact(bad[i]) && is_place(99, 99));
}

static bool port(const char *s) {
    return usb_port_path(s, strlen(s));
}

static bool port_exact(const char *s) {
    return usb_port_path_exact(s, strlen(s));
}

static void port_paths_are_numbers_and_dots(void) {
    static const char *const good[] = {"1", "255", "2.3", "2.3.1", "10.20.30.40.50.60.70.80"};
    static const char *const bad[] = {"",
                                      "0",
                                      "2.0",
                                      "256",
                                      "2.256",
                                      "2,3",
                                      ".2",
                                      "2.",
                                      "2..3",
                                      "x",
                                      "2x",
                                      " 2",
                                      "+2",
                                      "2.3.4.5.6.7.8.9.10.11.12",
                                      "18446744073709551618"};
    static const char *const zeros[] = {"02", "2.03", "002"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(port(good[i]) && port_exact(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!port(bad[i]) && !port_exact(bad[i]));
    for (size_t i = 0; i < sizeof zeros / sizeof *zeros; i++)
        CHECK(port(zeros[i]) && !port_exact(zeros[i]));
    CHECK(usb_port_path("2.3x", 3) && !usb_port_path("2.3", 2));
    CHECK(!usb_port_path("2\0", 2));
}

static void the_root_port_comes_first(void) {
    CHECK_INT(usb_root_port("2.3"), 2);
    CHECK_INT(usb_root_port("255"), 255);
    CHECK_INT(usb_root_port("0"), 0);
    CHECK_INT(usb_root_port(""), 0);
    CHECK_INT(usb_root_port("256"), 0);
    CHECK_INT(usb_root_port("x"), 0);
}

static void places_are_in_the_order_of_bus_and_port(void) {
    static const struct {
        uint8_t bus;
        const char *port;
    } rising[] = {{0, ""},
                  {1, "0"},
                  {1, "1"},
                  {1, "2"},
                  {1, "2.1"},
                  {1, "2.1.1"},
                  {1, "2.2"},
                  {1, "2.10"},
                  {1, "2.255.1"},
                  {1, "10"},
                  {1, "126"},
                  {1, "127.1.1.1.1.1"},
                  {2, "1.1.1.1.1.1"},
                  {2, "1.1.1.1.1.2"},
                  {10, "1"},
                  {255, "127.255.255.255.255.255"}};
    for (size_t i = 2; i < sizeof rising / sizeof *rising; i++)
        CHECK(usb_place_order(rising[i - 1].bus, rising[i - 1].port) < usb_place_order(rising[i].bus, rising[i].port));
    CHECK(usb_place_order(0, "") == 0 && usb_place_order(1, "0") == usb_place_order(1, ""));
    CHECK(usb_place_order(255, "127.255.255.255.255.255") == (UINT64_C(1) << USB_PLACE_BITS) - 1);
    CHECK(usb_place_order(1, "200") == usb_place_order(1, "127")); /* the kernel makes no such port */
    CHECK(usb_place_order(1, "1.1.1.1.1.1.9") == usb_place_order(1, "1.1.1.1.1.1"));
}

static bool ours(const char *id) {
    bus = devnum = 99;
    return vm_id_parse(id, &bus, &devnum);
}

static void ids_in_a_vm(void) {
    char id[VH_OPID_MAX];
    vm_id_print(id, 1, 5);
    CHECK_STR(id, "vhp-usb-1-5");
    CHECK(ours(id) && is_place(1, 5));
    CHECK(ours("vhp-usb-255-127") && is_place(255, 127));
    CHECK(!ours("vhp-usb") && !ours("VHP-usb-1-2") && !ours("usb-1-2") && !ours(""));
    CHECK(!ours("vhp-usb-01-2") && !ours("vhp-usb-1-02") && !ours("vhp-usb-00-1") && !ours("vhp-usb-001") &&
          is_place(99, 99));
    CHECK(ours("vhp-usb-0-0") && is_place(0, 0));
    static const char *const others[] = {"vhp-usb-",      "vhp-usb-1",   "vhp-usb--",     "vhp-usb-1-",
                                         "vhp-usb-256-1", "vhp-usb-1-x", "vhp-usb-1-128", "vhp-usb-1-2-3"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(ours(others[i]) && is_place(99, 99));
}

static void a_name_is_a_bus_and_a_port(void) {
    static const char *const wrong[] = {"",    "1",    "1-",  "-1",   "0-1",     "256-1",
                                        "1-0", "1-2x", "1.2", "usb1", "1-1:1.0", "1-1..2"};
    const char *port = NULL;
    CHECK(usb_name_parse("12-2.3", &bus, &port) && bus == 12);
    CHECK_STR(port, "2.3");
    CHECK(usb_name_parse("255-1", &bus, &port) && bus == 255);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(!usb_name_parse(wrong[i], &bus, &port) && bus == 255);
}

static void a_port_of_sysfs_names_its_device(void) {
    static const struct {
        const char *link, *name;
    } cases[] = {
        {"../../../usb2/2-0:1.0/usb2-port3", "2-3"},
        {"usb12-port15", "12-15"},
        {"../../2-1/2-1:1.0/2-1-port4", "2-1.4"},
        {"../2-1.2-port1", "2-1.2.1"},
        {"", ""},
        {"usb2", ""},
        {"usb-port3", ""},
        {"usb2-port", ""},
        {"usb2-port0", ""},
        {"usb2-port256", ""},
        {"usb2-port3x", ""},
        {"usb2-1-port3", ""},
        {"2-port3", ""},
        {"2--port3", ""},
        {"2-01-port3", ""},
        {"2-1.-port3", ""},
        {"2.1-port3", ""},
        {"-1-port3", ""},
        {"usb2-port3/", ""},
        {"9999999999-1.1.1.1.1.1.1.1.1-port1", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[VH_SYSNAME_MAX];
        CHECK(usb_port_device(cases[i].link, name) == (cases[i].name[0] != '\0'));
        CHECK_STR(name, cases[i].name);
    }
}

int main(void) {
    RUN(nodes_are_written_as_the_kernel_does);
    RUN(a_node_may_be_written_loosely);
    RUN(an_exact_node_has_three_digits_twice);
    RUN(port_paths_are_numbers_and_dots);
    RUN(the_root_port_comes_first);
    RUN(places_are_in_the_order_of_bus_and_port);
    RUN(ids_in_a_vm);
    RUN(a_name_is_a_bus_and_a_port);
    RUN(a_port_of_sysfs_names_its_device);
    TEST_MAIN_END;
}
