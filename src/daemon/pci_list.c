/*
 * pci_list.c - owns the last list of PCI devices, with what becomes of each by the rules. The device workers read it
 * (pci_sysfs.c). Knows nothing of what is asked about it, and nothing of what the core makes of it.
 */
#include "daemon/pci_list.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "codec/uevent.h"
#include "os/clock.h"

static struct device_pci last;
static struct pci_fate fates[VH_MAX_PCI];
static const struct conf *conf;

static struct {
    void (*fact)(const struct fact *f); /* NULL: the core is not told */
    bool first;                         /* the first reading has not ended */
    bool told;                          /* the core was told of a list */
    bool noted;
    unsigned failures; /* in a row */
    int64_t again_at;
} core = {.again_at = VH_NEVER};

static void judge(void) {
    policy_pci_judge(conf, last.row, (int)last.n, fates);
}

static void tell(bool coldplug) {
    struct pci_host h = {.row = last.row, .fate = fates, .n = (int)last.n};
    struct fact f = {.kind = FACT_PCI, .pci = &h, .coldplug = coldplug};
    core.told = true;
    core.fact(&f);
}

static void taken(void) {
    judge();
    if (core.fact == NULL)
        return;
    if (last.whole != 0)
        tell(!core.told);
    else if (log_may_about(LOG_DEVICES, "PCI devices", clock_now()))
        log_warn("the PCI devices cannot all be read (at most %d): none is given to a VM or taken back", VH_MAX_PCI);
}

static struct host_list list = {.kind = DEVICE_PCI, .last = &last, .taken = taken};

void pci_list_ask(struct client_ref c) {
    host_list_ask(&list, c);
}

void pci_list_client_gone(struct client_ref c) {
    host_list_client_gone(&list, c);
}

static void try_again(void) {
    core.again_at = clock_now() + backoff(++core.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

void pci_list_read(const union device_answer *a) {
    bool whole = a != NULL && a->pci.whole != 0;
    if (whole)
        core.failures = 0;
    else if (core.fact != NULL)
        try_again();
    core.first = false;
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

/* ---- for the core ---- */

void pci_list_look(void) {
    if (core.fact == NULL)
        return;
    core.again_at = VH_NEVER;
    host_list_again(&list);
    if (!list.reading) /* too many orders wait */
        try_again();
}

void pci_list_tell_core(void (*fact)(const struct fact *f)) {
    core.fact = fact;
    core.first = true;
    pci_list_look();
}

bool pci_list_first(void) {
    return core.fact != NULL && core.first && list.reading;
}

void pci_list_tell(void) {
    if (core.fact != NULL && core.told && last.whole != 0)
        tell(false);
}

/* A device comes, goes or gets another driver; or a use by the host begins or ends. Of mounts the mount table tells. */
void pci_list_uevent(const struct uevent *ev) {
    static const char *const of_uses[] = {"block", "net", "input", "graphics"};
    core.noted = core.noted || str_eq(ev->subsystem, "pci");
    for (size_t i = 0; i < sizeof of_uses / sizeof *of_uses; i++)
        core.noted = core.noted || (str_eq(ev->subsystem, of_uses[i]) && !str_eq(ev->action, "change"));
}

void pci_list_read_noted(void) {
    if (core.noted)
        pci_list_look();
    core.noted = false;
}

int64_t pci_list_deadline(void) {
    return core.again_at;
}

void pci_list_tick(int64_t now) {
    if (core.again_at <= now)
        pci_list_look();
}
