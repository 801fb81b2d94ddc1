/*
 * test_plugs.c - bus_usb.c: which device a uevent names, and what is read again of a known device. Over a small sysfs
 * of files; reported devices are kept as the core keeps them.
 */
#include "base/log.h"
#include "bus/device_pool.h"
#include "bus/modules.h"
#include "bus/usb/bus_usb.h"
#include "codec/uevent.h"
#include "kept.h"
#include "os/clock.h"
#include "os/sysfs.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "sys/bus/usb/devices"

static char root[] = "/tmp/test_plugs.XXXXXX";
static int nfacts, ngone;
static bool forgetful, driver_known;
static char driver[VH_IFNAME_MAX]; /* told last */

static const struct device *told(const char *name) {
    return forgetful ? NULL : kept_device(name);
}

static void keep(const struct fact *f) {
    kept_fact(f);
    ngone += f->kind == FACT_GONE;
    if (f->kind != FACT_DEVICE)
        return;
    nfacts++;
    driver_known = f->driver != NULL;
    (void)snprintf(driver, sizeof driver, "%s", driver_known ? f->driver : "");
}

static int opened_fd = -1;

static void keep_node(uint64_t token, int fd, const char *why) {
    CHECK(token == 1 && (fd >= 0 || why[0] != '\0'));
    opened_fd = fd;
}

/* ---- orders, carried out in place ---- */

static int nreads, nothers;
static uint32_t result; /* of the last read */

static void done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    bool is_read = o->head.kind == DEVICE_READ;
    CHECK(a != NULL);
    nreads += is_read;
    nothers += !is_read;
    if (is_read && a != NULL)
        result = a->read.result;
    bus_usb_done(o, token, a, fd);
}

static bool is_given;

static bool given(const char *name) {
    (void)name;
    return is_given;
}

static bool start(void) {
    static const struct bus_calls calls = {.given = given, .fact = keep, .reported = told, .opened = keep_node};
    return kept_start(&calls, done);
}

static void pump(void) {
    device_pool_tick(clock_now());
}

/* ---- the small sysfs ---- */

static void put(const char *name, const char *attribute, const void *bytes, size_t n) {
    char path[256];
    (void)snprintf(path, sizeof path, "%s/" DEVICES "/%s/%s", root, name, attribute);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    if (fd >= 0)
        (void)close(fd);
}

static void text(const char *name, const char *attribute, const char *value) {
    put(name, attribute, value, strlen(value));
}

static void descriptors(const char *name) {
    static const unsigned char bytes[] = {18, 1, 0,  2, 0, 0, 0, 64,   0xf1, 0xff, 1, 0, 0, 1, 1, 2, 3, 1, /* device */
                                          9,  2, 18, 0, 1, 1, 0, 0x80, 50, /* configuration */
                                          9,  4, 0,  0, 0, 3, 1, 1,    0}; /* a keyboard */
    put(name, "descriptors", bytes, sizeof bytes);
}

static void place(int port, int devnum) {
    char name[32], path[256], n[32];
    (void)snprintf(name, sizeof name, "1-%d", port);
    (void)snprintf(path, sizeof path, "%s/" DEVICES "/%s", root, name);
    CHECK(mkdir(path, 0755) == 0);
    (void)snprintf(n, sizeof n, "%d\n", devnum);
    text(name, "devnum", n);
    (void)snprintf(n, sizeof n, "%d\n", port);
    text(name, "devpath", n);
    text(name, "busnum", "1\n");
    text(name, "speed", "480\n");
    text(name, "manufacturer", "Maker\n");
    text(name, "product", "Thing\n");
    text(name, "serial", "S1\n");
    descriptors(name);
}

/* The old directory stays under another name, so that the new one's inode is another. */
static void displace(const char *name) {
    static int n;
    char from[256], to[256];
    (void)snprintf(from, sizeof from, "%s/" DEVICES "/%s", root, name);
    (void)snprintf(to, sizeof to, "%s/gone%d", root, n++);
    CHECK(rename(from, to) == 0);
}

