/* input_id.c and input_place.c: what udev says of input devices, from the texts that the kernel shows. */
#include "base/str.h"
#include "codec/input_id.h"
#include "codec/input_place.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

/* ---- sets of codes ---- */

static bool holds(const struct input_bits *b, unsigned code) {
    return b->word[code / 64] >> code % 64 & 1;
}

static void words_are_as_wide_as_a_long_of_whoever_reads_them(void) {
    struct input_bits wide, narrow;
    CHECK(input_bits_parse("402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", 64, &wide));
    CHECK(input_bits_parse("4 2000000 3803078 f800d001 feffffdf ffefffff ffffffff fffffffe", 32, &narrow));
    CHECK(memcmp(&wide, &narrow, sizeof wide) == 0);
    CHECK(!holds(&wide, 0) && holds(&wide, 1) && holds(&wide, 128) && holds(&wide, 192 + 25));
    CHECK(input_bits_parse("10000 0 0 0 0 0 0 0 0", 32, &narrow) && narrow.word[4] == 0x10000);
    CHECK(input_bits_parse("1 0 0 0 0", 64, &wide) && wide.word[4] == 1);
    CHECK(input_bits_parse("0", 64, &wide) && wide.word[0] == 0);
    CHECK(input_bits_parse("", 32, &narrow) && narrow.word[0] == 0);
    CHECK(input_bits_parse("8000000000000000 0 0 0 0 0 0 0 0 0 0 0", 64, &wide) && holds(&wide, 0x2ff));
}

static void what_no_kernel_writes_is_no_set(void) {
    static const char *const bad[] = {" ",  "1 ",  " 1",        "1  2", "x",   "0x1", "1\n",
                                      "-1", "1,2", "100000000", "1\t2", "12g", "1 x", "1 0 0 0 0 0 0 0 0 0 0 0 0"};
    struct input_bits b;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&b, 0xff, sizeof b);
        unsigned width = strlen(bad[i]) > 20 ? 64 : 32;
        if (input_bits_parse(bad[i], width, &b))
            printf("# \"%s\"\n", bad[i]);
        CHECK(!input_bits_parse(bad[i], width, &b) && b.word[0] == 0 && b.word[11] == 0);
    }
    CHECK(!input_bits_parse("10000000000000000", 64, &b));
    CHECK(!input_bits_parse("100000000", 32, &b) && input_bits_parse("100000000", 64, &b));
    CHECK(!input_bits_parse("1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0", 32, &b)); /* code 0x300 */
}

/* ---- classes ---- */

