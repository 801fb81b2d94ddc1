/*
 * pci_list.c - owns the last list of PCI devices, with what becomes of each by the rules, and the clients that wait for
 * the next one. The device workers read it (pci_sysfs.c). Knows nothing of what is asked about it.
 */
#include "daemon/pci_list.h"

#include "base/assert.h"
#include "base/limits.h"
#include "bus/device_pool.h"

#include <string.h>

static struct {
    pci_list_done_fn *done;
    const struct conf *conf;
    struct device_pci last;
    struct pci_fate fate[VH_MAX_PCI];
    bool reading;
    int n;
    struct waiter {
        struct client_ref client;
        bool served; /* by the reading under way, else by the next one */
    } waiter[VH_MAX_CLIENTS];
} list;

static void answer(bool ok);

/* Everybody who waits is served by it. */
static void begin(void) {
    const struct device_order o = {.head = {.kind = DEVICE_PCI}};
    for (int i = 0; i < list.n; i++)
        list.waiter[i].served = true;
    list.reading = device_pool_order(&o, 0, -1);
    if (!list.reading) /* too many orders wait */
        answer(false);
}

/* An answer may end its client, but not make another one ask: lines are read elsewhere. */
static void answer(bool ok) {
    struct waiter all[VH_MAX_CLIENTS];
    int n = list.n;
    memcpy(all, list.waiter, sizeof all);
    list.n = 0;
    for (int i = 0; i < n; i++) {
        if (!all[i].served)
            list.waiter[list.n++] = all[i];
    }
    for (int i = 0; i < n; i++) {
        if (all[i].served)
            list.done(all[i].client, ok);
    }
}

static void judge(void) {
    policy_pci_judge(list.conf, list.last.row, (int)list.last.n, list.fate);
}

void pci_list_read(const union device_answer *a) {
    list.reading = false;
    if (a != NULL)
        memcpy(&list.last, &a->pci, device_answer_size(DEVICE_PCI, a));
    judge();
    answer(a != NULL);
    if (list.n > 0)
        begin();
}

void pci_list_ask(struct client_ref c) {
    VH_ASSERT(list.n < VH_MAX_CLIENTS); /* each client waits for one answer, and those that have gone for none */
    list.waiter[list.n++] = (struct waiter){.client = c};
    if (!list.reading)
        begin();
}

void pci_list_client_gone(struct client_ref c) {
    for (int i = 0; i < list.n; i++) {
        struct client_ref w = list.waiter[i].client;
        if (w.index != c.index || w.gen != c.gen)
            continue;
        list.n--;
        memmove(list.waiter + i, list.waiter + i + 1, (size_t)(list.n - i) * sizeof list.waiter[0]);
        return;
    }
}

void pci_list_last(struct pci_host *h, bool *whole) {
    *h = (struct pci_host){.row = list.last.row, .fate = list.fate, .n = (int)list.last.n};
    *whole = list.last.whole != 0;
}

void pci_list_judge(const struct conf *c) {
    list.conf = c;
    judge();
}

void pci_list_start(pci_list_done_fn *done) {
    list.done = done;
}
