/*
 * test_stable_path.c - stable_path.c: paths of ports that do not depend on bus numbers.
 */
#include "codec/stable_path.h"
#include "test.h"

#include <string.h>

static char path[VH_STABLE_PATH_MAX];

static const char *made(const char *link, uint8_t bus, const char *speed, const char *ports) {
    bool ok = stable_path_make(path, link, bus, speed, ports);
    CHECK_INT(ok, path[0] != '\0');
    return path;
}

/* Links as kernels made them: facts of xhci on PCI, of a platform device, and of the virtual controllers. */
static void a_path_has_the_controller_the_half_and_the_ports(void) {
    CHECK_STR(made("../../../devices/pci0000:00/0000:00:03.0/usb1/1-2/1-2.1", 1, "480", "2.1"),
              "pci0000:00-0000:00:03.0/2:2.1");
    CHECK_STR(made("../../../devices/pci0000:00/0000:00:03.0/usb2/2-3", 2, "5000", "3"), "pci0000:00-0000:00:03.0/3:3");
    CHECK_STR(made("../../../devices/platform/fe800000.usb/usb3/3-1", 3, "10000", "1"), "platform-fe800000.usb/3:1");
    CHECK_STR(made("../../../devices/platform/vhci_hcd.0/usb5", 5, "480", "0"), "platform-vhci_hcd.0/2:0");
    CHECK_STR(made("../../../devices/pci0000:00/0000:00:1d.0/usb4/4-1", 4, "12", "1"), "pci0000:00-0000:00:1d.0/2:1");
    CHECK_STR(made("../../../devices/pci0000:00/0000:00:1d.0/usb4/4-1", 4, "1.5", "1"), "pci0000:00-0000:00:1d.0/2:1");
}

static void what_is_no_link_of_a_device_has_no_path(void) {
    CHECK_STR(made("../../../devices/pci0000:00/usb1/1-2", 2, "480", "2"), ""); /* another bus */
    CHECK_STR(made("../../../devices/pci0000:00/usb12/12-2", 1, "480", "2"), "");
    CHECK_STR(made("../../devices/usb1/1-2", 1, "480", "2"), ""); /* no controller */
    CHECK_STR(made("../../class/pci0000:00/usb1/1-2", 1, "480", "2"), "");
    CHECK_STR(made("../../devices/pci0000:00/usb1/1-2", 1, "", "2"), "");
    CHECK_STR(made("../../devices/pci0000:00/usb1/1-2", 1, "fast", "2"), "");
    CHECK_STR(made("../../devices/pci0000:00/usb1/1-2", 1, "480", "2.x"), "");
    CHECK_STR(made("../../devices/pci 0000/usb1/1-2", 1, "480", "2"), "");
    CHECK_STR(made("", 1, "480", "2"), "");
}

/* A controller of its own behind a USB device: the bus is the innermost one that is meant. */
static void the_root_hub_is_that_of_the_bus(void) {
    CHECK_STR(made("../../../devices/pci0000:00/usb1/1-2/1-2:1.0/hcd.1/usb7/7-1", 7, "12", "1"),
              "pci0000:00-usb1-1-2-1-2:1.0-hcd.1/2:1");
}

static void a_path_that_is_too_long_is_none(void) {
    char link[512] = "../../devices/";
    for (int i = 0; i < 12; i++)
        strcat(link, "0000:00:03.0/"); /* 13 bytes each */
    strcat(link, "usb1/1-2");
    CHECK(strlen(made(link, 1, "480", "2")) == 12 * 13 - 1 + 4);
    CHECK_STR(made(link, 1, "480", "2.1.1.1.1.1"), "0000:00:03.0-0000:00:03.0-0000:00:03.0-0000:00:03.0-0000:00:03.0-"
                                                   "0000:00:03.0-0000:00:03.0-0000:00:03.0-0000:00:03.0-0000:00:03.0-"
                                                   "0000:00:03.0-0000:00:03.0/2:2.1.1.1.1.1");
    char *end = strstr(link, "usb1");
    strcpy(end, "0000:00:03.0/0000:00:03.0/0000:00:03.0/usb1/1-2");
    CHECK_STR(made(link, 1, "480", "2"), "");
}

