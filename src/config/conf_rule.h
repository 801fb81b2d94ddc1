/*
 * conf_rule.h - usbPassthrough as structs: rules, and their allow and deny entries. policy.h says what they mean.
 */
#ifndef VHOTPLUG_CONF_RULE_H
#define VHOTPLUG_CONF_RULE_H

#include "base/limits.h"
#include "base/model.h"
#include "codec/regex.h"

#include <stdbool.h>
#include <stdint.h>

enum entry_field {
    F_VID = 1 << 0,
    F_PID = 1 << 1,
    F_VENDOR_NAME = 1 << 2,
    F_PRODUCT_NAME = 1 << 3,
    F_SERIAL = 1 << 4,
    F_BUS = 1 << 5,
    F_PORT = 1 << 6,
    F_DEV_CLASS = 1 << 7,
    F_DEV_SUBCLASS = 1 << 8,
    F_DEV_PROTOCOL = 1 << 9,
    F_IF_CLASS = 1 << 10,
    F_IF_SUBCLASS = 1 << 11,
    F_IF_PROTOCOL = 1 << 12,
    F_REMOVABLE = 1 << 13,
    F_DRIVER_PATH = 1 << 14,
    F_ALL_IFACES = 1 << 15,
    F_CONNECTOR = 1 << 16,
};

#define F_IFACE (F_IF_CLASS | F_IF_SUBCLASS | F_IF_PROTOCOL)

/* One class of allInterfaces. */
struct iface_class {
    uint16_t fields; /* of F_IFACE: the given ones; never 0 */
    uint8_t cls, sub, proto;
};

/* One connector that an entry names. */
struct entry_place {
    const char *path; /* a port's stable path; NULL: the connector with this index */
    uint16_t connector;
};

/* One allow or deny entry. */
struct entry {
    uint32_t fields; /* enum entry_field: the given ones of those below */
    uint16_t vid, pid;
    uint8_t bus;
    uint8_t dev_class, dev_sub, dev_proto, if_class, if_sub, if_proto;
    uint8_t removable; /* bit 1 << enum removable for each accepted value */
    bool enabled;
    bool direct;                /* connector: not what is behind a hub there */
    uint32_t line;              /* in the file, from 1 */
    uint16_t classes, nclasses; /* allInterfaces: a range in conf.classes */
    uint16_t places, nplaces;   /* connector: a range in conf.places */
    const char *port;           /* "2", or a path behind hubs such as "2.3"; see policy.h */
    const char *serial;         /* compared in full, case matters */
    const char *description;    /* "" if none */
    struct regex vendor_name, product_name, driver_path;
};

struct rule {
    const char *description, *tag; /* "" if none */
    bool enabled, skip_on_suspend, reset_on_release;
    uint8_t min_speed;       /* enum usb_speed: no port of a VM that is slower; 0 if not given */
    bool idle;               /* enabled as written, but no device goes to a VM by it: --check says why */
    bool host;               /* its devices are the host's: no VM is named */
    bool single;             /* targetVm, or only one allowed: nobody has to choose */
    uint8_t nvms;            /* 0: the rule decides, but all its VMs are unknown */
    uint8_t vms[VH_MAX_VMS]; /* allowed VMs, in the order written */
    vm_set vm_mask;
    uint16_t allow, nallow, deny, ndeny; /* ranges in conf.entries */
    uint32_t line;
};

#endif
