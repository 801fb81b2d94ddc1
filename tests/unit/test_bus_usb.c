/*
 * test_bus_usb.c - bus_usb.c with the root "/", which the system tests (--root) never have: device nodes are checked
 * and reset, the directory of nodes stays open between two looks, and what cannot be read is reported. The tree is made
 * up.
 */
#include "base/limits.h"
#include "base/log.h"
#include "bus/usb/bus_usb.h"
#include "codec/uevent.h"
#include "fault.h"
#include "os/clock.h"
#include "os/sysfs.h"
#include "tree.h"

#include <linux/usbdevice_fs.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

enum { RDEV_MAJOR = 128, RDEV_MINOR = 132, MODE = 28, USB_MAJOR = 189 }; /* of struct statx */

/* ---- the tree ---- */

/* Redirects a path below "/" to the tree. */
static const char *below(const char *path) {
    static const char *const tops[] = {"sys/", "dev/", "proc/", "lib/", "usr/", "run/", "/dev/bus/usb"};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        if (strncmp(path, tops[i], strlen(tops[i])) == 0)
            return at(path + (path[0] == '/'));
    }
    return NULL;
}

static void attribute(const char *device, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/%s", device, name);
    make_file(path, text);
}

/* A mouse: no storage that the host could use. */
static const char descriptors[] = {
    18, 1, 0,  2, 0, 0, 0, 64,         0x6d, 0x04, 0x1f, 0x70, 0, 1, 0, 0, 0, 1,
    9,  2, 18, 0, 1, 1, 0, (char)0x80, 50,   9,    4,    0,    0, 0, 3, 0, 0, 0,
};

static void place(const char *name, unsigned devnum) {
    char path[256], number[16];
    attribute(name, "busnum", "1\n");
    (void)snprintf(number, sizeof number, "%u\n", devnum);
    attribute(name, "devnum", number);
    attribute(name, "devpath", "2\n");
    attribute(name, "speed", "480\n");
    attribute(name, "idVendor", "046d\n");
    attribute(name, "idProduct", "701f\n");
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/descriptors", name);
    make_bytes(path, descriptors, sizeof descriptors);
    (void)snprintf(path, sizeof path, "dev/bus/usb/001/%03u", devnum);
    make_bytes(path, descriptors, sizeof descriptors);
}

static void take_away(const char *name) {
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf %s/sys/bus/usb/devices/%s", top, name);
    CHECK(system(command) == 0);
}

/* ---- the kernel's part ---- */

static bool nodes_are_files; /* or another file that is no USB device */
static unsigned minor_of_node;

static bool play_syscall(long nr, const long *a, long *result) {
    unsigned char *st = (unsigned char *)a[4];
    uint16_t mode;
    if (nr != SYS_statx)
        return false;
    *result = __real_syscall(nr, a[0], a[1], a[2], a[3], a[4]);
    memcpy(&mode, st + MODE, sizeof mode);
    if (*result != 0 || !S_ISREG(mode) || nodes_are_files)
        return true;
    const uint32_t major = USB_MAJOR, minor = minor_of_node;
    mode = (uint16_t)(S_IFCHR | (mode & 07777));
    memcpy(st + MODE, &mode, sizeof mode);
    memcpy(st + RDEV_MAJOR, &major, sizeof major);
    memcpy(st + RDEV_MINOR, &minor, sizeof minor);
    return true;
}

static int resets, reset_error;

static int answer(unsigned long what, void *argument) {
    if (what == USBDEVFS_RESET) {
        resets++;
        errno = reset_error;
        return reset_error == 0 ? 0 : -1;
    }
    if (what == USBDEVFS_CONTROL)
        *(unsigned char *)((struct usbdevfs_ctrltransfer *)argument)->data = 1;
    return what == USBDEVFS_CONTROL ? 1 : 0;
}

/* ---- what was told ---- */

static char told[1024];
static struct device last;

