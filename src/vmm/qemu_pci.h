/*
 * qemu_pci.h - PCI devices and input devices of the host in QEMU, where both are PCI devices of the VM: which ones it
 * has, one more, one less, as QMP commands and from QMP answers. Pure; the caller moves bytes and descriptors.
 *
 * QEMU asks the guest for a device that is to leave. So an operation ends when QEMU has accepted it, and an event tells
 * the rest. Whether a PCI device is out only the kernel knows. The number of an input device is used again: what a VM
 * has of one that is unplugged goes first.
 */
#ifndef VHOTPLUG_QEMU_PCI_H
#define VHOTPLUG_QEMU_PCI_H

#include "base/limits.h"
#include "base/str.h"
#include "codec/json.h"
#include "codec/pci_address.h"

#include <stdbool.h>
#include <stdint.h>

enum qemu_pci_what { QEMU_PCI_NONE, QEMU_PCI_LIST, QEMU_PCI_ADD, QEMU_PCI_DEL };

struct qemu_pci_op {
    uint32_t serial; /* another one for each operation of a connection */
    enum qemu_pci_what what;
    struct pci_address address; /* ADD, DEL */
    bool by_fd;                 /* ADD: descriptors go along, as enum qemu_pci_fd says */
    bool input;                 /* of input devices, which have a number and no address and no descriptor */
    uint16_t number;            /* ADD, DEL: its node is /dev/input/event4 */
};

enum qemu_pci_fd { QEMU_PCI_NO_FD, QEMU_PCI_DEVICE_FD, QEMU_PCI_IOMMU_FD };
struct qemu_pci_out {
    struct sbuf text;    /* one command */
    enum qemu_pci_fd fd; /* goes with its first byte */
};

enum qemu_pci_end {
    QEMU_PCI_DONE,     /* LIST: found[] is whole; ADD: it is in; DEL: it is out, as far as QEMU knows */
    QEMU_PCI_ACCEPTED, /* DEL: the guest is asked */
    QEMU_PCI_NO_PORT,  /* ADD: no root port is free */
    QEMU_PCI_GROUP,    /* ADD: a member of its IOMMU group has a driver of the host */
    QEMU_PCI_BUSY,     /* ADD: another VM has a member of the group; some program has the input device for itself */
    QEMU_PCI_DENIED,   /* ADD: QEMU may not open the node */
    QEMU_PCI_MEMLOCK,  /* ADD: QEMU may not lock the VM's memory */
    QEMU_PCI_MODULE,   /* ADD: the kernel lacks a part of VFIO */
    QEMU_PCI_FAILED,
    QEMU_PCI_ENDS,
};

struct qemu_pci_found {
    char id[VH_OPID_MAX];       /* as QEMU's object is named */
    struct pci_address address; /* if known: by its property `host`, or by our id */
    uint16_t number;            /* likewise of an input device, by its property `evdev` */
    bool known;
    bool ours; /* its id is one of ours */
    bool anonymous;
};

/* One operation of one connection. */
struct qemu_pci {
    struct qemu_pci_op op; /* what: QEMU_PCI_NONE between operations */
    uint32_t step, count;  /* the command that is to be answered, and its number */
    int asked, port;       /* the device, and the port, that a command is about */
    enum qemu_pci_end end;
    char text[VH_TEXT_MAX]; /* "" with DONE and ACCEPTED: why not, in words */
    int nfound, nports;
    struct qemu_pci_found found[VH_MAX_VM_PCI];
    char ports[VH_MAX_VM_PCI][VH_OPID_MAX];
};

void qemu_pci_begin(struct qemu_pci *q, const struct qemu_pci_op *op, struct qemu_pci_out *out);
/* A parsed line of the monitor. True if the operation has ended by it; else `out` has the next command, or nothing. */
bool qemu_pci_message(struct qemu_pci *q, const struct json *j, struct qemu_pci_out *out);

/* A line is no event of these, or QEMU has let go of the device, or its guest has refused to. */
enum qemu_pci_event { QEMU_PCI_OTHER_EVENT, QEMU_PCI_DELETED, QEMU_PCI_GUEST_REFUSED };
/* id: as in found[], of any kind of device. Of an unnamed one the last part of its path. */
enum qemu_pci_event qemu_pci_event(const struct json *j, char id[VH_OPID_MAX]);

#endif
