/*
 * test_usb_desc.c - usb_desc.c: real descriptors, and false ones: each is refused with a reason, and no byte past the
 * end is read.
 */
#include "codec/usb_desc.h"
#include "desc_parse.h"
#include "test.h"

#include <stdint.h>
#include <stdlib.h>

static struct device dev;
static const char *why;

/* What is refused has a reason and no interface. */
static bool parse(const unsigned char *p, size_t n) {
    bool ok = desc_parse(p, n, &dev, &why);
    if (!ok) {
        CHECK(why != NULL && why[0] != '\0' && strlen(why) < VH_MALFORMED_MAX);
        CHECK_INT(dev.nifaces, 0);
    }
    return ok;
}

static void refused(const unsigned char *p, size_t n, const char *reason) {
    CHECK(!parse(p, n));
    CHECK_STR(why != NULL ? why : "accepted", reason);
}

static const char *interfaces(void) {
    static char text[VH_MAX_IFACES * 7 + 2];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    usb_desc_interfaces(&sb, &dev);
    CHECK(sb_ok(&sb));
    return text;
}

/* ---- devices, byte by byte ---- */

#define DEVICE(cls, sub, proto, vid, pid, configs) \
    18, 1, 0x00, 0x02, cls, sub, proto, 64, (vid)&0xff, (vid) >> 8, (pid)&0xff, (pid) >> 8, 0x34, 0x12, 1, 2, 3, configs
#define CONFIG(total, n, value) 9, 2, (total)&0xff, (total) >> 8, n, value, 0, 0xa0, 50
#define INTERFACE(number, alt, endpoints, cls, sub, proto) 9, 4, number, alt, endpoints, cls, sub, proto, 0
#define ENDPOINT(address) 7, 5, address, 3, 8, 0, 10
#define HID 9, 0x21, 0x11, 0x01, 0, 1, 0x22, 65, 0
#define IAD(first, count, cls, sub, proto) 8, 11, first, count, cls, sub, proto, 0

static const unsigned char keyboard[] = {
    DEVICE(0, 0, 0, 0x046d, 0xc31c, 1),
    CONFIG(59, 2, 1),
    INTERFACE(0, 0, 1, 3, 1, 1),
    HID,
    ENDPOINT(0x81),
    INTERFACE(1, 0, 1, 3, 0, 0),
    HID,
    ENDPOINT(0x82),
};

static void a_keyboard(void) {
    CHECK(parse(keyboard, sizeof keyboard));
    CHECK(dev.vid == 0x046d && dev.pid == 0xc31c && dev.bcd_device == 0x1234);
    CHECK(dev.cls == 0 && dev.sub == 0 && dev.proto == 0);
    CHECK_INT(dev.nifaces, 2);
    CHECK_STR(interfaces(), ":030101:030000:");
}

static void a_webcam_with_associations_and_alternate_settings(void) {
    static const unsigned char webcam[] = {
        DEVICE(0xef, 2, 1, 0x046d, 0x0825, 1),
        CONFIG(9 + 8 + 9 + 13 + 9 + 9 + 7 + 9 + 7 + 8 + 9 + 9 + 9 + 7, 4, 1),
        IAD(0, 2, 14, 3, 0),
        INTERFACE(0, 0, 0, 14, 1, 0),
        13,
        0x24,
        1,
        0,
        1,
        13,
        0,
        0,
        0,
        0,
        0,
        1,
        1, /* class-specific */
        INTERFACE(1, 0, 0, 14, 2, 0),
        INTERFACE(1, 1, 1, 14, 2, 0),
        ENDPOINT(0x81),
        INTERFACE(1, 2, 1, 255, 255, 255), /* not the first setting: does not count */
        ENDPOINT(0x81),
        IAD(2, 2, 1, 2, 0),
        INTERFACE(2, 0, 0, 1, 1, 0),
        INTERFACE(3, 0, 0, 1, 2, 0),
        INTERFACE(3, 1, 1, 1, 2, 0),
        ENDPOINT(0x83),
    };
    CHECK(parse(webcam, sizeof webcam));
    CHECK(dev.cls == 0xef && dev.sub == 2 && dev.proto == 1);
    CHECK_STR(interfaces(), ":0e0100:0e0200:010100:010200:");
}

