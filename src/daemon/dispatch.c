/*
 * dispatch.c - gives facts to the core and does the actions that come back. Owns the core's state and the order of
 * facts; turns what links, the watch for VMs and the bus report into facts. Decides nothing about devices or
 * VMs.
 */
#include "daemon/dispatch.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "core/core.h"
#include "daemon/auth_record.h"
#include "daemon/conf_load.h"
#include "daemon/device_worker.h"
#include "daemon/disk_worker.h"
#include "daemon/notify.h"
#include "daemon/pci_list.h"
#include "daemon/port_worker.h"
#include "daemon/record.h"
#include "daemon/sandbox_paths.h"
#include "daemon/state_file.h"
#include "daemon/vfio_pool.h"
#include "os/outlive.h"
#include "os/sys.h"
#include "server/server.h"
#include "vmm/connector.h"
#include "vmm/link.h"
#include "vmm/vm_watch.h"

#define DEFERRED_MAX (VH_MAX_CLIENTS + 4 * VH_MAX_VMS + 3 * VH_MAX_DEVICES + VH_MAX_CLIENTS + 1)

static struct {
    const struct bus *bus;
    const struct dispatch_calls *calls;
    struct core core;
    struct actions actions;
    int64_t now;
    bool stepping;
    int ndeferred;
    struct fact deferred[DEFERRED_MAX]; /* facts that arose while actions were being done */
    vm_set appeared;                    /* their sockets did, while links find out whether anybody listens */
    bool save_failed;                   /* as last logged */
    uint64_t full_logged;
    char failure[VH_MAX_VMS][VH_TEXT_MAX]; /* of its last operation, as logged; "" if that one succeeded */
} dispatch;

/* ---- actions ---- */

static void do_op(const struct action *a) {
    static const char names[][7] = {"none", "list", "attach", "detach"};
    log_debug("operation %u: %s %s vm=%s", (unsigned)a->op.serial, names[a->op.kind], a->op.id,
              dispatch.core.conf->vms[a->vm].name);
    link_op(a->vm, &a->op);
}

static void on_released(uint64_t token, bool ok) {
    struct fact f = {.kind = FACT_RELEASED, .token = (uint32_t)token, .ok = ok};
    dispatch_fact(&f);
}

static void on_revoked(uint64_t token, bool ok, const char *why) {
    struct fact f = {.kind = FACT_REVOKED, .token = (uint32_t)token, .ok = ok, .text = why};
    dispatch_fact(&f);
}

static void on_offered(uint64_t token, bool ok) {
    struct fact f = {.kind = FACT_OFFERED, .token = (uint32_t)token, .ok = ok};
    dispatch_fact(&f);
}

static void do_offer(const struct action *a) {
    const struct device *d = &dispatch.core.slot[a->slot].dev;
    log_debug("for the host: device=%s", d->sys_name);
    if (!dispatch.bus->offer(d, a->token))
        on_offered(a->token, false); /* too much is under way: it is tried again */
}

static void do_revoke(const struct action *a) {
    const struct device *d = &dispatch.core.slot[a->slot].dev;
    log_debug("revocation: device=%s", d->sys_name);
    if (!dispatch.bus->revoke(d, a->token, a->bind))
        on_revoked(a->token, false, "too many orders wait");
}

static void do_release(const struct action *a) {
    const struct device *d = &dispatch.core.slot[a->slot].dev;
    struct bus_release how = {.pidfd = a->vm >= 0 ? vm_watch_pidfd(a->vm) : -1,
                              .reset = a->reset,
                              .bind = a->bind,
                              .deauthorise = a->deauthorise};
    log_debug("given back: device=%s reset=%d bind=%d deauthorise=%d", d->sys_name, a->reset, a->bind, a->deauthorise);
    if (how.pidfd >= 0)
        how.pidfd = sys_dup(how.pidfd); /* without it the reset may come a moment too early */
    if (dispatch.bus->release(d, a->token, &how))
        return;
    if (log_may_about(LOG_DEVICES, d->sys_name, dispatch.now))
        log_warn("too many resets at once: device=%s is used as it is", d->sys_name);
    on_released(a->token, false); /* what is to be bound is tried again */
}

