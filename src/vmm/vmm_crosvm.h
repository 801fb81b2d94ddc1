/*
 * vmm_crosvm.h - the requests of crosvm's control socket (see vmm.h for the contract; docs/vmms.md has every
 * assumption about them, with its source).
 */
#ifndef VHOTPLUG_VMM_CROSVM_H
#define VHOTPLUG_VMM_CROSVM_H

#include "vmm/vmm.h"

extern const struct vmm vmm_crosvm;

#endif