static void every_configuration_counts(void) {
    static const unsigned char phone[] = {
        DEVICE(0, 0, 0, 0x18d1, 0x4ee1, 3),
        CONFIG(18, 1, 1),
        INTERFACE(0, 0, 0, 6, 1, 1),
        CONFIG(27, 2, 2),
        INTERFACE(0, 0, 0, 2, 13, 0),
        INTERFACE(1, 0, 0, 10, 0, 1),
        CONFIG(9, 0, 3),
    };
    CHECK(parse(phone, sizeof phone));
    CHECK_STR(interfaces(), ":060101:020d00:0a0001:");
}

static void numbers_need_not_begin_at_zero(void) {
    static const unsigned char modem[] = {
        DEVICE(0, 0, 0, 0x1199, 0x9071, 1),
        CONFIG(27, 2, 1),
        INTERFACE(8, 0, 0, 255, 1, 2),
        INTERFACE(255, 0, 0, 2, 2, 1),
    };
    CHECK(parse(modem, sizeof modem));
    CHECK_STR(interfaces(), ":ff0102:020201:");
}

static void a_device_without_interfaces(void) {
    static const unsigned char bare[] = {DEVICE(255, 1, 2, 1, 2, 1), CONFIG(9, 0, 1)};
    CHECK(parse(bare, sizeof bare));
    CHECK_INT(dev.nifaces, 0);
    CHECK_STR(interfaces(), "");
}

static void longer_descriptors_than_known_are_stepped_over(void) {
    static const unsigned char longer[] = {
        DEVICE(0, 0, 0, 1, 2, 1),
        11,
        2,
        24,
        0,
        1,
        1,
        0,
        0,
        50,
        77,
        77, /* a configuration of 11 bytes */
        11,
        4,
        0,
        0,
        0,
        8,
        6,
        80,
        0,
        77,
        77, /* an interface of 11 bytes */
        2,
        77,
    };
    CHECK(parse(longer, sizeof longer));
    CHECK_STR(interfaces(), ":080650:");
}

/* ---- lies ---- */

static void every_truncation_is_refused(void) {
    for (size_t n = 0; n < sizeof keyboard; n++)
        CHECK(!parse(keyboard, n));
    refused(keyboard, 0, "the device descriptor is malformed");
    refused(keyboard, 17, "the device descriptor is malformed");
    refused(keyboard, 18, "a configuration is missing");
    refused(keyboard, 26, "a configuration descriptor is malformed");
    refused(keyboard, 27, "wTotalLength does not fit");
    refused(keyboard, sizeof keyboard - 1, "wTotalLength does not fit");
}

static void every_truncation_with_a_length_to_match_is_refused(void) {
    unsigned char cut[sizeof keyboard];
    for (size_t n = 18 + 9; n < sizeof keyboard; n++) {
        memcpy(cut, keyboard, n);
        cut[20] = (unsigned char)(n - 18);
        CHECK(!parse(cut, n) || n == 18 + 9 + 9 + 9 + 7 + 9 || n == sizeof keyboard - 7);
    }
}

static void bad_device_descriptors_are_refused(void) {
    unsigned char b[sizeof keyboard];
    static const char malformed[] = "the device descriptor is malformed";
    for (int length = 0; length < 256; length++) {
        memcpy(b, keyboard, sizeof b);
        b[0] = (unsigned char)length;
        if (length != 18)
            refused(b, sizeof b, malformed);
    }
    for (int type = 0; type < 256; type++) {
        memcpy(b, keyboard, sizeof b);
        b[1] = (unsigned char)type;
        if (type != 1)
            refused(b, sizeof b, malformed);
    }
}

static void the_device_descriptors_fields_are_told_anyway(void) {
    unsigned char b[sizeof keyboard];
    memcpy(b, keyboard, sizeof b);
    b[sizeof b - 7] = 0; /* the last endpoint's length */
    refused(b, sizeof b, "a descriptor shorter than its own header");
    CHECK(dev.vid == 0x046d && dev.pid == 0xc31c && dev.bcd_device == 0x1234 && dev.cls == 0);
    CHECK_STR(interfaces(), "");
}

