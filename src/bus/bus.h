/*
 * bus.h - the contract between the daemon and a host bus: one const table for each bus, chosen in main.c.
 *
 * A bus never waits: what reads, opens or resets is an order to the device workers, and its end is a call back.
 */
#ifndef VHOTPLUG_BUS_H
#define VHOTPLUG_BUS_H

#include "base/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uevent;

typedef void fact_fn(const struct fact *f);

struct bus_calls {
    void (*fact)(const struct fact *f);
    /* The device of this name as reported last, if it is there; NULL if none. Unchanged until the next fact. */
    const struct device *(*reported)(const char *sys_name);
    /* Is a VM to get the device (as reported) once the kernel has finished with it? Then its node is opened with it. */
    bool (*wanted)(const struct device *dev);
    /* Has a VM the device of this name, by us? Then no driver of the host should have an interface of it. */
    bool (*given)(const char *sys_name);
    /* The end of open_node: the descriptor, now the callee's, or -1 and why. */
    void (*opened)(uint64_t token, int fd, const char *why);
    void (*released)(uint64_t token, bool ok); /* the end of release; ok: it is bound, if it was to be */
    void (*revoked)(uint64_t token, bool ok, const char *why); /* the end of revoke */
    void (*offered)(uint64_t token, bool ok);                  /* the end of offer */
};

struct bus_release {
    int pidfd;
    bool reset, bind, deauthorise;
};

/* What is held of the ports that devices are plugged into, for general.quarantine. */
struct bus_quarantine {
    bool runs;
    char why[VH_TEXT_MAX];        /* if it ran, and runs no more */
    unsigned hubs, waiting, late; /* waiting: not held yet; late: the kernel is busy with them for long */
    unsigned ports, refused;      /* refused: by another program */
};

/* Of usbAuthorization: at which buses the kernel authorises nothing by itself. */
struct bus_authorization {
    unsigned closed, waiting, open; /* open: it does all the same, and why */
    char why[VH_TEXT_MAX];
};

struct bus {
    const char *name;  /* "usb" */
    const char *below; /* part of the devpath of every event that may concern this bus; begins with a slash */
    /* Called once, after sysfs_root(), before the device workers start: they inherit what it prepares. False after
     * logging why: the bus is unusable. */
    bool (*start)(const struct bus_calls *calls);
    /* Reads everything: FACT_SCAN_BEGIN, then a FACT_DEVICE or FACT_SEEN each, then FACT_SCAN_END. `coldplug` is copied
     * into the facts. A scan that is asked for while one is under way follows it. */
    void (*scan)(bool coldplug);
    bool (*scanning)(void); /* is a scan under way? */
    /* Notes the device that a uevent names. False if the event concerns nothing of this bus. */
    bool (*uevent)(const struct uevent *ev);
    /* After a batch of uevents: reads the noted devices. A FACT_DEVICE or FACT_GONE follows for each that can be read.
     */
    void (*read_noted)(void);
    /* Work that waits for a time, e.g. a device whose bind event does not come; VH_NEVER if there is none. */
    int64_t (*deadline)(void);
    void (*tick)(int64_t now);
    /* Mounts or swaps changed: FACT_DEVICE follows for each device whose protection changed. */
    void (*recheck)(void);
    void (*look)(const struct device *dev); /* reads the device again: a fact about it follows */
    /* Opens the device's node for passing, read-write, after checking that it still is that device and that the host
     * does not use it. calls.opened follows, perhaps from
     * within. False if too many orders wait: then nothing follows. */
    bool (*open_node)(const struct device *dev, uint64_t token);
    /* The device came back from a VM: waits for the end of the process behind pidfd (-1: none; it becomes the bus's),
     * resets the device, ends its authorisation, binds it to the kernel's driver again and lets host drivers
     * bind, as `how` says. calls.released follows.
     * False as above. */
    bool (*release)(const struct device *dev, uint64_t token, const struct bus_release *how);
    /* Ends every open descriptor of the device and leaves it without the kernel's driver, which binds nothing else by
     * itself. bind: it may have been opened while that driver did not have it. calls.revoked follows. False as
     * above. */
    bool (*revoke)(const struct device *dev, uint64_t token, bool bind);
    /* The device is the host's: configures it if it is not, and lets host drivers bind. calls.offered follows. False as
     * above. */
    bool (*offer)(const struct device *dev, uint64_t token);
    /* Once, after start() and before the first scan: from here on the ports of all hubs are held. */
    void (*hold_ports)(void);
    void (*quarantine)(struct bus_quarantine *s);
    void (*authorization)(struct bus_authorization *s);
};

#endif
