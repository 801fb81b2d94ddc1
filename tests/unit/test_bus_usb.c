/*
 * test_bus_usb.c - bus_usb.c with the root "/", which the system tests (--root) never have: device nodes are checked
 * and reset, the directory of nodes is kept, and what cannot be read or does not answer is reported. The tree is made
 * up; orders are carried out in place.
 */
#include "base/limits.h"
#include "base/log.h"
#include "bus/device_pool.h"
#include "bus/usb/bus_usb.h"
#include "bus/usb/usb_work.h"
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

static const char *at_driver(const char *device) {
    char name[64];
    (void)snprintf(name, sizeof name, "sys/bus/usb/devices/%s/driver", device);
    return at(name);
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
    (void)unlink(at_driver(name));
    CHECK(symlink("../../drivers/usb", at_driver(name)) == 0);
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
    static const char *const kinds[] = {[FACT_SCAN_BEGIN] = "begin",
                                        [FACT_SCAN_END] = "end",
                                        [FACT_DEVICE] = "device",
                                        [FACT_SEEN] = "seen",
                                        [FACT_GONE] = "gone"};
    size_t n = strlen(told);
    const char *name = f->kind == FACT_DEVICE ? f->device->sys_name : f->sys_name;
    if (f->kind == FACT_DEVICE)
        last = *f->device;
    if (f->kind == FACT_SCAN_BEGIN || f->kind == FACT_SCAN_END)
        (void)snprintf(told + n, sizeof told - n, "%s ", kinds[f->kind]);
    else
        (void)snprintf(told + n, sizeof told - n, "%s=%s ", kinds[f->kind], name);
}

static const char *heard(void) {
    static char text[sizeof told];
    memcpy(text, told, sizeof text);
    told[0] = '\0';
    return text;
}

static bool keeps; /* does the receiver keep the device it was told of last? */

static const struct device *reported(const char *name) {
    return keeps && strcmp(last.sys_name, name) == 0 ? &last : NULL;
}

enum { TOKEN = 41 };
static int opened_fd, nopened, nreleased;
static char opened_why[VH_TEXT_MAX];

static void on_opened(uint64_t token, int fd, const char *why) {
    CHECK(token == TOKEN && (fd >= 0 || why[0] != '\0'));
    opened_fd = fd;
    (void)snprintf(opened_why, sizeof opened_why, "%s", why);
    nopened++;
}

static void on_released(uint64_t token, bool ok) {
    (void)ok;
    CHECK(token == TOKEN);
    nreleased++;
}

static int nrevoked;
static bool revoked_ok;
static char revoked_why[VH_TEXT_MAX];

static void on_revoked(uint64_t token, bool ok, const char *why) {
    CHECK_INT(token, TOKEN);
    nrevoked++;
    revoked_ok = ok;
    (void)snprintf(revoked_why, sizeof revoked_why, "%s", why);
}

static bool wanted_now; /* a VM is to get the device that is read */

static bool wanted(const struct device *dev) {
    (void)dev;
    return wanted_now;
}

static bool none_given(const char *name) {
    (void)name;
    return false;
}

static const struct bus_calls calls = {.wanted = wanted,
                                       .given = none_given,
                                       .fact = hear,
                                       .reported = reported,
                                       .opened = on_opened,
                                       .released = on_released,
                                       .revoked = on_revoked};

/* ---- the workers' part ---- */

static int norders[DEVICE_KINDS]; /* carried out, by kind */
static void (*before_list)(void); /* what happens before the next list of devices */
static const char *silent = "";   /* the device, or the kind of list, whose orders end without an answer */
static bool silent_lists, silent_uses;
static bool doubles; /* each row of a list comes twice */

static size_t carry_out(const void *order, int fd, void *result, int out[WORKER_FDS]) {
    uint32_t kind = ((const struct device_order *)order)->head.kind;
    CHECK(kind < DEVICE_KINDS);
    norders[kind < DEVICE_KINDS ? kind : 0]++;
    if (kind == DEVICE_LIST && before_list != NULL) {
        before_list();
        before_list = NULL;
    }
    return usb_work(order, fd, result, out);
}