/* The attributes as they read on a 64-bit kernel; NULL: there is no such file. */
static const struct sample {
    const char *name, *ev, *key, *rel, *abs, *props;
    uint16_t bustype;
    const char *classes; /* without ID_INPUT, which all are */
} samples[] = {
    {"AT Translated Set 2 keyboard", "120013", "402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", "0", "0",
     "0", 0x11, "KEY KEYBOARD"},
    {"QEMU Virtio Keyboard", "120003", "3f000000000000 0 0 10000 0 7ffffc3fffffffff fffffffffffffffe", "0", "0", "0", 6,
     "KEY KEYBOARD"},
    {"Power Button", "3", "10000000000000 0", "0", "0", "0", 0x19, "KEY"},
    {"Video Bus", "3", "3e000b00000000 0 0 0", "0", "0", "0", 0x19, "KEY"},
    {"Lid Switch", "21", "0", "0", "0", "0", 0x19, "SWITCH"},
    {"HDA Intel PCH Mic", "21", "0", "0", "0", "0", 0, "SWITCH"},
    {"Intel HID events", "3", "400000000 0 0 0 0 8000 100000000 1b0020000000000 1000000000000 0", "0", "0", "0", 0x19,
     "KEY"},
    {"PC Speaker", "40001", "0", "0", "0", "0", 0x10, ""},
    {"Logitech USB Optical Mouse", "17", "70000 0 0 0 0", "903", "0", "0", 3, "MOUSE"},
    {"ImExPS/2 Generic Explorer Mouse", "7", "1f0000 0 0 0 0", "143", "0", "1", 0x11, "MOUSE"},
    {"QEMU QEMU USB Tablet", "1f", "70000 0 0 0 0", "100", "3", "0", 3, "MOUSE"},
    {"VirtualPS/2 VMware VMMouse", "f", "70000 0 0 0 0", "103", "3", "0", 0x11, "MOUSE"},
    {"two buttons and nothing else", "3", "30000 0 0 0 0", "0", "0", "0", 3, "MOUSE"},
    {"a mouse on I2C", "7", "70000 0 0 0 0", "3", "0", "0", 0x18, "MOUSE POINTINGSTICK"},
    {"TPPS/2 IBM TrackPoint", "7", "70000 0 0 0 0", "3", "0", "21", 0x11, "MOUSE POINTINGSTICK"},
    {"a wheel only", "5", "0", "100", "0", "0", 3, "KEY"},
    {"a wheel that tilts, without its event", "1", "0", "40", "0", "0", 3, ""},
    {"SynPS/2 Synaptics TouchPad", "b", "e520 30000 0 0 0 0", "0", "660800011000003", "5", 0x11, "TOUCHPAD"},
    {"a touchpad of fingers only", "b", "420 10000 0 0 0 0", "0", "260000000000000", "0", 0x18, "TOUCHPAD"},
    {"ELAN Touchscreen", "b", "400 0 0 0 0 0", "0", "260800000000003", "2", 0x18, "TOUCHSCREEN"},
    {"a screen that is direct and has no key", "9", "0", "0", "3", "2", 0x18, "TOUCHSCREEN"},
    {"a screen with a button", "b", "400 10000 0 0 0 0", "0", "3", "2", 0x18, "MOUSE"},
    {"Wacom Pen and multitouch sensor Pen", "1b", "1c03 0 0 0 0 0", "0", "1000d000003", "2", 0x18, "TABLET"},
    {"Wacom Intuos Pad", "f", "800 ff 0 0 0 0", "100", "100000000000003", "0", 3, "TABLET TABLET_PAD"},
    {"a pad with a wheel and no place", "7", "ff 0 0 0 0", "100", "0", "0", 3, "TABLET TABLET_PAD"},
    {"Microsoft X-Box 360 pad", "20000b", "7cdb000000000000 0 0 0 0", "0", "3003f", "0", 3, "JOYSTICK"},
    {"pedals", "9", "0", "0", "38", "0", 3, "JOYSTICK"},
    {"one axis more than a place", "b", "0", "0", "b", "0", 3, ""},
    {"a keyboard with buttons of joysticks", "120013",
     "300000000 0 ffff00000000 0 402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", "0", "0", "0", 3,
     "KEY KEYBOARD"},
    {"a mouse with more than sixteen buttons", "17", "ffffffff0000 0 0 0 0", "943", "0", "0", 3, "MOUSE"},
    {"ST LIS3LV02DL Accelerometer", "9", "0", "0", "7", "0", 0x19, "ACCELEROMETER"},
    {"Wacom motion sensors", "9", "0", "0", "3f", "40", 3, "ACCELEROMETER"},
    {"all axes at once are no fingers", "b", "400 0 0 0 0 0", "0", "2e0ffff00000000", "0", 3, ""},
    {"no file at all", NULL, NULL, NULL, NULL, NULL, 0, ""},
};

static void parse(const char *text, struct input_bits *b) {
    CHECK(input_bits_parse(text != NULL ? text : "", 64, b));
}

static void a_device_is_what_udev_says(void) {
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        struct input_caps c = {.bustype = s->bustype};
        char got[256];
        struct sbuf sb;
        parse(s->ev, &c.ev);
        parse(s->key, &c.key);
        parse(s->rel, &c.rel);
        parse(s->abs, &c.abs);
        parse(s->props, &c.props);
        uint16_t classes = input_id_classes(&c);
        CHECK(classes & 1 << INPUT_ANY);
        sb_init(&sb, got, sizeof got);
        for (int k = INPUT_ANY + 1; k < INPUT_CLASSES; k++) {
            if (classes >> k & 1)
                sb_fmt(&sb, "%s%s", sb.len > 0 ? " " : "", input_class_name((enum input_class)k) + strlen("ID_INPUT_"));
        }
        if (!str_eq(got, s->classes))
            printf("# %s\n", s->name);
        CHECK_STR(got, s->classes);
    }
    CHECK_STR(input_class_name(INPUT_ANY), "ID_INPUT");
}

