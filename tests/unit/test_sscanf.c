/*
 * test_sscanf.c - sscanf.c: the three formats that libusb reads, and texts that do not match them.
 */
#include "os/sscanf.h"
#include "test.h"

static void the_formats_of_libusb(void) {
    int a = -1, b = -1, c = -1;
    unsigned char bus = 0, address = 0;
    CHECK(scan_text("6.1.0-49-amd64", "%d.%d.%d", &a, &b, &c) == 3 && a == 6 && b == 1 && c == 0);
    CHECK(scan_text("6.1-rc1", "%d.%d.%d", &a, &b, &c) == 2 && scan_text("x", "%d.%d.%d", &a, &b, &c) == 0);
    CHECK(scan_text("/dev/bus/usb/003/078", "/dev/bus/usb/%hhu/%hhu", &bus, &address) == 2 && bus == 3 &&
          address == 78);
    CHECK(scan_text("/proc/bus/usb/003/078", "/dev/bus/usb/%hhu/%hhu", &bus, &address) == 0);
    CHECK(scan_text("usbdev1.23", "usbdev%d.%d", &a, &b) == 2 && a == 1 && b == 23);
}

static void other_numbers(void) {
    unsigned v = 0;
    unsigned short h = 0;
    CHECK(scan_text("1F", "%x", &v) == 1 && v == 0x1f);
    CHECK(scan_text("99999999999", "%u", &v) == 1 && v == 0x7fffffff);
    CHECK(scan_text("7", "%hu", &h) == 1 && h == 7);
    CHECK(scan_text("", "%u", &v) == 0 && scan_text("a", "b") == 0 && scan_text("", "") == 0);
    CHECK(scan_text("1 x", "%u %s", &v, &h) == 1 && scan_text("1", "%", &v) == 0);
}

int main(void) {
    RUN(the_formats_of_libusb);
    RUN(other_numbers);
    TEST_MAIN_END;
}