static void begin(void) {
    char command[512];
    (void)snprintf(command, sizeof command, "rm -rf %s/* && mkdir -p %s/" DEVICES, root, root);
    CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
    forgetful = false;
    bus_usb.scan(false); /* no device */
    pump();
    for (int i = 0; i < kept.n; i++) {
        struct uevent gone = {
            .action = "remove", .devpath = kept.dev[i].sys_name, .subsystem = "usb", .devtype = "usb_device"};
        CHECK(bus_usb.uevent(&gone));
        bus_usb.read_noted();
        pump();
    }
    kept.n = nfacts = ngone = 0;
}

static void event(const char *action, const char *name) {
    char devpath[64];
    (void)snprintf(devpath, sizeof devpath, "/devices/pci0/usb1/%s", name);
    const struct uevent ev = {.action = action, .devpath = devpath, .subsystem = "usb", .devtype = "usb_device"};
    CHECK(bus_usb.uevent(&ev));
}

static void read_noted(void) {
    nfacts = ngone = nreads = nothers = 0;
    result = 0;
    bus_usb.read_noted();
    pump();
}

/* ---- tests ---- */

static void events_of_one_plug_are_one_look(void) {
    begin();
    place(2, 5);
    event("add", "1-2");
    event("change", "1-2");
    event("bind", "1-2");
    read_noted();
    CHECK(nfacts == 1 && nreads == 1 && nothers == 0);
    CHECK(kept_device("1-2") != NULL && kept_device("1-2")->settled);
    read_noted(); /* nothing was noted since */
    CHECK_INT(nfacts, 0);
    displace("1-2");
    event("unbind", "1-2");
    event("remove", "1-2");
    read_noted();
    CHECK(nfacts == 0 && ngone == 1 && nreads == 1 && result == DEVICE_GONE);
}

/* The strings may not be read yet: the kernel is still configuring the device. */
static void what_was_bound_before_is_another_plug(void) {
    begin();
    place(2, 5);
    event("bind", "1-2");
    displace("1-2");
    event("remove", "1-2");
    place(2, 6);
    event("add", "1-2");
    read_noted();
    CHECK_INT(nfacts, 1);
    CHECK(!kept_device("1-2")->settled && kept_device("1-2")->usb.devnum == 6);
    CHECK_STR(kept_device("1-2")->serial, "");
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->settled);
    CHECK_STR(kept_device("1-2")->serial, "S1");
}

/* A string in sysfs: n times this character, and an end. */
static void long_text(const char *attribute, const char *character, int n, const char *end) {
    static char value[VH_ATTR_MAX];
    size_t len = 0;
    for (int i = 0; i < n; i++)
        len += (size_t)snprintf(value + len, sizeof value - len, "%s", character);
    (void)snprintf(value + len, sizeof value - len, "%s\n", end);
    text("1-2", attribute, value);
}

#define HAN "\xe6\xbc\xa2"

/* As long as USB allows: 126 UTF-16 units, three bytes each. */
static void the_longest_strings_are_whole(void) {
    static const char *const strings[] = {"manufacturer", "product", "serial"};
    begin();
    place(2, 5);
    for (int i = 0; i < 3; i++)
        long_text(strings[i], HAN, VH_STRING_UNITS - 1, "\xe5\xad\x97");
    event("bind", "1-2");
    read_noted();
    const struct device *d = kept_device("1-2");
    const char *values[] = {d->vendor_name, d->product_name, d->serial};
    for (int i = 0; i < 3; i++)
        CHECK(strlen(values[i]) == VH_STRING_MAX - 1 &&
              strcmp(values[i] + 3 * (VH_STRING_UNITS - 1), "\xe5\xad\x97") == 0);
    CHECK_STR(d->note, "");
}

/* Two that differ behind a cut would be one. So a string that is too long is none, and that is said. */
static void a_string_that_is_too_long_is_none(void) {
    begin();
    place(2, 5);
    long_text("manufacturer", HAN, VH_STRING_UNITS, "x");
    long_text("product", "x", VH_STRING_UNITS + 1, "");
    long_text("serial", "1", VH_ATTR_MAX - 2, "");
    event("bind", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->vendor_name, "Unknown vendor");
    CHECK_STR(kept_device("1-2")->product_name, "USB device fff1:0001");
    CHECK_STR(kept_device("1-2")->serial, "");
    CHECK(strstr(kept_device("1-2")->note, "serial is too long for USB: not used") != NULL);
    text("1-2", "manufacturer", "Maker\n");
    text("1-2", "product", "Thing\n");
    displace("1-2");
    place(2, 6);
    long_text("serial", "\xff", VH_STRING_UNITS + 1, ""); /* each becomes three bytes */
    event("add", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->note, "");
    event("bind", "1-2"); /* only its strings are read */
    read_noted();
    CHECK_INT(result, DEVICE_NAMES);
    CHECK_STR(kept_device("1-2")->serial, "");
    CHECK_STR(kept_device("1-2")->note, "serial is too long for USB: not used");
}

