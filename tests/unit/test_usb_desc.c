/*
 * test_usb_desc.c - usb_desc.c: real descriptors, odd ones, and false ones: what is odd is noted, what is false is
 * refused with a reason, and no byte past the end is read.
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
        CHECK(dev.usb.nifaces == 0 && dev.usb.nconfigs == 0 && dev.note[0] == '\0');
    }
    return ok;
}

static void refused(const unsigned char *p, size_t n, const char *reason) {
    CHECK(!parse(p, n));
    CHECK_STR(why != NULL ? why : "accepted", reason);
}

static const char *interfaces(void);

/* Taken, with these interfaces and this note ("": nothing is odd). */
static void taken(const unsigned char *p, size_t n, const char *ifaces, const char *note) {
    CHECK(parse(p, n));
    CHECK_STR(why != NULL ? why : "", "");
    CHECK_STR(interfaces(), ifaces);
    CHECK_STR(dev.note, note);
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
    CHECK(dev.vid == 0x046d && dev.pid == 0xc31c && dev.usb.bcd_device == 0x1234);
    CHECK(dev.cls == 0 && dev.sub == 0 && dev.proto == 0);
    CHECK_INT(dev.usb.nifaces, 2);
    CHECK_STR(interfaces(), ":030101:030000:");
}

/* By the type of its transfers; the rest of bmAttributes says how they are timed. */
static void isochronous_endpoints_are_seen(void) {
    enum { ATTRIBUTES = 18 + 9 + 9 + 9 + 3 };
    static const unsigned char types[] = {3, 1, 0x05, 0x0d, 0, 2, 0x3c};
    unsigned char p[sizeof keyboard];
    memcpy(p, keyboard, sizeof p);
    CHECK(p[ATTRIBUTES - 2] == 5);
    for (size_t i = 0; i < sizeof types; i++) {
        p[ATTRIBUTES] = types[i];
        CHECK(parse(p, sizeof p) && dev.usb.isochronous == ((types[i] & 3) == 1));
    }
    p[ATTRIBUTES] = 1;
    p[17] = 2; /* a configuration is missing: nothing is known of it */
    CHECK(!parse(p, sizeof p) && !dev.usb.isochronous);
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
        INTERFACE(1, 2, 1, 255, 255, 255),
        ENDPOINT(0x81),
        IAD(2, 2, 1, 2, 0),
        INTERFACE(2, 0, 0, 1, 1, 0),
        INTERFACE(3, 0, 0, 1, 2, 0),
        INTERFACE(3, 1, 1, 1, 2, 0),
        ENDPOINT(0x83),
    };
    CHECK(parse(webcam, sizeof webcam));
    CHECK(dev.cls == 0xef && dev.sub == 2 && dev.proto == 1);
    CHECK_STR(interfaces(), ":0e0100:0e0200:ffffff:010100:010200:");
    CHECK_STR(dev.note, "");
    CHECK(dev.usb.bound_in[1] == 1 && dev.usb.bound_in[2] == 0); /* drivers begin with alternate setting 0 */
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
    CHECK(dev.usb.nconfigs == 3 && dev.usb.config_value[0] == 1 && dev.usb.config_value[1] == 2 &&
          dev.usb.config_value[2] == 3);
    CHECK(dev.usb.bound_in[0] == 1 && dev.usb.bound_in[1] == 2 && dev.usb.bound_in[2] == 2);
    CHECK_STR(dev.note, "");
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
    CHECK_INT(dev.usb.nifaces, 0);
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

/* ---- alternate settings ---- */

