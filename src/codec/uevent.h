/*
 * uevent.h - the kernel's uevent message, parsed in place. Pure.
 * Format: "action@devpath\0KEY=VALUE\0..." (lib/kobject_uevent.c); SEQNUM is always there.
 */
#ifndef VHOTPLUG_UEVENT_H
#define VHOTPLUG_UEVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uevent { /* absent keys are ""; strings point into the message */
    const char *action, *devpath, *subsystem, *devtype, *devname, *driver;
    uint64_t seqnum;
    bool synthetic; /* SYNTH_UUID: a process wrote to the `uevent` file */
};

/* Does the devpath contain this text, which begins with a slash? A quick test to skip messages about other devices; it
 * checks nothing else. */
bool uevent_is_below(const char *msg, size_t len, const char *text);
/* False for anything that is not a well-formed kernel uevent: no final NUL, no SEQNUM, header and keys that disagree.
 */
bool uevent_parse(struct uevent *ev, const char *msg, size_t len);
/* The last component of a devpath: "1-2.3". */
const char *uevent_name(const char *devpath);

#endif
