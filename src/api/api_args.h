/*
 * api_args.h - the reply to `vmm_args`: the arguments that a VM is to be started with, in the words of its VMM. Pure.
 */
#ifndef VHOTPLUG_API_ARGS_H
#define VHOTPLUG_API_ARGS_H

#include "base/model.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "config/conf.h"
#include "config/policy_pci.h"

#include <stdbool.h>
#include <stddef.h>

/* What a VM is started with follows from these. */
struct args_host {
    const struct conf *conf;
    const struct pci_host *pci;       /* all PCI devices of the host; n 0 if no rule of theirs is for the VM */
    const bool *prepared;             /* for each of them: it is bound for this VM. NULL: none is */
    const struct device_evdev *evdev; /* likewise the input devices; NULL if no rule is for the VM */
    const char *const *tables; /* for each ACPI table of the configuration: why a VM cannot be given it, "" if it can */
};

/* Writes the whole reply. False, with the reason in error, if a VM that is started with these arguments would lack or
 * not take what the rules give it. What the host keeps for itself is left out, and the reply says why. */
bool api_args(const struct args_host *h, const struct request *r, struct sbuf *sb, char *error, size_t cap);

#endif
