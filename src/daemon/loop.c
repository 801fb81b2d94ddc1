/*
 * loop.c - one thread, one poll(). Owns the order of work in one pass, the clock of a pass and signals. Never turns
 * events into facts: dispatch.c, api_handler.c and the bus do.
 *
 * Readiness is handled before deadlines: a daemon that was stopped for a while reads the answers that came meanwhile
 * before it treats them as late.
 */
#include "daemon/loop.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "bus/device_pool.h"
#include "bus/mount_watch.h"
#include "bus/usb/port_pool.h"
#include "core/core.h"
#include "daemon/api_handler.h"
#include "daemon/disk_worker.h"
#include "daemon/dispatch.h"
#include "daemon/pci_list.h"
#include "daemon/reload.h"
#include "daemon/uevent_source.h"
#include "daemon/vfio_pool.h"
#include "os/clock.h"
#include "os/heap.h"
#include "os/opener.h"
#include "os/pages.h"
#include "os/pollset.h"
#include "os/supervisor.h"
#include "server/server.h"
#include "vmm/connector.h"
#include "vmm/link.h"
#include "vmm/vm_watch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static struct {
    const struct loop_options *opt;
    struct reload_calls reload;
    int64_t now;
    size_t arena; /* bytes of it in use at "ready"; the number never changes after that */
    int signals;
    int poll_failures; /* in a row */
    bool stop;
    int64_t leave_until; /* stopping: devices are taken out of their VMs until then at the latest */
    struct pollset polls;
} loop;

/* ---- signals ---- */

static bool signals_open(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return false;
    loop.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return loop.signals >= 0;
}

/* With releaseOnExit, devices are taken out of their VMs first; a second signal ends the daemon at once. */
static void begin_stop(unsigned signal) {
    struct fact f = {.kind = FACT_STOP};
    log_info("stopping: signal=%u", signal);
    supervisor_stopping();
    if (!dispatch_core()->conf->release_on_exit || dispatch_core()->stopping) {
        loop.stop = true;
        return;
    }
    loop.leave_until = loop.now + ms_to_ns(VH_T_STOP);
    dispatch_fact(&f);
}

static void look_for_end(void) {
    if (!dispatch_core()->stopping || loop.stop)
        return;
    bool late = loop.now >= loop.leave_until;
    loop.stop = late || !core_holds(dispatch_core());
    if (late)
        log_warn("stopping: some devices could not be taken out of their VMs in time");
}

