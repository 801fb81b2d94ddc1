/*
 * vmm_cloud.h - the requests of cloud-hypervisor's API (see vmm.h for the contract; docs/vmms.md has every assumption
 * about them, with its source).
 */
#ifndef VHOTPLUG_VMM_CLOUD_H
#define VHOTPLUG_VMM_CLOUD_H

#include "vmm/vmm.h"

extern const struct vmm vmm_cloud;

#endif