/* Told once for each hold, which is seconds long: the lines of the plugs before must not hide it. */
static void do_flaps(const struct action *a) {
    const char *name = dispatch.core.slot[a->slot].dev.sys_name;
    log_warn("port flaps: device=%s, ignored until a device stays for %lld ms", name, (long long)a->hold_ms);
}

static void do_driver(const struct action *a) {
    const struct slot *s = &dispatch.core.slot[a->slot];
    log_warn("the host's driver has an interface of a device that a VM has: device=%s driver=%s vm=%s", s->dev.sys_name,
             dispatch.core.driver[a->slot], dispatch.core.conf->vms[s->vm].name);
}

static void do_dropped(const struct action *a) {
    if (a->vid == 0 && a->pid == 0)
        log_warn("a decision is dropped, for too many are remembered: tag=%s by=%s", a->name, role_name(a->by));
    else
        log_warn("a decision is dropped, for too many are remembered: id=%04x:%04x port=%s by=%s", (unsigned)a->vid,
                 (unsigned)a->pid, a->name[0] != '\0' ? a->name : "any", role_name(a->by));
}

static void log_closed(void) {
    if (core_closed(&dispatch.core))
        log_error("no VM is given a device until an admin acknowledges the loss of the state file "
                  "(general.onCorruptState): vhotplugcli state acknowledge");
    else
        log_warn("the loss of the state file is not acknowledged; devices are given to VMs all the same");
}

static void do_state(const struct action *a) {
    if (a->client.gen == 0 && dispatch.core.remembered.corrupt[0] == '\0')
        log_info("the loss of the state file is acknowledged");
    else if (a->client.gen == 0)
        log_closed();
    notify_state(&dispatch.core, a->client);
}

static void do_action(const struct action *a) {
    switch (a->kind) {
    case ACT_OP:
        do_op(a);
        break;
    case ACT_EVENT:
        notify_event(&dispatch.core, a, a->client.gen != 0 ? dispatch.calls->asker(a->client) : NULL, dispatch.now);
        break;
    case ACT_AUDIT:
        notify_audit(&dispatch.core, &dispatch.actions.audits[a->audit], dispatch.actions.texts[a->text], dispatch.now);
        break;
    case ACT_REPLY:
    case ACT_REPLY_VERSION:
        dispatch.calls->reply(a, dispatch.actions.texts[a->text]);
        break;
    case ACT_REPLY_PARTS:
        dispatch.calls->reply_parts(a);
        break;
    case ACT_SERVE:
        dispatch.calls->serve(a);
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
    case ACT_OFFER:
        do_offer(a);
        break;
    case ACT_REVOKE:
        do_revoke(a);
        break;
    case ACT_PREPARE:
    case ACT_RESTORE:
        log_debug("%s: device=%s", a->kind == ACT_PREPARE ? "for a VM" : "for the host",
                  dispatch.core.slot[a->slot].dev.sys_name);
        vfio_pool_order(a);
        break;
    case ACT_SAVE:
        disk_worker_save(&dispatch.core.remembered, dispatch.now);
        break;
    case ACT_FLAPS:
        do_flaps(a);
        break;
    case ACT_DROPPED:
        do_dropped(a);
        break;
    case ACT_DRIVER:
        do_driver(a);
        break;
    case ACT_STATE:
        do_state(a);
        break;
    case ACT_LOOK:
        dispatch.bus->look(&dispatch.core.slot[a->slot].dev);
        break;
    }
}

/* ---- facts ---- */

/* What had such a tag stays away; what is plugged in later no longer does. */
static void warn_of_lost_tags(void) {
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        const struct tag_decision *l = &dispatch.core.remembered.tag_decision[i];
        if (l->now != ROLE_NONE && !core_tag_known(&dispatch.core, l->kind, l->tag))
            log_warn("no rule has the tag any more that somebody keeps away: tag=%s by=%s", l->tag, role_name(l->now));
    }
}

