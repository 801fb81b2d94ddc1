/*
 * reload.c - the reload of the configuration. Owns who waits for one, what the last one has come to, and the order in
 * which the other modules get the new configuration. Never reads the file (conf_load.c) and never says what it means.
 */
#include "daemon/reload.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/modules.h"
#include "daemon/acpi_tables.h"
#include "daemon/dispatch.h"
#include "daemon/notify.h"
#include "daemon/pci_list.h"
#include "daemon/vfio_pool.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/pages.h"
#include "os/supervisor.h"
#include "server/server.h"
#include "vmm/connector.h"
#include "vmm/link.h"
#include "vmm/vm_watch.h"

#include <errno.h>
#include <unistd.h>

_Static_assert(2 * VH_T_OPEN < VH_T_REQUEST, "the reading under way and the next one end in time for a request");

struct waiter {
    struct client_ref client; /* gen 0: it has gone */
    struct principal who;
    bool served; /* by the reading under way, else by the next one */
};

static struct {
    const struct reload_calls *calls;
    bool wanted;  /* the configuration is to be read again */
    bool reading; /* the opener reads it */
    int nwaiters;
    struct waiter waiter[VH_MAX_CLIENTS];
    struct reloaded result; /* of the reading under way */
    struct reload_stats stats;
    char error[VH_ERROR_MAX];
} reload;

static void tell(enum diag_level level, unsigned count, const char *text) {
    api_reload_problem(&reload.result, level, count, text);
}

static void warn(const char *text) {
    log_warn("%s", text);
    tell(DIAG_WARNING, 1, text);
}

static void warn_without_modules(const struct conf *c) {
    const char *dir = "";
    char text[VH_TEXT_MAX + VH_PATH_MAX];
    for (int i = 0; i < c->nentries && !modules_there(&dir); i++) {
        if ((c->entries[i].fields & F_DRIVER_PATH) == 0)
            continue;
        (void)str_fmt(text, sizeof text, "no module lists in %s: 'driverPath' matches nothing", dir); /* a path */
        warn(text);
        return;
    }
}

static void warn_of_what_stays(const struct conf *old, const struct conf *fresh) {
    if (fresh->persistency != old->persistency || !str_eq(fresh->state_path, old->state_path))
        warn("general.persistency and general.statePath are read at start only: restart the daemon for them");
    if (fresh->quarantine != old->quarantine)
        warn("general.quarantine is read at start only: restart the daemon for it");
    if (fresh->authorization.enabled != old->authorization.enabled)
        warn("usbAuthorization.enable is read at start only: restart the daemon for it");
    if (fresh->authorization.unmatched != old->authorization.unmatched)
        warn("usbAuthorization.deauthorizeUnmatched is acted on at start only: restart the daemon for it");
    if (conf_gives_pci(fresh) && !vfio_pool_runs())
        warn("the first rule of pciPassthrough: the daemon gives PCI devices to VMs once it is started anew");
    if (!str_eq(fresh->record_path, old->record_path))
        warn("general.recordPath is read at start only: restart the daemon for it");
    if (acpi_tables_any_new(fresh))
        warn("a table of acpiPassthrough is new: restart the daemon for it");
}

/* Puts the new configuration in force. A row that names another VM than before goes down first: nothing known of the
 * old VM applies to the new one. Then its guests go: by their rows they would hear what concerns the new one. */
static void put_in_force(const struct conf *old, const struct conf *fresh) {
    vm_set changed = 0;
    warn_of_what_stays(old, fresh);
    for (int v = 0; v < VH_MAX_VMS; v++) {
        bool same = v < fresh->nvms && v < old->nvms && conf_same_vm(&fresh->vms[v], &old->vms[v]);
        changed |= (vm_set)!same << v;
        if (same || v >= old->nvms)
            continue;
        link_drop(v);
        dispatch_vm(FACT_VM_DOWN, v);
    }
    struct pci_host h = {0};
    bool whole = false;
    struct fact f = {.kind = FACT_RELOAD, .conf = fresh, .pci = vfio_pool_runs() ? &h : NULL};
    connector_reload(fresh, changed); /* first: what is asked from here on is done by the new configuration */
    server_reload(&fresh->api);
    notify_reload(old, fresh, changed);
    pci_list_judge(fresh); /* before: what the core is told is by the new rules */
    pci_list_last(&h, &whole);
    dispatch_fact(&f);
    pci_list_tell(); /* devices that are of concern only now */
    link_reload(fresh, changed);
    vm_watch_reload(fresh, changed);
    vm_watch_scan();
    warn_without_modules(fresh);
    pages_give_back_code();
    log_info("configuration reloaded: vms=%d rules=%d", fresh->nvms, conf_rules(fresh));
}