static const union device_answer *doubled(const struct device_order *o, const union device_answer *a) {
    static union device_answer twice;
    if (!doubles || o->head.kind != DEVICE_LIST)
        return a;
    twice.list = a->list;
    memcpy(twice.list.row + a->list.n, a->list.row, a->list.n * sizeof a->list.row[0]);
    twice.list.n *= 2;
    CHECK(device_answer_valid(o, &twice, device_answer_size(DEVICE_LIST, &twice), false));
    return &twice;
}

/* What a late order's end is. */
static void done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    bool late = (o->head.kind == DEVICE_LIST && silent_lists) || (o->head.kind == DEVICE_USES && silent_uses) ||
                (o->sys_name[0] != '\0' && strcmp(o->sys_name, silent) == 0);
    if (late && fd >= 0)
        CHECK(close(fd) == 0);
    bus_usb_done(o, token, late ? NULL : doubled(o, a), late ? -1 : fd);
}

static void start_pool(void) {
    static struct device_order order;
    static union device_answer result;
    static const struct worker_job job = {.name = "test",
                                          .order_size = sizeof order,
                                          .answer_max = sizeof result,
                                          .order = &order,
                                          .answer = &result,
                                          .handle = carry_out};
    CHECK(device_pool_start(0, &job, done));
}

/* Carries out what waits. */
static void pump(void) {
    device_pool_tick(clock_now());
}

static void scan(void) {
    memset(norders, 0, sizeof norders);
    bus_usb.scan(false);
    CHECK(bus_usb.scanning());
    pump();
    CHECK(!bus_usb.scanning());
}

static void tick(int64_t now) {
    memset(norders, 0, sizeof norders);
    bus_usb.tick(now);
    pump();
}

static int open_node(const struct device *dev) {
    nopened = 0;
    opened_fd = -1;
    opened_why[0] = '\0';
    CHECK(bus_usb.open_node(dev, TOKEN));
    CHECK_INT(nopened, 0); /* nothing is called back from within */
    pump();
    CHECK_INT(nopened, 1);
    return opened_fd;
}

static void release(const struct device *dev) {
    static const struct bus_release how = {.pidfd = -1, .reset = true};
    nreleased = 0;
    CHECK(bus_usb.release(dev, TOKEN, &how));
    CHECK_INT(nreleased, 0);
    pump();
    CHECK_INT(nreleased, 1);
}

static bool revoke_opened(const struct device *dev, bool without_driver) {
    nrevoked = 0;
    CHECK(bus_usb.revoke(dev, TOKEN, without_driver));
    CHECK_INT(nrevoked, 0);
    pump();
    CHECK_INT(nrevoked, 1);
    return revoked_ok;
}

static bool revoke_it(const struct device *dev) {
    return revoke_opened(dev, false);
}

static void note_event(const char *action, const char *name) {
    char devpath[128];
    (void)snprintf(devpath, sizeof devpath, "/devices/pci0000:00/usb1/%s", name);
    const struct uevent ev = {.action = action, .devpath = devpath, .subsystem = "usb", .devtype = "usb_device"};
    CHECK(bus_usb.uevent(&ev));
    bus_usb.read_noted();
}

static void event(const char *action, const char *name) {
    note_event(action, name);
    pump();
}

/* ---- the directory of nodes ---- */

static void the_directory_of_nodes_is_kept(void) {
    give_call("mkdir", 0, 0);
    CHECK(bus_usb.start(&calls));
    CHECK_INT(faults[0].calls, 3);
    CHECK(was_said("no USB devices until it is there") && !was_said("cannot make"));
    heal();
    make_directory("sys/bus/usb/devices");
    fail_call("mkdir", 0, EEXIST);
    CHECK(bus_usb.start(&calls));
    CHECK(!was_said("no USB devices") && !was_said("cannot make"));
    heal();
    fail_call("mkdir", 0, EROFS);
    CHECK(bus_usb.start(&calls));
    CHECK(was_said("cannot make /dev/bus/usb/.vhotplug") && was_said(strerror(EROFS)));
    heal();
}

/* ---- nodes ---- */

