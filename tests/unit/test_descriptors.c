/*
 * test_descriptors.c - usb_desc.c against real devices and hostile ones: every truncation, every change of one byte,
 * every body of three bytes, and false fields. A second reading (desc_plain.h) says what is malformed and what is odd.
 */
#include "codec/usb_desc.h"
#include "desc_devices.h"
#include "desc_parse.h"
#include "desc_plain.h"
#include "test.h"

#include <stdlib.h>

enum { LONGEST = 18 + 9 + 9 * 255 + 64, LAST = -1 };

static struct device dev;
static struct plain plain;
static const char *why;

static bool parse(const unsigned char *p, size_t n) {
    return desc_parse(p, n, &dev, &why);
}

/* Both readings agree, on what is odd too; what is refused has a reason and no interface. */
static bool agrees(const unsigned char *p, size_t n, bool ok) {
    plain_read(&plain, p, n);
    if (!plain_agrees(&plain, &dev, ok))
        return false;
    if (n >= 18 && p[0] == 18 && p[1] == 1 && (dev.vid != (p[8] | p[9] << 8) || dev.pid != (p[10] | p[11] << 8)))
        return false;
    return ok || (why != NULL && why[0] != '\0' && strlen(why) < VH_MALFORMED_MAX);
}

static void check(const char *name, const unsigned char *p, size_t n, const char *what, size_t at, int value) {
    bool ok = parse(p, n);
    if (agrees(p, n, ok))
        return;
    test_ok = false;
    printf("# %s: %s at %zu value %d: accepted=%d but sound=%d\n", name, what, at, value, ok, plain.sound);
}

static void every_device_is_known_for_what_it_is(void) {
    for (int i = 0; i < NSOLD; i++) {
        char text[VH_MAX_IFACES * 7 + 8] = "refused";
        check(sold[i].name, sold[i].p, sold[i].n, "as sold", 0, 0);
        struct sbuf sb;
        if (parse(sold[i].p, sold[i].n)) {
            sb_init(&sb, text, sizeof text);
            usb_desc_interfaces(&sb, &dev);
            CHECK(sb_ok(&sb));
        } else {
            printf("# %s: %s\n", sold[i].name, why);
        }
        CHECK_STR(text, sold[i].interfaces);
    }
}

/* Where a descriptor of the last configuration begins. */
static bool is_between(const struct sold *s, size_t n) {
    size_t last = 18;
    for (size_t at = 18; at < s->n; at += s->p[at])
        last = s->p[at + 1] == 2 ? at : last;
    for (size_t at = last + s->p[last]; at < s->n; at += s->p[at]) {
        if (at == n)
            return true;
    }
    return false;
}

/* Cut between two descriptors of the last configuration it is what the kernel shows of a device that says too much,
 * and that is said; anywhere else it is refused. */
static void every_truncation_is_refused_or_noted(void) {
    for (int i = 0; i < NSOLD; i++) {
        for (size_t n = 0; n < sold[i].n; n++) {
            check(sold[i].name, sold[i].p, n, "cut", n, 0);
            CHECK(plain.sound == is_between(&sold[i], n));
            CHECK(!plain.sound || strstr(dev.note, "wTotalLength is wrong") != NULL);
        }
    }
}

/* The kernel's own trimming: said too much, with what is behind the last whole descriptor dropped. */
static void bytes_that_the_kernel_drops_take_nothing_away(void) {
    for (int i = 0; i < NSOLD; i++) {
        unsigned char b[LONGEST] = {0};
        struct device honest;
        memcpy(b, sold[i].p, sold[i].n);
        CHECK(parse(b, sold[i].n) && dev.note[0] == '\0');
        honest = dev;
        for (unsigned more = 1; more < 300; more += 13) {
            unsigned said = b[20] + 256u * b[21] + more;
            b[20] = (unsigned char)said;
            b[21] = (unsigned char)(said >> 8);
            check(sold[i].name, b, sold[i].n, "says more", more, 0);
            CHECK_STR(dev.note, "wTotalLength is wrong");
            CHECK(dev.usb.nifaces == honest.usb.nifaces &&
                  memcmp(dev.usb.ifaces, honest.usb.ifaces, sizeof dev.usb.ifaces[0] * dev.usb.nifaces) == 0);
            CHECK(memcmp(dev.usb.bound_in, honest.usb.bound_in, sizeof dev.usb.bound_in) == 0);
        }
    }
}

