/*
 * api_handler.c - clients' requests: a line becomes a fact, its outcome a reply. Owns the requests under way, one for
 * each client.
 *
 * Requests that a role may never make are refused here. What a role may do to which device, the core decides.
 */
#include "daemon/api_handler.h"

#include "api/api.h"
#include "api/api_args.h"
#include "api/api_evdev.h"
#include "api/api_pci.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/bus.h"
#include "bus/device_pool.h"
#include "bus/usb/port_pool.h"
#include "config/access.h"
#include "core/core.h"
#include "daemon/acpi_tables.h"
#include "daemon/auth_record.h"
#include "daemon/disk_worker.h"
#include "daemon/dispatch.h"
#include "daemon/evdev_list.h"
#include "daemon/notify.h"
#include "daemon/pci_list.h"
#include "daemon/reload.h"
#include "daemon/scratch.h"
#include "daemon/uevent_source.h"
#include "daemon/vfio_pool.h"
#include "os/heap.h"
#include "os/netlink.h"
#include "os/opener.h"
#include "vmm/connector.h"
#include "vmm/link.h"

#include <string.h>

static struct {
    struct request request[VH_MAX_CLIENTS]; /* under way, by client slot */
    struct explained explained[VH_MAX_CLIENTS];
    unsigned read[VH_MAX_CLIENTS]; /* vmm_args: rules whose devices were read for it */
    int64_t started_at;
} handler;

/* ---- replies ---- */

/* error: NULL if the request succeeded. */
static void reply(struct client_ref c, enum action_kind kind, const char *error) {
    static char text[VH_REPLY_MAX];
    const struct request *r = &handler.request[c.index];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    if (error != NULL)
        api_failed(&sb, r->id, error);
    else if (kind == ACT_REPLY_VERSION)
        api_version(&sb, r->id);
    else
        api_done(&sb, r);
    VH_ASSERT(sb_ok(&sb));
    server_reply(c, text, sb.len);
}

static void api_handler_reply(const struct action *a, const char *error) {
    reply(a->client, a->kind, a->kind == ACT_REPLY && !a->ok ? error : NULL);
}

static void api_handler_reply_parts(const struct action *a) {
    struct request *r = &handler.request[a->client.index];
    if (r->kind == REQ_EXPLAIN)
        api_explained(&handler.explained[a->client.index], dispatch_core(), r, a->slot);
    server_reply_parts(a->client);
}

void api_handler_reloaded(struct client_ref c, const struct principal *who, const struct reloaded *r) {
    static char text[VH_REPLY_MAX];
    struct audit a = {.asked = {.kind = REQ_RELOAD, .who = *who}, .outcome = r->ok ? AUDIT_OK : AUDIT_FAILED};
    struct sbuf sb;
    a.changes = true;
    notify_audit(dispatch_core(), &a, r->error, dispatch_now());
    if (c.gen == 0)
        return;
    sb_init(&sb, text, sizeof text);
    api_reloaded(&sb, handler.request[c.index].id, r);
    VH_ASSERT(sb_ok(&sb));
    server_reply(c, text, sb.len);
}

/* The rules of the VM that this is about; none if there is no such VM any more. */
static unsigned rules_of(const struct request *r) {
    const struct conf *conf = dispatch_core()->conf;
    int vm = conf_vm(conf, r->vm);
    return vm >= 0 ? conf_other_rules(conf, vm) : 0;
}

/* The lists that its rules need were just read. No PCI device is prepared for a start yet. */
static void reply_args(struct client_ref c) {
    static char text[VH_REPLY_MAX];
    const struct request *r = &handler.request[c.index];
    const struct conf *conf = dispatch_core()->conf;
    unsigned rules = rules_of(r);
    struct pci_host h;
    bool whole = true;
    const char *tables[VH_MAX_ACPI_TABLES];
    char error[VH_ERROR_MAX];
    struct sbuf sb;
    pci_list_last(&h, &whole);
    if ((rules & OTHER_PCI) == 0) {
        h.n = 0;
        whole = true;
    }
    if ((rules & OTHER_EVDEV) != 0)
        whole = whole && evdev_list_last()->whole != 0;
    for (int i = 0; i < conf->nacpi_tables; i++)
        tables[i] = acpi_tables_why(&conf->acpi_tables[i]);
    const struct args_host args = {
        .conf = conf, .pci = &h, .evdev = (rules & OTHER_EVDEV) != 0 ? evdev_list_last() : NULL, .tables = tables};
    sb_init(&sb, text, sizeof text);
    if (!whole)
        reply(c, ACT_REPLY, "some devices of the host could not be read: the VM might lack one");
    else if (!api_args(&args, r, &sb, error, sizeof error))
        reply(c, ACT_REPLY, error);
    else
        server_reply(c, text, sb.len);
}

