/*
 * test_usb_reset.c - usb_reset.c: a reset by libusb itself, on a file with a device's descriptors; the test gives the
 * kernel's answers to usbfs's calls.
 */
#include "bus/usb/usb_reset.h"
#include "fault.h"
#include "test.h"

#include <linux/usbdevice_fs.h>
#include <stdio.h>
#include <sys/ioctl.h>

/* A device, one configuration, one interface without endpoints. */
static const unsigned char descriptors[] = {
    18, 1, 0,  2, 0, 0, 0, 64,   0x51, 0x09, 0x66, 0x16, 0, 1, 0, 0, 0, 1, /* device */
    9,  2, 18, 0, 1, 1, 0, 0x80, 50,                                       /* configuration */
    9,  4, 0,  0, 0, 3, 0, 0,    0,                                        /* interface */
};

static int reset_error, resets;

static int answer(unsigned long what, void *argument) {
    switch (what) {
    case USBDEVFS_RESET:
        resets++;
        errno = reset_error;
        return reset_error == 0 ? 0 : -1;
    case USBDEVFS_CONNECTINFO:
        *(struct usbdevfs_connectinfo *)argument = (struct usbdevfs_connectinfo){.devnum = 5};
        return 0;
    case USBDEVFS_GET_CAPABILITIES:
        *(uint32_t *)argument = 0;
        return 0;
    case USBDEVFS_CONTROL:
        *(unsigned char *)((struct usbdevfs_ctrltransfer *)argument)->data = 1; /* the active configuration */
        return 1;
    default:
        errno = ENOTTY;
        return -1;
    }
}

/* libusb looks whether there is anything in /dev/bus/usb. */
static const char *any_directory(const char *path) {
    return strcmp(path, "/dev/bus/usb") == 0 ? "/" : NULL;
}

static int node(size_t n) {
    FILE *f = tmpfile();
    int fd = f != NULL ? dup(fileno(f)) : -1;
    CHECK(fd >= 0 && write(fd, descriptors, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
    if (f != NULL)
        (void)fclose(f);
    return fd;
}

static bool try(int error, size_t size, char *why) {
    int fd = node(size), files = open_files();
    resets = 0;
    reset_error = error;
    why[0] = '?', why[1] = '\0';
    bool ok = usb_reset(fd, why, 64);
    CHECK_INT(open_files(), files); /* libusb took nothing with it, and the node is still ours */
    CHECK(close(fd) == 0);
    return ok;
}

static void a_device_is_reset_once(void) {
    char why[64];
    CHECK(try(0, sizeof descriptors, why));
    CHECK_INT(resets, 1);
    CHECK_STR(why, "");
    CHECK(try(0, sizeof descriptors, why)); /* and again: nothing stayed behind */
}

/* It answers as another device: the kernel unplugs the old one and plugs the new one in. */
static void a_device_that_comes_back_as_another_was_reset(void) {
    char why[64];
    CHECK(try(ENODEV, sizeof descriptors, why));
    CHECK_INT(resets, 1);
}

static void a_reset_that_fails_says_why(void) {
    char why[64];
    CHECK(!try(EIO, sizeof descriptors, why));
    CHECK_INT(resets, 1);
    CHECK(strstr(why, "LIBUSB_ERROR_") == why);
}

static void a_node_that_is_no_device_is_not_reset(void) {
    char why[64];
    CHECK(!try(0, 5, why));
    CHECK_INT(resets, 0);
    CHECK(strstr(why, "LIBUSB_ERROR_") == why);
}

static void without_descriptors_to_spare_nothing_is_reset(void) {
    char why[64];
    fail_call("eventfd", 1, EMFILE);
    CHECK(!try(0, sizeof descriptors, why));
    CHECK(all_failed());
    heal();
    CHECK_INT(resets, 0);
    CHECK(strstr(why, "LIBUSB_ERROR_") == why);
}

int main(void) {
    on_ioctl = answer;
    on_path = any_directory;
    RUN(a_device_is_reset_once);
    RUN(a_device_that_comes_back_as_another_was_reset);
    RUN(a_reset_that_fails_says_why);
    RUN(a_node_that_is_no_device_is_not_reset);
    RUN(without_descriptors_to_spare_nothing_is_reset);
    TEST_MAIN_END;
}
