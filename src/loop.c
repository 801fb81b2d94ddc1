/*
 * loop.c - one thread, one poll(): what happened becomes a fact, the core turns it into actions, the rooms do them.
 *
 * Owns the core's state, the order of work in one pass and the source of uevents. Decides nothing about devices or VMs.
 * Readiness is handled before deadlines, so that a daemon that was stopped for a while reads the answers that
 * came meanwhile before it calls them late.
 */
#include "loop.h"

#include "access.h"
#include "api.h"
#include "core.h"
#include "heap.h"
#include "limits.h"
#include "link.h"
#include "log.h"
#include "log_limit.h"
#include "modules.h"
#include "netlink.h"
#include "release.h"
#include "server.h"
#include "sock.h"
#include "state.h"
#include "str.h"
#include "sys.h"
#include "tell.h"
#include "uevent.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define DEFERRED_MAX (VH_MAX_CLIENTS + 4 * VH_MAX_VMS + VH_MAX_DEVICES + 1)

static struct {
    const struct loop_options *opt;
    const struct conf *conf; /* in force */
    struct core core;
    struct actions actions;
    bool stepping;
    int ndeferred;
    struct fact deferred[DEFERRED_MAX];     /* facts that arose while actions were being done */
    struct request request[VH_MAX_CLIENTS]; /* under way, by client slot */
    struct explained explained[VH_MAX_CLIENTS];
    int64_t started_at;
    uint64_t rescans;
    int64_t now;
    size_t arena; /* bytes of it in use at "ready": they stay as many */
    int uevents;  /* descriptor of the uevent source */
    int signals;
    int64_t reopen_at, reopen_ms; /* the source failed: when to open it again; the delay doubles */
    bool rescan;                  /* uevents were lost */
    bool stop;
    int poll_failures;   /* in a row */
    bool hangup;         /* the configuration is to be read again */
    int64_t leave_until; /* stopping: devices are taken out of their VMs, but not for longer */
    bool save_failed;    /* as last logged */
    uint64_t full_logged;
    char failure[VH_MAX_VMS][VH_TEXT_MAX]; /* of its last operation, as logged; "" it went well */
    struct pollset polls;
} loop;

/* ---- actions ---- */

static void do_reply(const struct action *a) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    const struct request *r = &loop.request[a->client.index];
    sb_init(&sb, text, sizeof text);
    if (a->kind == ACT_REPLY_VERSION)
        api_version(&sb, r->id);
    else if (a->ok)
        api_ok(&sb, r->id);
    else
        api_failed(&sb, r->id, loop.actions.texts[a->text]);
    VH_ASSERT(sb_ok(&sb));
    server_reply(a->client, text, sb.len);
}

static void do_op(const struct action *a) {
    static const char *const names[] = {"none", "list", "attach", "detach"};
    log_debug("operation %u: %s %s vm=%s", (unsigned)a->op.serial, names[a->op.kind], a->op.id,
              loop.conf->vms[a->vm].name);
    link_op(a->vm, &a->op);
}

static void give(const struct fact *f);

/* Once for a trouble, however often it is tried. */
static void do_save(void) {
    struct fact f = {.kind = FACT_SAVED};
    f.ok = state_save(&loop.core.memories, &f.text);
    if (!f.ok && !loop.save_failed)
        log_error("the state cannot be saved: %s", f.text);
    if (f.ok && loop.save_failed)
        log_info("the state is saved again");
    loop.save_failed = !f.ok;
    give(&f);
}

static void do_release(const struct action *a) {
    const struct device *d = &loop.core.slot[a->slot].dev;
    log_debug("reset: device=%s", d->sys_name);
    release_begin(a->token, d, a->vm >= 0 ? watch_pidfd(a->vm) : -1);
}

static void do_flaps(const struct action *a) {
    log_warn("port flaps: device=%s, left alone until one has stayed for %lld ms", loop.core.slot[a->slot].dev.sys_name,
             (long long)a->hold_ms);
}