static void an_interface_without_alternate_setting_0_counts(void) {
    static const unsigned char stick[] = {
        DEVICE(0, 0, 0, 1, 2, 1),
        CONFIG(9 + 9 + 9 + 9 + 7, 2, 1),
        INTERFACE(0, 0, 0, 8, 6, 80),
        INTERFACE(1, 1, 1, 3, 1, 1),
        HID,
        ENDPOINT(0x83),
    };
    taken(stick, sizeof stick, ":080650:030101:", "an interface has no alternate setting 0");
    CHECK(dev.usb.bound_in[1] == 1);
    static const unsigned char hub[] = {DEVICE(0, 0, 0, 1, 2, 1), CONFIG(18, 1, 1), INTERFACE(0, 7, 0, 9, 0, 0)};
    taken(hub, sizeof hub, ":090000:", "an interface has no alternate setting 0");
    dev.kind = KIND_USB;
    CHECK(device_is_hub(&dev));
}

static void every_class_of_an_interface_counts_once(void) {
    static const unsigned char many[] = {
        DEVICE(0, 0, 0, 1, 2, 2),    CONFIG(9 + 9 * 5, 2, 1),
        INTERFACE(3, 1, 0, 7, 1, 4), INTERFACE(3, 0, 0, 255, 0, 255),
        INTERFACE(3, 2, 0, 7, 1, 4), INTERFACE(3, 3, 0, 7, 1, 2),
        INTERFACE(0, 0, 0, 7, 1, 4), CONFIG(27, 1, 2),
        INTERFACE(3, 0, 0, 7, 1, 4), INTERFACE(3, 1, 0, 9, 0, 0),
    };
    taken(many, sizeof many, ":070104:ff00ff:070102:070104:090000:", "");
    CHECK_INT(dev.usb.nifaces, 5);
    CHECK(dev.usb.ifaces[0].number == 3 && dev.usb.ifaces[3].number == 0);
    CHECK(dev.usb.bound_in[0] == 2 && dev.usb.bound_in[1] == 1 && dev.usb.bound_in[2] == 0 && dev.usb.bound_in[3] == 1);
    CHECK(dev.usb.bound_in[4] == 0);
}

/* The kernel keeps the first of two with one number and drops the other; both count. */
static void a_setting_that_comes_twice_hides_nothing(void) {
    static const unsigned char twice[] = {DEVICE(0, 0, 0, 1, 2, 1), CONFIG(36, 1, 1), INTERFACE(0, 1, 0, 8, 6, 98),
                                          INTERFACE(0, 0, 0, 8, 6, 80), INTERFACE(0, 0, 0, 3, 1, 1)};
    taken(twice, sizeof twice, ":080662:080650:030101:", "");
    CHECK(dev.usb.bound_in[0] == 0 && dev.usb.bound_in[1] == 1 && dev.usb.bound_in[2] == 0);
}

/* ---- what is odd ---- */

#define TOTAL_NOTE "wTotalLength is wrong"
#define NUMBER_NOTE "bNumInterfaces is wrong"

static void less_than_wTotalLength_is_what_the_kernel_has_left(void) {
    static const unsigned char two[] = {
        DEVICE(0, 0, 0, 1, 2, 2),        CONFIG(40, 1, 1), INTERFACE(0, 0, 0, 6, 1, 1), CONFIG(39, 1, 2),
        INTERFACE(0, 0, 0, 255, 254, 2),
    };
    taken(two, sizeof two, ":060101:fffe02:", TOTAL_NOTE);
    static const unsigned char association[] = {
        DEVICE(239, 2, 1, 1, 2, 1),
        CONFIG(27, 2, 1),
        IAD(0, 2, 2, 2, 1),
        INTERFACE(0, 0, 0, 2, 2, 1),
    };
    taken(association, sizeof association, ":020201:", TOTAL_NOTE ", " NUMBER_NOTE);
    for (unsigned char said = 0; said < 9; said++) { /* the kernel reads 9 bytes all the same */
        const unsigned char bare[] = {DEVICE(255, 1, 2, 1, 2, 1), 9, 2, said, 0, 0, 1, 0, 0xa0, 50};
        taken(bare, sizeof bare, "", TOTAL_NOTE);
    }
}

