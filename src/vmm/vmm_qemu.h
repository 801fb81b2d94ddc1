/*
 * vmm_qemu.h - QEMU's monitor protocol, QMP (see vmm.h for the contract).
 */
#ifndef VHOTPLUG_VMM_QEMU_H
#define VHOTPLUG_VMM_QEMU_H

#include "vmm/vmm.h"

extern const struct vmm vmm_qemu;

#endif