static void what_lasts_is_read_once(void) {
    begin();
    place(2, 5);
    event("add", "1-2");
    read_noted();
    CHECK(nreads == 1 && nothers == 0 && result == DEVICE_FULL);
    CHECK_STR(kept_device("1-2")->product_name, "USB device fff1:0001");
    text("1-2", "speed", "12\n");
    event("bind", "1-2");
    read_noted();
    CHECK(nreads == 1 && result == DEVICE_NAMES);
    CHECK_STR(kept_device("1-2")->usb.speed, "480");
    CHECK_STR(kept_device("1-2")->product_name, "Thing");
    CHECK(kept_device("1-2")->usb.nifaces == 1 && kept_device("1-2")->vid == 0xfff1);
    text("1-2", "product", "Another\n");
    event("change", "1-2");
    read_noted();
    CHECK(nreads == 1 && result == DEVICE_SAME);
    CHECK_INT(nfacts, 1);
    CHECK_STR(kept_device("1-2")->product_name, "Thing");
}

static void put_two_configurations(const char *name) {
    static const unsigned char bytes[] = {
        18, 1, 0,  2, 0, 0, 0, 64,   0xf1, 0xff, 1, 0, 0, 1, 1,   2,   3, 2, /* device */
        9,  2, 18, 0, 1, 1, 0, 0x80, 50,   9,    4, 0, 0, 0, 255, 255, 0, 0, /* its maker's own */
        9,  2, 18, 0, 1, 4, 0, 0x80, 50,   9,    4, 0, 0, 0, 2,   6,   0, 0, /* CDC */
    };
    put(name, "descriptors", bytes, sizeof bytes);
}

/* The kernel holds the lock that bConfigurationValue takes until the device settles. */
static void the_active_configuration_is_known_once_it_settles(void) {
    begin();
    place(2, 5);
    text("1-2", "bConfigurationValue", "1\n");
    event("add", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 0 && kept_device("1-2")->usb.nconfigs == 1);
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 1 && result == DEVICE_NAMES); /* its drivers are those of before */
    text("1-2", "bConfigurationValue", "\n");
    event("bind", "1-2");
    read_noted();
    CHECK(result == DEVICE_SAME);
}

static void a_choice_among_configurations_is_read_with_its_drivers(void) {
    begin();
    place(2, 5);
    put_two_configurations("1-2");
    text("1-2", "bConfigurationValue", "\n");
    event("add", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 0 && kept_device("1-2")->usb.nconfigs == 2);
    text("1-2", "bConfigurationValue", "4\n");
    event("change", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 0 && result == DEVICE_SAME);
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 4 && kept_device("1-2")->settled && result == DEVICE_FULL);
    CHECK_STR(kept_device("1-2")->product_name, "Thing");
    text("1-2", "bConfigurationValue", "1\n");
    event("change", "1-2"); /* may be about anything: the lock of a device in use is not asked for */
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 4 && result == DEVICE_SAME);
    event("bind", "1-2"); /* another driver has chosen */
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 1 && result == DEVICE_FULL);
    event("bind", "1-2");
    read_noted();
    CHECK(result == DEVICE_SAME);
    text("1-2", "bConfigurationValue", "256\n");
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->usb.config == 0 && result == DEVICE_FULL);
}