static void hear(const struct fact *f) {
    static const char *const kinds[] = {
        [FACT_SCAN_BEGIN] = "begin", [FACT_SCAN_END] = "end", [FACT_DEVICE] = "device", [FACT_GONE] = "gone"};
    size_t n = strlen(told);
    if (f->kind == FACT_DEVICE)
        last = *f->device;
    (void)snprintf(told + n, sizeof told - n, "%s%s%s ", kinds[f->kind],
                   f->kind == FACT_DEVICE || f->kind == FACT_GONE ? "=" : "",
                   f->kind == FACT_DEVICE ? f->device->sys_name
                   : f->kind == FACT_GONE ? f->sys_name
                                          : "");
}

static const char *heard(void) {
    static char text[sizeof told];
    memcpy(text, told, sizeof text);
    told[0] = '\0';
    return text;
}

static void event(const char *action, const char *name) {
    char devpath[128];
    (void)snprintf(devpath, sizeof devpath, "/devices/pci0000:00/usb1/%s", name);
    const struct uevent ev = {.action = action, .devpath = devpath, .subsystem = "usb", .devtype = "usb_device"};
    CHECK(bus_usb.uevent(&ev));
    bus_usb.read_noted(hear);
}

/* ---- the directory of nodes ---- */

static void the_directory_of_nodes_is_kept(void) {
    give_call("mkdir", 0, 0);
    CHECK(bus_usb.start(NULL));
    CHECK_INT(faults[0].calls, 3);
    CHECK(was_said("no USB devices until it is there") && !was_said("cannot make"));
    heal();
    make_directory("sys/bus/usb/devices");
    fail_call("mkdir", 0, EEXIST);
    CHECK(bus_usb.start(NULL));
    CHECK(!was_said("no USB devices") && !was_said("cannot make"));
    heal();
    fail_call("mkdir", 0, EROFS);
    CHECK(bus_usb.start(NULL));
    CHECK(was_said("cannot make /dev/bus/usb/.vhotplug") && was_said(strerror(EROFS)));
    heal();
}

/* ---- nodes ---- */

static void a_node_is_opened_if_it_is_the_devices(void) {
    char why[256] = "";
    int files = open_files();
    place("1-2", 5);
    event("bind", "1-2");
    CHECK_STR(heard(), "device=1-2 ");
    CHECK(last.settled && last.devnum == 5 && last.nifaces == 1);
    minor_of_node = 4; /* (bus - 1) * 128 + device - 1 */
    int fd = bus_usb.open_node(&last, why, sizeof why);
    CHECK(fd >= 0 && close(fd) == 0);
    minor_of_node = 5; /* another device's */
    CHECK_INT(bus_usb.open_node(&last, why, sizeof why), -1);
    CHECK_STR(why, "/dev/bus/usb/001/005 is not the device's node");
    nodes_are_files = true;
    CHECK_INT(bus_usb.open_node(&last, why, sizeof why), -1);
    nodes_are_files = false;
    minor_of_node = 4;
    fail_nr(SYS_statx, 2, EIO); /* the first statx() is for the directory */
    CHECK_INT(bus_usb.open_node(&last, why, sizeof why), -1);
    CHECK(all_failed());
    heal();
    CHECK(unlink(at("dev/bus/usb/001/005")) == 0);
    CHECK_INT(bus_usb.open_node(&last, why, sizeof why), -1);
    CHECK(strstr(why, "cannot open /dev/bus/usb/001/005: ") == why && strstr(why, strerror(ENOENT)) != NULL);
    place("1-2", 5);
    CHECK_INT(open_files(), files);
}

static void what_is_another_plug_by_now_is_not_opened(void) {
    char why[256] = "";
    struct device old = last;
    old.devnum = 6;
    CHECK_INT(bus_usb.open_node(&old, why, sizeof why), -1);
    CHECK_STR(why, "the device is gone");
    old = last;
    old.incarnation++;
    CHECK_INT(bus_usb.open_node(&old, why, sizeof why), -1);
    fail_nr(SYS_statx, 1, EIO);
    CHECK_INT(bus_usb.open_node(&last, why, sizeof why), -1);
    heal();
    fail_call("read", 1, EIO);
    CHECK_INT(bus_usb.open_node(&last, why, sizeof why), -1);
    CHECK_STR(why, "the device is gone");
    heal();
}