static void do_action(const struct action *a) {
    switch (a->kind) {
    case ACT_OP:
        do_op(a);
        break;
    case ACT_EVENT:
        tell_event(&loop.core, a, a->client.gen != 0 ? &loop.request[a->client.index].who : NULL, loop.now);
        break;
    case ACT_AUDIT:
        tell_audit(&loop.core, &loop.actions.audits[a->audit], loop.actions.texts[a->text], loop.now);
        break;
    case ACT_REPLY:
    case ACT_REPLY_VERSION:
        do_reply(a);
        break;
    case ACT_REPLY_PARTS:
        if (loop.request[a->client.index].kind == REQ_EXPLAIN)
            api_explained(&loop.explained[a->client.index], &loop.core, &loop.request[a->client.index], a->slot);
        server_reply_parts(a->client);
        break;
    case ACT_SUBSCRIBE:
        server_subscribe(a->client, true, a->audits);
        break;
    case ACT_UNSUBSCRIBE:
        server_subscribe(a->client, false, false);
        break;
    case ACT_RELEASE:
        do_release(a);
        break;
    case ACT_SAVE:
        do_save();
        break;
    case ACT_FLAPS:
        do_flaps(a);
        break;
    }
}

/* ---- facts ---- */

static void step(const struct fact *f) {
    loop.stepping = true;
    core_step(&loop.core, f, loop.now, &loop.actions);
    for (int i = 0; i < loop.actions.n; i++)
        do_action(&loop.actions.a[i]);
    loop.stepping = false;
    if (loop.core.stats.table_full != loop.full_logged) {
        loop.full_logged = loop.core.stats.table_full;
        log_warn("a table is full: a device is ignored or not remembered (see --limits); times=%llu",
                 (unsigned long long)loop.full_logged);
    }
}

/* Doing an action may itself bring up a fact, e.g. a client that is gone; it waits for its turn. */
static void give(const struct fact *f) {
    if (loop.stepping) {
        VH_ASSERT(f->kind == FACT_CLIENT_GONE || f->kind == FACT_VM_SOCKET || f->kind == FACT_VM_DOWN ||
                  f->kind == FACT_VM_ANSWERS || f->kind == FACT_SAVED || f->kind == FACT_RELEASED);
        VH_ASSERT(loop.ndeferred < DEFERRED_MAX);
        loop.deferred[loop.ndeferred++] = *f;
        return;
    }
    step(f);
    for (int i = 0; i < loop.ndeferred; i++) {
        struct fact next = loop.deferred[i];
        step(&next);
    }
    loop.ndeferred = 0;
    VH_ASSERT(!loop.core.saving);
}

static void give_vm(enum fact_kind kind, int vm) {
    struct fact f = {.kind = kind, .vm = vm};
    give(&f);
}

/* ---- what rooms tell us: clients ---- */

static bool moves(enum request_kind kind) {
    return kind == REQ_ATTACH || kind == REQ_DETACH || kind == REQ_SUSPEND || kind == REQ_RESUME;
}

static void on_line(struct client_ref c, const struct principal *who, char *line, size_t len) {
    char error[VH_ERROR_MAX];
    struct request *r = &loop.request[c.index];
    const char *why = error;
    bool ok = false;
    if (line == NULL) {
        memset(r, 0, sizeof *r);
        (void)str_fmt(error, sizeof error, "the line is longer than %d bytes", VH_LINE_MAX);
    } else if (api_parse(r, line, len, error, sizeof error)) {
        ok = access_may(who, r->kind, &why);
    }
    r->client = c;
    r->who = *who;
    if (ok) {
        if (moves(r->kind))
            server_charge(c, VH_CHANGE_COST - 1); /* one is counted already */
        struct fact f = {.kind = FACT_REQUEST, .request = r};
        give(&f);
        return;
    }
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    api_failed(&sb, r->id, why);
    VH_ASSERT(sb_ok(&sb));
    log_debug("request refused: by=\"%s\" error=\"%s\"", who->name, why);
    if (why != error) { /* it was understood, and is not for this role */
        struct audit a = {.asked = *r, .outcome = AUDIT_REFUSED};
        tell_audit(&loop.core, &a, why, loop.now);
    }
    server_reply(c, text, sb.len);
}

