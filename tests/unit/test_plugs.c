/*
 * test_plugs.c - bus_usb.c: which device a uevent names, and what is read again of a known device. Over a small sysfs
 * of files; reported devices are kept as the core keeps them.
 */
#include "base/log.h"
#include "bus/usb/bus_usb.h"
#include "codec/uevent.h"
#include "os/sysfs.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "sys/bus/usb/devices"

static char root[] = "/tmp/test_plugs.XXXXXX";
static struct device kept[VH_MAX_DEVICES];
static int nkept, nfacts, ngone;
static bool forgetful;

static struct device *kept_device(const char *name) {
    for (int i = 0; i < nkept; i++) {
        if (strcmp(kept[i].sys_name, name) == 0)
            return &kept[i];
    }
    return NULL;
}

static const struct device *told(const char *name) {
    return forgetful ? NULL : kept_device(name);
}

static void keep(const struct fact *f) {
    ngone += f->kind == FACT_GONE;
    if (f->kind != FACT_DEVICE)
        return;
    struct device *d = kept_device(f->device->sys_name);
    nfacts++;
    if (d == NULL && nkept < VH_MAX_DEVICES)
        d = &kept[nkept++];
    if (d != NULL)
        *d = *f->device;
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
    bus_usb.scan(false, keep); /* no device */
    for (int i = 0; i < nkept; i++) {
        struct uevent gone = {
            .action = "remove", .devpath = kept[i].sys_name, .subsystem = "usb", .devtype = "usb_device"};
        CHECK(bus_usb.uevent(&gone));
        bus_usb.read_noted(keep);
    }
    nkept = nfacts = ngone = 0;
}

static void event(const char *action, const char *name) {
    char devpath[64];
    (void)snprintf(devpath, sizeof devpath, "/devices/pci0/usb1/%s", name);
    const struct uevent ev = {.action = action, .devpath = devpath, .subsystem = "usb", .devtype = "usb_device"};
    CHECK(bus_usb.uevent(&ev));
}

static void read_noted(void) {
    nfacts = ngone = 0;
    bus_usb.read_noted(keep);
}

/* ---- tests ---- */

static void events_of_one_plug_are_one_look(void) {
    begin();
    place(2, 5);
    event("add", "1-2");
    event("change", "1-2");
    event("bind", "1-2");
    read_noted();
    CHECK_INT(nfacts, 1);
    CHECK(kept_device("1-2") != NULL && kept_device("1-2")->settled);
    read_noted(); /* nothing was noted since */
    CHECK_INT(nfacts, 0);
    displace("1-2");
    event("unbind", "1-2");
    event("remove", "1-2");
    read_noted();
    CHECK(nfacts == 0 && ngone == 1);
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
    CHECK(!kept_device("1-2")->settled && kept_device("1-2")->devnum == 6);
    CHECK_STR(kept_device("1-2")->serial, "");
    event("bind", "1-2");
    read_noted();
    CHECK(kept_device("1-2")->settled);
    CHECK_STR(kept_device("1-2")->serial, "S1");
}

static void what_lasts_is_read_once(void) {
    begin();
    place(2, 5);
    event("add", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->product_name, "USB device fff1:0001");
    text("1-2", "speed", "12\n");
    event("bind", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->speed, "480");
    CHECK_STR(kept_device("1-2")->product_name, "Thing");
    CHECK(kept_device("1-2")->nifaces == 1 && kept_device("1-2")->vid == 0xfff1);
    text("1-2", "product", "Another\n");
    event("change", "1-2");
    read_noted();
    CHECK_INT(nfacts, 1);
    CHECK_STR(kept_device("1-2")->product_name, "Thing");
}