static void a_reset_or_a_new_plug_is_read_again(void) {
    begin();
    place(2, 5);
    event("bind", "1-2");
    read_noted();
    text("1-2", "devnum", "0\n"); /* in the middle of a reset */
    event("change", "1-2");
    read_noted();
    CHECK(nfacts == 0 && ngone == 0 && result == DEVICE_FLUX);
    text("1-2", "devnum", "7\n");
    text("1-2", "speed", "12\n");
    event("change", "1-2");
    read_noted();
    CHECK(nfacts == 1 && kept_device("1-2")->usb.devnum == 7 && result == DEVICE_FULL);
    CHECK_STR(kept_device("1-2")->usb.speed, "12");
    CHECK_STR(kept_device("1-2")->node, "/dev/bus/usb/001/007");
    displace("1-2");
    place(2, 7); /* the same number, another plug */
    text("1-2", "speed", "5000\n");
    event("add", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->usb.speed, "5000");
    CHECK(!kept_device("1-2")->settled);
}

static void a_bind_in_the_middle_of_a_reset_counts(void) {
    begin();
    place(2, 5);
    event("add", "1-2");
    read_noted();
    text("1-2", "devnum", "0\n");
    event("bind", "1-2");
    read_noted();
    CHECK(result == DEVICE_FLUX && ngone == 0 && !kept_device("1-2")->settled);
    bus_usb.scan(false); /* the next look comes too early, too */
    pump();
    CHECK(result == DEVICE_FLUX && ngone == 0 && !kept_device("1-2")->settled);
    text("1-2", "devnum", "5\n");
    bus_usb.scan(false);
    pump();
    CHECK(kept_device("1-2")->settled);
    CHECK_STR(kept_device("1-2")->serial, "S1");
}

static void what_could_not_be_read_is_tried_again(void) {
    char serial[256];
    begin();
    place(2, 5);
    put("1-2", "descriptors", "", 0);
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->malformed[0] != '\0');
    descriptors("1-2");
    (void)snprintf(serial, sizeof serial, "%s/" DEVICES "/1-2/serial", root);
    CHECK(unlink(serial) == 0 && mkdir(serial, 0755) == 0); /* reading it fails */
    event("change", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->malformed, "");
    CHECK_STR(kept_device("1-2")->serial, "");
    CHECK(rmdir(serial) == 0);
    text("1-2", "serial", "S2\n");
    event("change", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->serial, "S2");
}

static void what_nobody_keeps_is_read_again(void) {
    begin();
    place(2, 5);
    event("bind", "1-2");
    read_noted();
    text("1-2", "speed", "12\n");
    forgetful = true;
    event("change", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->usb.speed, "12");
    CHECK(kept_device("1-2")->settled && result == DEVICE_FULL); /* its bind was seen all the same */
    CHECK_STR(kept_device("1-2")->serial, "S1");
    text("1-2", "speed", "\xff\n");
    event("change", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->usb.speed, "\xef\xbf\xbd");
}

static void of_more_devices_than_are_noted_none_is_missed(void) {
    begin();
    for (int port = 1; port <= VH_UEVENT_NOTED + 6; port++) {
        char name[32];
        place(port, port);
        (void)snprintf(name, sizeof name, "1-%d", port);
        event("bind", name);
    }
    read_noted();
    CHECK_INT(kept.n, VH_UEVENT_NOTED + 6);
    CHECK(kept_device("1-1")->settled && kept_device("1-64")->settled);
    CHECK(!kept_device("1-70")->settled); /* its bind is lost, like any that is: it settles by time */
    read_noted();
    CHECK_INT(nfacts, 0);
}

/* ---- authorisation and drivers ---- */

static bool interface_event(const char *action, const char *name) {
    char devpath[64];
    (void)snprintf(devpath, sizeof devpath, "/devices/pci0/usb1/1-2/%s", name);
    const struct uevent ev = {.action = action, .devpath = devpath, .subsystem = "usb", .devtype = "usb_interface"};
    return bus_usb.uevent(&ev);
}

static void bind_interface(const char *name, const char *to) {
    char path[256], target[64];
    (void)snprintf(path, sizeof path, "%s/" DEVICES "/%s", root, name);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof path, "%s/" DEVICES "/1-2/%s", root, name);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof path, "%s/" DEVICES "/%s/driver", root, name);
    (void)snprintf(target, sizeof target, "../../drivers/%s", to);
    (void)unlink(path);
    CHECK(to[0] == '\0' || symlink(target, path) == 0);
}

