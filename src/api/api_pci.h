/*
 * api_pci.h - the replies to `pci_list` and to `explain` of a PCI device: what the host's sysfs showed, and what the
 * rules say of it. Pure.
 */
#ifndef VHOTPLUG_API_PCI_H
#define VHOTPLUG_API_PCI_H

#include "base/model.h"
#include "base/str.h"
#include "config/policy_pci.h"
#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

/* Part by part like usb_list, in the order of rules, then of addresses: the list may be another one between two parts.
 * whole: nothing is missing in it. */
bool api_pci_part(const struct core *c, const struct pci_host *h, bool whole, const struct request *r, uint64_t *cursor,
                  struct sbuf *sb);
/* The core's record of it; NULL if no rule has ever been about it. */
const struct slot *api_pci_slot(const struct core *c, const struct pci_device *d);
int api_pci_find(const struct pci_host *h, const char *address); /* -1: no such device */
/* api_pci_explain.c: every rule and entry held against the device at r->sel.address, which is there when the first part
 * is asked for, and what becomes of it. */
bool api_pci_explain_part(const struct core *core, const struct pci_host *h, const struct request *r, uint64_t *cursor,
                          struct sbuf *sb);

#endif