static void a_node_is_opened_if_it_is_the_devices(void) {
    int files = open_files();
    place("1-2", 5);
    event("bind", "1-2");
    CHECK_STR(heard(), "device=1-2 ");
    CHECK(last.settled && last.usb.devnum == 5 && last.usb.nifaces == 1);
    minor_of_node = 4; /* (bus - 1) * 128 + device - 1 */
    int fd = open_node(&last);
    CHECK(fd >= 0 && close(fd) == 0);
    minor_of_node = 5; /* another device's */
    CHECK_INT(open_node(&last), -1);
    CHECK_STR(opened_why, "/dev/bus/usb/001/005 is not the device's node");
    nodes_are_files = true;
    CHECK_INT(open_node(&last), -1);
    nodes_are_files = false;
    minor_of_node = 4;
    fail_nr(SYS_statx, 2, EIO); /* the first statx() is for the directory */
    CHECK_INT(open_node(&last), -1);
    CHECK(all_failed());
    heal();
    CHECK(unlink(at("dev/bus/usb/001/005")) == 0);
    CHECK_INT(open_node(&last), -1);
    CHECK(strstr(opened_why, "cannot open /dev/bus/usb/001/005: ") == opened_why &&
          strstr(opened_why, strerror(ENOENT)) != NULL);
    place("1-2", 5);
    CHECK_INT(open_files(), files);
}

static void what_is_another_plug_by_now_is_not_opened(void) {
    struct device old = last;
    old.usb.devnum = 6;
    CHECK_INT(open_node(&old), -1);
    CHECK_STR(opened_why, "the device is gone");
    old = last;
    old.incarnation++;
    CHECK_INT(open_node(&old), -1);
    fail_nr(SYS_statx, 1, EIO);
    CHECK_INT(open_node(&last), -1);
    heal();
    fail_call("read", 1, EIO);
    CHECK_INT(open_node(&last), -1);
    CHECK_STR(opened_why, "the device is gone");
    heal();
}

static void only_the_devices_own_node_is_reset(void) {
    int files = open_files();
    log_open("test", LOG_DEBUG);
    release(&last);
    CHECK_INT(resets, 1);
    CHECK(!was_said("reset failed"));
    reset_error = EIO;
    release(&last);
    CHECK_INT(resets, 2);
    CHECK(was_said("reset failed: device=1-2 error=LIBUSB_ERROR_"));
    heal();
    minor_of_node = 99;
    release(&last);
    CHECK_INT(resets, 2);
    fail_call("openat", 1, ENODEV);
    release(&last);
    CHECK_INT(resets, 2);
    fail_call("openat", 2, ENODEV);
    release(&last);
    CHECK_INT(resets, 2);
    heal();
    minor_of_node = 4;
    struct device other = last; /* another device has its name and number */
    other.incarnation++;
    release(&other);
    CHECK_INT(resets, 2);
    attribute("1-2", "devnum", "0\n"); /* somebody else resets it at the moment */
    release(&last);
    CHECK_INT(resets, 3);
    attribute("1-2", "devnum", "5\n");
    CHECK_INT(open_files(), files);
}

/* ---- looking ---- */

/* A device that cannot be read is neither told anew nor gone, and there is another look after longer and longer waits.
 */
static void what_cannot_be_looked_at_is_not_told(void) {
    static const int errors[] = {EMFILE, EIO};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        CHECK_INT(bus_usb.deadline(), VH_NEVER);
        fail_call("openat", 1, errors[i]);
        event("add", "1-2");
        CHECK_STR(heard(), "seen=1-2 ");
        CHECK(all_failed());
        heal();
        CHECK(bus_usb.deadline() != VH_NEVER);
        tick(bus_usb.deadline());
        CHECK_STR(heard(), "begin device=1-2 end ");
    }
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    fail_nr(SYS_statx, 1, EIO);
    event("add", "1-2");
    CHECK_STR(heard(), "seen=1-2 ");
    heal();
    tick(bus_usb.deadline());
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

static void no_descriptor(void) {
    fail_call("openat", 1, EMFILE);
}