static void everything_odd_at_once_is_noted(void) {
    static const unsigned char odd[] = {DEVICE(0, 0, 0, 1, 2, 1), CONFIG(99, 9, 1), INTERFACE(5, 2, 0, 3, 0, 0)};
    taken(odd, sizeof odd, ":030000:", TOTAL_NOTE ", " NUMBER_NOTE ", an interface has no alternate setting 0");
}

static void values_of_configurations_are_kept_as_they_are(void) {
    static unsigned char b[18 + 9 * 9] = {DEVICE(255, 0, 0, 1, 2, 8)};
    static const unsigned char bare[] = {CONFIG(9, 0, 7)};
    for (size_t i = 0; i < 9; i++)
        memcpy(b + 18 + 9 * i, bare, 9);
    taken(b, sizeof b - 9, "", "");
    CHECK(dev.usb.nconfigs == 8 && dev.usb.config_value[0] == 7 && dev.usb.config_value[7] == 7);
    b[17] = 9;
    refused(b, sizeof b, "too many configurations");
}

/* ---- lies ---- */

/* Where an endpoint begins, and nowhere else, the file is what the kernel shows of a device that says too much. */
static void every_truncation_is_refused_or_noted(void) {
    for (size_t n = 0; n < sizeof keyboard; n++)
        CHECK(parse(keyboard, n) == (n == 27 || n == 36 || n == 45 || n == 52 || n == 61 || n == 70));
    refused(keyboard, 0, "the device descriptor is malformed");
    refused(keyboard, 17, "the device descriptor is malformed");
    refused(keyboard, 18, "a configuration is missing");
    refused(keyboard, 26, "a configuration descriptor is malformed");
    taken(keyboard, 27, "", TOTAL_NOTE ", " NUMBER_NOTE);
    taken(keyboard, 45, ":030101:", TOTAL_NOTE ", " NUMBER_NOTE);
    taken(keyboard, 70, ":030101:030000:", TOTAL_NOTE);
    refused(keyboard, sizeof keyboard - 1, "a descriptor reaches over the end of the file");
    refused(keyboard, 71, "a descriptor shorter than its own header");
}