static void count(void) {
    struct reload_stats *s = &reload.stats;
    s->ok += reload.result.ok;
    s->failed += !reload.result.ok;
    s->failed_at = reload.result.ok ? 0 : clock_date_ms();
    (void)str_copy(reload.error, sizeof reload.error, reload.result.error); /* same bound; "" if it succeeded */
    s->error = reload.error;
}

/* Answers those whom this reading has served. An answer may end other clients, which changes no order here. */
static void answer(void) {
    int left = 0;
    for (int i = 0; i < reload.nwaiters; i++) {
        struct waiter w = reload.waiter[i];
        if (w.served)
            reload.calls->done(w.client, &w.who, &reload.result);
        else
            reload.waiter[left++] = w;
    }
    reload.nwaiters = left;
    pages_give_back(&reload.result.problems, sizeof reload.result.problems);
}

void reload_tell_ready(const char *remark) {
    const struct conf *c = dispatch_core()->conf;
    char status[VH_STATUS_MAX];
    bool whole = str_fmt(status, sizeof status, "%svms=%d rules=%d", remark, c->nvms, conf_rules(c));
    VH_ASSERT(whole);
    supervisor_ready(status);
}

static void on_conf(enum opener_what what, int fd, int error) {
    const struct conf *old = dispatch_core()->conf, *fresh = NULL;
    bool came = error != ETIMEDOUT && error != EPIPE;
    char why[VH_TEXT_MAX] = "";
    vm_set busy = 0;
    (void)what;
    reload.reading = false;
    api_reload_begin(&reload.result);
    for (int v = 0; v < old->nvms; v++)
        busy |= (vm_set)core_vm_in_use(dispatch_core(), v) << v;
    if (came)
        fresh = reload.calls->read(fd, error, old, busy, tell);
    if (fd >= 0)
        (void)close(fd);
    if (fresh != NULL) {
        opener_in_force();
        put_in_force(old, fresh);
        reload_tell_ready("");
    } else {
        log_error("configuration not reloaded: %s%sthe one in force stays", came ? "" : opener_why(error),
                  came ? "" : "; ");
        reload_tell_ready("the configuration of before, the new one is not usable: ");
        if (!came)
            (void)str_fmt(why, sizeof why, "the configuration was not read: %s", opener_why(error)); /* a short text */
    }
    api_reload_end(&reload.result, fresh, why);
    count();
    answer();
}

void reload_next(void) {
    if (!reload.wanted || reload.reading)
        return;
    reload.wanted = false;
    reload.reading = true;
    for (int i = 0; i < reload.nwaiters; i++)
        reload.waiter[i].served = true;
    supervisor_reloading();
    opener_ask(OPEN_CONF, on_conf);
}

void reload_hangup(void) {
    reload.wanted = true;
}

bool reload_ask(struct client_ref c, const struct principal *who) {
    if (reload.nwaiters == VH_MAX_CLIENTS)
        return false;
    reload.waiter[reload.nwaiters++] = (struct waiter){.client = c, .who = *who};
    reload.wanted = true;
    return true;
}

void reload_client_gone(struct client_ref c) {
    for (int i = 0; i < reload.nwaiters; i++) {
        struct client_ref *w = &reload.waiter[i].client;
        if (w->index == c.index && w->gen == c.gen)
            w->gen = 0;
    }
}

const struct reload_stats *reload_stats(void) {
    return &reload.stats;
}

void reload_start(const struct reload_calls *calls) {
    reload.stats.error = ""; /* here, because a table with a value is part of the binary */
    reload.calls = calls;
    warn_without_modules(dispatch_core()->conf);
    api_reload_begin(&reload.result);
}