/* Reads what its rules are about: PCI devices first, then input devices. A reload may change the rules meanwhile. */
static void args_go_on(struct client_ref c, unsigned read) {
    handler.read[c.index] |= read;
    unsigned missing = rules_of(&handler.request[c.index]) & ~handler.read[c.index];
    if ((missing & OTHER_PCI) != 0)
        pci_list_ask(c);
    else if ((missing & OTHER_EVDEV) != 0)
        evdev_list_ask(c);
    else
        reply_args(c);
}

static void args_begin(struct client_ref c) {
    handler.read[c.index] = 0;
    args_go_on(c, 0);
}

static void on_pci_list(struct client_ref c, bool ok) {
    const struct request *r = &handler.request[c.index];
    struct pci_host h;
    bool whole = false;
    char error[VH_ERROR_MAX];
    pci_list_last(&h, &whole);
    (void)str_fmt(error, sizeof error, "no such PCI device %s", r->sel.address); /* the address is far shorter */
    if (!ok)
        reply(c, ACT_REPLY, "the PCI devices could not be read in time");
    else if (r->kind == REQ_VMM_ARGS)
        args_go_on(c, OTHER_PCI);
    else if (r->kind == REQ_EXPLAIN && api_pci_find(&h, r->sel.address) < 0)
        reply(c, ACT_REPLY, error);
    else
        server_reply_parts(c);
}

static void on_evdev_list(struct client_ref c, bool ok) {
    if (!ok)
        reply(c, ACT_REPLY, "the input devices could not be read in time");
    else if (handler.request[c.index].kind == REQ_VMM_ARGS)
        args_go_on(c, OTHER_EVDEV);
    else
        server_reply_parts(c);
}

/* What the core has no part in. */
static void api_handler_serve(const struct action *a) {
    const struct request *r = &handler.request[a->client.index];
    VH_ASSERT(r->kind == REQ_RELOAD || r->kind == REQ_LIST || r->kind == REQ_EXPLAIN || r->kind == REQ_VMM_ARGS);
    if (r->kind == REQ_VMM_ARGS)
        args_begin(a->client);
    else if (r->kind == REQ_EXPLAIN || (r->kind == REQ_LIST && r->about == KIND_PCI))
        pci_list_ask(a->client);
    else if (r->kind == REQ_LIST)
        evdev_list_ask(a->client);
    else if (!reload_ask(a->client, &r->who))
        reply(a->client, ACT_REPLY, "too many requests are under way");
}

static const struct principal *api_handler_asker(struct client_ref c) {
    return &handler.request[c.index].who;
}

/* ---- called by the server ---- */

static void on_line(struct client_ref c, const struct principal *who, char *line, size_t len) {
    char error[VH_ERROR_MAX];
    struct request *r = &handler.request[c.index];
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
        if (core_moves(r))
            server_charge(c, VH_CHANGE_COST - 1); /* the server has charged 1 already */
        struct fact f = {.kind = FACT_REQUEST, .request = r};
        dispatch_fact(&f);
        return;
    }
    log_debug("request refused: by=\"%s\" error=\"%s\"", who->name, why);
    if (why != error) { /* understood, but not allowed to this role */
        struct audit a = {.asked = *r, .outcome = AUDIT_REFUSED};
        notify_audit(dispatch_core(), &a, why, dispatch_now());
    }
    reply(c, ACT_REPLY, why);
}

static void on_refused(const struct principal *who, const char *why) {
    notify_refused(dispatch_core(), who, why, dispatch_now());
}

static void on_closed(struct client_ref c) {
    struct fact f = {.kind = FACT_CLIENT_GONE, .client = c};
    reload_client_gone(c);
    pci_list_client_gone(c);
    evdev_list_client_gone(c);
    dispatch_fact(&f);
}

static void count_ports(struct figures *f) {
    static struct bus_quarantine q; /* f points into it */
    dispatch_bus()->quarantine(&q);
    f->quarantine_why = q.why;
    f->quarantine_hubs = q.hubs;
    f->quarantine_waiting = q.waiting;
    f->quarantine_late = q.late;
    f->quarantine_ports = q.ports;
    f->quarantine_refused = q.refused;
    port_pool_count(&f->port_workers);
}