static void a_reset_or_a_new_plug_is_read_again(void) {
    begin();
    place(2, 5);
    event("bind", "1-2");
    read_noted();
    text("1-2", "devnum", "0\n"); /* in the middle of a reset */
    event("change", "1-2");
    read_noted();
    CHECK(nfacts == 0 && ngone == 0);
    text("1-2", "devnum", "7\n");
    text("1-2", "speed", "12\n");
    event("change", "1-2");
    read_noted();
    CHECK(nfacts == 1 && kept_device("1-2")->devnum == 7);
    CHECK_STR(kept_device("1-2")->speed, "12");
    CHECK_STR(kept_device("1-2")->node, "/dev/bus/usb/001/007");
    displace("1-2");
    place(2, 7); /* the same number, another plug */
    text("1-2", "speed", "5000\n");
    event("add", "1-2");
    read_noted();
    CHECK_STR(kept_device("1-2")->speed, "5000");
    CHECK(!kept_device("1-2")->settled);
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
    CHECK_STR(kept_device("1-2")->speed, "12");
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
    CHECK_INT(nkept, VH_UEVENT_NOTED + 6);
    CHECK(kept_device("1-1")->settled && kept_device("1-64")->settled);
    CHECK(!kept_device("1-70")->settled); /* its bind is lost, like any that is: it settles by time */
    read_noted();
    CHECK_INT(nfacts, 0);
}

static int opened(const char *name) {
    char why[128] = "";
    int fd = bus_usb.open_node(kept_device(name), why, sizeof why);
    if (fd >= 0)
        CHECK(close(fd) == 0);
    return fd;
}

static void make(const char *path, const char *link) {
    char command[512];
    (void)snprintf(command, sizeof command, "cd %s && mkdir -p $(dirname %s) && %s %s %s", root, path,
                   link != NULL ? "ln -s" : "touch", link != NULL ? link : "", path);
    CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
}

/* A node that is opened in the pass in which its device was read needs no second check; later, or for a second time, it
 * does. */
static void what_was_read_in_this_pass_is_not_checked_again(void) {
    begin();
    place(2, 5);
    make("dev/bus/usb/001/005", NULL);
    event("bind", "1-2");
    read_noted();
    text("1-2", "devnum", "9\n");
    CHECK(opened("1-2") >= 0);
    CHECK(opened("1-2") < 0);
    text("1-2", "devnum", "5\n");
    CHECK(opened("1-2") >= 0);
    event("change", "1-2");
    read_noted();
    text("1-2", "devnum", "9\n");
    bus_usb.tick(0, keep); /* the end of the pass */
    CHECK(opened("1-2") < 0);
    text("1-2", "devnum", "5\n");
    place(3, 6);
    make("dev/bus/usb/001/006", NULL);
    event("add", "1-3");
    read_noted();
    bus_usb.tick(bus_usb.deadline(), keep); /* no bind came: looked at in the last moment of this pass */
    CHECK(kept_device("1-3")->settled);
    text("1-3", "devnum", "9\n");
    CHECK(opened("1-3") < 0);
    text("1-2", "devnum", "5\n");
    event("change", "1-2");
    read_noted();
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

int main(void) {
    log_open("test_plugs", LOG_ERROR);
    if (mkdtemp(root) == NULL || !sysfs_root(root) || !bus_usb.start(told))
        return 1;
    RUN(events_of_one_plug_are_one_look);
    RUN(what_was_bound_before_is_another_plug);
    RUN(what_lasts_is_read_once);
    RUN(a_reset_or_a_new_plug_is_read_again);
    RUN(what_could_not_be_read_is_tried_again);
    RUN(what_nobody_keeps_is_read_again);
    RUN(of_more_devices_than_are_noted_none_is_missed);
    RUN(what_was_read_in_this_pass_is_not_checked_again);
    RUN(what_concerns_no_device_is_not_noted);
    begin();
    char empty[512];
    (void)snprintf(empty, sizeof empty, "rm -rf %s", root);
    (void)!system(empty); // NOLINT(cert-env33-c,concurrency-mt-unsafe): its own directory
    TEST_MAIN_END;
}