static void only_the_devices_own_node_is_reset(void) {
    int files = open_files();
    log_open("test", LOG_DEBUG);
    bus_usb.release(&last);
    CHECK_INT(resets, 1);
    CHECK(!was_said("reset failed"));
    reset_error = EIO;
    bus_usb.release(&last);
    CHECK_INT(resets, 2);
    CHECK(was_said("reset failed: device=1-2 error=LIBUSB_ERROR_"));
    heal();
    minor_of_node = 99;
    bus_usb.release(&last);
    CHECK_INT(resets, 2);
    fail_call("openat", 1, ENODEV);
    bus_usb.release(&last);
    CHECK_INT(resets, 2);
    heal();
    minor_of_node = 4;
    CHECK_INT(open_files(), files);
}

/* ---- looking ---- */

/* A device that cannot be read is neither present nor gone: no fact, and another look after longer and longer waits. */
static void what_cannot_be_looked_at_is_not_told(void) {
    static const int errors[] = {EMFILE, EIO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        CHECK_INT(bus_usb.deadline(), VH_NEVER);
        fail_call("openat", 1, errors[i]);
        event("add", "1-2");
        CHECK_STR(heard(), "");
        CHECK(all_failed());
        heal();
        CHECK(bus_usb.deadline() != VH_NEVER);
        bus_usb.tick(bus_usb.deadline(), hear);
        CHECK_STR(heard(), "begin device=1-2 end ");
    }
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    fail_nr(SYS_statx, 1, EIO);
    event("add", "1-2");
    CHECK_STR(heard(), "");
    heal();
    bus_usb.tick(bus_usb.deadline(), hear);
    (void)heard();
}

static void what_has_gone_is_told(void) {
    static const int errors[] = {ENOENT, ENODEV, ENOTDIR};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fail_call("openat", 1, errors[i]);
        event("remove", "1-2");
        CHECK_STR(heard(), "gone=1-2 ");
        heal();
    }
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    event("bind", "1-2");
    CHECK_STR(heard(), "device=1-2 ");
}

/* An incomplete scan has no end, so that no device counts as gone; waits grow to a bound. */
static void a_scan_that_did_not_see_all_has_no_end(void) {
    fail_call("openat", 1, EMFILE);
    bus_usb.scan(false, hear);
    CHECK_STR(heard(), "");
    heal();
    fail_nr(SYS_getdents64, 1, EIO);
    bus_usb.scan(false, hear);
    CHECK(strstr(told, "begin") != NULL && strstr(told, "end") == NULL);
    (void)heard();
    heal();
    int64_t longest = 0;
    for (int i = 0; i < 12; i++) {
        fail_call("openat", 0, EMFILE);
        int64_t before = clock_now();
        bus_usb.scan(false, hear);
        int64_t wait = bus_usb.deadline() - before;
        CHECK(wait <= (VH_T_RETRY_MAX + 1000) * VH_NSEC_PER_MSEC);
        longest = wait > longest ? wait : longest;
        heal();
    }
    CHECK(longest >= VH_T_RETRY_MAX * VH_NSEC_PER_MSEC / 2);
    CHECK_STR(heard(), "");
    bus_usb.scan(false, hear);
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
}

/* Descriptors that cannot be read or are too long: the device matches no allow entry. */
static void a_device_without_descriptors_is_not_trusted(void) {
    static char many[VH_DESC_MAX + 1];
    char path[] = "sys/bus/usb/devices/1-2/descriptors";
    CHECK(unlink(at(path)) == 0);
    event("add", "1-2");
    CHECK_STR(last.malformed, "its descriptors cannot be read");
    CHECK(last.vid == 0x46d && last.pid == 0x701f);
    make_bytes(path, many, sizeof many);
    event("add", "1-2");
    CHECK_STR(last.malformed, "its descriptors are too long");
    attribute("1-2", "idVendor", "?\n");
    attribute("1-2", "idProduct", "?\n");
    event("add", "1-2");
    CHECK(last.vid == 0 && last.pid == 0);
    place("1-2", 5);
    event("add", "1-2");
    CHECK_STR(last.malformed, "");
    (void)heard();
}

