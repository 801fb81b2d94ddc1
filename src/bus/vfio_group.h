/*
 * vfio_group.h - IOMMU groups of the host as they are now: their members, who drives them, and what keeps one with the
 * host. Reads sysfs and /proc only.
 */
#ifndef VHOTPLUG_VFIO_GROUP_H
#define VHOTPLUG_VFIO_GROUP_H

#include "bus/vfio_order.h"

#include <stdbool.h>

#define VFIO_DRIVER "vfio-pci"
#define IOMMU_GROUPS "/sys/kernel/iommu_groups"

struct vfio_group {
    bool there; /* else the device is in no group, and its only member */
    uint32_t number;
    int n;
    const struct pci_device *member[VH_MAX_GROUP]; /* without bridges to other buses: VFIO lets their driver be */
};

/* In the answer: why not. */
bool vfio_refuse(struct vfio_answer *a, enum vfio_result result, const char *fmt, ...)
    __attribute__((format(printf, 3, 4))); /* always false */

/* Reads the host anew: rows live until the next time. False if something could not be read. */
bool vfio_group_look(void);
const struct pci_device *vfio_group_row(uint32_t i); /* by vfio_group_look(); NULL after the last */
void vfio_group_drop(void);                          /* gives the memory of reading back */
/* The row of the device that is meant, by vfio_group_look(). NULL, with VFIO_GONE, if it is not the same any more. */
const struct pci_device *vfio_group_find(const struct vfio_member *m, struct vfio_answer *a);
bool vfio_group_of(const struct pci_device *d, struct vfio_group *g, struct vfio_answer *a);
bool vfio_group_has(const struct vfio_group *g, const struct pci_device *d);
/* Does the host use the device? Then VFIO_IN_USE. Asks the kernel about block devices below it, too: the last question
 * before it loses its driver. */
bool vfio_group_used(const struct pci_device *d, uint8_t despite, struct vfio_answer *a);

#endif