/* What the host's drivers may not see, after the daemon's end either: what somebody has taken away, and with quarantine
 * what is a guest's. With usbAuthorization alone, what a VM has or is getting is left as it is. */
static bool is_no_hosts(const struct core *c, int i) {
    if (core_bound(c, i))
        return true; /* what no VM has then goes back to the host's drivers all the same */
    const struct slot *s = &c->slot[i];
    bool guests = c->quarantine != QUARANTINE_OFF &&
                  (core_quarantines(c, s) || core_may_have(c, i) != 0 || core_stray(c, i) || s->unbound);
    guests = guests || (c->authorises && core_may_have(c, i) != 0);
    return s->state == SLOT_PRESENT && (guests || (s->disconnected && s->revoke != REVOKE_NONE));
}

static void note_guests(void) {
    const struct core *c = &dispatch.core;
    static int noted; /* rows above have none */
    for (int i = 0; i < c->used || i < noted; i++)
        outlive_note(i, i < c->used && is_no_hosts(c, i) ? c->slot[i].dev.incarnation : 0);
    noted = c->used;
}

static void step(const struct fact *f) {
    dispatch.stepping = true;
    if (f->kind == FACT_RELOAD)
        record_names(f->conf); /* before a row means a VM that is new */
    core_step(&dispatch.core, f, dispatch.now, &dispatch.actions);
    record_sync(&dispatch.core);
    note_guests();
    for (int i = 0; i < dispatch.actions.n; i++)
        do_action(&dispatch.actions.a[i]);
    dispatch.stepping = false;
    if (f->kind == FACT_RELOAD)
        warn_of_lost_tags();
    /* Each time that it has happened twice as often: whoever causes it cannot fill the log, nor hide it. */
    if (dispatch.core.stats.table_full > 2 * dispatch.full_logged) {
        dispatch.full_logged = dispatch.core.stats.table_full;
        log_warn("a table is full: a device is ignored or not remembered (see --limits); times=%llu",
                 (unsigned long long)dispatch.full_logged);
    }
}

/* An action may itself cause a fact, e.g. that a client is gone. That fact waits until the step is done. */
void dispatch_fact(const struct fact *f) {
    if (dispatch.stepping) {
        VH_ASSERT(f->kind == FACT_CLIENT_GONE || f->kind == FACT_VM_SOCKET || f->kind == FACT_VM_DOWN ||
                  f->kind == FACT_VM_ANSWERS || f->kind == FACT_SAVED || f->kind == FACT_RELEASED ||
                  f->kind == FACT_OFFERED || f->kind == FACT_REVOKED || f->kind == FACT_PREPARED ||
                  f->kind == FACT_RESTORED);
        VH_ASSERT(dispatch.ndeferred < DEFERRED_MAX);
        dispatch.deferred[dispatch.ndeferred++] = *f;
        return;
    }
    step(f);
    for (int i = 0; i < dispatch.ndeferred; i++) {
        struct fact next = dispatch.deferred[i];
        step(&next);
    }
    dispatch.ndeferred = 0;
}

void dispatch_vm(enum fact_kind kind, int vm) {
    struct fact f = {.kind = kind, .vm = vm};
    dispatch_fact(&f);
}

/* ---- reports from links, watch and bus ---- */

static const char *vm_name(int vm) {
    return dispatch.core.conf->vms[vm].name;
}

/* A VM says what it likes, as often as it likes, and its socket and its process come and go as it likes. */
static bool vm_may_log(int vm) {
    return log_may_about(LOG_VMS, vm_name(vm), dispatch.now);
}