/* ---- places ---- */

struct parent {
    const char *subsystem, *name;
};

/* The innermost parent first, with the device itself, as sysfs nests them. */
static const struct {
    struct parent up[10];
    uint16_t bustype;
    const char *path, *tag, *bus;
} places[] = {
    {{{"input", "event0"}, {"input", "input0"}, {"serio", "serio0"}, {"platform", "i8042"}},
     0x11,
     "platform-i8042-serio-0",
     "platform-i8042-serio-0",
     "i8042"},
    {{{"input", "event3"}, {"input", "input3"}, {"virtio", "virtio1"}, {"pci", "0000:00:03.0"}, {"", "pci0000:00"}},
     6,
     "pci-0000:00:03.0",
     "pci-0000_00_03_0",
     "pci"},
    {{{"input", "event4"},
      {"input", "input4"},
      {"hid", "0003:0627:0001.0001"},
      {"usb", "1-2.3:1.0"},
      {"usb", "1-2.3"},
      {"usb", "1-2"},
      {"usb", "usb1"},
      {"pci", "0000:00:14.0"},
      {"", "pci0000:00"}},
     3,
     "pci-0000:00:14.0-usb-0:2.3:1.0",
     "pci-0000_00_14_0-usb-0_2_3_1_0",
     "usb"},
    {{{"input", "event5"}, {"input", "input5"}, {"pci", "0000:05:00.0"}, {"pci", "0000:00:1c.0"}, {"", "pci0000:00"}},
     3,
     "pci-0000:05:00.0",
     "pci-0000_05_00_0",
     "pci"},
    {{{"input", "event6"},
      {"input", "input6"},
      {"pci", "10000:e1:00.0"},
      {"", "pci10000:e0"},
      {"pci", "0000:00:0e.0"},
      {"", "pci0000:00"}},
     3,
     "pci-0000:00:0e.0-pci-10000:e1:00.0",
     "pci-0000_00_0e_0-pci-10000_e1_00_0",
     "pci"},
    {{{"input", "event7"},
      {"input", "input7"},
      {"hid", "0018:04F3:2A15.0001"},
      {"i2c", "i2c-ELAN2A15:00"},
      {"i2c", "i2c-1"},
      {"platform", "i2c_designware.1"},
      {"pci", "0000:00:15.1"},
      {"", "pci0000:00"}},
     0x18,
     "pci-0000:00:15.1-platform-i2c_designware.1",
     "pci-0000_00_15_1-platform-i2c_designware_1",
     "i2c"},
    {{{"input", "event8"}, {"input", "input8"}, {"acpi", "LNXPWRBN:00"}, {"acpi", "LNXSYSTM:00"}},
     0x19,
     "acpi-LNXPWRBN:00",
     "acpi-LNXPWRBN_00",
     "acpi"},
    {{{"input", "event9"}, {"input", "input9"}, {"platform", "gpio-keys"}, {"platform", "soc"}},
     0x19,
     "platform-gpio-keys",
     "platform-gpio-keys",
     "platform"},
    {{{"input", "event10"},
      {"input", "input10"},
      {"hid", "0003:046D:C077.0002"},
      {"usb", "1-1:1.0"},
      {"usb", "1-1"},
      {"usb", "usb1"},
      {"platform", "3f980000.usb"},
      {"platform", "soc"}},
     3,
     "platform-3f980000.usb-usb-0:1:1.0",
     "platform-3f980000_usb-usb-0_1_1_0",
     "usb"},
    {{{"input", "event11"}, {"input", "input11"}}, 3, "", "", ""}, /* uinput */
    {{{"input", "event12"}, {"input", "input12"}, {"hid", "0005:046D:B342.0001"}, {"misc", "uhid"}},
     5,
     "",
     "",
     "bluetooth"},
    {{{"input", "event13"},
      {"input", "input13"},
      {"bluetooth", "hci0:256"},
      {"bluetooth", "hci0"},
      {"usb", "1-7:1.0"},
      {"usb", "1-7"},
      {"usb", "usb1"},
      {"pci", "0000:00:14.0"}},
     3,
     "pci-0000:00:14.0-usb-0:7:1.0",
     "pci-0000_00_14_0-usb-0_7_1_0",
     "bluetooth"},
    {{{"input", "event14"},
      {"input", "input14"},
      {"serio", "serio2"},
      {"rmi4", "rmi4-00.fn03"},
      {"rmi4", "rmi4-00"},
      {"i2c", "6-002c"},
      {"i2c", "i2c-6"},
      {"pci", "0000:00:1f.4"}},
     0x11,
     "pci-0000:00:1f.4-serio-2",
     "pci-0000_00_1f_4-serio-2",
     "i8042"},
    {{{"input", "event15"}, {"input", "input15"}, {"rmi4", "rmi4-00"}, {"i2c", "6-002c"}, {"pci", "0000:00:1f.4"}},
     0x18,
     "pci-0000:00:1f.4",
     "pci-0000_00_1f_4",
     "rmi"},
    {{{"input", "event16"}, {"input", "input16"}, {"xen", "vkbd-0"}}, 1, "", "", ""}, /* udev asks for no path */
    {{{"input", "event17"}, {"input", "input17"}, {"serio", "port"}, {"serio", "serio1"}, {"platform", "i8042"}},
     0x11,
     "platform-i8042-serio-1",
     "platform-i8042-serio-1",
     "i8042"},
    {{{"input", "event18"}, {"input", "input18"}, {"platform", "__odd..name__"}, {"", ""}},
     0,
     "platform-__odd..name__",
     "platform-_odd_name",
     "platform"},
    {{{"input", "event19"}, {"input", "input19"}, {"usb", "1-1"}}, 3, "", "", "usb"},
};

