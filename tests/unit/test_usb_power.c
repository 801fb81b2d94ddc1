/*
 * test_usb_power.c - usb_power.c in a made-up tree: what a port gives, by the hub above and its speed, and the
 * configuration that fits.
 */
#include "bus/usb/usb_power.h"
#include "bus/usb/usb_sysfs.h"
#include "os/sysfs.h"
#include "test.h"
#include "tree.h"

#include <string.h>
#include <unistd.h>

static uint8_t value;
static char why[256];

static void attribute(const char *device, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/%s", device, name);
    make_file(path, text);
}

/* One configuration for each of the n powers, numbered from 1. */
static void place(const char *name, const char *speed, const unsigned char *power, size_t n) {
    char bytes[256] = {18, 1}, path[256];
    for (size_t i = 0; i < n; i++) {
        char *c = bytes + 18 + i * 18;
        c[0] = 9;
        c[1] = 2;
        c[2] = 18;
        c[5] = (char)(i + 1);
        c[8] = (char)power[i];
        c[9] = 9;
        c[10] = 4;
    }
    attribute(name, "speed", speed);
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/descriptors", name);
    make_bytes(path, bytes, 18 + 18 * n);
}
#define PLACE(name, speed, ...) \
    place(name, speed, (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__}))

static void place_hub(const char *name, const char *speed, const char *attributes) {
    attribute(name, "speed", speed);
    attribute(name, "bmAttributes", attributes);
}

static bool chosen(const char *name) {
    int dir = usb_sysfs_open(name);
    why[0] = '\0';
    value = 0;
    bool ok = dir >= 0 && usb_power_choose(dir, name, &value, why, sizeof why);
    CHECK(dir >= 0 && close(dir) == 0);
    return ok;
}

static void a_root_port_gives_a_full_load(void) {
    place_hub("usb1", "480\n", "e0\n");
    PLACE("1-1", "480\n", 250);
    CHECK(chosen("1-1") && value == 1);
    PLACE("1-1", "480\n", 251);
    CHECK(!chosen("1-1"));
    CHECK_STR(why, "it cannot be configured: it asks for 502 mA, and its port gives 500 mA");
    place_hub("usb2", "5000\n", "e0\n");
    PLACE("2-1", "10000\n", 112);
    CHECK(chosen("2-1"));
    PLACE("2-1", "5000\n", 113);
    CHECK(!chosen("2-1"));
    CHECK_STR(why, "it cannot be configured: it asks for 904 mA, and its port gives 900 mA");
}

static void a_hub_without_a_supply_gives_a_unit_load(void) {
    place_hub("1-4", "480\n", "a0\n");
    PLACE("1-4.1", "1.5\n", 50);
    CHECK(chosen("1-4.1"));
    PLACE("1-4.1", "12\n", 51);
    CHECK(!chosen("1-4.1"));
    CHECK_STR(why, "it cannot be configured: it asks for 102 mA, and its port gives 100 mA");
    place_hub("2-4", "5000\n", "a0\n");
    PLACE("2-4.1", "5000\n", 18);
    CHECK(chosen("2-4.1"));
    PLACE("2-4.1", "5000\n", 19);
    CHECK(!chosen("2-4.1"));
    PLACE("1-4.2", "12\n", 250);
    attribute("1-4", "bmAttributes", "\n"); /* it is unconfigured */
    CHECK(!chosen("1-4.2"));
}

static void a_hub_with_a_supply_gives_a_full_load(void) {
    place_hub("1-4", "480\n", "e0\n");
    PLACE("1-4.1", "480\n", 250);
    CHECK(chosen("1-4.1"));
}

static void the_first_configuration_that_fits_is_chosen(void) {
    place_hub("1-4", "480\n", "a0\n");
    PLACE("1-4.1", "480\n", 250, 50, 0);
    CHECK(chosen("1-4.1") && value == 2);
    PLACE("1-4.1", "480\n", 250, 60);
    CHECK(!chosen("1-4.1"));
    CHECK_STR(why, "it cannot be configured: it asks for 120 mA, and its port gives 100 mA");
}

static void what_cannot_be_read_is_not_configured(void) {
    PLACE("1-2", "480\n", 250);
    make_bytes("sys/bus/usb/devices/1-2/descriptors", "\x12\x01", 2);
    CHECK(!chosen("1-2"));
    CHECK_STR(why, "it cannot be configured: its configurations cannot be read");
    char lies[36] = {18, 1};
    lies[18] = 9;
    lies[19] = 2; /* no length at all */
    make_bytes("sys/bus/usb/devices/1-2/descriptors", lies, sizeof lies);
    CHECK(!chosen("1-2"));
    lies[19] = 4;
    lies[20] = 18;
    make_bytes("sys/bus/usb/devices/1-2/descriptors", lies, sizeof lies);
    CHECK(!chosen("1-2"));
}

static void a_device_whose_hub_is_gone_is_not_held_up(void) {
    PLACE("1-9.1", "480\n", 250);
    CHECK(chosen("1-9.1"));
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    make_directory("sys/bus/usb/devices");
    CHECK(sysfs_root(top));
    RUN(a_root_port_gives_a_full_load);
    RUN(a_hub_without_a_supply_gives_a_unit_load);
    RUN(a_hub_with_a_supply_gives_a_full_load);
    RUN(the_first_configuration_that_fits_is_chosen);
    RUN(what_cannot_be_read_is_not_configured);
    RUN(a_device_whose_hub_is_gone_is_not_held_up);
    remove_tree();
    TEST_MAIN_END;
}