/* A failure that repeats is logged once, until the operation succeeds or fails for another reason. */
static void on_done(const struct op_result *r) {
    char *last = dispatch.failure[r->vm];
    bool again = str_eq(last, r->text);
    if (r->status == OP_OK || r->status == OP_ACCEPTED) {
        last[0] = '\0';
    } else if (again || vm_may_log(r->vm)) {
        log_line(again ? LOG_DEBUG : LOG_WARN, "operation failed: vm=%s error=\"%s\"", vm_name(r->vm), r->text);
        (void)str_copy(last, VH_TEXT_MAX, r->text); /* same bound */
    }
    struct fact f = {.kind = FACT_OP_DONE, .op = r};
    dispatch_fact(&f);
}

static void on_answers(int vm) {
    if (vm_may_log(vm))
        log_info("VM answers: vm=%s", vm_name(vm));
    dispatch_vm(FACT_VM_ANSWERS, vm);
}

static void vm_is_down(int vm, const char *why) {
    if (dispatch.core.vm[vm].state != VM_DOWN && vm_may_log(vm))
        log_info("VM down: vm=%s reason=\"%s\"", vm_name(vm), why);
    dispatch_vm(FACT_VM_DOWN, vm); /* before its process is forgotten: a reset waits for the process to end */
    vm_watch_process(vm, -1);
}

/* Logs that saving fails once, not at each retry. */
static void on_saved(bool ok, const char *why) {
    struct fact f = {.kind = FACT_SAVED, .ok = ok, .text = why};
    if (!ok && !dispatch.save_failed)
        log_error("the state cannot be saved: %s", why);
    if (ok && dispatch.save_failed)
        log_info("the state is saved again");
    dispatch.save_failed = !ok;
    dispatch_fact(&f);
}

static void on_disk_answers(void) {
    struct fact f = {.kind = FACT_DISK_ANSWERS};
    dispatch_fact(&f);
}

/* The link knows who listens now; a socket that appeared meanwhile is told after that. */
static void on_again(int vm) {
    dispatch.appeared &= ~((vm_set)1 << vm);
    dispatch_vm(FACT_VM_SOCKET, vm);
}

static void on_down(int vm, const char *why) {
    bool appeared = (dispatch.appeared >> vm & 1) != 0;
    dispatch.appeared &= ~((vm_set)1 << vm);
    vm_is_down(vm, why);
    if (appeared)
        dispatch_vm(FACT_VM_SOCKET, vm);
}

static void on_socket_there(int vm) {
    if (vm_may_log(vm))
        log_info("VM socket appeared: vm=%s", vm_name(vm));
    if (link_rechecking(vm))
        dispatch.appeared |= (vm_set)1 << vm;
    else
        dispatch_vm(FACT_VM_SOCKET, vm);
}

/* The VM's process or its socket's name is gone; the VM is down only if nobody listens at the socket. */
static void on_socket_gone(int vm) {
    dispatch.appeared &= ~((vm_set)1 << vm);
    link_recheck(vm, "its socket was removed");
}

static void on_socket_absent(int vm) {
    dispatch_vm(FACT_VM_DOWN, vm);
}

static void on_process_gone(int vm) {
    link_recheck(vm, "its process ended");
}

/* Opens the operation's device just before it is passed on: it may have been unplugged, or be in use, since the
 * operation began. */
static bool on_open_node(const struct vmm_op *op, char *why, size_t cap) {
    const struct vm *vm = &dispatch.core.vm[op->vm];
    if (vm->op_serial != op->serial || vm->op_slot < 0 || dispatch.core.slot[vm->op_slot].state != SLOT_PRESENT) {
        (void)str_copy(why, cap, "the device was unplugged");
        return false;
    }
    if (dispatch.bus->open_node(&dispatch.core.slot[vm->op_slot].dev, (uint64_t)op->vm << 32 | op->serial))
        return true;
    (void)str_copy(why, cap, "too many devices wait to be opened");
    return false;
}

static void on_opened(uint64_t token, int fd, const char *why) {
    link_node((int)(token >> 32), (uint32_t)token, fd, why);
}

static bool on_wanted(const struct device *dev) {
    return core_wants_device(&dispatch.core, dev->sys_name);
}