static void on_refused(const struct principal *who, const char *why) {
    tell_refused(&loop.core, who, why, loop.now);
}

static void on_closed(struct client_ref c) {
    struct fact f = {.kind = FACT_CLIENT_GONE, .client = c};
    give(&f);
}

static void count(struct figures *f) {
    const struct netlink_stats *n = netlink_stats();
    const struct server_stats *s = server_stats();
    *f = (struct figures){
        .uptime_ms = (loop.now - loop.started_at) / VH_NSEC_PER_MSEC,
        .uevents_got = n->got,
        .uevents_ignored = n->ignored,
        .uevents_lost = n->lost,
        .rescans = loop.rescans,
        .clients = s->clients,
        .subscribers = s->subscribers,
        .accepted = s->accepted,
        .refused = s->refused,
        .requests = s->requests,
        .events_sent = s->events_sent,
        .events_dropped = s->events_dropped,
        .arena_used = heap_used(),
        .arena_peak = heap_peak(),
    };
    for (int v = 0; v < loop.conf->nvms; v++)
        f->connected |= (vm_set)link_connected(v) << v;
}

static bool on_part(struct client_ref c, uint32_t *cursor, struct sbuf *out) {
    const struct request *r = &loop.request[c.index];
    struct figures f;
    bool more;
    if (r->kind == REQ_EXPLAIN) {
        more = api_explain_part(&loop.core, r, &loop.explained[c.index], cursor, out);
    } else if (r->kind == REQ_STATS) {
        count(&f);
        more = api_stats_part(&loop.core, r, &f, cursor, out);
    } else {
        more = api_list_part(&loop.core, r, cursor, out);
    }
    VH_ASSERT(sb_ok(out));
    return more;
}

/* ---- what rooms tell us: VMs ---- */

static const char *vm_name(int vm) {
    return loop.conf->vms[vm].name;
}

/* What is tried again and again is said once, until it goes well or fails otherwise. */
static void on_done(const struct op_result *r) {
    char *last = loop.failure[r->vm];
    if (r->status == OP_OK) {
        last[0] = '\0';
    } else {
        log_line(str_eq(last, r->text) ? LOG_DEBUG : LOG_WARN, "operation failed: vm=%s error=\"%s\"", vm_name(r->vm),
                 r->text);
        (void)str_copy(last, VH_TEXT_MAX, r->text); /* same bound */
    }
    struct fact f = {.kind = FACT_OP_DONE, .op = r};
    give(&f);
}

static void on_answers(int vm) {
    log_info("VM answers: vm=%s", vm_name(vm));
    give_vm(FACT_VM_ANSWERS, vm);
}

static void vm_is_down(int vm, const char *why) {
    if (loop.core.vm[vm].state != VM_DOWN)
        log_info("VM down: vm=%s reason=\"%s\"", vm_name(vm), why);
    give_vm(FACT_VM_DOWN, vm); /* while its process is still known: it may be a moment from its end */
    watch_process(vm, 0);
}

static void on_released(uint32_t token) {
    struct fact f = {.kind = FACT_RELEASED, .token = token};
    give(&f);
}

static void on_again(int vm) {
    give_vm(FACT_VM_SOCKET, vm);
}

/* Something behind the socket ended. The socket itself tells whether anybody is left. */
static void look_again(int vm, const char *why) {
    if (link_listening(vm)) {
        give_vm(FACT_VM_SOCKET, vm);
        return;
    }
    link_drop(vm);
    vm_is_down(vm, why);
}

static void on_socket_there(int vm) {
    log_info("VM socket appeared: vm=%s", vm_name(vm));
    give_vm(FACT_VM_SOCKET, vm);
}

static void on_socket_gone(int vm) {
    look_again(vm, "its socket was removed");
}

static void on_process_gone(int vm) {
    look_again(vm, "its process ended");
}

static void on_mounts(void) {
    loop.opt->bus->recheck(give);
}