/* Malformed numbers in a device that is being unplugged. */
static void a_device_without_a_place_is_in_flux(void) {
    static const struct {
        const char *name, *text, *right;
    } ways[] = {{"busnum", "x\n", "1\n"}, {"devnum", "0\n", "5\n"}, {"devnum", "128\n", "5\n"}, {"devpath", "", "2\n"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        attribute("1-2", ways[i].name, ways[i].text);
        event("add", "1-2");
        CHECK_STR(heard(), "");
        attribute("1-2", ways[i].name, ways[i].right);
        bus_usb.tick(bus_usb.deadline(), hear);
        CHECK_STR(heard(), "begin device=1-2 end ");
    }
}

static void where_it_is_built_in_the_kernel_says(void) {
    static const struct {
        const char *text;
        enum removable is;
    } ways[] = {{"removable\n", REMOVABLE_REMOVABLE},
                {"fixed\n", REMOVABLE_FIXED},
                {"unknown\n", REMOVABLE_UNKNOWN},
                {"", REMOVABLE_UNKNOWN}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        attribute("1-2", "removable", ways[i].text);
        event("add", "1-2");
        CHECK_INT(last.removable, ways[i].is);
    }
    (void)heard();
}

/* Without an event for a bound driver, the device is used after a while. */
static void a_plug_settles_by_its_event_or_by_time(void) {
    place("1-3", 7);
    event("add", "1-3");
    CHECK(!last.settled);
    int64_t due = bus_usb.deadline();
    CHECK(due != VH_NEVER && due > clock_now());
    bus_usb.tick(due - 1, hear);
    CHECK_STR(heard(), "device=1-3 ");
    bus_usb.tick(due, hear);
    CHECK(was_said("no bind event: device=1-3"));
    CHECK_STR(heard(), "device=1-3 ");
    CHECK(last.settled);
    heal();
    take_away("1-3");
    event("remove", "1-3");
    CHECK_STR(heard(), "gone=1-3 ");
}

static void what_is_no_device_is_passed_over(void) {
    static const char *const names[] = {
        "1-2:1.0", "usb", "usbx",
        "1-",      "-2",  "1-2a",
        "x",       "",    "1-2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22.23.24.25"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char devpath[256];
        (void)snprintf(devpath, sizeof devpath, "/devices/usb1/%s", names[i]);
        const struct uevent ev = {.action = "add", .devpath = devpath, .subsystem = "usb", .devtype = "usb_device"};
        CHECK(!bus_usb.uevent(&ev));
    }
    const struct uevent interface = {
        .action = "add", .devpath = "/devices/usb1/1-2", .subsystem = "usb", .devtype = "usb_interface"};
    const struct uevent other = {
        .action = "add", .devpath = "/devices/usb1/1-2", .subsystem = "input", .devtype = "usb_device"};
    const struct uevent disk = {
        .action = "add", .devpath = "/devices/pci/nvme0n1", .subsystem = "block", .devtype = "disk"};
    const struct uevent stick = {
        .action = "add", .devpath = "/devices/pci/usb1/1-2/sda", .subsystem = "block", .devtype = "disk"};
    const struct uevent dongle = {
        .action = "add", .devpath = "/devices/pci/usb1/1-2/net/eth1", .subsystem = "net", .devtype = ""};
    CHECK(!bus_usb.uevent(&interface) && !bus_usb.uevent(&other) && !bus_usb.uevent(&disk));
    CHECK(bus_usb.uevent(&stick) && bus_usb.uevent(&dongle));
    bus_usb.read_noted(hear);
    CHECK_STR(heard(), "");
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root("/"));
    on_path = below;
    on_syscall = play_syscall;
    on_ioctl = answer;
    RUN(the_directory_of_nodes_is_kept);
    RUN(a_node_is_opened_if_it_is_the_devices);
    RUN(what_is_another_plug_by_now_is_not_opened);
    RUN(only_the_devices_own_node_is_reset);
    RUN(what_cannot_be_looked_at_is_not_told);
    RUN(what_has_gone_is_told);
    RUN(a_scan_that_did_not_see_all_has_no_end);
    RUN(a_device_without_descriptors_is_not_trusted);
    RUN(a_device_without_a_place_is_in_flux);
    RUN(where_it_is_built_in_the_kernel_says);
    RUN(a_plug_settles_by_its_event_or_by_time);
    RUN(what_is_no_device_is_passed_over);
    remove_tree();
    TEST_MAIN_END;
}