static void the_number_of_configurations_must_be_right(void) {
    unsigned char b[sizeof keyboard + 1];
    memcpy(b, keyboard, sizeof keyboard);
    b[17] = 0;
    refused(b, sizeof keyboard, "the device has no configuration");
    refused(b, 18, "the device has no configuration");
    b[17] = 2;
    refused(b, sizeof keyboard, "a configuration is missing");
    b[17] = 255;
    refused(b, sizeof keyboard, "a configuration is missing");
    b[17] = 1;
    b[sizeof keyboard] = 0;
    refused(b, sizeof keyboard + 1, "bytes follow the last configuration");
    b[17] = 2;
    refused(b, sizeof keyboard + 1, "a configuration descriptor is malformed");
}

static void bad_configuration_descriptors_are_refused(void) {
    unsigned char b[sizeof keyboard];
    for (int length = 0; length < 9; length++) {
        memcpy(b, keyboard, sizeof b);
        b[18] = (unsigned char)length;
        refused(b, sizeof b, "a configuration descriptor is malformed");
    }
    memcpy(b, keyboard, sizeof b);
    b[18] = 60;
    refused(b, sizeof b, "wTotalLength does not fit");
    b[18] = 255;
    refused(b, sizeof b, "wTotalLength does not fit");
    for (int type = 0; type < 256; type++) {
        memcpy(b, keyboard, sizeof b);
        b[19] = (unsigned char)type;
        if (type != 2)
            refused(b, sizeof b, "a configuration descriptor is malformed");
    }
}

static void a_wrong_total_length_is_refused(void) {
    unsigned char b[sizeof keyboard];
    memcpy(b, keyboard, sizeof b);
    for (unsigned total = 0; total <= UINT16_MAX; total++) {
        b[20] = (unsigned char)total;
        b[21] = (unsigned char)(total >> 8);
        if (total != 59)
            CHECK(!parse(b, sizeof b));
        if (total < 9 || total > 59)
            CHECK_STR(why, "wTotalLength does not fit");
    }
    b[20] = 9, b[21] = 0, b[22] = 0;
    refused(b, sizeof b, "bytes follow the last configuration");
}

static void a_wrong_number_of_interfaces_is_refused(void) {
    unsigned char b[sizeof keyboard];
    memcpy(b, keyboard, sizeof b);
    for (int n = 0; n < 256; n++) {
        b[22] = (unsigned char)n;
        if (n != 2)
            refused(b, sizeof b, "a configuration has another number of interfaces than it says");
    }
}

static void descriptors_of_no_length_are_refused(void) {
    unsigned char b[sizeof keyboard];
    static const size_t starts[] = {27, 36, 45, 52, 61, 70};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        for (unsigned char length = 0; length < 2; length++) {
            memcpy(b, keyboard, sizeof b);
            b[starts[i]] = length;
            refused(b, sizeof b, "a descriptor shorter than its own header");
        }
    }
    memcpy(b, keyboard, sizeof b);
    b[70] = 6; /* one byte is left behind it */
    refused(b, sizeof b, "a descriptor shorter than its own header");
    b[70] = 8;
    refused(b, sizeof b, "a descriptor reaches over the end of its configuration");
    b[70] = 255;
    refused(b, sizeof b, "a descriptor reaches over the end of its configuration");
}

static void a_descriptor_does_not_reach_into_the_next_configuration(void) {
    static const unsigned char two[] = {
        DEVICE(0, 0, 0, 1, 2, 2),     CONFIG(18, 1, 1), 10, 4, 0, 0, 0, 3, 0, 0, 0, CONFIG(18, 1, 2),
        INTERFACE(0, 0, 0, 8, 6, 80),
    };
    refused(two, sizeof two, "a descriptor reaches over the end of its configuration");
}

static void short_interfaces_are_refused(void) {
    for (unsigned char length = 2; length < 9; length++) {
        unsigned char b[18 + 9 + 8] = {DEVICE(0, 0, 0, 1, 2, 1), CONFIG(9, 1, 1), 0, 4, 0, 0, 0, 3, 0, 0};
        b[27] = length;
        b[20] = (unsigned char)(9 + length);
        refused(b, (size_t)27 + length, "an interface descriptor is too short");
    }
}