static void an_unauthorised_device_is_read_again_until_it_is_authorised(void) {
    begin();
    place(2, 5);
    text("1-2", "authorized", "0\n");
    event("add", "1-2");
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->unauthorised && kept_device("1-2")->usb.nifaces == 1);
    event("change", "1-2");
    read_noted();
    CHECK(result == DEVICE_FULL && kept_device("1-2")->unauthorised);
    text("1-2", "authorized", "1\n");
    CHECK(interface_event("add", "1-2:1.0")); /* the kernel may tell of its interfaces only */
    read_noted();
    CHECK(nfacts == 1 && !kept_device("1-2")->unauthorised);
    event("change", "1-2");
    read_noted();
    CHECK_INT(result, DEVICE_SAME);
    text("1-2", "authorized", "0\n");
    event("change", "1-2");
    read_noted();
    CHECK(result == DEVICE_SAME && kept_device("1-2")->unauthorised);
    text("1-2", "authorized", "1\n");
    event("change", "1-2");
    read_noted();
    text("1-2", "authorized", "0\n");
    CHECK(interface_event("remove", "1-2:1.0"));
    read_noted();
    CHECK(kept_device("1-2")->unauthorised);
}

static void a_scan_finds_what_is_no_longer_authorised(void) {
    begin();
    place(2, 5);
    text("1-2", "authorized", "1\n");
    event("bind", "1-2");
    read_noted();
    nreads = 0;
    bus_usb.scan(false);
    pump();
    CHECK_INT(nreads, 0);
    text("1-2", "authorized", "0\n");
    bus_usb.scan(false);
    pump();
    CHECK(nreads == 1 && kept_device("1-2")->unauthorised);
    bus_usb.scan(false);
    pump();
    text("1-2", "authorized", "1\n");
    bus_usb.scan(false);
    pump();
    CHECK(!kept_device("1-2")->unauthorised);
}

static void drivers_are_looked_for_while_a_vm_has_the_device(void) {
    begin();
    place(2, 5);
    event("add", "1-2");
    CHECK(!interface_event("bind", "1-2:1.0") && !interface_event("bind", "1-3:1.0"));
    read_noted();
    CHECK(!interface_event("bind", "1-2:1.0")); /* its own bind event follows */
    event("bind", "1-2");
    read_noted();
    CHECK(!driver_known && !interface_event("bind", "1-2:1.0"));
    is_given = true;
    bind_interface("1-2:1.0", "usbfs");
    CHECK(interface_event("bind", "1-2:1.0"));
    read_noted();
    CHECK(nfacts == 1 && driver_known && driver[0] == '\0');
    bind_interface("1-2:1.1", "usbhid");
    CHECK(interface_event("bind", "1-2:1.1"));
    read_noted();
    CHECK(nfacts == 1 && driver_known);
    CHECK_STR(driver, "usbhid");
    bind_interface("1-2:1.1", "");
    CHECK(interface_event("unbind", "1-2:1.1"));
    read_noted();
    CHECK(driver_known && driver[0] == '\0');
    is_given = false;
    CHECK(!interface_event("bind", "no-device:1.0") && !interface_event("bind", "1-2"));
}

static int opened(const char *name) {
    CHECK(bus_usb.open_node(kept_device(name), 1));
    opened_fd = -1;
    pump();
    if (opened_fd >= 0)
        CHECK(close(opened_fd) == 0);
    return opened_fd;
}

static void make(const char *path, const char *link) {
    char command[512];
    (void)snprintf(command, sizeof command, "cd %s && mkdir -p $(dirname %s) && %s %s %s", root, path,
                   link != NULL ? "ln -s" : "touch", link != NULL ? link : "", path);
    CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
}

