/*
 * pci_list.h - the PCI devices of the host, read when a client asks for them.
 */
#ifndef VHOTPLUG_PCI_LIST_H
#define VHOTPLUG_PCI_LIST_H

#include "base/model.h"
#include "bus/device_order.h"
#include "config/policy_pci.h"
#include "daemon/host_list.h"

#include <stdbool.h>

void pci_list_start(host_list_done_fn *done);
void pci_list_ask(struct client_ref c); /* done follows, unless the client goes */
void pci_list_client_gone(struct client_ref c);
void pci_list_read(const union device_answer *a); /* the end of the order, as device_done_fn has it */
/* What was read last, with the fates by the rules in force; unchanged until the next reading or reload. */
void pci_list_last(struct pci_host *h, bool *whole);
void pci_list_judge(const struct conf *c); /* the rules are these from now on */

#endif
