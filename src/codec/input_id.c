/*
 * input_id.c - see input_id.h. Owns the numbers of the kernel's input codes that decide. Reads no file.
 */
#include "codec/input_id.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

/* Of linux/input-event-codes.h, which does not differ between machines. A range ends before its second number. */
enum {
    EV_KEYS = 1,
    EV_RELS = 2,
    EV_SWITCHES = 5,
    REL_X_AXIS = 0,
    REL_Y_AXIS = 1,
    REL_H_WHEEL = 6,
    REL_V_WHEEL = 8,
    ABS_X_AXIS = 0,
    ABS_Y_AXIS = 1,
    ABS_Z_AXIS = 2,
    ABS_RX_AXIS = 3,
    ABS_PRESSURE_AXIS = 0x18,
    ABS_BEFORE_SLOT = 0x2e,
    ABS_SLOT = 0x2f,
    ABS_SLOT_X = 0x35,
    ABS_SLOT_Y = 0x36,
    KEYS_END = 0x100, /* what is above are buttons, and keys again */
    BUTTON_0 = 0x100,
    BUTTON_1 = 0x101,
    BUTTON_MOUSE = 0x110,
    BUTTON_JOYSTICK = 0x120,
    TOOL_PEN = 0x140,
    TOOL_FINGER = 0x145,
    TOUCH = 0x14a,
    STYLUS = 0x14b,
    MORE_KEYS = 0x160,
    DPAD = 0x220,
    DPAD_END = 0x224,
    MOST_KEYS = 0x230,
    TRIGGER_HAPPY = 0x2c0,
    TRIGGER_HAPPY_END = 0x2e8,
    PROP_DIRECT = 1,
    PROP_POINTING_STICK = 5,
    PROP_ACCELEROMETER = 6,
    BUS_OF_I2C = 0x18,
};

#define BIT(class) (1U << (class))

const char *input_class_name(enum input_class c) {
    static const char *const names[INPUT_CLASSES] = {
        [INPUT_ANY] = "ID_INPUT",
        [INPUT_ACCELEROMETER] = "ID_INPUT_ACCELEROMETER",
        [INPUT_JOYSTICK] = "ID_INPUT_JOYSTICK",
        [INPUT_KEY] = "ID_INPUT_KEY",
        [INPUT_KEYBOARD] = "ID_INPUT_KEYBOARD",
        [INPUT_MOUSE] = "ID_INPUT_MOUSE",
        [INPUT_POINTINGSTICK] = "ID_INPUT_POINTINGSTICK",
        [INPUT_SWITCH] = "ID_INPUT_SWITCH",
        [INPUT_TABLET] = "ID_INPUT_TABLET",
        [INPUT_TABLET_PAD] = "ID_INPUT_TABLET_PAD",
        [INPUT_TOUCHPAD] = "ID_INPUT_TOUCHPAD",
        [INPUT_TOUCHSCREEN] = "ID_INPUT_TOUCHSCREEN",
    };
    VH_ASSERT(c < INPUT_CLASSES);
    return names[c];
}

/* ---- sets of codes ---- */

static void add_word(struct input_bits *b, unsigned at, uint64_t word) {
    if (at < INPUT_KEY_BITS)
        b->word[at / 64] |= word << at % 64;
}

static bool parse_word(const char *s, size_t n, unsigned width, uint64_t *word) {
    uint32_t high = 0, low = 0;
    size_t upper = n > 8 ? n - 8 : 0;
    if (n == 0 || n > width / 4 || (upper > 0 && !str_hex(s, upper, &high)) || !str_hex(s + upper, n - upper, &low))
        return false;
    *word = (uint64_t)high << 32 | low;
    return true;
}

bool input_bits_parse(const char *text, unsigned width, struct input_bits *b) {
    size_t end = strlen(text);
    VH_ASSERT(width == 32 || width == 64);
    memset(b, 0, sizeof *b);
    for (unsigned at = 0; end > 0; at += width) {
        size_t begin = end;
        uint64_t word = 0;
        while (begin > 0 && text[begin - 1] != ' ')
            begin--;
        if (at >= INPUT_KEY_BITS || begin == 1 || !parse_word(text + begin, end - begin, width, &word)) {
            memset(b, 0, sizeof *b);
            return false;
        }
        add_word(b, at, word);
        end = begin > 0 ? begin - 1 : 0;
    }
    return true;
}

static bool has(const struct input_bits *b, unsigned code) {
    return b->word[code / 64] >> code % 64 & 1;
}

static unsigned count(const struct input_bits *b, unsigned from, unsigned end) {
    unsigned n = 0;
    for (unsigned code = from; code < end; code++)
        n += has(b, code);
    return n;
}

/* ---- classes ---- */

static bool has_wheel(const struct input_caps *c) {
    return has(&c->ev, EV_RELS) && (has(&c->rel, REL_V_WHEEL) || has(&c->rel, REL_H_WHEEL));
}

static bool has_pen(const struct input_caps *c) {
    return has(&c->key, TOOL_PEN) || has(&c->key, STYLUS);
}

/* Buttons of the pad beside a tablet. */
static bool has_pad_buttons(const struct input_caps *c) {
    return has(&c->key, BUTTON_0) && has(&c->key, BUTTON_1) && !has(&c->key, TOOL_PEN);
}

static bool has_place(const struct input_caps *c) {
    return has(&c->abs, ABS_X_AXIS) && has(&c->abs, ABS_Y_AXIS);
}