/* Also right after its device was read: by then it may be another plug, or in use. */
static void whatever_was_read_before_a_node_is_checked_when_it_is_opened(void) {
    begin();
    place(2, 5);
    make("dev/bus/usb/001/005", NULL);
    event("bind", "1-2");
    read_noted();
    text("1-2", "devnum", "9\n");
    CHECK(opened("1-2") < 0);
    text("1-2", "devnum", "5\n");
    CHECK(opened("1-2") >= 0);
    event("change", "1-2");
    read_noted();
    text("1-2", "devnum", "9\n");
    bus_usb.tick(0);
    pump();
    CHECK(opened("1-2") < 0);
    text("1-2", "devnum", "5\n");
    place(3, 6);
    make("dev/bus/usb/001/006", NULL);
    event("add", "1-3");
    read_noted();
    bus_usb.tick(bus_usb.deadline()); /* no bind came */
    pump();
    CHECK(kept_device("1-3")->settled);
    CHECK(opened("1-3") >= 0);
    text("1-3", "devnum", "9\n");
    CHECK(opened("1-3") < 0);
    text("1-2", "devnum", "5\n");
    event("change", "1-2");
    read_noted();
    CHECK(opened("1-2") >= 0);
    make(DEVICES "/1-2/1-2:1.0/x", NULL);
    make(DEVICES "/1-2:1.0/driver", "../../drivers/usbfs"); /* another tool's VM has the device by now */
    CHECK(opened("1-2") < 0);
}

