/*
 * test_sysfs.c - sysfs.c and usb_driver.c: reads below the root, and the host's drivers. A missing file is an answer, a
 * failed read is an error and never an answer; no descriptor stays open.
 */
#include "base/limits.h"
#include "base/log.h"
#include "bus/usb/usb_driver.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <stdio.h>

static void make_dir(const char *name) {
    CHECK(mkdir(at(name), 0755) == 0);
}

static void a_root_that_is_none_changes_nothing(void) {
    int files = open_files();
    CHECK(!sysfs_root(at("nowhere")));
    CHECK_INT(errno, ENOENT);
    CHECK(!sysfs_root_is_real());
    CHECK(sysfs_root(top)); /* again: the first is closed */
    CHECK_INT(open_files(), files);
    int fd = sysfs_open("/", O_PATH | O_DIRECTORY);
    CHECK(fd >= 0 && close(fd) == 0);
}

static void what_is_not_there_is_no_trouble(void) {
    static const int answers[] = {ENOENT, ENODEV, ENXIO, ENOTDIR}, troubles[] = {EMFILE, EACCES, EIO, ENOMEM};
    unsigned before = sysfs_troubles();
    for (size_t i = 0; i < 4; i++) {
        fail_call("openat", 1, answers[i]);
        CHECK_INT(sysfs_open("/text", O_RDONLY), -1);
        heal();
    }
    CHECK_INT(sysfs_troubles(), before);
    for (size_t i = 0; i < 4; i++) {
        fail_call("openat", 1, troubles[i]);
        CHECK_INT(sysfs_open("/text", O_RDONLY), -1);
        CHECK_INT(errno, troubles[i]);
        heal();
    }
    CHECK_INT(sysfs_troubles(), before + 4);
}

static void an_attribute_that_cannot_be_read_is_a_trouble(void) {
    char text[16];
    uint64_t number = 7;
    int dir = sysfs_open("/", O_PATH | O_DIRECTORY), files = open_files();
    unsigned before = sysfs_troubles();
    fail_call("read", 1, EIO);
    CHECK_INT(sysfs_text(dir, "text", text, sizeof text), -1);
    CHECK_INT(errno, EIO);
    CHECK_STR(text, "");
    CHECK_INT(sysfs_troubles(), before + 1);
    heal();
    fail_call("read", 1, EIO);
    CHECK(!sysfs_uint(dir, "number", 10, 99, &number));
    CHECK_INT(number, 7);
    heal();
    fail_call("read", 1, EINTR);
    CHECK(sysfs_uint(dir, "number", 10, 99, &number));
    CHECK_INT(number, 42);
    heal();
    fail_call("openat", 1, EINTR);
    CHECK_INT(sysfs_text(dir, "text", text, sizeof text), 4);
    CHECK_STR(text, "text");
    CHECK(all_failed());
    heal();
    CHECK_INT(sysfs_text(dir, "text", text, 4), -1);
    CHECK_INT(errno, EOVERFLOW);
    CHECK_INT(open_files(), files);
    CHECK(close(dir) == 0);
}

static void a_write_is_whole_or_none(void) {
    int dir = sysfs_open("/", O_PATH | O_DIRECTORY), files = open_files();
    CHECK(!sysfs_write(dir, "nowhere", "x"));
    CHECK_INT(errno, ENOENT);
    fail_call("write", 1, ENODEV);
    CHECK(!sysfs_write(dir, "written", "x"));
    CHECK_INT(errno, ENODEV);
    heal();
    fail_call("write", 1, EINTR);
    CHECK(sysfs_write(dir, "written", "x"));
    CHECK(all_failed());
    heal();
    give_call("write", 1, 1);
    CHECK(!sysfs_write(dir, "written", "xy"));
    heal();
    CHECK_INT(open_files(), files);
    CHECK(close(dir) == 0);
}

static void a_link_is_whole_or_none(void) {
    char text[8];
    CHECK_INT(sysfs_link("/link", text, sizeof text), 4);
    CHECK_STR(text, "text");
    CHECK_INT(sysfs_link("link", text, 4), -1);
    CHECK_INT(errno, EOVERFLOW);
    CHECK_STR(text, "");
    CHECK_INT(sysfs_link("/text", text, sizeof text), -1);
    CHECK_STR(text, "");
}

static void a_directory_that_ends_too_early_says_so(void) {
    static struct sysfs_dir d; /* MemorySanitizer does not see what a call by number fills */
    int n = 0;
    CHECK(!sysfs_dir_open(&d, "/nowhere"));
    CHECK(sysfs_dir_open(&d, "/"));
    fail_nr(SYS_getdents64, 1, EINTR);
    while (sysfs_dir_next(&d) != NULL)
        n++;
    CHECK(all_failed() && n >= 4 && !d.failed);
    heal();
    sysfs_dir_close(&d);
    CHECK(sysfs_dir_open(&d, "/"));
    fail_nr(SYS_getdents64, 1, EIO);
    CHECK(sysfs_dir_next(&d) == NULL && d.failed);
    heal();
    sysfs_dir_close(&d);
    sysfs_dir_close(&d); /* a second close does nothing */
}