static void count_buses(struct figures *f) {
    static struct bus_authorization a; /* f points into it */
    dispatch_bus()->authorization(&a);
    f->authorization_why = auth_record_why()[0] != '\0' ? auth_record_why() : a.why;
    f->authorization_closed = a.closed;
    f->authorization_waiting = a.waiting;
    f->authorization_open = a.open;
}

static void count(struct figures *f) {
    const struct netlink_stats *n = netlink_stats();
    const struct server_stats *s = server_stats();
    const struct reload_stats *l = reload_stats();
    struct device_pool_stats d;
    device_pool_stats(&d);
    *f = (struct figures){
        .uptime_ms = (dispatch_now() - handler.started_at) / VH_NSEC_PER_MSEC,
        .uevents_got = n->got,
        .uevents_ignored = n->ignored,
        .uevents_lost = n->lost,
        .rescans = uevent_source_rescans(),
        .clients = s->clients,
        .subscribers = s->subscribers,
        .accepted = s->accepted,
        .refused = s->refused,
        .requests = s->requests,
        .events_sent = s->events_sent,
        .events_dropped = s->events_dropped,
        .arena_used = heap_used(),
        .arena_peak = heap_peak(),
        .workers = (uint64_t)d.workers,
        .workers_idle = (uint64_t)d.idle,
        .workers_late = (uint64_t)d.late,
        .workers_ended = (uint64_t)d.ended,
        .orders_waiting = (uint64_t)d.waiting,
        .orders = d.orders,
        .orders_late = d.written_off,
        .log_dropped = log_dropped(),
        .reloads = l->ok,
        .reloads_failed = l->failed,
        .reload_failed_at = l->failed_at,
        .reload_error = l->error,
    };
    connector_count(&f->connectors);
    opener_count(&f->opener);
    disk_worker_count(&f->disk_worker);
    count_ports(f);
    count_buses(f);
    vfio_pool_count(&f->vfio_workers);
    for (int v = 0; v < dispatch_core()->conf->nvms; v++)
        f->connected |= (vm_set)link_connected(v) << v;
}

static bool on_part(struct client_ref c, uint64_t *cursor, struct sbuf *out) {
    const struct request *r = &handler.request[c.index];
    struct figures f;
    bool more;
    struct pci_host h;
    bool whole = false;
    pci_list_last(&h, &whole);
    if (r->kind == REQ_EXPLAIN && r->sel.address[0] != '\0') {
        more = api_pci_explain_part(dispatch_core(), &h, r, cursor, out);
    } else if (r->kind == REQ_EXPLAIN) {
        more = api_explain_part(dispatch_core(), r, &handler.explained[c.index], cursor, out);
    } else if (r->kind == REQ_STATS) {
        count(&f);
        more = api_stats_part(dispatch_core(), r, &f, cursor, out);
    } else if (r->kind == REQ_LIST && r->about == KIND_PCI) {
        more = api_pci_part(dispatch_core(), &h, whole, r, cursor, out);
    } else if (r->kind == REQ_LIST && r->about == KIND_EVDEV) {
        more = api_evdev_part(evdev_list_last(), dispatch_core()->conf, r, cursor, out);
    } else if (r->kind == REQ_VMM_LIST) {
        more = api_vms_part(dispatch_core(), r, cursor, out);
    } else if (r->kind == REQ_RULES) {
        more = api_rules_part(dispatch_core(), r, cursor, out);
    } else if (r->kind == REQ_HISTORY) {
        more = api_history_part(notify_history(), dispatch_core(), r, cursor, out);
    } else {
        more = api_list_part(dispatch_core(), r, cursor, out);
    }
    VH_ASSERT(sb_ok(out));
    return more;
}

/* An unfiltered list is the same for all clients with the same view, until the core counts a change. */
static uint64_t on_stamp(struct client_ref c) {
    const struct request *r = &handler.request[c.index];
    unsigned view = r->kind == REQ_LIST && r->about == KIND_USB ? api_list_view(r) : 0;
    return view != 0 ? dispatch_core()->changes << 8 | view : 0;
}

const struct dispatch_calls api_handler_dispatch_calls = {
    .reply = api_handler_reply,
    .reply_parts = api_handler_reply_parts,
    .serve = api_handler_serve,
    .asker = api_handler_asker,
};

static const struct server_calls calls = {.line = on_line,
                                          .refused = on_refused,
                                          .closed = on_closed,
                                          .part = on_part,
                                          .stamp = on_stamp,
                                          .quiet = scratch_requests_give_back};

const struct server_calls *api_handler_start(int64_t now) {
    handler.started_at = now;
    pci_list_start(on_pci_list);
    pci_list_judge(dispatch_core()->conf);
    evdev_list_start(on_evdev_list);
    return &calls;
}
