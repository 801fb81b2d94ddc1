/*
 * vfio_bind.h - changes the driver of a PCI device: from the host's to vfio-pci, and back. Each write waits for the
 * drivers: unbind for the old one, the probe for the new one, and for a VM that has the device without end. So nobody
 * calls these while a VM has a member of the device's group.
 */
#ifndef VHOTPLUG_VFIO_BIND_H
#define VHOTPLUG_VFIO_BIND_H

#include "bus/vfio_group.h"

/* Has the kernel the driver vfio-pci now? */
bool vfio_bind_possible(void);
/* From the driver that d has, or none, to vfio-pci. False, with VFIO_FAILED, if that one has it not then: perhaps no
 * driver has. */
bool vfio_bind_take(const struct pci_device *d, struct vfio_answer *a);
/* Is it on vfio-pci, or was it to be? */
bool vfio_bind_taken(const struct pci_device *d);
/* Away from vfio-pci, to no driver. After that for all members of a group vfio_bind_offer(): before, the kernel gives
 * none of them to a driver of the host. False, with VFIO_FAILED. */
bool vfio_bind_free(const struct pci_device *d, struct vfio_answer *a);
/* The kernel looks for a driver. False, with VFIO_FAILED, if it could not. *driven: it has found one. */
bool vfio_bind_offer(const struct pci_device *d, struct vfio_answer *a, bool *driven);
/* Is the device in use by whoever vfio-pci gave it to? The kernel counts that in `enable`. */
bool vfio_bind_enabled(const struct pci_device *d);

#endif