/* A device that claims to have all axes has no fingers. */
static bool has_fingers(const struct input_caps *c) {
    return has(&c->abs, ABS_SLOT_X) && has(&c->abs, ABS_SLOT_Y) &&
           !(has(&c->abs, ABS_SLOT) && has(&c->abs, ABS_BEFORE_SLOT));
}

/* A mouse with more than sixteen buttons runs into those of joysticks. */
static unsigned joystick_parts(const struct input_caps *c) {
    unsigned axes = count(&c->abs, ABS_RX_AXIS, ABS_PRESSURE_AXIS);
    if (has(&c->key, BUTTON_JOYSTICK - 1))
        return axes;
    return axes + count(&c->key, BUTTON_JOYSTICK, TOOL_PEN) + count(&c->key, TRIGGER_HAPPY, TRIGGER_HAPPY_END) +
           count(&c->key, DPAD, DPAD_END);
}

/* Some keyboards have single buttons of joysticks: keys of four groups tell them. */
static bool is_no_joystick(const struct input_caps *c) {
    /* left control, caps lock, num lock, insert, mute, calculator, files, mail, play, darker */
    static const uint8_t well_known[] = {29, 58, 69, 110, 113, 140, 144, 155, 164, 224};
    unsigned n = 0;
    for (size_t i = 0; i < sizeof well_known && has(&c->ev, EV_KEYS); i++)
        n += has(&c->key, well_known[i]);
    return n >= 4 || joystick_parts(c) < 2 || (has_wheel(c) && has_pad_buttons(c));
}

/* What is at a place, and what has fingers, is one of these. 0: none. */
static unsigned of_surface(const struct input_caps *c) {
    bool direct = has(&c->props, PROP_DIRECT);
    if (has_pen(c))
        return BIT(INPUT_TABLET);
    if (has(&c->key, TOOL_FINGER) && !direct)
        return BIT(INPUT_TOUCHPAD);
    return has(&c->key, TOUCH) || direct ? BIT(INPUT_TOUCHSCREEN) : 0;
}

static unsigned of_place(const struct input_caps *c) {
    unsigned surface = of_surface(c);
    bool button = count(&c->key, BUTTON_MOUSE, BUTTON_JOYSTICK) > 0;
    if (button && (surface == 0 || surface == BIT(INPUT_TOUCHSCREEN)))
        return BIT(INPUT_MOUSE); /* as a VMM's: it points at a place, and nobody touches it */
    if (surface == 0 && joystick_parts(c) > 0)
        return BIT(INPUT_JOYSTICK);
    return surface;
}

static bool moves(const struct input_caps *c) {
    return has(&c->ev, EV_RELS) && has(&c->rel, REL_X_AXIS) && has(&c->rel, REL_Y_AXIS);
}

static bool is_mouse(const struct input_caps *c, unsigned found) {
    return (found & (BIT(INPUT_TABLET) | BIT(INPUT_TOUCHPAD) | BIT(INPUT_JOYSTICK))) == 0 &&
           count(&c->key, BUTTON_MOUSE, BUTTON_JOYSTICK) > 0 && (moves(c) || !has_place(c));
}

static unsigned of_pointer(const struct input_caps *c) {
    unsigned found = has(&c->props, PROP_POINTING_STICK) ? BIT(INPUT_POINTINGSTICK) : 0;
    if (has_place(c))
        found |= of_place(c);
    else if (joystick_parts(c) > 0)
        found |= BIT(INPUT_JOYSTICK);
    if (has_fingers(c))
        found |= of_surface(c);
    if ((found & BIT(INPUT_TABLET)) && has_pad_buttons(c))
        found |= BIT(INPUT_TABLET_PAD);
    if (has_pad_buttons(c) && has_wheel(c) && !moves(c))
        found |= BIT(INPUT_TABLET) | BIT(INPUT_TABLET_PAD);
    if (is_mouse(c, found))
        found |= BIT(INPUT_MOUSE) | (c->bustype == BUS_OF_I2C ? BIT(INPUT_POINTINGSTICK) : 0);
    if ((found & BIT(INPUT_JOYSTICK)) && is_no_joystick(c))
        found &= ~BIT(INPUT_JOYSTICK);
    return found;
}

static unsigned of_keys(const struct input_caps *c) {
    unsigned found = 0;
    if (!has(&c->ev, EV_KEYS))
        return 0;
    if (count(&c->key, 0, KEYS_END) + count(&c->key, MORE_KEYS, DPAD) + count(&c->key, MOST_KEYS, TRIGGER_HAPPY) > 0)
        found |= BIT(INPUT_KEY);
    if (count(&c->key, 1, 32) == 31) /* escape, digits, the letters from Q to D */
        found |= BIT(INPUT_KEYBOARD);
    return found;
}

uint16_t input_id_classes(const struct input_caps *c) {
    bool accelerates =
        has(&c->props, PROP_ACCELEROMETER) || (!has(&c->ev, EV_KEYS) && has_place(c) && has(&c->abs, ABS_Z_AXIS));
    unsigned found = (accelerates ? BIT(INPUT_ACCELEROMETER) : of_pointer(c)) | of_keys(c);
    if (found == 0 && has_wheel(c))
        found = BIT(INPUT_KEY);
    if (has(&c->ev, EV_SWITCHES))
        found |= BIT(INPUT_SWITCH);
    return (uint16_t)(found | BIT(INPUT_ANY));
}
