/*
 * device_order.h - what the loop asks of a device worker, and the form of the answers. Pure: made, checked and compared
 * here; carried out by usb_work.c.
 *
 * An answer comes from a process that reads what devices say. The loop believes its facts, not its form: strings end,
 * numbers are in range, and the device is the one that was asked about.
 */
#ifndef VHOTPLUG_DEVICE_ORDER_H
#define VHOTPLUG_DEVICE_ORDER_H

#include "base/limits.h"
#include "base/model.h"
#include "codec/input_device.h"
#include "codec/pci_device.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum device_order_kind {
    DEVICE_LIST = 1,  /* the names of all devices; takes no device's lock */
    DEVICE_USES,      /* which devices the host uses */
    DEVICE_READ,      /* one device's attributes */
    DEVICE_OPEN,      /* its node, for a VM */
    DEVICE_RELEASE,   /* it came back: wait for the process that had it (its pidfd comes along), reset, offer to drivers
                       */
    DEVICE_PCI,       /* the PCI devices of the host; takes no device's lock */
    DEVICE_HUB,       /* the node of a hub that the kernel drives, and how many ports it has */
    DEVICE_OFFER,     /* it is the host's: configure it if it is not, and offer it to drivers */
    DEVICE_REVOKE,    /* end every open descriptor of it, and leave it without a driver */
    DEVICE_EVDEV,     /* the input devices of the host; takes no device's lock */
    DEVICE_CLOSE_BUS, /* with usbAuthorization, of a root hub: nothing there is authorised by itself from here on */
    DEVICE_KINDS,
};

/* Flags are 0 or 1, so that any byte is a valid value of the struct. */
struct device_order {
    struct worker_head head;
    char sys_name[VH_SYSNAME_MAX]; /* "" for LIST, USES, PCI and EVDEV */
    uint64_t incarnation;          /* READ: as reported before, 0 if it was not; the others: it must be this plug */
    uint16_t vid, pid;             /* READ: as reported before */
    uint8_t busnum, devnum;        /* READ: as reported before; OPEN, RELEASE: of the node */
    uint8_t several, config;       /* READ: as reported before: it has several configurations; the active one */
    uint8_t complete;              /* READ: all that lasts as long as that plug was reported */
    uint8_t named;                 /* READ: its strings, too */
    uint8_t settled;               /* READ: the kernel has finished with that plug: its strings may be read */
    uint8_t bound;                 /* READ: the kernel has finished with whatever plug is there */
    uint8_t open;                  /* READ: open its node as well, if its strings are read: a VM is waiting for it */
    uint8_t given;                 /* READ: a VM has it: is a driver of the host on one of its interfaces? */
    uint8_t storage;   /* OPEN, READ with open: it may hold storage or be an adapter of the host: look once more */
    uint8_t configure; /* OPEN, READ with open: configure it first if it is not, because its port is or was held */
    uint8_t drive;     /* OPEN: if no driver of the kernel has it, bind it first; else it is not opened */
    uint8_t keep;      /* RELEASE: it is not to be offered to drivers */
    uint8_t reset;     /* RELEASE: reset it */
    uint8_t bind;      /* RELEASE: no driver of the kernel has it: bind it again, after its reset; REVOKE: bind it first
                          if none has it, for it may have been opened so */
    uint8_t authorise; /* OPEN, OFFER: authorise it first if it is not (usbAuthorization) */
    uint8_t deauthorise; /* RELEASE: its authorisation ends, before it is bound again */
    uint8_t idle;        /* READ: it was reported unconfigured, and may not be so any more */
};

struct device_row {
    char sys_name[VH_SYSNAME_MAX];
    uint64_t incarnation;
    uint8_t devnum; /* 0: in the middle of a reset or a removal */
    uint8_t unauthorised;
};

struct device_list {
    struct worker_head head;
    uint32_t n;
    uint8_t whole; /* else the list could not be read to its end: what is missing has not gone */
    struct device_row row[VH_MAX_DEVICES];
};

struct device_use {
    char sys_name[VH_SYSNAME_MAX];
    char why[VH_PROTECT_MAX];
    uint8_t untold; /* no event tells when this use ends */
};

struct device_uses {
    struct worker_head head;
    uint32_t n;
    uint8_t whole; /* else something could not be read: what is missing may still be in use */
    struct device_use row[VH_MAX_DEVICES];
};

struct device_pci {
    struct worker_head head;
    uint32_t n;
    uint8_t whole; /* else something could not be read, or there are more */
    struct pci_device row[VH_MAX_PCI];
};

struct device_evdev {
    struct worker_head head;
    uint32_t n;
    uint8_t whole; /* else something could not be read, or there are more */
    struct input_device row[VH_MAX_EVDEV];
};

enum device_result {
    DEVICE_FULL = 1, /* READ: dev and drivers are filled */
    DEVICE_NAMES,    /* READ: the plug reported before; only its names and its configuration are filled */
    DEVICE_SAME,     /* READ: nothing to add to what was reported; OPEN, RELEASE: done */
    DEVICE_GONE,     /* there is no such device */
    DEVICE_FLUX,     /* READ: there, but not readable now */
    DEVICE_REFUSED,  /* OPEN, HUB, OFFER, RELEASE, REVOKE, CLOSE_BUS: not done; why says why */
};

struct device_read {
    struct worker_head head;
    uint32_t result;
    uint64_t incarnation;
    uint8_t complete;     /* all that lasts as long as the plug could be read */
    uint8_t strings;      /* its strings were read */
    uint8_t troubled;     /* something could not be read for want of memory or descriptors */
    uint8_t unauthorised; /* FULL, NAMES, SAME; it may change during a plug */
    uint8_t claimed;      /* a program has claimed an interface of it */
    uint8_t driven;       /* a driver of the host has an interface of it */
    uint8_t binding;      /* enum binding */
    struct device dev;    /* without its pointers: they are NULL, and mean nothing in another process */
    struct device_texts texts;
    char driver[VH_IFNAME_MAX];    /* order.given: the host's, on one of its interfaces; "" none */
    char drivers[VH_DRIVERS_TEXT]; /* its modules' paths, each with its NUL; an empty one ends them */
};

struct device_done { /* OPEN, RELEASE, HUB, OFFER, REVOKE, CLOSE_BUS */
    struct worker_head head;
    uint32_t result;
    uint8_t ports; /* HUB: above 0 if its node was opened */
    char why[VH_TEXT_MAX];
};

union device_answer {
    struct worker_head head;
    struct device_list list;
    struct device_uses uses;
    struct device_pci pci;
    struct device_evdev evdev;
    struct device_read read;
    struct device_done done;
};

/* Does the order concern all devices of a kind, and name none? */
bool device_order_lists(uint32_t kind);
/* In the worker: is it one of the orders above, with a name that is one? */
bool device_order_valid(const struct device_order *o);
/* In the loop: has the answer (n bytes) the form that this order's answers have, and does it come with a descriptor
 * only (and always, for OPEN and HUB) where a node was opened? */
bool device_answer_valid(const struct device_order *o, const union device_answer *a, size_t n, bool with_fd);
size_t device_answer_size(uint32_t kind, const union device_answer *a); /* bytes to be sent */

/* Are both devices behind one root port? Then an order about one may wait for the other. */
bool device_same_port(const char *sys_name, const char *other);
bool device_same_bus(const char *sys_name, const char *other); /* of two devices that are no root hubs */
/* "1-2.3" or "usb1": the only names that are a USB device's in sysfs. */
bool device_name_valid(const char *sys_name);

#endif