/* The operation's device, opened at the last moment: it may have gone, or be in use by now. */
static int on_open_node(const struct vmm_op *op, char *why, size_t cap) {
    const struct vm *vm = &loop.core.vm[op->vm];
    if (vm->op_serial != op->serial || vm->op_slot < 0 || loop.core.slot[vm->op_slot].state != SLOT_PRESENT) {
        (void)str_copy(why, cap, "the device was unplugged");
        return -1;
    }
    return loop.opt->bus->open_node(&loop.core.slot[vm->op_slot].dev, why, cap);
}

static const struct server_calls server_calls = {
    .line = on_line, .refused = on_refused, .closed = on_closed, .part = on_part};
static const struct link_calls link_calls = {
    .done = on_done,
    .answers = on_answers,
    .down = vm_is_down,
    .again = on_again,
    .peer = watch_process,
    .open_node = on_open_node,
};
static const struct watch_calls watch_calls = {
    .socket_there = on_socket_there,
    .socket_gone = on_socket_gone,
    .process_gone = on_process_gone,
    .mounts_changed = on_mounts,
};

/* ---- uevents ---- */

static void scan(bool coldplug) {
    loop.opt->bus->scan(coldplug, give);
}

static void uevents_lost(void) {
    log_error("the uevent socket failed: opening it anew");
    (void)close(loop.uevents);
    loop.uevents = -1;
    loop.reopen_at = loop.now + loop.reopen_ms * VH_NSEC_PER_MSEC;
}

/* Then all is looked at, for nobody knows what happened meanwhile. */
static void uevents_tick(void) {
    if (loop.reopen_at > loop.now)
        return;
    loop.reopen_at = VH_NEVER;
    loop.reopen_ms = loop.reopen_ms < VH_T_RETRY_MAX / 2 ? loop.reopen_ms * 2 : VH_T_RETRY_MAX;
    loop.uevents = loop.opt->fake_uevents ? netlink_open_fake(loop.opt->fake_uevents) : netlink_open();
    if (loop.uevents < 0) {
        log_error("cannot reopen the uevent socket: %s", strerror(errno));
        loop.reopen_at = loop.now + loop.reopen_ms * VH_NSEC_PER_MSEC;
    }
    loop.rescan = true;
}

/* One batch. After a loss the rest is drained first: what the queue still holds is older than what was lost. */
static void uevents_ready(void) {
    for (int i = 0; i < VH_UEVENT_BATCH; i++) {
        char *msg;
        size_t len;
        struct uevent ev;
        switch (netlink_read(loop.uevents, &msg, &len)) {
        case NETLINK_GOT:
            loop.reopen_ms = VH_T_RETRY_MIN;
            if (uevent_parse(&ev, msg, len))
                (void)loop.opt->bus->uevent(&ev, give);
            break;
        case NETLINK_IGNORED:
            break;
        case NETLINK_LOST:
            log_warn("uevents were lost: rescanning");
            loop.rescan = true;
            break;
        case NETLINK_DEAD:
            uevents_lost();
            return;
        case NETLINK_EMPTY:
            if (loop.rescan) {
                loop.rescan = false;
                loop.rescans++;
                scan(false);
            }
            return;
        }
    }
}

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

/* With releaseOnExit the devices come out of their VMs first; a second signal ends that. */
static void begin_stop(unsigned signal) {
    struct fact f = {.kind = FACT_STOP};
    log_info("stopping: signal=%u", signal);
    if (!loop.conf->release_on_exit || loop.core.stopping) {
        loop.stop = true;
        return;
    }
    loop.leave_until = loop.now + VH_T_STOP * VH_NSEC_PER_MSEC;
    give(&f);
}

static void look_for_end(void) {
    if (!loop.core.stopping || loop.stop)
        return;
    bool late = loop.now >= loop.leave_until;
    loop.stop = late || !core_holds(&loop.core);
    if (late)
        log_warn("stopping: some devices could not be taken out of their VMs in time");
}

