/*
 * test_modalias.c - modalias.c: modaliases of interfaces, depmod's patterns, and its lists, whole and garbled.
 */
#include "codec/modalias.h"
#include "test.h"

#include <stdlib.h>

static struct device dev;

static void a_device(uint16_t vid, uint16_t pid, uint16_t bcd) {
    memset(&dev, 0, sizeof dev);
    dev.vid = vid;
    dev.pid = pid;
    dev.usb.bcd_device = bcd;
    dev.usb.nifaces = 2;
    dev.usb.ifaces[0] = (struct usb_iface){.cls = 0xff, .sub = 0xff, .proto = 0, .number = 0};
    dev.usb.ifaces[1] = (struct usb_iface){.cls = 0x03, .sub = 0x01, .proto = 0x02, .number = 0x0a};
}

/* As read from the modalias attributes of a real machine. */
static void names_are_as_the_kernel_writes_them(void) {
    char name[VH_MODALIAS_MAX];
    a_device(0x0b95, 0x1790, 0x0100);
    modalias_of(&dev, 0, name);
    CHECK_STR(name, "usb:v0B95p1790d0100dc00dsc00dp00icFFiscFFip00in00");
    dev.cls = 0xef;
    dev.sub = 2;
    dev.proto = 1;
    modalias_of(&dev, 1, name);
    CHECK_STR(name, "usb:v0B95p1790d0100dcEFdsc02dp01ic03isc01ip02in0A");
}

static bool matches(const char *pattern, const char *text) {
    return modalias_matches(pattern, strlen(pattern), text);
}

static void patterns_of_depmod(void) {
    static const char name[] = "usb:v0B95p1790d0100dc00dsc00dp00icFFiscFFip00in00";
    CHECK(matches("usb:v0B95p1790d*dc*dsc*dp*icFFiscFFip00in*", name));
    CHECK(!matches("usb:v0B95p1791d*dc*dsc*dp*icFFiscFFip00in*", name));
    CHECK(!matches("usb:v*p*d*dc*dsc*dp*ic03isc*ip*in*", name));
    CHECK(matches("usb:v*p*d*dc*dsc*dp*icFFisc*ip*in*", name));
    CHECK(matches("usb:v0B95p1790d0[0-1]*dc*dsc*dp*ic*isc*ip*in*", name));
    CHECK(!matches("usb:v0B95p1790d0[2-9]*dc*dsc*dp*ic*isc*ip*in*", name));
    CHECK(matches("usb:v0B95p1790d0[0-9A-F]??dc00*", name));
    CHECK(matches("*", name) && matches("usb:*", name) && !matches("usb:", name) && !matches("", name));
    CHECK(!matches("pci:*", name));
}

static void sets(void) {
    CHECK(matches("[abc]", "b") && !matches("[abc]", "d") && matches("[!abc]", "d") && !matches("[!abc]", "a"));
    CHECK(matches("[a-cx]", "x") && matches("[a-cx]", "c") && !matches("[a-cx]", "d"));
    CHECK(matches("[]]", "]") && matches("[a-]", "-") && matches("[a-]", "a") && !matches("[a-]", "b"));
    CHECK(matches("[", "[") && matches("[ab", "[ab") && !matches("[ab", "a")); /* no set: a bracket */
    CHECK(!matches("[a-c]", ""));
}