/* Cut, and the length of the last configuration made right again: sound only between descriptors. */
static void every_truncation_with_a_length_to_match_is_judged(void) {
    for (int i = 0; i < NSOLD; i++) {
        size_t last = 18;
        for (size_t at = 18; at < sold[i].n; at += sold[i].p[at + 2] + 256u * sold[i].p[at + 3])
            last = at;
        for (size_t n = last + 9; n < sold[i].n; n++) {
            unsigned char b[LONGEST];
            memcpy(b, sold[i].p, n);
            b[last + 2] = (unsigned char)(n - last);
            b[last + 3] = (unsigned char)((n - last) >> 8);
            check(sold[i].name, b, n, "cut to match", n, 0);
        }
    }
}

static void every_change_of_a_byte_is_judged(void) {
    unsigned long parsed = 0, sound = 0;
    for (int i = 0; i < NSOLD; i++) {
        unsigned char b[LONGEST];
        memcpy(b, sold[i].p, sold[i].n);
        for (size_t at = 0; at < sold[i].n; at++) {
            for (int v = 1; v < 256; v++) {
                b[at] = (unsigned char)(sold[i].p[at] + v);
                check(sold[i].name, b, sold[i].n, "changed", at, b[at]);
                parsed++;
                sound += plain.sound;
            }
            b[at] = sold[i].p[at];
        }
    }
    printf("# %lu changes of a byte, %lu of them sound\n", parsed, sound);
    CHECK(sound > 0 && sound < parsed);
}

/* ---- every body of three bytes, behind one configuration descriptor ---- */

static void every_body_of_three_bytes_is_judged(void) {
    static unsigned char b[] = {DEV(0x0200, 0, 0, 0, 64, 0x1234, 0x5678, 0x0100, 1), CONF(12, 0, 1, 0x80, 50), 0, 0, 0};
    static char note[VH_NOTE_MAX];
    unsigned long sound = 0;
    for (unsigned v = 0; v < 1u << 24; v++) {
        b[27] = (unsigned char)v;
        b[28] = (unsigned char)(v >> 8);
        b[29] = (unsigned char)(v >> 16);
        why = NULL;
        bool ok = usb_desc_parse(b, sizeof b, &dev, note, &why);
        dev.note = note;
        if (!agrees(b, sizeof b, ok)) {
            test_ok = false;
            printf("# body %02x %02x %02x: accepted=%d but sound=%d\n", b[27], b[28], b[29], ok, plain.sound);
        }
        sound += ok;
    }
    /* One descriptor of three bytes, of any type but interface, device and configuration. */
    CHECK_INT(sound, 256l * 253);
}

/* ---- lies with a name: one way to lie, told by each device that can ---- */

static const char DEVICE_BAD[] = "the device descriptor is malformed", MISSING[] = "a configuration is missing",
                  CONF_BAD[] = "a configuration descriptor is malformed", TOTAL[] = "wTotalLength does not fit",
                  NONE[] = "the device has no configuration", CONFIGS[] = "too many configurations",
                  SHORT[] = "a descriptor shorter than its own header", MANY[] = "too many interfaces",
                  OVER[] = "a descriptor reaches over the end of the file",
                  IFACE_SHORT[] = "an interface descriptor is too short",
                  NESTED[] = "a configuration inside a configuration";

/* Lies that hide nothing are told in dev.note. */
static const char MORE[] = "wTotalLength is wrong", COUNT[] = "bNumInterfaces is wrong";

/* The n-th descriptor of a type (LAST: the last one) in the first configuration; 0 if there is none. */
static size_t nth(const unsigned char *p, size_t size, int type, int n) {
    size_t end = 18 + p[20] + 256u * p[21], found = 0;
    for (size_t at = 18; at < end && at < size; at += p[at]) {
        if (type >= 0 && p[at + 1] != type)
            continue;
        found = at;
        if (n-- == 0)
            return at;
    }
    return n < 0 ? found : 0;
}

/* Behind another configuration a wrong length may be taken for much, but never for sound. */
static const char ANY[] = "";
#define IF_ALONE(reason) (b[17] == 1 ? (reason) : ANY)