static void nested_configurations_are_refused(void) {
    unsigned char b[sizeof keyboard];
    memcpy(b, keyboard, sizeof b);
    b[37] = 2; /* the class descriptor's type */
    refused(b, sizeof b, "a configuration inside a configuration");
    b[37] = 1;
    refused(b, sizeof b, "a configuration inside a configuration");
}

static size_t many_interfaces(unsigned char *b, unsigned n) {
    static const unsigned char device[] = {DEVICE(0, 0, 0, 1, 2, 1)};
    unsigned total = 9 + 9 * n;
    const unsigned char config[] = {9, 2, (unsigned char)total, (unsigned char)(total >> 8), (unsigned char)n, 1, 0,
                                    0, 0};
    memcpy(b, device, 18);
    memcpy(b + 18, config, 9);
    for (unsigned i = 0; i < n; i++) {
        const unsigned char iface[] = {INTERFACE((unsigned char)i, 0, 0, 3, 1, (unsigned char)i)};
        memcpy(b + 27 + (size_t)9 * i, iface, 9);
    }
    return 27 + (size_t)9 * n;
}

static void interfaces_are_bounded(void) {
    unsigned char b[27 + 9 * 255];
    CHECK(parse(b, many_interfaces(b, VH_MAX_IFACES)));
    CHECK_INT(dev.nifaces, VH_MAX_IFACES);
    CHECK(dev.ifaces[VH_MAX_IFACES - 1].proto == VH_MAX_IFACES - 1);
    CHECK_INT(strlen(interfaces()), VH_MAX_IFACES * 7 + 1);
    refused(b, many_interfaces(b, VH_MAX_IFACES + 1), "too many interfaces");
    refused(b, many_interfaces(b, 255), "too many interfaces");
}

static void the_bound_counts_all_configurations(void) {
    static unsigned char b[18 + 2 * (9 + 9 * 40)];
    size_t n = many_interfaces(b, 40);
    memcpy(b + n, b + 18, n - 18);
    b[17] = 2;
    refused(b, n + n - 18, "too many interfaces");
}

static void any_single_damage_is_survived(void) {
    unsigned char b[sizeof keyboard];
    for (size_t at = 0; at < sizeof b; at++) {
        for (int value = 0; value < 256; value++) {
            memcpy(b, keyboard, sizeof b);
            b[at] = (unsigned char)value;
            if (parse(b, sizeof b))
                CHECK(dev.nifaces <= 2);
        }
    }
}

static void the_interfaces_text_says_when_it_does_not_fit(void) {
    char text[16];
    struct sbuf sb;
    CHECK(parse(keyboard, sizeof keyboard));
    for (size_t cap = 1; cap <= 16; cap++) {
        sb_init(&sb, text, cap);
        usb_desc_interfaces(&sb, &dev);
        CHECK(sb_ok(&sb) == (cap == 16));
    }
    CHECK_STR(text, ":030101:030000:");
}

int main(void) {
    RUN(a_keyboard);
    RUN(a_webcam_with_associations_and_alternate_settings);
    RUN(every_configuration_counts);
    RUN(numbers_need_not_begin_at_zero);
    RUN(a_device_without_interfaces);
    RUN(longer_descriptors_than_known_are_stepped_over);
    RUN(every_truncation_is_refused);
    RUN(every_truncation_with_a_length_to_match_is_refused);
    RUN(bad_device_descriptors_are_refused);
    RUN(the_device_descriptors_fields_are_told_anyway);
    RUN(the_number_of_configurations_must_be_right);
    RUN(bad_configuration_descriptors_are_refused);
    RUN(a_wrong_total_length_is_refused);
    RUN(a_wrong_number_of_interfaces_is_refused);
    RUN(descriptors_of_no_length_are_refused);
    RUN(a_descriptor_does_not_reach_into_the_next_configuration);
    RUN(short_interfaces_are_refused);
    RUN(nested_configurations_are_refused);
    RUN(interfaces_are_bounded);
    RUN(the_bound_counts_all_configurations);
    RUN(any_single_damage_is_survived);
    RUN(the_interfaces_text_says_when_it_does_not_fit);
    TEST_MAIN_END;
}