/* An incomplete scan has no end, so that no device counts as gone; waits grow to a bound. */
static void a_scan_that_did_not_see_all_has_no_end(void) {
    before_list = no_descriptor;
    scan();
    CHECK(all_failed());
    CHECK_STR(heard(), "");
    heal();
    fail_nr(SYS_getdents64, 1, EIO);
    scan();
    CHECK(all_failed());
    CHECK_STR(heard(), ""); /* nothing at all was seen */
    heal();
    fail_nr(SYS_getdents64, 2, EIO);
    scan();
    CHECK(all_failed());
    CHECK_STR(heard(), "begin device=1-2 ");
    heal();
    int64_t longest = 0;
    for (int i = 0; i < 12; i++) {
        fail_call("openat", 0, EMFILE);
        int64_t before = clock_now();
        scan();
        int64_t wait = bus_usb.deadline() - before;
        CHECK(wait <= (VH_T_RETRY_MAX + 1000) * VH_NSEC_PER_MSEC);
        longest = wait > longest ? wait : longest;
        heal();
    }
    CHECK(longest >= VH_T_RETRY_MAX * VH_NSEC_PER_MSEC / 2);
    CHECK_STR(heard(), "");
    scan();
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
    } ways[] = {{"busnum", "x\n", "1\n"}, {"busnum", "0\n", "1\n"},   {"devpath", "\xff\n", "2\n"},
                {"devnum", "0\n", "5\n"}, {"devnum", "128\n", "5\n"}, {"devpath", "", "2\n"}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        attribute("1-2", ways[i].name, ways[i].text);
        event("add", "1-2");
        CHECK_STR(heard(), "seen=1-2 ");
        attribute("1-2", ways[i].name, ways[i].right);
        tick(bus_usb.deadline());
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
        CHECK_INT(last.usb.removable, ways[i].is);
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
    tick(due - 1);
    CHECK_STR(heard(), "device=1-3 ");
    tick(due);
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
    bus_usb.read_noted();
    pump();
    CHECK_STR(heard(), "");
}

/* ---- what was reported already ---- */

static void forget(const char *name) {
    take_away(name);
    event("remove", name);
    (void)heard();
}

static void a_rescan_reads_no_device_that_is_as_reported(void) {
    keeps = true;
    event("bind", "1-2");
    (void)heard();
    scan();
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK(norders[DEVICE_LIST] == 1 && norders[DEVICE_USES] == 1 && norders[DEVICE_READ] == 0);
    place("1-2", 6); /* a reset */
    scan();
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK(norders[DEVICE_LIST] == 1 && norders[DEVICE_READ] == 1 && last.usb.devnum == 6);
    keeps = false; /* nobody knows it any more */
    scan();
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(norders[DEVICE_READ], 1);
    place("1-2", 5);
    event("bind", "1-2");
    (void)heard();
}

static void a_scan_that_is_asked_for_meanwhile_follows(void) {
    memset(norders, 0, sizeof norders);
    bus_usb.scan(true);
    bus_usb.scan(false);
    bus_usb.scan(false);
    pump();
    CHECK(!bus_usb.scanning());
    CHECK_STR(heard(), "begin device=1-2 end begin device=1-2 end ");
    CHECK_INT(norders[DEVICE_LIST], 2);
}

/* A device in the middle of a reset. */
static void what_is_in_flux_in_a_scan_has_not_gone(void) {
    keeps = true;
    attribute("1-2", "devnum", "0\n");
    scan();
    CHECK_STR(heard(), "begin seen=1-2 end ");
    CHECK(bus_usb.deadline() != VH_NEVER);
    attribute("1-2", "devnum", "5\n");
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    keeps = false;
}

/* A directory that changes while it is listed, or a worker that lies. */
static void a_name_that_is_listed_twice_is_one_device(void) {
    doubles = true;
    scan();
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(norders[DEVICE_READ], 1);
    doubles = false;
}

/* ---- silence ---- */

