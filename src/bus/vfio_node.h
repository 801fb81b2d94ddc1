/*
 * vfio_node.h - the nodes of VFIO below /dev: an IOMMU group's, which one process can open at a time, and a device's,
 * which only kernels with iommufd have.
 */
#ifndef VHOTPLUG_VFIO_NODE_H
#define VHOTPLUG_VFIO_NODE_H

#include "os/worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Before the sandbox: keeps the directory of the nodes from being made anew. */
void vfio_node_start(void);
/* The group's node, opened: nobody else has it then, and nobody can open it before it is closed. -1 with errno: EBUSY
 * if a VM has a member, ENOENT if no member is bound to vfio-pci. */
int vfio_node_group(uint32_t group);
/* Who may open the opened node beside root from now on; uid 0: nobody. False with errno. */
bool vfio_node_allow(int fd, uint32_t uid);
/* The node of the device and that of the IOMMU. False, with both -1, if one of them is not there or cannot be opened.
 */
bool vfio_node_device(const char *address, int fds[WORKER_FDS]);

#endif
