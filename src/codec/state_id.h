/*
 * state_id.h - ids of devices in the state file: "usb-VID:PID:SERIAL", and "VID:PID:SERIAL" as the older daemons wrote
 * before the autumn of 2025. Pure.
 *
 * A device may have two ids. The Rust daemon has the serial number as sysfs prints it; the Python daemon has udev's
 * form of it (ID_SERIAL_SHORT): "_" for what udev does not like, none at all for characters that are not ASCII.
 */
#ifndef VHOTPLUG_STATE_ID_H
#define VHOTPLUG_STATE_ID_H

#include "base/limits.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define STATE_ID_NO_SERIAL "None" /* as both older daemons write it */
enum { STATE_ID_MAX = sizeof "usb-0123:4567:" - 1 + VH_STRING_MAX };

struct state_id {
    uint16_t vid, pid;
    uint32_t hash;              /* state_id_hash() */
    bool old;                   /* without "usb-" */
    char serial[VH_STRING_MAX]; /* "" for "None": the id does not tell it from a serial number "None" */
};

bool state_id_parse(const char *text, struct state_id *id);
/* Ids that are the same have the same; serial: "" if none. */
uint32_t state_id_hash(uint16_t vid, uint16_t pid, const char *serial);
/* The new form; serial: "" if none. False if it does not fit. */
bool state_id_print(char dst[STATE_ID_MAX], uint16_t vid, uint16_t pid, const char *serial);
/* A serial number in udev's form; "" if it has none there. */
void state_id_udev(const char *serial, char dst[VH_STRING_MAX]);
/* Is `text` udev's form of this serial number? */
bool state_id_is_udev(const char *serial, const char *text);

#endif