static void a_device_that_does_not_answer_is_unresponsive_until_it_does(void) {
    int64_t shortest = VH_NEVER, longest = 0;
    keeps = true;
    silent = "1-2";
    event("change", "1-2");
    CHECK_STR(heard(), "device=1-2 ");
    CHECK(last.unresponsive && last.settled && last.usb.devnum == 5 && last.vid == 0x46d);
    for (int i = 0; i < 12; i++) {
        int64_t wait = bus_usb.deadline() - clock_now();
        CHECK(wait <= (VH_T_RETRY_MAX + 1000) * VH_NSEC_PER_MSEC);
        shortest = wait < shortest ? wait : shortest;
        longest = wait > longest ? wait : longest;
        tick(bus_usb.deadline());
        CHECK_STR(heard(), "begin device=1-2 end ");
        CHECK(last.unresponsive && norders[DEVICE_READ] == 1);
    }
    CHECK(longest >= VH_T_RETRY_MAX * VH_NSEC_PER_MSEC / 2 && shortest < VH_T_RETRY_MAX * VH_NSEC_PER_MSEC / 4);
    silent = "";
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK(!last.unresponsive && norders[DEVICE_READ] == 1);
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    keeps = false;
}

static void one_that_never_answered_is_told_of_too(void) {
    forget("1-2");
    place("1-3", 7);
    keeps = true;
    silent = "1-3";
    event("bind", "1-3");
    CHECK_STR(heard(), ""); /* whether it is there is not known */
    CHECK(bus_usb.deadline() != VH_NEVER);
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-3 end ");
    CHECK(last.unresponsive && last.incarnation == 0 && last.vendor_name[0] != '\0' && last.product_name[0] != '\0');
    CHECK(bus_usb.deadline() != VH_NEVER);
    silent = "";
    event("bind", "1-3");
    CHECK_STR(heard(), "device=1-3 ");
    CHECK(!last.unresponsive && last.usb.devnum == 7 && last.settled && last.incarnation != 0);
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-3 end ");
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    forget("1-3");
    keeps = false;
    place("1-2", 5);
    event("bind", "1-2");
    (void)heard();
}

static void a_node_that_does_not_open_in_time_is_said(void) {
    int files = open_files();
    keeps = true;
    minor_of_node = 4;
    silent = "1-2";
    CHECK_INT(open_node(&last), -1);
    CHECK_STR(opened_why, "/dev/bus/usb/001/005 does not answer");
    CHECK_STR(heard(), "device=1-2 ");
    CHECK(last.unresponsive && bus_usb.deadline() != VH_NEVER);
    release(&last); /* its end is told, whatever came of it */
    CHECK_STR(heard(), "");
    silent = "";
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK(!last.unresponsive);
    CHECK_INT(open_files(), files);
    keeps = false;
}

/* No list: nothing is told, nothing counts as gone, and a scan follows. */
static void lists_that_do_not_come_are_asked_for_again(void) {
    silent_lists = true;
    scan();
    CHECK_STR(heard(), "");
    CHECK(bus_usb.deadline() != VH_NEVER);
    silent_lists = false;
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
    silent_uses = true;
    scan();
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK(bus_usb.deadline() != VH_NEVER);
    silent_uses = false;
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
}