static void every_truncation_with_a_length_to_match_is_judged(void) {
    unsigned char cut[sizeof keyboard];
    for (size_t n = 18 + 9; n < sizeof keyboard; n++) {
        memcpy(cut, keyboard, n);
        cut[20] = (unsigned char)(n - 18);
        CHECK(parse(cut, n) == (n == 27 || n == 36 || n == 45 || n == 52 || n == 61 || n == 70));
        CHECK(strstr(dev.note, "wTotalLength") == NULL);
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
    CHECK(dev.vid == 0x046d && dev.pid == 0xc31c && dev.usb.bcd_device == 0x1234 && dev.cls == 0);
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
    refused(b, sizeof keyboard + 1, "a descriptor shorter than its own header");
    b[17] = 2;
    refused(b, sizeof keyboard + 1, "a descriptor shorter than its own header");
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
    refused(b, sizeof b, "a descriptor reaches over the end of the file");
    b[18] = 255;
    refused(b, sizeof b, "a descriptor reaches over the end of the file");
    for (int type = 0; type < 256; type++) {
        memcpy(b, keyboard, sizeof b);
        b[19] = (unsigned char)type;
        if (type != 2)
            refused(b, sizeof b, "a configuration descriptor is malformed");
    }
}

static void a_total_length_that_is_too_small_is_refused_and_a_larger_one_noted(void) {
    unsigned char b[sizeof keyboard];
    memcpy(b, keyboard, sizeof b);
    for (unsigned total = 0; total <= UINT16_MAX; total++) {
        b[20] = (unsigned char)total;
        b[21] = (unsigned char)(total >> 8);
        if (total < 59)
            refused(b, sizeof b, "wTotalLength does not fit");
        else
            taken(b, sizeof b, ":030101:030000:", total > 59 ? TOTAL_NOTE : "");
    }
    b[20] = 9, b[21] = 0, b[22] = 0;
    refused(b, sizeof b, "wTotalLength does not fit");
}

static void a_wrong_number_of_interfaces_is_noted(void) {
    unsigned char b[sizeof keyboard];
    memcpy(b, keyboard, sizeof b);
    for (int n = 0; n < 256; n++) {
        b[22] = (unsigned char)n;
        taken(b, sizeof b, ":030101:030000:", n != 2 ? NUMBER_NOTE : "");
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
    refused(b, sizeof b, "a descriptor reaches over the end of the file");
    b[70] = 255;
    refused(b, sizeof b, "a descriptor reaches over the end of the file");
}

static void a_descriptor_does_not_reach_into_the_next_configuration(void) {
    static const unsigned char two[] = {
        DEVICE(0, 0, 0, 1, 2, 2),     CONFIG(18, 1, 1), 10, 4, 0, 0, 0, 3, 0, 0, 0, CONFIG(18, 1, 2),
        INTERFACE(0, 0, 0, 8, 6, 80),
    };
    refused(two, sizeof two, "a descriptor shorter than its own header");
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
    b[37] = 2, b[17] = 2; /* counted, it would be the second configuration: the first has more than it says */
    taken(b, sizeof b, ":030101:030000:", TOTAL_NOTE ", " NUMBER_NOTE);
    b[20] = 17;
    refused(b, sizeof b, "wTotalLength does not fit");
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
    CHECK_INT(dev.usb.nifaces, VH_MAX_IFACES);
    CHECK(dev.usb.ifaces[VH_MAX_IFACES - 1].proto == VH_MAX_IFACES - 1);
    CHECK_INT(strlen(interfaces()), VH_MAX_IFACES * 7 + 1);
    refused(b, many_interfaces(b, VH_MAX_IFACES + 1), "too many interfaces");
    refused(b, many_interfaces(b, 255), "too many interfaces");
}

static void the_bound_counts_all_configurations(void) {
    static unsigned char b[18 + 2 * (9 + 9 * 40)];
    size_t n = many_interfaces(b, 40);
    memcpy(b + n, b + 18, n - 18);
    b[17] = 2;
    CHECK(parse(b, n + n - 18)); /* the same ones again */
    CHECK_INT(dev.usb.nifaces, 40);
    for (size_t i = 0; i < 40; i++)
        b[n + 9 + 9 * i + 6] = 2; /* another subclass */
    refused(b, n + n - 18, "too many interfaces");
}

static void any_single_damage_is_survived(void) {
    unsigned char b[sizeof keyboard];
    for (size_t at = 0; at < sizeof b; at++) {
        for (int value = 0; value < 256; value++) {
            memcpy(b, keyboard, sizeof b);
            b[at] = (unsigned char)value;
            if (parse(b, sizeof b))
                CHECK(dev.usb.nifaces <= 3); /* a class descriptor that becomes an interface */
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
    RUN(isochronous_endpoints_are_seen);
    RUN(a_webcam_with_associations_and_alternate_settings);
    RUN(every_configuration_counts);
    RUN(numbers_need_not_begin_at_zero);
    RUN(a_device_without_interfaces);
    RUN(longer_descriptors_than_known_are_stepped_over);
    RUN(an_interface_without_alternate_setting_0_counts);
    RUN(every_class_of_an_interface_counts_once);
    RUN(a_setting_that_comes_twice_hides_nothing);
    RUN(less_than_wTotalLength_is_what_the_kernel_has_left);
    RUN(everything_odd_at_once_is_noted);
    RUN(values_of_configurations_are_kept_as_they_are);
    RUN(every_truncation_is_refused_or_noted);
    RUN(every_truncation_with_a_length_to_match_is_judged);
    RUN(bad_device_descriptors_are_refused);
    RUN(the_device_descriptors_fields_are_told_anyway);
    RUN(the_number_of_configurations_must_be_right);
    RUN(bad_configuration_descriptors_are_refused);
    RUN(a_total_length_that_is_too_small_is_refused_and_a_larger_one_noted);
    RUN(a_wrong_number_of_interfaces_is_noted);
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
