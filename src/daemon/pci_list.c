/*
 * pci_list.c - owns the last list of PCI devices, with what becomes of each by the rules. The device workers read it
 * (pci_sysfs.c). Knows nothing of what is asked about it.
 */
#include "daemon/pci_list.h"

#include "base/limits.h"

static struct device_pci last;
static struct pci_fate fates[VH_MAX_PCI];
static const struct conf *conf;

static void judge(void) {
    policy_pci_judge(conf, last.row, (int)last.n, fates);
}

static struct host_list list = {.kind = DEVICE_PCI, .last = &last, .taken = judge};

void pci_list_ask(struct client_ref c) {
    host_list_ask(&list, c);
}

void pci_list_client_gone(struct client_ref c) {
    host_list_client_gone(&list, c);
}

void pci_list_read(const union device_answer *a) {
    host_list_read(&list, a);
}

void pci_list_last(struct pci_host *h, bool *whole) {
    *h = (struct pci_host){.row = last.row, .fate = fates, .n = (int)last.n};
    *whole = last.whole != 0;
}

void pci_list_judge(const struct conf *c) {
    conf = c;
    judge();
}

void pci_list_start(host_list_done_fn *done) {
    list.done = done;
}