static const char *content(const char *name) {
    static char text[64];
    int fd = open(at(name), O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof text - 1);
    CHECK(fd >= 0 && n >= 0 && close(fd) == 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void a_revocation_ends_transfers_and_then_all_of_it(void) {
    int files = open_files();
    make_file("sys/bus/usb/drivers/usb/bind", "");
    make_file("sys/bus/usb/drivers/usb/unbind", "");
    make_file("sys/bus/usb/devices/1-2/1-2:1.0/authorized", "1");
    make_file("sys/bus/usb/devices/1-2/1-2:1.1/authorized", "1");
    CHECK(revoke_it(&last));
    CHECK_STR(content("sys/bus/usb/devices/1-2/1-2:1.0/authorized"), "0");
    CHECK_STR(content("sys/bus/usb/devices/1-2/1-2:1.1/authorized"), "0");
    CHECK_STR(content("sys/bus/usb/drivers/usb/unbind"), "1-2");
    CHECK_STR(content("sys/bus/usb/drivers/usb/bind"), "");
    static const struct bus_release how = {.pidfd = -1, .bind = true};
    int before = resets;
    CHECK(bus_usb.release(&last, TOKEN, &how));
    pump();
    CHECK_STR(content("sys/bus/usb/drivers/usb/bind"), "1-2");
    CHECK_INT(resets, before);
    CHECK_INT(open_files(), files);
}

static void a_revocation_that_fails_says_why(void) {
    struct device other = last; /* another device has its name */
    other.incarnation++;
    make_file("sys/bus/usb/drivers/usb/unbind", "");
    CHECK(!revoke_it(&other));
    CHECK_STR(revoked_why, "the device is gone");
    CHECK_STR(content("sys/bus/usb/drivers/usb/unbind"), "");
    CHECK(unlink(at("sys/bus/usb/drivers/usb/unbind")) == 0);
    CHECK(!revoke_it(&last));
    CHECK_STR(revoked_why, "/sys/bus/usb/drivers/usb/unbind: No such file or directory");
    make_file("sys/bus/usb/drivers/usb/unbind", "");
    fail_call("write", 3, ENODEV); /* after those of two interfaces */
    CHECK(!revoke_it(&last));
    CHECK_STR(revoked_why, "its driver is not the kernel's own");
    heal();
}

/* Its loss is what ends a descriptor. */
static void a_revocation_needs_a_driver_to_take_it_from(void) {
    make_file("sys/bus/usb/drivers/usb/bind", "");
    attribute("1-2", "bConfigurationValue", "");
    CHECK(unlink(at_driver("1-2")) == 0);
    fail_call("write", 3, ENODEV);
    CHECK(revoke_it(&last)); /* an earlier attempt has done it */
    CHECK_STR(content("sys/bus/usb/drivers/usb/bind"), "");
    fail_call("write", 3, ENODEV);
    CHECK(revoke_opened(&last, true));
    heal();
    CHECK_STR(content("sys/bus/usb/drivers/usb/bind"), "1-2");
    make_file("sys/bus/usb/drivers/usb/bind", "");
    attribute("1-2", "bConfigurationValue", "1"); /* by somebody who has a descriptor */
    fail_call("write", 3, ENODEV);
    CHECK(revoke_it(&last));
    heal();
    CHECK_STR(content("sys/bus/usb/drivers/usb/bind"), "1-2");
    CHECK(unlink(at("sys/bus/usb/drivers/usb/bind")) == 0);
    fail_call("write", 3, ENODEV);
    CHECK(!revoke_it(&last));
    heal();
    CHECK_STR(revoked_why, "no driver had it, and it cannot be bound and unbound: No such file or directory");
    CHECK(unlink(at("sys/bus/usb/devices/1-2/bConfigurationValue")) == 0);
}

static void a_device_without_a_driver_is_bound_before_it_is_opened(void) {
    int files = open_files();
    CHECK_INT(open_node(&last), -1);
    CHECK_STR(opened_why, "/sys/bus/usb/drivers/usb/bind: No such file or directory");
    make_file("sys/bus/usb/drivers/usb/bind", "");
    CHECK_INT(open_node(&last), -1);
    CHECK_STR(content("sys/bus/usb/drivers/usb/bind"), "1-2");
    CHECK_STR(opened_why, "no driver of the kernel has it"); /* it has lost it again meanwhile */
    CHECK(symlink("../../drivers/usb", at_driver("1-2")) == 0);
    CHECK(open_node(&last) >= 0 && close(opened_fd) == 0);
    CHECK_INT(open_files(), files);
}

static void a_full_queue_is_survived(void) {
    struct device other = last;
    struct device_pool_stats stats;
    int asked = 0;
    (void)snprintf(other.sys_name, sizeof other.sys_name, "1-9");
    nopened = nreleased = 0;
    while (asked <= VH_MAX_ORDERS && bus_usb.open_node(&other, TOKEN))
        asked++;
    CHECK_INT(asked, VH_MAX_ORDERS);
    const struct bus_release how = {.pidfd = dup(0), .reset = true};
    CHECK(!bus_usb.release(&other, TOKEN, &how));
    CHECK(!bus_usb.revoke(&other, TOKEN, false));
    note_event("change", "1-2");
    CHECK(bus_usb.deadline() != VH_NEVER);
    bus_usb.scan(false);
    CHECK(!bus_usb.scanning() && bus_usb.deadline() != VH_NEVER);
    bus_usb.recheck();
    CHECK_STR(heard(), "");
    pump();
    device_pool_stats(&stats);
    CHECK(stats.waiting == 0 && nopened == VH_MAX_ORDERS && nreleased == 0);
    CHECK_STR(opened_why, "the device is gone");
    CHECK_STR(heard(), "");
    tick(bus_usb.deadline());
    CHECK_STR(heard(), "begin device=1-2 end ");
    CHECK_INT(bus_usb.deadline(), VH_NEVER);
}

/* Of the devices of a list some find no room: they have not gone. */
static void fill_all_but_one(void) {
    static struct device other;
    (void)snprintf(other.sys_name, sizeof other.sys_name, "1-9");
    for (int i = 0; i < VH_MAX_ORDERS - 1; i++) /* the list itself has a place, which one read gets */
        CHECK(bus_usb.open_node(&other, TOKEN));
}

static void what_finds_no_room_in_a_scan_is_seen(void) {
    place("1-3", 7);
    before_list = fill_all_but_one;
    scan();
    CHECK(strstr(told, "begin ") == told && strstr(told, "end ") != NULL && strstr(told, "gone") == NULL);
    CHECK(strstr(told, "seen=1-2 device=1-3 ") != NULL || strstr(told, "seen=1-3 device=1-2 ") != NULL);
    CHECK_INT(norders[DEVICE_READ], 1);
    (void)heard();
    tick(bus_usb.deadline());
    CHECK(strstr(told, "device=1-2 ") != NULL && strstr(told, "device=1-3 ") != NULL);
    forget("1-3");
}

/* A device that a VM is to get is opened with its last reading: no order of its own is needed. Only for this pass. */
static void a_wanted_devices_node_comes_with_its_reading(void) {
    unsigned minor_before = minor_of_node;
    bool files_before = nodes_are_files;
    place("1-6", 9);
    nodes_are_files = false;
    minor_of_node = 8;
    keeps = true;
    event("add", "1-6");
    wanted_now = true;
    note_event("bind", "1-6");
    device_pool_tick(clock_now()); /* the answer; the pass is not over */
    nopened = 0;
    CHECK(last.settled && bus_usb.open_node(&last, TOKEN));
    CHECK(nopened == 1 && opened_fd >= 0);
    CHECK(close(opened_fd) == 0);
    int files = open_files();
    note_event("change", "1-6");
    device_pool_tick(clock_now());
    CHECK_INT(open_files(), files + 1);
    bus_usb.tick(clock_now()); /* the pass is over: an older look would count for nothing */
    CHECK_INT(open_files(), files);
    nopened = 0;
    CHECK(bus_usb.open_node(&last, TOKEN));
    CHECK_INT(nopened, 0);
    pump();
    CHECK(nopened == 1 && opened_fd >= 0 && close(opened_fd) == 0);
    wanted_now = keeps = false;
    take_away("1-6");
    event("remove", "1-6");
    CHECK_STR(heard(), "device=1-6 device=1-6 device=1-6 gone=1-6 ");
    minor_of_node = minor_before;
    nodes_are_files = files_before;
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root("/"));
    on_path = below;
    on_syscall = play_syscall;
    on_ioctl = answer;
    start_pool();
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
    RUN(a_wanted_devices_node_comes_with_its_reading);
    RUN(what_is_no_device_is_passed_over);
    RUN(a_rescan_reads_no_device_that_is_as_reported);
    RUN(a_scan_that_is_asked_for_meanwhile_follows);
    RUN(what_is_in_flux_in_a_scan_has_not_gone);
    RUN(a_name_that_is_listed_twice_is_one_device);
    RUN(a_device_that_does_not_answer_is_unresponsive_until_it_does);
    RUN(one_that_never_answered_is_told_of_too);
    RUN(a_node_that_does_not_open_in_time_is_said);
    RUN(lists_that_do_not_come_are_asked_for_again);
    RUN(a_revocation_ends_transfers_and_then_all_of_it);
    RUN(a_revocation_that_fails_says_why);
    RUN(a_revocation_needs_a_driver_to_take_it_from);
    RUN(a_device_without_a_driver_is_bound_before_it_is_opened);
    RUN(a_full_queue_is_survived);
    RUN(what_finds_no_room_in_a_scan_is_seen);
    remove_tree();
    TEST_MAIN_END;
}