static void signals_ready(void) {
    struct signalfd_siginfo info;
    while (read(loop.signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            reload_hangup();
        else
            begin_stop(info.ssi_signo);
    }
}

/* ---- the loop ---- */

static int64_t earliest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_deadline(void) {
    const struct core *core = dispatch_core();
    int64_t at = earliest(core_deadline(core), uevent_source_deadline());
    if (core->stopping)
        at = earliest(at, loop.leave_until);
    at = earliest(at, opener_deadline());
    at = earliest(at, server_deadline());
    at = earliest(at, log_limit_deadline());
    at = earliest(at, log_dropped_deadline());
    at = earliest(at, supervisor_deadline());
    at = earliest(at, link_deadline());
    at = earliest(at, connector_deadline());
    at = earliest(at, device_pool_deadline());
    at = earliest(at, port_pool_deadline());
    at = earliest(at, vfio_pool_deadline());
    at = earliest(at, pci_list_deadline());
    at = earliest(at, disk_worker_deadline());
    at = earliest(at, vm_watch_deadline());
    return earliest(at, loop.opt->bus->deadline());
}

/* A wait, or a pass, that took much longer than expected was interrupted: the process (SIGSTOP) or the whole machine
 * was stopped. That time counts for no deadline, because the other side may have been stopped as well. */
static void skip_lost_time(int64_t begun, int64_t asked) {
    int64_t lost = clock_now() - begun - asked;
    if (lost < ms_to_ns(VH_T_STALL))
        return;
    log_info("did not run for %lld ms: deadlines are moved by as much", (long long)(lost / VH_NSEC_PER_MSEC));
    clock_skip(lost);
    supervisor_stalled(); /* a service manager's watchdog does not leave that time out */
}

/* While a link waits for a VM, or a decision for the disk, a single wait is no longer than VH_T_STALL: of a stall that
 * begins during a longer wait, only the part beyond that wait would be noticed. */
static int64_t wait_span(int64_t left) {
    int64_t slice = ms_to_ns(VH_T_STALL);
    bool waits = link_deadline() != VH_NEVER || disk_worker_deadline() != VH_NEVER;
    return waits && left > slice ? slice : left;
}

/* Until something is ready, or the deadline. As poll(). */
static int wait_until(int64_t at) {
    int64_t begun = clock_now(), left = 0;
    struct timespec ts, *timeout = NULL;
    if (loop.now != 0)
        skip_lost_time(loop.now, 0); /* since the last pass woke up */
    if (at != VH_NEVER) {
        begun = clock_now();
        left = wait_span(at > begun ? at - begun : 0);
        ts.tv_sec = (time_t)(left / (ms_to_ns(1000)));
        ts.tv_nsec = (long)(left % (ms_to_ns(1000)));
        timeout = &ts;
    }
    int n = ppoll(loop.polls.fd, (nfds_t)loop.polls.n, timeout, NULL);
    if (timeout != NULL) {
        int saved = errno;
        skip_lost_time(begun, left);
        errno = saved;
    }
    return n;
}

static void deadlines(void) {
    opener_tick(loop.now);
    connector_tick(loop.now);
    link_tick(loop.now);
    server_tick(loop.now);
    log_limit_tick(loop.now);
    log_dropped_tick(loop.now);
    supervisor_tick(loop.now);
    device_pool_tick(loop.now);
    port_pool_tick(loop.now);
    vfio_pool_tick(loop.now);
    pci_list_tick(loop.now);
    disk_worker_tick(loop.now);
    vm_watch_tick(loop.now);
    uevent_source_tick(loop.now);
    loop.opt->bus->tick(loop.now);
    if (core_deadline(dispatch_core()) <= loop.now) {
        struct fact f = {.kind = FACT_TIME};
        dispatch_fact(&f);
    }
}

/* A link waits for a monitor that somebody else uses only while the core has something to do at that VM. */
static void update_wanted_links(void) {
    for (int v = 0; v < dispatch_core()->conf->nvms; v++) {
        if (dispatch_core()->vm[v].busy)
            link_wanted(v, core_wants_vm(dispatch_core(), v));
    }
}

/* Guests are let in while their VM runs, and disconnected when it is down. */
static void update_guests(void) {
    vm_set alive = 0, down = 0;
    for (int v = 0; v < dispatch_core()->conf->nvms; v++) {
        alive |= (vm_set)dispatch_core()->vm[v].alive << v;
        down |= (vm_set)(dispatch_core()->vm[v].state == VM_DOWN) << v;
    }
    server_vms(alive, down);
}

static bool pass(void) {
    struct pollset *ps = &loop.polls;
    ps->n = 0;
    uevent_source_fill(ps);
    opener_fill(ps);
    int is = pollset_add(ps, loop.signals, POLLIN);
    vm_watch_fill(ps);
    connector_fill(ps);
    mount_watch_fill(ps);
    link_fill(ps);
    server_fill(ps);
    device_pool_fill(ps);
    port_pool_fill(ps);
    vfio_pool_fill(ps);
    disk_worker_fill(ps);
    if (wait_until(next_deadline()) < 0) {
        if (errno == EINTR)
            return true;
        if (loop.poll_failures++ == 0)
            log_error("poll failed: %s", strerror(errno));
        if (loop.poll_failures == VH_POLL_FAILURES)
            return false; /* poll fails for good: the daemon ends, and its supervisor starts it anew */
    } else {
        loop.poll_failures = 0;
    }
    loop.now = clock_now();
    dispatch_time(loop.now);
    if (pollset_got(ps, is, loop.signals))
        signals_ready();
    opener_ready(ps);
    uevent_source_ready(ps);
    vm_watch_ready(ps);
    connector_ready(ps, loop.now);
    if (mount_watch_ready(ps)) {
        loop.opt->bus->recheck();
        pci_list_look();
    }
    link_ready(ps, loop.now);
    update_guests(); /* what links and watch found: server_ready() lets guests in by it */
    server_ready(ps, loop.now);
    device_pool_ready(ps);
    port_pool_ready(ps);
    vfio_pool_ready(ps);
    disk_worker_ready(ps);
    deadlines();
    update_guests(); /* what requests and deadlines found: else guests of a VM that is down stay until the next event */
    update_wanted_links();
    reload_next();
    look_for_end();
    VH_ASSERT(heap_used() == loop.arena);
    return !loop.stop;
}

static bool start(void) {
    const struct loop_options *opt = loop.opt;
    if (!dispatch_start(opt->conf, opt->bus, opt->vmms, &api_handler_dispatch_calls, opt->attach_connected))
        return false;
    mount_watch_start();
    if (!signals_open()) {
        log_error("cannot set up signals: %s", strerror(errno));
        return false;
    }
    /* Before the scan: a plug between the two would be missed. */
    if (!uevent_source_start(opt->bus)) {
        log_error("cannot open the uevent socket: %s", strerror(errno));
        return false;
    }
    reload_start(&loop.reload);
    server_start(&opt->conf->api, api_handler_start(loop.now));
    opt->bus->scan(true);
    return true;
}

/* Nothing else is served before the end of the first scan and of the first look at the VMs: clients would see half a
 * list and be told that a VM does not run, and a uevent would make a device of the scan a newly plugged one. Each order
 * has a deadline. False if a signal ended it. */
static bool wait_while(bool (*busy)(void)) {
    struct pollset *ps = &loop.polls;
    while (busy() && !loop.stop) {
        ps->n = 0;
        int is = pollset_add(ps, loop.signals, POLLIN);
        device_pool_fill(ps);
        connector_fill(ps);
        if (wait_until(earliest(device_pool_deadline(), connector_deadline())) < 0 && errno != EINTR)
            return false;
        loop.now = clock_now();
        dispatch_time(loop.now);
        if (pollset_got(ps, is, loop.signals))
            signals_ready();
        device_pool_ready(ps);
        connector_ready(ps, loop.now);
        device_pool_tick(loop.now);
        connector_tick(loop.now);
    }
    return !loop.stop;
}

/* After the devices are known: until a VM was listed, or is certainly down, it may have any of them. */
static void first_look_at_vms(void) {
    vm_watch_scan();
    for (int v = 0; v < loop.opt->conf->nvms; v++) {
        if (!loop.opt->conf->vms[v].supported)
            dispatch_vm(FACT_VM_DOWN, v); /* nobody looks for its socket */
    }
}

bool loop_run(const struct loop_options *options) {
    loop.opt = options;
    loop.reload = (struct reload_calls){.read = options->reload, .done = api_handler_reloaded};
    loop.now = clock_now();
    dispatch_time(loop.now);
    if (!start())
        return false; /* nothing was made yet that would have to be removed */
    bool started = options->started();
    if (started && vfio_pool_runs())
        pci_list_tell_core(dispatch_fact);
    bool ready = started && wait_while(options->bus->scanning) && wait_while(pci_list_first);
    if (ready) {
        first_look_at_vms();
        ready = wait_while(vm_watch_scanning);
    }
    if (ready) {
        loop.arena = heap_used();
        log_info("ready: devices=%d vms=%d rules=%d", dispatch_core()->used, options->conf->nvms,
                 conf_rules(options->conf));
        reload_tell_ready("");
        pages_give_back_code();
        pages_give_back_stack();
        while (pass()) {
        }
    }
    disk_worker_stop();
    device_pool_stop();
    port_pool_stop();
    vfio_pool_stop();
    server_stop();
    link_stop();
    connector_stop();
    vm_watch_stop();
    mount_watch_stop();
    uevent_source_stop();
    opener_stop();
    return started && loop.stop;
}
