/*
 * vfio_order.h - what the loop asks of a VFIO worker, and the form of the answers. Pure: made and checked here; carried
 * out by vfio_work.c.
 *
 * VFIO gives an IOMMU group to one VM as a whole: each member has the driver vfio-pci or none, and the group's node can
 * be opened once at a time. Writing to a driver's unbind waits for a VM that has the device, and no signal ends that
 * wait; so no order writes anything while a VM has a member of the group.
 */
#ifndef VHOTPLUG_VFIO_ORDER_H
#define VHOTPLUG_VFIO_ORDER_H

#include "base/limits.h"
#include "codec/pci_device.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vfio_order_kind {
    VFIO_PREPARE = 1, /* bind the members to vfio-pci, and let the VM's user open them */
    VFIO_LOOK,        /* is the device out of every VM? */
    VFIO_RESTORE,     /* all members of its group back to the host's drivers */
    VFIO_KINDS,
};

enum { VFIO_ROOT = 0 };                            /* as a uid: nobody else is to open the node */
enum { VFIO_DESPITE = PCI_KEYBOARD | PCI_UPLINK }; /* uses that a configuration can overrule */

/* A device, as it was when the loop decided. */
struct vfio_member {
    struct pci_address address;
    uint16_t vendor, device;
    uint64_t incarnation; /* the inode of its sysfs directory: differs between two plugs */
    uint8_t despite;      /* PREPARE: uses by the host that do not keep it, of VFIO_DESPITE */
};

struct vfio_order {
    struct worker_head head;
    uint32_t n;                              /* PREPARE: what is to be bound, of one group; else 1 */
    uint32_t uid;                            /* PREPARE: who may open the group's node beside root */
    uint8_t by_fd;                           /* PREPARE: if the kernel can, a descriptor in place of that */
    uint8_t joins;                           /* PREPARE: the same VM has another member, so all of them are bound */
    struct vfio_member member[VH_MAX_GROUP]; /* the first is the device that is meant */
};

enum vfio_result {
    VFIO_DONE = 1,
    VFIO_GONE,      /* there is no such device any more, or another one */
    VFIO_NO_IOMMU,  /* it is in no group: the kernel drives no IOMMU for it */
    VFIO_NO_MODULE, /* the kernel has no driver vfio-pci now */
    VFIO_STAYS,     /* a member of its group has a driver, and is not to be bound */
    VFIO_IN_USE,    /* the host uses a member */
    VFIO_BUSY,      /* a VM has a member */
    VFIO_UNKNOWN,   /* what the host uses cannot be told */
    VFIO_FAILED,
    VFIO_RESULTS,
};

struct vfio_answer {
    struct worker_head head;
    uint32_t result;
    uint32_t group;        /* DONE: its number, or 0 if it has none */
    uint8_t opened;        /* PREPARE: the device and /dev/iommu come along, in this order */
    uint8_t wanted;        /* LOOK, BUSY: the host waits for the device, which it removes or gives another driver */
    uint8_t undriven;      /* RESTORE: so many members have no driver now: the host has none for them */
    char why[VH_TEXT_MAX]; /* "" with DONE */
};

/* In the worker: is it one of the orders above? No device is named twice. */
bool vfio_order_valid(const struct vfio_order *o, bool with_fd);
/* In the loop: have these n bytes the form of an answer to that order, with as many descriptors as it says? */
bool vfio_answer_valid(const struct vfio_order *o, const struct vfio_answer *a, size_t n, const int fds[WORKER_FDS]);

#endif
