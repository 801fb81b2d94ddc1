/*
 * input_id.h - what udev would call an input device, from what the kernel says that it can send: ID_INPUT_KEYBOARD,
 * ID_INPUT_MOUSE ... Pure.
 *
 * The rules are those of udev's builtin input_id. ID_INPUT_WIDTH_MM, ID_INPUT_HEIGHT_MM and what udev's hardware
 * database adds (ID_INPUT_TRACKBALL) are not computed: the first two need the open node, the last one a table.
 */
#ifndef VHOTPLUG_INPUT_ID_H
#define VHOTPLUG_INPUT_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One bit each in a set. */
enum input_class {
    INPUT_ANY, /* ID_INPUT: every input device */
    INPUT_ACCELEROMETER,
    INPUT_JOYSTICK,
    INPUT_KEY,
    INPUT_KEYBOARD,
    INPUT_MOUSE,
    INPUT_POINTINGSTICK,
    INPUT_SWITCH,
    INPUT_TABLET,
    INPUT_TABLET_PAD,
    INPUT_TOUCHPAD,
    INPUT_TOUCHSCREEN,
    INPUT_CLASSES,
};

enum { INPUT_KEY_BITS = 0x300 }; /* KEY_CNT of the kernel, its largest set */

/* A set of codes as the kernel prints it. */
struct input_bits {
    uint64_t word[INPUT_KEY_BITS / 64];
};

/* The attributes of a device: capabilities/ev, key, rel, abs, properties and id/bustype. */
struct input_caps {
    struct input_bits ev, key, rel, abs, props;
    uint16_t bustype;
};

/* "120013" or "402000000 3803078f800d001 ...": words of `width` (32 or 64) bits in hexadecimal, the highest first. The
 * kernel leaves out leading words that are zero, and its words are as wide as a long of the program that reads them.
 * "", as of a file that is not there, is the empty set. False, with the empty set, if it is no such text or has codes
 * that no kernel has. */
bool input_bits_parse(const char *text, unsigned width, struct input_bits *b);
/* Bit 1 << class for each class that the device is of; never 0. */
uint16_t input_id_classes(const struct input_caps *c);
/* "ID_INPUT_KEYBOARD" */
const char *input_class_name(enum input_class c);

#endif