static bool on_given(const char *sys_name) {
    return core_device_given(&dispatch.core, sys_name);
}

static void on_out(int vm, const char *id, bool out) {
    struct fact f = {.kind = FACT_VM_OUT, .vm = vm, .ok = out, .text = id};
    dispatch_fact(&f);
}

static const struct bus_calls bus_calls = {
    .fact = dispatch_fact,
    .reported = dispatch_reported,
    .wanted = on_wanted,
    .given = on_given,
    .opened = on_opened,
    .released = on_released,
    .offered = on_offered,
    .revoked = on_revoked,
};

static const struct link_calls link_calls = {
    .done = on_done,
    .answers = on_answers,
    .down = on_down,
    .again = on_again,
    .peer = vm_watch_process,
    .open_node = on_open_node,
    .out = on_out,
};
static const struct disk_worker_calls disk_worker_calls = {.saved = on_saved, .answers = on_disk_answers};
static const struct vm_watch_calls vm_watch_calls = {
    .socket_there = on_socket_there,
    .socket_gone = on_socket_gone,
    .socket_absent = on_socket_absent,
    .process_gone = on_process_gone,
};
static const struct connector_calls connector_calls = {
    .connected = link_reached,
    .listening = link_rechecked,
    .looked = vm_watch_looked,
};

/* ---- for the loop ---- */

void dispatch_time(int64_t now) {
    dispatch.now = now;
}

int64_t dispatch_now(void) {
    return dispatch.now;
}

const struct device *dispatch_reported(const char *sys_name) {
    return core_device(&dispatch.core, sys_name);
}

const struct bus *dispatch_bus(void) {
    return dispatch.bus;
}

const struct core *dispatch_core(void) {
    return &dispatch.core;
}

static bool start_connectors(const struct conf *conf) {
    struct connector_setup s = {.conf = conf, .inotify = vm_watch_inotify(), .reload = conf_load_beside};
    s.paths = sandbox_paths_connector(&s.npaths);
    return connector_start(&s, &connector_calls);
}

/* Without a rule there may be something to give back. A rule that comes with a reload is too late for processes. */
static bool pci_start(const struct conf *conf) {
    bool any = conf_gives_pci(conf);
    for (int i = 0; i < dispatch.core.nassigned; i++)
        any = any || (dispatch.core.assigned[i].more & ASSIGNED_BOUND) != 0;
    return !any || vfio_pool_start(&dispatch.core, dispatch_fact);
}

bool dispatch_start(const struct conf *conf, const struct bus *bus, const struct vmm *const *vmms,
                    const struct dispatch_calls *calls, bool attach_connected) {
    dispatch.calls = calls;
    dispatch.bus = bus;
    bool holds = conf->quarantine != QUARANTINE_OFF;
    core_init(&dispatch.core, conf, attach_connected);
    record_start(conf, &dispatch.core); /* no process inherits it */
    _Static_assert((int)CORE_SLOTS <= (int)OUTLIVE_ROWS, "a row for each slot");
    bool authorises = auth_record_start(conf) && conf->authorization.enabled; /* before the workers: they put it back */
    if (!bus->start(&bus_calls) || !outlive_start() || !device_workers_start(holds) ||
        (holds && !port_workers_start()) || !pci_start(conf))
        return false; /* first: they inherit no descriptor opened below */
    outlive_drop();
    if (holds)
        bus->hold_ports();
    dispatch.core.authorises = authorises;
    dispatch.core.gives_pci = vfio_pool_runs();
    if (conf->persistency) {
        state_file_load(conf->state_path, &dispatch.core.remembered);
        dispatch.core.persist = true;
        if (dispatch.core.remembered.corrupt[0] != '\0') {
            dispatch.core.dirty = true; /* the new file says so, too: a restart acknowledges nothing */
            log_closed();
        }
        if (!disk_worker_start(&disk_worker_calls))
            return false;
    }
    link_start(conf, vmms, &link_calls);
    return vm_watch_start(conf, &vm_watch_calls) && start_connectors(conf);
}
