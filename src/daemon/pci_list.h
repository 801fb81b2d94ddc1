/*
 * pci_list.h - the PCI devices of the host: read when a client asks for them, and, once a rule may send one away, when
 * something has changed. Each reading that is whole becomes FACT_PCI.
 */
#ifndef VHOTPLUG_PCI_LIST_H
#define VHOTPLUG_PCI_LIST_H

#include "base/model.h"
#include "bus/device_order.h"
#include "config/policy_pci.h"
#include "daemon/host_list.h"

#include <stdbool.h>
#include <stdint.h>

struct uevent;

void pci_list_start(host_list_done_fn *done);
void pci_list_ask(struct client_ref c); /* done follows, unless the client goes */
void pci_list_client_gone(struct client_ref c);
void pci_list_read(const union device_answer *a); /* the end of the order, as device_done_fn has it */
/* What was read last, with the fates by the rules in force; unchanged until the next reading or reload. */
void pci_list_last(struct pci_host *h, bool *whole);
void pci_list_judge(const struct conf *c); /* the rules are these from now on */

/* ---- only once the core is to be told of them ---- */

void pci_list_tell_core(void (*fact)(const struct fact *f)); /* from here on; reads them for the first time */
bool pci_list_first(void);                                   /* is the first reading still under way? */
void pci_list_tell(void);                                    /* what was read last, again; nothing before */
void pci_list_look(void);                                    /* reads them again */
void pci_list_uevent(const struct uevent *ev);               /* notes whether anything has changed */
void pci_list_read_noted(void);                              /* after a batch of uevents */
int64_t pci_list_deadline(void);
void pci_list_tick(int64_t now);

#endif