/* A directory that never ends, as in a broken or hostile file system. */
static void a_directory_without_end_has_one(void) {
    static struct sysfs_dir d; /* MemorySanitizer does not see what a call by number fills */
    struct {
        uint64_t ino;
        int64_t off;
        unsigned short reclen;
        unsigned char type;
        char name[5];
    } entry = {.reclen = 24, .name = "x"};
    int n = 0;
    CHECK(sysfs_dir_open(&d, "/"));
    give_nr(SYS_getdents64, 0, 24);
    memcpy(d.buf, &entry, sizeof entry);
    while (n <= VH_SCAN_ENTRIES && sysfs_dir_next(&d) != NULL)
        n++;
    CHECK_INT(n, VH_SCAN_ENTRIES);
    CHECK(was_said("a directory has more than"));
    heal();
    sysfs_dir_close(&d);
}

/* ---- the host's drivers ---- */

static void make_device(void) {
    static const char *const dirs[] = {
        "sys", "sys/bus", "sys/bus/usb", "sys/bus/usb/devices", "sys/bus/usb/devices/1-2",
        "sys/bus/usb/devices/1-2:1.0", "sys/bus/usb/devices/1-2:1.1", "sys/bus/usb/devices/1-2/1-2:1.0",
        "sys/bus/usb/devices/1-2/1-2:1.1", "sys/bus/usb/devices/1-2/power",
        /* Longer than any name that the kernel makes. */
        "sys/bus/usb/devices/1-2/1-2:1.000000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
        make_dir(dirs[i]);
    make_file("sys/bus/usb/drivers_probe", "");
}

static void give_driver(const char *interface, const char *driver) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/sys/bus/usb/devices/%s/driver", top, interface);
    (void)unlink(path);
    if (driver != NULL)
        CHECK(symlink(driver, path) == 0);
}

/* In the directory of 1-2. */
static bool claimed(const char *name, char *interface) {
    int dir = sysfs_open("/sys/bus/usb/devices/1-2", O_RDONLY | O_DIRECTORY);
    bool yes = dir >= 0 && usb_driver_claimed(dir, name, interface);
    CHECK(dir < 0 || close(dir) == 0); /* it is still open */
    return yes;
}

static void a_claim_is_the_driver_usbfs(void) {
    char interface[VH_IFNAME_MAX] = "";
    CHECK(!claimed("1-2", interface));
    give_driver("1-2:1.0", "../../../../bus/usb/drivers/usbhid");
    CHECK(!claimed("1-2", interface));
    give_driver("1-2:1.1", "../../../../bus/usb/drivers/usbfs");
    CHECK(claimed("1-2", interface));
    CHECK_STR(interface, "1-2:1.1");
    give_driver("1-2:1.1", "usbfs"); /* a link without a directory in it */
    CHECK(claimed("1-2", interface));
    CHECK(!claimed("1-3", interface));
    CHECK(!claimed("1", interface));
    give_driver("1-2:1.0", NULL);
    give_driver("1-2:1.1", NULL);
}

static const char *probed(void) {
    static char text[256];
    int fd = open(at("sys/bus/usb/drivers_probe"), O_RDWR | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && close(fd) == 0);
    return text;
}

static void only_interfaces_without_a_driver_are_offered(void) {
    int files = open_files();
    log_open("test", LOG_DEBUG);
    give_driver("1-2:1.0", "../drivers/usbhid");
    usb_driver_offer("1-2");
    CHECK_STR(probed(), "1-2:1.1");
    give_driver("1-2:1.1", "../drivers/usbfs");
    usb_driver_offer("1-2");
    CHECK_STR(probed(), "");
    give_driver("1-2:1.0", NULL);
    give_driver("1-2:1.1", NULL);
    fail_call("write", 1, ENODEV); /* no driver for the interface: no log line */
    fail_call("write", 2, EIO);
    usb_driver_offer("1-2");
    CHECK(all_failed());
    CHECK(was_said("drivers_probe: interface=1-2:1.") && was_said(strerror(EIO)) && !was_said(strerror(ENODEV)));
    heal();
    usb_driver_offer("1-3"); /* the device is gone */
    fail_call("openat", 2, EMFILE);
    usb_driver_offer("1-2");
    heal();
    CHECK_STR(probed(), "");
    CHECK_INT(open_files(), files);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root(top));
    make_file("text", "text\n");
    make_file("number", "42\n");
    make_file("written", "");
    CHECK(symlink("text", at("link")) == 0);
    RUN(a_root_that_is_none_changes_nothing);
    RUN(what_is_not_there_is_no_trouble);
    RUN(an_attribute_that_cannot_be_read_is_a_trouble);
    RUN(a_write_is_whole_or_none);
    RUN(a_link_is_whole_or_none);
    RUN(a_directory_that_ends_too_early_says_so);
    RUN(a_directory_without_end_has_one);
    make_device();
    RUN(a_claim_is_the_driver_usbfs);
    RUN(only_interfaces_without_a_driver_are_offered);
    remove_tree();
    TEST_MAIN_END;
}