static void what_concerns_no_device_is_not_noted(void) {
    begin();
    place(2, 5);
    const struct uevent others[] = {
        {.action = "add", .devpath = "/devices/pci0/usb1/1-2/1-2:1.0", .subsystem = "usb", .devtype = "usb_interface"},
        {.action = "change", .devpath = "/devices/virtual/block/dm-0", .subsystem = "block", .devtype = "disk"},
        {.action = "add", .devpath = "/module/usbhid", .subsystem = "module", .devtype = ""},
        {.action = "add", .devpath = "/devices/pci0/usb1/1-2 ", .subsystem = "usb", .devtype = "usb_device"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(!bus_usb.uevent(&others[i]));
    read_noted();
    CHECK(nfacts == 0 && ngone == 0);
}

static void put_line(const char *path, const char *line) {
    char full[256];
    make(path, NULL);
    (void)snprintf(full, sizeof full, "%s/%s", root, path);
    int fd = open(full, O_WRONLY | O_TRUNC);
    CHECK(fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line) && close(fd) == 0);
}

/* Where the kernel has it: in a directory of its hub, which a link leads to. */
static void place_below(const char *hub, int port, int devnum) {
    char command[512];
    place(port, devnum);
    (void)snprintf(command, sizeof command,
                   "cd %s && mkdir -p sys/devices/%s && mv " DEVICES "/1-%d sys/devices/%s && "
                   "ln -s ../../../devices/%s/1-%d " DEVICES "/1-%d",
                   root, hub, port, hub, hub, port, port);
    CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
}

/* A port, in the directory of its hub's interface. The kernel makes the device's own link to it too late. */
static void port(const char *directory, const char *location, const char *peer) {
    char path[128];
    (void)snprintf(path, sizeof path, DEVICES "/%s/location", directory);
    put_line(path, location);
    (void)snprintf(path, sizeof path, DEVICES "/%s/peer", directory);
    make(path, peer);
}

static bool rename_as(const char *from, const char *to) {
    char a[256], b[256];
    (void)snprintf(a, sizeof a, "%s/" DEVICES "/%s", root, from);
    (void)snprintf(b, sizeof b, "%s/" DEVICES "/%s", root, to);
    return rename(a, b) == 0;
}

static void a_port_has_a_stable_path(void) {
    begin();
    put_line(DEVICES "/usb1/speed", "480\n");
    place_below("pci0000:00/0000:00:03.0/usb1", 2, 5);
    place_below("pci0000:00/0000:00:03.0/usb2", 3, 6); /* not of the bus that it says */
    event("bind", "1-2");
    event("bind", "1-3");
    read_noted();
    CHECK_STR(kept_device("1-2")->stable_path, "pci0000:00-0000:00:03.0/2:2");
    CHECK_STR(kept_device("1-2")->twin, "");
    CHECK_STR(kept_device("1-3")->stable_path, "");
}

static void only_firmware_joins_the_sides_of_a_socket(void) {
    begin();
    put_line(DEVICES "/usb1/speed", "5000\n");
    for (int i = 2; i < 7; i++)
        place_below("platform/xhci/usb1", i, i);
    port("1-0:1.0/usb1-port2", "0x80000301\n", "../../../usb2/2-0:1.0/usb2-port7");
    port("1-0:1.0/usb1-port3", "0x00000000\n", "../../../usb2/2-0:1.0/usb2-port3");
    port("1-0:1.0/usb1-port4", "80000301\n", "../../../usb2/2-0:1.0/usb2-port4");
    port("1-0:1.0/usb1-port5", "0x80000301\n", "../../../usb2/2-0:1.0/none");
    port("1-0:1.0/usb1-port6", "0x80000301\n", "../../../usb1/1-0:1.0/usb1-port1"); /* its own root hub */
    for (int i = 2; i < 7; i++)
        event("bind", (char[]){'1', '-', (char)('0' + i), '\0'});
    read_noted();
    CHECK_STR(kept_device("1-2")->stable_path, "platform-xhci/3:2");
    CHECK_STR(kept_device("1-2")->twin, "7");
    CHECK_STR(kept_device("1-3")->twin, "");
    CHECK_STR(kept_device("1-4")->twin, "");
    CHECK_STR(kept_device("1-5")->twin, "");
    CHECK_STR(kept_device("1-6")->twin, "");
}

/* The hub's ports are of its sockets, which the firmware knows nothing of. */
static void behind_a_hub_the_socket_of_the_hub_counts(void) {
    begin();
    put_line(DEVICES "/usb1/speed", "5000\n");
    place_below("platform/xhci/usb1", 2, 5);
    CHECK(rename_as("1-2", "1-2.4.1"));
    text("1-2.4.1", "devpath", "2.4.1\n");
    port("1-0:1.0/usb1-port2", "0x80000301\n", "../../../usb2/2-0:1.0/usb2-port7");
    port("1-2:1.0/1-2-port4", "0x00000000\n", "../../../usb2/2-2/2-2:1.0/2-2-port4");
    event("bind", "1-2.4.1");
    read_noted();
    CHECK_STR(kept_device("1-2.4.1")->stable_path, "platform-xhci/3:2.4.1");
    CHECK_STR(kept_device("1-2.4.1")->twin, "7.4.1");
}

static void recheck(void) {
    nfacts = ngone = nreads = nothers = 0;
    bus_usb.recheck();
    pump();
    CHECK(ngone == 0 && nreads == 0 && nothers == 1);
}

static void of_what_the_host_uses_only_changes_are_told(void) {
    begin();
    place(2, 5);
    place(3, 6);
    event("bind", "1-2");
    event("bind", "1-3");
    read_noted();
    make("sys/dev/block/8:1", "../../devices/pci0/usb1/1-2/1-2:1.0/block/sda/sda1");
    recheck();
    CHECK_INT(nfacts, 0);
    put_line("proc/self/mountinfo", "36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw\n");
    recheck();
    CHECK(nfacts == 1 && strstr(kept_device("1-2")->protect, "/mnt") != NULL);
    CHECK_STR(kept_device("1-3")->protect, "");
    recheck();
    CHECK_INT(nfacts, 0);
    event("change", "1-3");
    read_noted();
    CHECK_INT(nfacts, 1);
    put_line("proc/self/mountinfo", "");
    recheck();
    CHECK_INT(nfacts, 1);
    CHECK_STR(kept_device("1-2")->protect, "");
}

/* Looks for uses at a time, after so many looks in a row that found one without an event. */
static void look_for_uses(int64_t at, unsigned times) {
    int64_t before = clock_now();
    nothers = 0;
    bus_usb.tick(at - 1);
    pump();
    CHECK_INT(nothers, 0);
    bus_usb.tick(at);
    pump();
    CHECK_INT(nothers, 1);
    if (times == 0)
        return;
    CHECK(bus_usb.deadline() >= before + backoff(times, VH_T_RETRY_MIN, VH_T_USES_MAX));
    CHECK(bus_usb.deadline() <= clock_now() + backoff(times, VH_T_RETRY_MIN, VH_T_USES_MAX));
}

/* The mount is gone from the table, the kernel has still to write to the disk: /sys/fs names it for a while. */
static void a_use_that_ends_without_an_event_is_looked_for(void) {
    char path[256];
    begin();
    place(2, 5);
    event("bind", "1-2");
    read_noted();
    make("sys/class/block/sda1", "../../devices/pci0/usb1/1-2/1-2:1.0/block/sda/sda1");
    put_line("proc/self/mountinfo", "36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw\n");
    recheck();
    CHECK(strstr(kept_device("1-2")->protect, "/mnt") != NULL);
    CHECK(bus_usb.deadline() == VH_NEVER); /* its end is an event */
    put_line("proc/self/mountinfo", "");
    make("sys/fs/ext4/sda1", NULL);
    recheck();
    for (unsigned times = 2; times < 14; times++) {
        CHECK(strstr(kept_device("1-2")->protect, "ext4") != NULL);
        look_for_uses(bus_usb.deadline(), times);
    }
    recheck(); /* an event: it may end soon */
    look_for_uses(bus_usb.deadline(), 2);
    (void)snprintf(path, sizeof path, "%s/sys/fs/ext4/sda1", root);
    CHECK(unlink(path) == 0);
    look_for_uses(bus_usb.deadline(), 0);
    CHECK_STR(kept_device("1-2")->protect, "");
    CHECK(bus_usb.deadline() == VH_NEVER);
}

/* Paths are kept until exit, up to a bound. */
static void a_driver_whose_path_finds_no_room_is_said(void) {
    static const unsigned char bytes[] = {18, 1, 0,  2, 0, 0, 0, 64,   0xf1, 0xff, 1, 0, 0, 1, 1,   2, 3, 1,
                                          9,  2, 18, 0, 1, 1, 0, 0x80, 50,   9,    4, 0, 0, 0, 255, 1, 1, 0};
    char path[VH_PATH_MAX];
    int kept_paths = 0;
    begin();
    put_line("proc/sys/kernel/osrelease", "9.9\n");
    put_line("lib/modules/9.9/modules.alias", "alias usb:vFFF1p*d*dc*dsc*dp*ic*isc*ip*in* thing\n");
    put_line("lib/modules/9.9/modules.dep", "kernel/thing.ko:\n");
    CHECK(start());
    do
        (void)snprintf(path, sizeof path, "/lib/modules/9.9/kernel/%d/%0200d.ko", kept_paths++, 0);
    while (modules_intern(path) != NULL);
    while (modules_intern(path + 200) != NULL && path[200] != '\0') /* the rest of the room */
        path[strlen(path) - 1] = '\0';
    place(2, 5);
    put("1-2", "descriptors", bytes, sizeof bytes);
    event("bind", "1-2");
    read_noted();
    CHECK(kept_paths > 10 && result == DEVICE_FULL);
    CHECK_STR(kept_device("1-2")->malformed, "no room for the path of its driver");
}

int main(void) {
    log_open("test_plugs", LOG_ERROR);
    if (mkdtemp(root) == NULL || !sysfs_root(root) || !start())
        return 1;
    RUN(events_of_one_plug_are_one_look);
    RUN(what_was_bound_before_is_another_plug);
    RUN(what_lasts_is_read_once);
    RUN(the_active_configuration_is_known_once_it_settles);
    RUN(a_choice_among_configurations_is_read_with_its_drivers);
    RUN(a_reset_or_a_new_plug_is_read_again);
    RUN(a_bind_in_the_middle_of_a_reset_counts);
    RUN(the_longest_strings_are_whole);
    RUN(a_string_that_is_too_long_is_none);
    RUN(what_could_not_be_read_is_tried_again);
    RUN(what_nobody_keeps_is_read_again);
    RUN(an_unauthorised_device_is_read_again_until_it_is_authorised);
    RUN(a_scan_finds_what_is_no_longer_authorised);
    RUN(drivers_are_looked_for_while_a_vm_has_the_device);
    RUN(of_more_devices_than_are_noted_none_is_missed);
    RUN(whatever_was_read_before_a_node_is_checked_when_it_is_opened);
    RUN(what_concerns_no_device_is_not_noted);
    RUN(a_port_has_a_stable_path);
    RUN(only_firmware_joins_the_sides_of_a_socket);
    RUN(behind_a_hub_the_socket_of_the_hub_counts);
    RUN(of_what_the_host_uses_only_changes_are_told);
    RUN(a_use_that_ends_without_an_event_is_looked_for);
    RUN(a_driver_whose_path_finds_no_room_is_said);
    begin();
    char empty[512];
    (void)snprintf(empty, sizeof empty, "rm -rf %s", root);
    (void)!system(empty); // NOLINT(cert-env33-c,concurrency-mt-unsafe): its own directory
    TEST_MAIN_END;
}
