/*
 * api_pci.h - the replies to `pci_list` and to `explain` of a PCI device: what the host's sysfs showed, and what the
 * rules say of it. Pure.
 */
#ifndef VHOTPLUG_API_PCI_H
#define VHOTPLUG_API_PCI_H

#include "base/model.h"
#include "base/str.h"
#include "config/policy_pci.h"

#include <stdbool.h>
#include <stdint.h>

/* Part by part like usb_list, in the order of rules, then of addresses: the list may be another one between two parts.
 * whole: nothing is missing in it. */
bool api_pci_part(const struct conf *c, const struct pci_host *h, bool whole, const struct request *r, uint64_t *cursor,
                  struct sbuf *sb);
int api_pci_find(const struct pci_host *h, const char *address); /* -1: no such device */
/* api_pci_explain.c: every rule and entry held against the device at r->sel.address, which is there when the first part
 * is asked for, and what becomes of it. */
bool api_pci_explain_part(const struct conf *c, const struct pci_host *h, const struct request *r, uint64_t *cursor,
                          struct sbuf *sb);

#endif