static void signals_ready(void) {
    struct signalfd_siginfo info;
    while (read(loop.signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            loop.hangup = true;
        else
            begin_stop(info.ssi_signo);
    }
}

/* ---- another configuration ---- */

static void warn_without_modules(const struct conf *c) {
    const char *dir = "";
    for (int i = 0; i < c->nentries && !modules_there(&dir); i++) {
        if (c->entries[i].fields & F_DRIVER_PATH) {
            log_warn("no module lists in %s: 'driverPath' matches nothing", dir);
            return;
        }
    }
}

/* All valid or nothing changes. Rows that are another VM now have nothing to do with the old one: it goes down. */
static void reload(void) {
    const struct conf *old = loop.conf;
    vm_set busy = 0, changed = 0;
    for (int v = 0; v < old->nvms; v++)
        busy |= (vm_set)core_vm_in_use(&loop.core, v) << v;
    const struct conf *fresh = loop.opt->reload(old, busy);
    if (fresh == NULL) {
        log_error("configuration not reloaded: the one in force stays");
        return;
    }
    if (fresh->persistency != old->persistency || !str_eq(fresh->state_path, old->state_path))
        log_warn("general.persistency and general.statePath are read at start only: restart the daemon for them");
    for (int v = 0; v < VH_MAX_VMS; v++) {
        bool same = v < fresh->nvms && v < old->nvms && conf_same_vm(&fresh->vms[v], &old->vms[v]);
        changed |= (vm_set)!same << v;
        if (same || v >= old->nvms)
            continue;
        link_drop(v);
        give_vm(FACT_VM_DOWN, v);
    }
    loop.conf = fresh;
    struct fact f = {.kind = FACT_RELOAD, .conf = fresh};
    give(&f);
    link_reload(fresh, changed);
    watch_reload(fresh, changed);
    server_reload(&fresh->api);
    watch_look();
    warn_without_modules(fresh);
    log_info("configuration reloaded: vms=%d rules=%d", fresh->nvms, fresh->nrules);
}

/* ---- the loop ---- */

static int64_t earliest(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t next_deadline(void) {
    if (loop.rescan && loop.uevents >= 0)
        return 0; /* a batch ended before the queue was empty */
    int64_t at = core_deadline(&loop.core);
    if (loop.core.stopping)
        at = earliest(at, loop.leave_until);
    at = earliest(at, server_deadline());
    at = earliest(at, log_limit_deadline());
    at = earliest(at, link_deadline());
    at = earliest(at, release_deadline());
    at = earliest(at, watch_deadline());
    at = earliest(at, loop.reopen_at);
    return earliest(at, loop.opt->bus->deadline());
}

/* A pass that took much longer than it asked for was not slow: the process (SIGSTOP) or the whole machine stood still.
 * That time counts for no deadline, for the other side may have stood still as well. */
static void skip_lost_time(int64_t begun, int64_t asked) {
    int64_t lost = sock_now() - begun - asked;
    if (lost < VH_T_STALL * VH_NSEC_PER_MSEC)
        return;
    log_info("did not run for %lld ms: deadlines wait as long", (long long)(lost / VH_NSEC_PER_MSEC));
    sock_skip(lost);
}

/* While a VM is waited for, no longer than a stall at once: else a stall that begins within the wait is told from it
 * only by its excess. */
static int64_t wait_span(int64_t left) {
    int64_t slice = VH_T_STALL * VH_NSEC_PER_MSEC;
    return link_deadline() != VH_NEVER && left > slice ? slice : left;
}

static int wait_for_work(void) {
    int64_t at = next_deadline(), begun = sock_now(), left = 0;
    struct timespec ts, *timeout = NULL;
    if (loop.now != 0)
        skip_lost_time(loop.now, 0); /* since the last pass woke up */
    if (at != VH_NEVER) {
        begun = sock_now();
        left = wait_span(at > begun ? at - begun : 0);
        ts.tv_sec = (time_t)(left / (1000 * VH_NSEC_PER_MSEC));
        ts.tv_nsec = (long)(left % (1000 * VH_NSEC_PER_MSEC));
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
    link_tick(loop.now);
    server_tick(loop.now);
    log_limit_tick(loop.now);
    release_tick(loop.now);
    watch_tick(loop.now);
    uevents_tick();
    loop.opt->bus->tick(loop.now, give);
    if (core_deadline(&loop.core) <= loop.now) {
        struct fact f = {.kind = FACT_TIME};
        give(&f);
    }
}

/* A monitor that is taken by somebody else is waited for only while there is something to do. */
static void tell_wants(void) {
    for (int v = 0; v < loop.conf->nvms; v++) {
        if (loop.core.vm[v].busy)
            link_wanted(v, core_wants_vm(&loop.core, v));
    }
}

/* Guests come and go with their VMs. */
static void tell_server_of_vms(void) {
    vm_set alive = 0, down = 0;
    for (int v = 0; v < loop.conf->nvms; v++) {
        alive |= (vm_set)loop.core.vm[v].alive << v;
        down |= (vm_set)(loop.core.vm[v].state == VM_DOWN) << v;
    }
    server_vms(alive, down);
}

static bool pass(void) {
    struct pollset *ps = &loop.polls;
    ps->n = 0;
    int iu = loop.uevents >= 0 ? pollset_add(ps, loop.uevents, POLLIN) : -1;
    int is = pollset_add(ps, loop.signals, POLLIN);
    watch_fill(ps);
    link_fill(ps);
    server_fill(ps);
    release_fill(ps);
    if (wait_for_work() < 0) {
        if (errno == EINTR)
            return true;
        if (loop.poll_failures++ == 0)
            log_error("poll failed: %s", strerror(errno));
        if (loop.poll_failures == VH_POLL_FAILURES)
            return false; /* it will not come right again: who watches over us starts us anew */
    } else {
        loop.poll_failures = 0;
    }
    loop.now = sock_now();
    if (pollset_got(ps, is, loop.signals))
        signals_ready();
    if (iu >= 0 && (loop.rescan || pollset_got(ps, iu, loop.uevents)))
        uevents_ready();
    watch_ready(ps);
    link_ready(ps, loop.now);
    tell_server_of_vms();
    server_ready(ps, loop.now);
    release_ready(ps);
    deadlines();
    tell_server_of_vms(); /* again: what was just done may have shown that one is down */
    tell_wants();
    if (loop.hangup) {
        loop.hangup = false;
        reload();
    }
    look_for_end();
    VH_ASSERT(heap_used() == loop.arena);
    return !loop.stop;
}

static bool start(void) {
    const struct loop_options *opt = loop.opt;
    if (!opt->bus->start() || !release_start(opt->bus, on_released))
        return false;
    if (!signals_open()) {
        log_error("cannot set up signals: %s", strerror(errno));
        return false;
    }
    /* Before the scan, so that no plug falls between the two. */
    loop.uevents = opt->fake_uevents ? netlink_open_fake(opt->fake_uevents) : netlink_open();
    if (loop.uevents < 0) {
        log_error("cannot open the uevent socket: %s", strerror(errno));
        return false;
    }
    core_init(&loop.core, opt->conf, opt->attach_connected);
    if (opt->conf->persistency) {
        state_load(opt->conf->state_path, &loop.core.memories);
        loop.core.persist = true;
    }
    warn_without_modules(opt->conf);
    server_start(&opt->conf->api, &server_calls);
    link_start(opt->conf, opt->vmms, &link_calls);
    if (!watch_start(opt->conf, &watch_calls))
        return false;
    scan(true);
    watch_look();
    for (int v = 0; v < loop.conf->nvms; v++) {
        if (loop.core.vm[v].state == VM_DOWN)
            give_vm(FACT_VM_DOWN, v); /* certain now, no longer just unknown */
    }
    return true;
}

bool loop_run(const struct loop_options *options) {
    loop.opt = options;
    loop.conf = options->conf;
    loop.reopen_at = VH_NEVER;
    loop.reopen_ms = VH_T_RETRY_MIN;
    loop.now = loop.started_at = sock_now();
    bool ok = start() && options->started();
    if (ok) {
        loop.arena = heap_used();
        log_info("ready: devices=%d vms=%d rules=%d", loop.core.used, options->conf->nvms, options->conf->nrules);
        while (pass()) {
        }
        ok = loop.stop;
    }
    release_stop();
    server_stop();
    link_stop();
    watch_stop();
    if (options->fake_uevents != NULL)
        (void)sys_unlink(options->fake_uevents);
    return ok;
}
