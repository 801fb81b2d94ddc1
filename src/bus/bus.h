/*
 * bus.h - the contract between the daemon and a host bus: one const table for each bus, chosen in main.c.
 */
#ifndef VHOTPLUG_BUS_H
#define VHOTPLUG_BUS_H

#include "base/model.h"

#include <stdbool.h>
#include <stddef.h>

struct uevent;

typedef void fact_fn(const struct fact *f);
/* The device of this name as reported last, if it is there; NULL if none. Unchanged until the next fact. */
typedef const struct device *reported_fn(const char *sys_name);

struct bus {
    const char *name;  /* "usb" */
    const char *below; /* part of the devpath of every event that may concern this bus; begins with a slash */
    /* Called once at start, after sysfs_root(). `reported` asks the receiver of the facts, so that lasting attributes
     * are not read again; NULL: nobody keeps them. False after logging why: the bus is unusable. */
    bool (*start)(reported_fn *reported);
    /* Reads everything: FACT_SCAN_BEGIN, a FACT_DEVICE each, FACT_SCAN_END. `coldplug` is copied into the facts.
     * If the bus directory is missing, an empty scan. Must not block beyond what reading sysfs costs. */
    void (*scan)(bool coldplug, fact_fn *emit);
    /* Notes the device that a uevent names. False if the event concerns nothing of this bus. */
    bool (*uevent)(const struct uevent *ev);
    /* After a batch of uevents: reads the noted devices, and emits at most one FACT_DEVICE or FACT_GONE for each. */
    void (*read_noted)(fact_fn *emit);
    /* Work that waits for a time, e.g. a device whose bind event does not come; VH_NEVER if there is none. */
    int64_t (*deadline)(void);
    void (*tick)(int64_t now, fact_fn *emit);
    /* Mounts or swaps changed: emits FACT_DEVICE for each device whose protection changed. */
    void (*recheck)(fact_fn *emit);
    /* Opens the device's node for passing, read-write, after checking that it still is that device and that the host
     * does not use it. The descriptor, or -1 with `why` filled for an error reply. */
    int (*open_node)(const struct device *dev, char *why, size_t cap);
    /* The device came back from a VM and stays with the host: resets it and lets host drivers bind. Logs failures. */
    void (*release)(const struct device *dev);
};

#endif