/* A star that has taken too little takes more; one before it need not. */
static void stars_in_linear_time(void) {
    static char text[4096], pattern[4096];
    CHECK(matches("a*b*c", "aXbYbZc") && !matches("a*b*c", "aXbYbZ"));
    CHECK(matches("*aab", "aaaaaaab") && matches("**", "") && matches("a**", "a"));
    memset(text, 'a', sizeof text - 1);
    for (size_t i = 0; i + 2 < sizeof pattern; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[sizeof pattern - 3] = 'b';
    CHECK(!matches(pattern, text)); /* with more memory than one star this would never end */
}

static struct modalias_list list(const char *text, size_t n, char end) {
    return (struct modalias_list){text, n, end};
}

static bool is(const struct modalias_name *n, const char *s) {
    return n->n == strlen(s) && memcmp(n->p, s, n->n) == 0;
}

static void entries_for_usb_are_found(void) {
    static const char text[] =
        "# Aliases\nalias pci:v* e1000\nalias usb:v1* one\nalias usb:v2\nalias\n\nalias usb:v3* three";
    struct modalias_list l = list(text, sizeof text - 1, '\n');
    struct modalias_name pattern, module;
    size_t at = 0;
    CHECK(modalias_next(&l, &at, &pattern, &module) && is(&pattern, "usb:v1*") && is(&module, "one"));
    CHECK(modalias_next(&l, &at, &pattern, &module) && is(&pattern, "usb:v3*") && is(&module, "three"));
    CHECK(!modalias_next(&l, &at, &pattern, &module) && !modalias_next(&l, &at, &pattern, &module));
    l = list(NULL, 0, '\n');
    at = 0;
    CHECK(!modalias_next(&l, &at, &pattern, &module));
}

static void built_in_drivers_have_strings(void) {
    static const char text[] =
        "usbhid.license=GPL\0usbhid.alias=usb:v*ic03*\0x.alias=pci:v*\0.alias=usb:v*\0nodot\0a.b";
    struct modalias_list l = list(text, sizeof text, '\0');
    struct modalias_name pattern, module;
    size_t at = 0;
    CHECK(modalias_next(&l, &at, &pattern, &module) && is(&pattern, "usb:v*ic03*") && is(&module, "usbhid"));
    CHECK(!modalias_next(&l, &at, &pattern, &module));
}

static void paths_by_name(void) {
    static const char text[] =
        "kernel/drivers/net/usb/asix.ko.xz: kernel/drivers/net/usb/usbnet.ko.xz kernel/x/mii.ko.xz\n"
        "kernel/drivers/net/usb/usbnet.ko.zst:\nkernel/sound/snd-usb-audio.ko:\n"
        "updates/asix2.ko\n/opt/extra.ko.gz:\nkernel/k.kob\n";
    struct modalias_list l = list(text, sizeof text - 1, '\n');
    struct modalias_name path;
#define PATH(name) modalias_path(&l, &(struct modalias_name){name, strlen(name)}, &path)
    CHECK(PATH("asix") && is(&path, "kernel/drivers/net/usb/asix.ko.xz"));
    CHECK(PATH("usbnet") && is(&path, "kernel/drivers/net/usb/usbnet.ko.zst"));
    CHECK(PATH("snd_usb_audio") && is(&path, "kernel/sound/snd-usb-audio.ko"));
    CHECK(PATH("snd-usb-audio") && PATH("snd-usb_audio") && !PATH("snd-usb+audio"));
    CHECK(PATH("asix2") && is(&path, "updates/asix2.ko"));
    CHECK(PATH("extra") && is(&path, "/opt/extra.ko.gz"));
    CHECK(!PATH("mii") && !PATH("asi") && !PATH("k") && !PATH("")); /* needed by another is not there itself */
}

/* Every prefix of the lists, in memory that ends with it. */
static void cut_lists_are_read_to_their_end(void) {
    static const char text[] = "alias usb:v1*[a-c] one\nkernel/a/one.ko: kernel/b.ko\nx.alias=usb:v1\n";
    for (size_t n = 0; n <= sizeof text; n++) {
        char *copy = malloc(n + 1);
        struct modalias_name pattern, module, path;
        memcpy(copy, text, n);
        for (int end = 0; end <= '\n'; end += '\n') {
            struct modalias_list l = list(copy, n, (char)end);
            for (size_t at = 0; modalias_next(&l, &at, &pattern, &module);)
                (void)modalias_matches(pattern.p, pattern.n, "usb:v1b");
            (void)modalias_path(&l, &(struct modalias_name){"one", 3}, &path);
        }
        free(copy);
    }
    CHECK(true);
}

static void only_classes_that_say_nothing_leave_it_to_the_ids(void) {
    a_device(1, 2, 3);
    CHECK(!modalias_by_ids_only(&dev));
    dev.usb.ifaces[1].cls = 0;
    CHECK(modalias_by_ids_only(&dev));
    dev.usb.nifaces = 0;
    CHECK(modalias_by_ids_only(&dev));
}

/* The usual gigabit adapter: its maker's own configuration, one of CDC, and one of both. */
static void a_device_of_three_configurations(void) {
    a_device(1, 2, 3);
    dev.usb.nifaces = 4;
    dev.usb.nconfigs = 3;
    memcpy(dev.usb.config_value, (const uint8_t[]){1, 5, 5}, 3);
    dev.usb.ifaces[0] = (struct usb_iface){255, 255, 0, 0};
    dev.usb.ifaces[1] = (struct usb_iface){2, 6, 0, 0};
    dev.usb.ifaces[2] = (struct usb_iface){0, 0, 0, 1};
    dev.usb.ifaces[3] = (struct usb_iface){3, 1, 1, 0}; /* an alternate setting that no driver begins with */
    memcpy(dev.usb.bound_in, (const uint8_t[]){1 | 4, 2 | 4, 4, 0}, 4);
    dev.usb.config = 0;
}

static bool only(bool a, bool b, bool c, bool d) {
    return modalias_counts(&dev, 0) == a && modalias_counts(&dev, 1) == b && modalias_counts(&dev, 2) == c &&
           modalias_counts(&dev, 3) == d;
}

static void the_active_configuration_decides(void) {
    a_device_of_three_configurations();
    dev.usb.config = 1;
    CHECK(modalias_by_ids_only(&dev) && only(true, false, false, false));
    dev.usb.config = 5; /* the kernel takes the first one with this value */
    CHECK(!modalias_by_ids_only(&dev) && only(false, false, false, false));
    dev.usb.ifaces[1].cls = 255;
    CHECK(modalias_by_ids_only(&dev) && only(false, true, false, false));
}

/* As long as none is active, or one that is not there. */
static void without_an_active_configuration_each_of_them_may_decide(void) {
    a_device_of_three_configurations();
    for (int value = 0; value <= 255; value++) {
        dev.usb.config = (uint8_t)value;
        if (value != 1 && value != 5)
            CHECK(modalias_by_ids_only(&dev) && only(true, false, false, false));
    }
    dev.usb.config = 0;
    dev.usb.bound_in[0] = 4;
    dev.usb.bound_in[1] |= 1;
    CHECK(!modalias_by_ids_only(&dev) && only(false, false, false, false));
    dev.usb.ifaces[1].cls = 0;
    CHECK(modalias_by_ids_only(&dev) && only(true, true, true, false));
}

/* A description has no configurations. */
static void of_a_device_described_by_hand_every_interface_counts(void) {
    a_device(1, 2, 3);
    dev.usb.ifaces[0].cls = dev.usb.ifaces[1].cls = 255;
    CHECK(modalias_by_ids_only(&dev) && modalias_counts(&dev, 0) && modalias_counts(&dev, 1));
    dev.usb.config = 1;
    CHECK(modalias_by_ids_only(&dev) && modalias_counts(&dev, 0) && modalias_counts(&dev, 1));
}

int main(void) {
    RUN(names_are_as_the_kernel_writes_them);
    RUN(patterns_of_depmod);
    RUN(sets);
    RUN(stars_in_linear_time);
    RUN(entries_for_usb_are_found);
    RUN(built_in_drivers_have_strings);
    RUN(paths_by_name);
    RUN(cut_lists_are_read_to_their_end);
    RUN(only_classes_that_say_nothing_leave_it_to_the_ids);
    RUN(of_a_device_described_by_hand_every_interface_counts);
    RUN(the_active_configuration_decides);
    RUN(without_an_active_configuration_each_of_them_may_decide);
    TEST_MAIN_END;
}