static void the_place_is_what_udev_says(void) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[VH_INPUT_PATH], tag[VH_INPUT_PATH];
        struct input_place p;
        input_place_begin(&p);
        for (int k = 0; k < 10 && places[i].up[k].subsystem != NULL; k++)
            input_place_add(&p, places[i].up[k].subsystem, places[i].up[k].name);
        input_place_path(&p, path);
        input_path_tag(path, tag);
        CHECK_STR(path, places[i].path);
        CHECK_STR(tag, places[i].tag);
        CHECK_STR(input_bus_name(input_place_bus(&p, places[i].bustype)), places[i].bus);
    }
}

static void a_path_that_is_too_long_is_none(void) {
    char path[VH_INPUT_PATH], tag[VH_INPUT_PATH], name[VH_INPUT_PATH];
    for (size_t n = VH_INPUT_PATH - 12; n < VH_INPUT_PATH; n++) {
        struct input_place p;
        memset(name, 'x', n);
        name[n] = '\0';
        input_place_begin(&p);
        input_place_add(&p, "platform", name);
        input_place_path(&p, path);
        bool fits = n + strlen("platform-") < VH_INPUT_PATH;
        CHECK(strlen(path) == (fits ? n + strlen("platform-") : 0));
        input_path_tag(path, tag);
        CHECK_STR(tag, path);
        input_place_add(&p, "serio", "serio0"); /* after an overflow nothing is added */
        input_place_path(&p, path);
        CHECK(fits || path[0] == '\0');
        CHECK(input_place_bus(&p, 0) == INPUT_I8042);
    }
}

int main(void) {
    RUN(words_are_as_wide_as_a_long_of_whoever_reads_them);
    RUN(what_no_kernel_writes_is_no_set);
    RUN(a_device_is_what_udev_says);
    RUN(the_place_is_what_udev_says);
    RUN(a_path_that_is_too_long_is_none);
    TEST_MAIN_END;
}