static void only_what_can_be_made_is_valid(void) {
    static const char *const good[] = {"pci0000:00-0000:00:03.0/2:2.1", "platform-fe800000.usb/3:1", "a/2:0",
                                       "soc@0-usb@1,2/2:255", "x/3:1.2.3.4.5.6"};
    static const char *const bad[] = {"",          "a",       "/2:1",    "a/2",       "a/2:",    "a/4:1",
                                      "a/1:1",     "a/2:01",  "a/2:1.",  "a/2:.1",    "a/2:256", "a/2:0.1",
                                      "a/2:1/2:1", "a b/2:1", "a\"/2:1", "a\\/2:1",   "a'/2:1",  "\xc3\xa4/2:1",
                                      "a/b/2:1",   "a/2:1 ",  "a/2:1\n", "a$(x)/2:1", "1-2.3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(stable_path_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!stable_path_valid(bad[i]));
    char text[VH_STABLE_PATH_MAX + 8];
    memset(text, 'a', sizeof text);
    memcpy(text + VH_STABLE_PATH_MAX - 5, "/2:1", 5);
    CHECK(stable_path_valid(text));
    memcpy(text + VH_STABLE_PATH_MAX - 5, "a/2:1", 6);
    CHECK(!stable_path_valid(text));
}

static void the_other_side_is_of_the_same_controller(void) {
    CHECK_STR(stable_path_ports("pci0000:00/2:2.1"), "2.1");
    CHECK(stable_path_other(path, "pci0000:00/2:2.1", "4.1"));
    CHECK_STR(path, "pci0000:00/3:4.1");
    CHECK(stable_path_other(path, "pci0000:00/3:2", "1"));
    CHECK_STR(path, "pci0000:00/2:1");
    CHECK(!stable_path_other(path, "1-2", "1"));
    CHECK_STR(path, "");
}

#define BEHIND(port, own, twin, rest) CHECK_STR(stable_path_behind(port, own, twin), rest)
#define ELSEWHERE(port, own, twin) CHECK(stable_path_behind(port, own, twin) == NULL)

static void a_device_is_at_a_port_or_behind_it(void) {
    BEHIND("pci/2:2", "pci/2:2", "", "");
    BEHIND("pci/2:2", "pci/2:2.3", "", ".3");
    BEHIND("pci/2:2.3", "pci/2:2.3.1.4", "", ".1.4");
    ELSEWHERE("pci/2:2", "pci/2:22", "");
    ELSEWHERE("pci/2:2.3", "pci/2:2", "");
    ELSEWHERE("pci/2:2", "pci/3:2", "");
    ELSEWHERE("pci/2:2", "pci1/2:2", "");
    ELSEWHERE("pc/2:2", "pci/2:2", "");
    ELSEWHERE("pci/2:2", "", "");
    ELSEWHERE("1-2", "pci/2:2", "");
}

static void both_sides_of_a_socket_count(void) {
    BEHIND("pci/2:5", "pci/3:1", "5", "");
    BEHIND("pci/2:5", "pci/3:1.4", "5.4", ".4");
    BEHIND("pci/3:1", "pci/3:1.4", "5.4", ".4");
    BEHIND("pci/3:1", "pci/2:5", "1", "");
    ELSEWHERE("pci/2:1", "pci/3:1", "5");
    ELSEWHERE("pci/3:5", "pci/3:1", "5");
    ELSEWHERE("pci1/2:5", "pci/3:1", "5");
}

int main(void) {
    RUN(a_path_has_the_controller_the_half_and_the_ports);
    RUN(what_is_no_link_of_a_device_has_no_path);
    RUN(the_root_hub_is_that_of_the_bus);
    RUN(a_path_that_is_too_long_is_none);
    RUN(only_what_can_be_made_is_valid);
    RUN(the_other_side_is_of_the_same_controller);
    RUN(a_device_is_at_a_port_or_behind_it);
    RUN(both_sides_of_a_socket_count);
    TEST_MAIN_END;
}
