/*
 * fuzz_input_id.c - any texts as the attributes of an input device, and any parents. A set of codes is compared with a
 * plain reading of its text, a path with a plain joining of its parts; what is computed of both has a form that a rule
 * and a reply can rely on. Input: the width of a word, the bus, five texts; then kinds and names of parents.
 */
#include "base/str.h"
#include "bytes.h"
#include "codec/input_device.h"
#include "must.h"

#include <string.h>

/* One digit after the other, from the last: digit n of a word of `width` bits is four codes. */
static bool plain_bits(const char *text, unsigned width, struct input_bits *b) {
    static const char digits[] = "0123456789abcdef";
    size_t len = strlen(text);
    unsigned word = 0, digit = 0;
    memset(b, 0, sizeof *b);
    for (size_t i = len; i > 0; i--) {
        char c = text[i - 1];
        if (c == ' ') {
            if (digit == 0 || i == 1)
                return false;
            word++;
            digit = 0;
            continue;
        }
        const char *at = c != '\0' ? strchr(digits, c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c) : NULL;
        unsigned code = word * width + 4 * digit++;
        if (at == NULL || digit > width / 4 || word * width >= INPUT_KEY_BITS)
            return false;
        b->word[code / 64] |= (uint64_t)(at - digits) << code % 64;
    }
    return true;
}

static void take_bits(struct bytes *in, unsigned width, struct input_bits *b) {
    char text[256];
    struct input_bits plain;
    size_t n = 0;
    const unsigned char *p = piece(in, sizeof text - 1, &n);
    memcpy(text, p, n);
    text[n] = '\0';
    bool ok = input_bits_parse(text, width, b), like = plain_bits(text, width, &plain);
    MUST(ok == like);
    if (!ok)
        memset(&plain, 0, sizeof plain);
    MUST(memcmp(b, &plain, sizeof plain) == 0);
}

static void take_parents(struct bytes *in, struct input_place *p) {
    static const char *const subsystems[] = {"pci",  "usb",       "platform", "serio", "acpi", "i2c",
                                             "rmi4", "bluetooth", "xen",      "hid",   ""};
    input_place_begin(p);
    for (int i = 0; i < 24 && in->left > 0; i++) {
        char name[64];
        size_t n = 0;
        const char *subsystem = subsystems[below(in, sizeof subsystems / sizeof *subsystems)];
        const unsigned char *s = piece(in, sizeof name - 1, &n);
        memcpy(name, s, n);
        name[n] = '\0';
        input_place_add(p, subsystem, name);
    }
}

static void check_tag(const char *path, const char *tag) {
    size_t n = strlen(tag);
    MUST(n <= strlen(path));
    for (size_t i = 0; i < n; i++) {
        bool plain = strchr("0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", tag[i]) != NULL;
        MUST(plain || (tag[i] == '_' && i > 0 && i + 1 < n && tag[i - 1] != '_'));
    }
}

static void check_device(const struct input_device *d) {
    char room[VH_INPUT_PATH];
    for (int i = 0; i < INPUT_PROPERTIES; i++) {
        const char *value = input_property_value(d, i, room);
        MUST(strnlen(value, VH_INPUT_PATH) < VH_INPUT_PATH);
        MUST(input_property_find(input_property_name(i)) == i);
    }
    input_path_tag(d->path, room);
    check_tag(d->path, room);
    MUST((d->classes & 1 << INPUT_ANY) != 0 && d->classes >> INPUT_CLASSES == 0 && d->bus < INPUT_BUSES);
    unsigned motion =
        1 << INPUT_MOUSE | 1 << INPUT_TABLET | 1 << INPUT_TOUCHPAD | 1 << INPUT_TOUCHSCREEN | 1 << INPUT_JOYSTICK;
    MUST((d->classes & 1 << INPUT_ACCELEROMETER) == 0 || (d->classes & motion) == 0);
    MUST((d->classes & 1 << INPUT_KEYBOARD) == 0 || (d->classes & 1 << INPUT_KEY) != 0);
    MUST((d->classes & 1 << INPUT_TABLET_PAD) == 0 || (d->classes & 1 << INPUT_TABLET) != 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct bytes in = {data, size};
    unsigned width = (take(&in) & 1) != 0 ? 32 : 64;
    struct input_caps c = {.bustype = (uint16_t)take(&in)};
    struct input_device d = {0};
    struct input_place p;
    take_bits(&in, width, &c.ev);
    take_bits(&in, width, &c.key);
    take_bits(&in, width, &c.rel);
    take_bits(&in, width, &c.abs);
    take_bits(&in, width, &c.props);
    d.classes = input_id_classes(&c);
    take_parents(&in, &p);
    d.bus = (uint8_t)input_place_bus(&p, c.bustype);
    input_place_path(&p, d.path);
    check_device(&d);
    (void)input_device_valid(&d); /* a path may have bytes that are no text */
    return 0;
}