/* Changes b of *n bytes; the reason for which it must then be refused, or the note; NULL if this device cannot lie so.
 */
typedef const char *lie_fn(unsigned char *b, size_t *n);

#define SET(name, place, value, reason)                    \
    static const char *name(unsigned char *b, size_t *n) { \
        size_t at = (place);                               \
        (void)n;                                           \
        if (at == 0 && #place[0] == 'n')                   \
            return NULL;                                   \
        b[at] = (unsigned char)(value);                    \
        return reason;                                     \
    }

SET(device_of_no_length, 0, 0, DEVICE_BAD)
SET(device_of_17, 0, 17, DEVICE_BAD)
SET(device_of_19, 0, 19, DEVICE_BAD)
SET(device_of_255, 0, 255, DEVICE_BAD)
SET(device_that_is_a_configuration, 1, 2, DEVICE_BAD)
SET(device_of_type_0, 1, 0, DEVICE_BAD)
SET(no_configuration, 17, 0, NONE)
SET(one_configuration_more, 17, b[17] + 1, MISSING)
SET(configurations_without_end, 17, 255, MISSING)
SET(configuration_of_no_length, 18, 0, CONF_BAD)
SET(configuration_of_8, 18, 8, CONF_BAD)
SET(configuration_of_type_4, 19, 4, CONF_BAD)
SET(configuration_of_type_7, 19, 7, CONF_BAD) /* other speed */
SET(more_interfaces_than_told, 22, b[22] - 1, COUNT)
SET(fewer_interfaces_than_told, 22, b[22] + 1, COUNT)
SET(interfaces_255_told, 22, 255, COUNT)
SET(interface_of_no_length, nth(b, *n, 4, 0), 0, SHORT)
SET(interface_of_1, nth(b, *n, 4, 0), 1, SHORT)
SET(interface_of_8, nth(b, *n, 4, 0), 8, IFACE_SHORT)
SET(interface_of_2, nth(b, *n, 4, 0), 2, IFACE_SHORT)
SET(last_interface_of_no_length, nth(b, *n, 4, LAST), 0, SHORT)
SET(last_interface_of_8, nth(b, *n, 4, LAST), 8, IFACE_SHORT)
SET(endpoint_of_no_length, nth(b, *n, 5, 0), 0, SHORT)
SET(endpoint_of_1, nth(b, *n, 5, 0), 1, SHORT)
SET(last_of_no_length, nth(b, *n, LAST, LAST), 0, SHORT)
SET(last_of_1, nth(b, *n, LAST, LAST), 1, SHORT)
SET(last_of_255, nth(b, *n, LAST, LAST), 255, IF_ALONE(OVER))
SET(last_one_longer, nth(b, *n, LAST, LAST), b[at] + 1, IF_ALONE(OVER))
SET(last_one_shorter, nth(b, *n, LAST, LAST), b[at] - 1, IF_ALONE(SHORT))
SET(class_of_no_length, nth(b, *n, 0x24, 0), 0, SHORT)
SET(class_that_is_a_configuration, nth(b, *n, 0x24, 0) + 1 - (nth(b, *n, 0x24, 0) == 0), 2, IF_ALONE(NESTED))
SET(hid_of_no_length, nth(b, *n, 0x21, 0), 0, SHORT)
SET(companion_of_no_length, nth(b, *n, 0x30, 0), 0, SHORT)
SET(association_of_no_length, nth(b, *n, 11, 0), 0, SHORT)

static const char *endpoint_that_is_a(unsigned char *b, size_t n, unsigned char type) {
    size_t at = nth(b, n, 5, 0);
    if (at == 0)
        return NULL;
    b[at + 1] = type;
    return type == 1 ? NESTED : IF_ALONE(NESTED);
}

static const char *endpoint_that_is_a_device(unsigned char *b, size_t *n) {
    return endpoint_that_is_a(b, *n, 1);
}

static const char *endpoint_that_is_a_configuration(unsigned char *b, size_t *n) {
    return endpoint_that_is_a(b, *n, 2);
}

/* An interface made into an endpoint: one is missing. */
static const char *interface_that_is_none(unsigned char *b, size_t *n) {
    size_t at = nth(b, *n, 4, 0);
    for (size_t other = at + b[at]; other < 18 + b[20] + 256u * b[21]; other += b[other]) {
        if (b[other + 1] == 4 && b[other + 2] == b[at + 2])
            return NULL; /* another setting of it tells its number */
    }
    b[at + 1] = 5;
    return COUNT;
}

static const char *interfaces_of_one_number(unsigned char *b, size_t *n) {
    (void)n;
    if (b[22] < 2)
        return NULL;
    for (size_t at = 18; at < 18 + b[20] + 256u * b[21]; at += b[at]) {
        if (b[at + 1] == 4)
            b[at + 2] = 0;
    }
    return COUNT;
}

static const char *total(unsigned char *b, unsigned value) {
    unsigned honest = b[20] + 256u * b[21];
    b[20] = (unsigned char)value;
    b[21] = (unsigned char)(value >> 8);
    return value > honest ? MORE : TOTAL;
}

static const char *total_of_0(unsigned char *b, size_t *n) {
    (void)n;
    return total(b, 0);
}

static const char *total_of_8(unsigned char *b, size_t *n) {
    (void)n;
    return total(b, 8);
}

static const char *total_of_65535(unsigned char *b, size_t *n) {
    (void)n;
    return total(b, 65535);
}

static const char *total_over_the_end(unsigned char *b, size_t *n) {
    return total(b, (unsigned)(*n - 18 + 1));
}

static const char *total_without_interfaces(unsigned char *b, size_t *n) {
    (void)n;
    return total(b, 9);
}

static const char *total_within_a_descriptor(unsigned char *b, size_t *n) {
    (void)n;
    return total(b, b[20] + 256u * b[21] - 1);
}

static const char *total_in_the_other_order(unsigned char *b, size_t *n) {
    (void)n;
    if (b[20] == b[21])
        return NULL;
    return total(b, b[21] + 256u * b[20]);
}

static const char *a_byte_too_many(unsigned char *b, size_t *n) {
    b[(*n)++] = 0;
    return SHORT;
}

static const char *a_whole_configuration_too_many(unsigned char *b, size_t *n) {
    static const unsigned char more[] = {CONF(9, 0, 9, 0x80, 50)};
    memcpy(b + *n, more, sizeof more);
    *n += sizeof more;
    return NESTED;
}

static const char *nine_configurations(unsigned char *b, size_t *n) {
    while (b[17] < VH_MAX_CONFIGS + 1) {
        (void)a_whole_configuration_too_many(b, n);
        b[17]++;
    }
    return CONFIGS;
}

static const char *a_byte_too_few(unsigned char *b, size_t *n) {
    (void)b;
    (*n)--;
    return OVER;
}

static const char *nothing_at_all(unsigned char *b, size_t *n) {
    (void)b;
    *n = 0;
    return DEVICE_BAD;
}

static const char *no_more_than_17_bytes(unsigned char *b, size_t *n) {
    (void)b;
    *n = 17;
    return DEVICE_BAD;
}

static const char *only_a_device(unsigned char *b, size_t *n) {
    (void)b;
    *n = 18;
    return MISSING;
}

static const char *half_a_configuration_descriptor(unsigned char *b, size_t *n) {
    (void)b;
    *n = 18 + 4;
    return CONF_BAD;
}

static const char *zeroes_for_interfaces(unsigned char *b, size_t *n) {
    memset(b + 27, 0, *n - 27);
    return SHORT;
}

static const char *ones_for_interfaces(unsigned char *b, size_t *n) {
    memset(b + 27, 0xff, *n - 27);
    return *n - 27 < 255 ? OVER : NULL;
}

static const char *interfaces_by_the_hundred(unsigned char *b, size_t *n) {
    static const unsigned char iface[] = {IF(0, 0, 0, 3, 1, 1)};
    for (unsigned i = 0; i < 255; i++) {
        memcpy(b + 27 + (size_t)9 * i, iface, 9);
        b[27 + 9 * i + 2] = (unsigned char)i;
    }
    b[17] = 1;
    b[22] = 255;
    (void)total(b, 9 + 9 * 255);
    *n = 27 + 9 * 255;
    return MANY;
}

/* One number, settings by the hundred: the count is right and the table would not do. */
static const char *one_interface_by_the_hundred(unsigned char *b, size_t *n) {
    (void)interfaces_by_the_hundred(b, n);
    for (unsigned i = 0; i < 255; i++)
        b[27 + 9 * i + 7] = (unsigned char)i, b[27 + 9 * i + 2] = 0;
    b[22] = 1;
    return MANY;
}

#define LIE(fn) \
    { #fn, fn }
static const struct lie {
    const char *name;
    lie_fn *tell;
} lies[] = {
    LIE(device_of_no_length),
    LIE(device_of_17),
    LIE(device_of_19),
    LIE(device_of_255),
    LIE(device_that_is_a_configuration),
    LIE(device_of_type_0),
    LIE(no_configuration),
    LIE(one_configuration_more),
    LIE(configurations_without_end),
    LIE(configuration_of_no_length),
    LIE(configuration_of_8),
    LIE(configuration_of_type_4),
    LIE(configuration_of_type_7),
    LIE(more_interfaces_than_told),
    LIE(fewer_interfaces_than_told),
    LIE(interfaces_255_told),
    LIE(interface_of_no_length),
    LIE(interface_of_1),
    LIE(interface_of_8),
    LIE(interface_of_2),
    LIE(last_interface_of_no_length),
    LIE(last_interface_of_8),
    LIE(endpoint_of_no_length),
    LIE(endpoint_of_1),
    LIE(last_of_no_length),
    LIE(last_of_1),
    LIE(last_of_255),
    LIE(last_one_longer),
    LIE(last_one_shorter),
    LIE(class_of_no_length),
    LIE(class_that_is_a_configuration),
    LIE(hid_of_no_length),
    LIE(companion_of_no_length),
    LIE(association_of_no_length),
    LIE(endpoint_that_is_a_device),
    LIE(endpoint_that_is_a_configuration),
    LIE(interface_that_is_none),
    LIE(interfaces_of_one_number),
    LIE(total_of_0),
    LIE(total_of_8),
    LIE(total_of_65535),
    LIE(total_over_the_end),
    LIE(total_without_interfaces),
    LIE(total_within_a_descriptor),
    LIE(total_in_the_other_order),
    LIE(a_byte_too_many),
    LIE(a_whole_configuration_too_many),
    LIE(nine_configurations),
    LIE(a_byte_too_few),
    LIE(nothing_at_all),
    LIE(no_more_than_17_bytes),
    LIE(only_a_device),
    LIE(half_a_configuration_descriptor),
    LIE(zeroes_for_interfaces),
    LIE(ones_for_interfaces),
    LIE(interfaces_by_the_hundred),
    LIE(one_interface_by_the_hundred),
};

static bool is_judged_so(bool ok, const char *reason) {
    if (reason == MORE || reason == COUNT)
        return ok && strstr(dev.note, reason) != NULL;
    return !ok && (reason == ANY || strcmp(why, reason) == 0);
}

static void every_lie_with_a_name_is_refused_for_its_reason_or_noted(void) {
    int told = 0, noted = 0;
    for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
        for (int i = 0; i < NSOLD; i++) {
            unsigned char b[LONGEST] = {0};
            size_t n = sold[i].n;
            memcpy(b, sold[i].p, n);
            const char *reason = lies[k].tell(b, &n);
            if (reason == NULL)
                continue;
            told++;
            noted += reason == MORE || reason == COUNT;
            bool ok = parse(b, n);
            if (!is_judged_so(ok, reason) || !agrees(b, n, ok)) {
                test_ok = false;
                printf("# %s, %s: \"%s\", not \"%s\"\n", sold[i].name, lies[k].name, ok ? dev.note : why, reason);
            }
        }
    }
    printf("# %d lies, %d noted\n", told, noted);
    CHECK(told >= 200 && told - noted >= 200 && noted > 50);
}

int main(void) {
    RUN(every_device_is_known_for_what_it_is);
    RUN(every_truncation_is_refused_or_noted);
    RUN(bytes_that_the_kernel_drops_take_nothing_away);
    RUN(every_truncation_with_a_length_to_match_is_judged);
    RUN(every_change_of_a_byte_is_judged);
    RUN(every_body_of_three_bytes_is_judged);
    RUN(every_lie_with_a_name_is_refused_for_its_reason_or_noted);
    TEST_MAIN_END;
}
