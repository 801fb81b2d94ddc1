/*
 * api_stats.c - figures in JSON: what was counted since the start, and the state of each VM. Owns the wording; never
 * keeps a counter.
 */
#include "api/api_internal.h"
#include "base/limits.h"

#include <string.h>

struct figure {
    const char *name;
    uint64_t value;
};

static void object(struct sbuf *sb, const char *name, const struct figure *f, size_t n) {
    member(sb, name);
    for (size_t i = 0; i < n; i++) {
        sb_str(sb, i == 0 ? "{\"" : ", \"");
        sb_str(sb, f[i].name);
        sb_str(sb, "\": ");
        sb_uint(sb, f[i].value);
    }
    sb_char(sb, '}');
}

#define OBJECT(sb, name, ...)                              \
    object(sb, name, (const struct figure[]){__VA_ARGS__}, \
           sizeof((const struct figure[]){__VA_ARGS__}) / sizeof(struct figure))

/* Devices as they are now, without hubs. */
static void devices(struct sbuf *sb, const struct core *c) {
    static const char states[][9] = {"idle", "pending", "attached", "waiting", "failed"};
    struct figure f[7] = {{"present", 0}, {"disconnected", 0}};
    for (int k = 0; k < 5; k++)
        f[2 + k].name = states[k];
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state != SLOT_PRESENT || s->hub)
            continue;
        f[0].value++;
        f[1].value += s->disconnected;
        for (int k = 0; k < 5; k++)
            f[2 + k].value += str_eq(core_state_name(c, s), states[k]);
    }
    object(sb, "devices", f, 7);
}

/* What VMs say of devices that they did not get from us, as it is now; refused: since the start. */
static void claims(struct sbuf *sb, const struct core *c) {
    uint64_t listed = 0, confirmed = 0;
    for (int i = 0; i < c->used; i++) {
        listed += c->slot[i].state == SLOT_PRESENT && c->slot[i].claims != 0;
        confirmed += c->slot[i].state == SLOT_PRESENT && c->slot[i].foreign >= 0;
    }
    OBJECT(sb, "claims", {"listed", listed}, {"confirmed", confirmed}, {"refused", c->stats.claims_refused});
}

/* Time from plug to attached: the number of devices in each bucket of milliseconds; the last bucket has no bound. */
static void latency(struct sbuf *sb, const struct core_stats *st) {
    enum { BUCKETS = sizeof st->latency / sizeof st->latency[0] };
    member(sb, "plug_to_attached");
    sb_str(sb, "{\"below_ms\": [");
    for (int i = 0; i < BUCKETS - 1; i++)
        sb_fmt(sb, "%s%d", i > 0 ? ", " : "", 1 << i);
    sb_str(sb, "], \"count\": [");
    for (int i = 0; i < BUCKETS; i++) {
        sb_str(sb, i > 0 ? ", " : "");
        sb_uint(sb, st->latency[i]);
    }
    sb_char(sb, ']');
    member_uint(sb, "sum_ms", st->latency_ms);
    sb_char(sb, '}');
}

static void workers(struct sbuf *sb, const char *name, const struct worker_counts *n) {
    OBJECT(sb, name, {"running", n->running}, {"late", n->late}, {"ended", n->ended});
}

/* Left out while it is off, so that nothing changes for whoever does not use it. */
static void quarantine(struct sbuf *sb, const struct core *c, const struct figures *f) {
    static const char modes[][6] = {[QUARANTINE_OFF] = "off", [QUARANTINE_RULES] = "rules", [QUARANTINE_ALL] = "all"};
    uint64_t shut = 0;
    if (c->quarantine == QUARANTINE_OFF)
        return;
    for (int i = 0; i < c->used; i++)
        shut += core_quarantined(&c->slot[i]);
    member(sb, "quarantine");
    sb_str(sb, "{\"mode\": ");
    sb_json(sb, modes[c->quarantine]);
    member_bool(sb, "works", f->quarantine_why[0] == '\0');
    member_text_or_null(sb, "reason", f->quarantine_why);
    member_uint(sb, "hubs", f->quarantine_hubs);
    member_uint(sb, "waiting", f->quarantine_waiting);
    member_uint(sb, "late", f->quarantine_late);
    member_uint(sb, "ports", f->quarantine_ports);
    member_uint(sb, "refused", f->quarantine_refused);
    member_uint(sb, "devices", shut);
    sb_char(sb, '}');
    workers(sb, "port_workers", &f->port_workers);
}

/* Likewise. devices: those that are not authorised now. */
static void authorization(struct sbuf *sb, const struct core *c, const struct figures *f) {
    const char *why = f->authorization_why != NULL ? f->authorization_why : "";
    uint64_t devices = 0;
    if (!c->authorises && why[0] == '\0')
        return;
    for (int i = 0; i < c->used; i++)
        devices += c->slot[i].state == SLOT_PRESENT && c->slot[i].dev.unauthorised;
    member(sb, "usb_authorization");
    sb_str(sb, "{\"works\": ");
    sb_str(sb, why[0] == '\0' ? "true" : "false");
    member_text_or_null(sb, "reason", why);
    member_uint(sb, "buses", f->authorization_closed);
    member_uint(sb, "waiting", f->authorization_waiting);
    member_uint(sb, "open", f->authorization_open);
    member_uint(sb, "devices", devices);
    sb_char(sb, '}');
}

/* uncertain: devices, now. */
static void revocation(struct sbuf *sb, const struct core *c) {
    const struct core_stats *st = &c->stats;
    uint64_t uncertain = 0;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        uncertain += s->state == SLOT_PRESENT && s->revoke == REVOKE_UNCERTAIN && (s->holders != 0 || s->stray);
    }
    OBJECT(sb, "revocation", {"revoked", st->revoked}, {"failed", st->revoke_failed}, {"uncertain", uncertain},
           {"sum_ms", st->revoke_ms}, {"max_ms", st->revoke_max_ms});
}

static void begin(struct sbuf *sb, const struct core *c, const struct figures *f) {
    const struct core_stats *s = &c->stats;
    sb_str(sb, "{\"result\": \"ok\"");
    member_text(sb, "version", VH_VERSION);
    member_uint(sb, "uptime_ms", (uint64_t)f->uptime_ms);
    OBJECT(sb, "uevents", {"got", f->uevents_got}, {"ignored", f->uevents_ignored}, {"lost", f->uevents_lost},
           {"rescans", f->rescans});
    devices(sb, c);
    OBJECT(sb, "plugs", {"plugged", s->plugged}, {"unplugged", s->unplugged}, {"attached", s->attached},
           {"detached", s->detached}, {"flapping", s->flaps}, {"table_full", s->table_full});
    OBJECT(sb, "operations", {"begun", s->ops}, {"ok", s->op_ended[OP_OK]}, {"refused_by_vm", s->op_ended[OP_FAILED]},
           {"vm_down", s->op_ended[OP_REFUSED]}, {"monitor_busy", s->op_ended[OP_BUSY]},
           {"no_answer", s->op_ended[OP_UNKNOWN]}, {"refused_here", s->op_ended[OP_LOCAL]},
           {"asked_guest", s->op_ended[OP_ACCEPTED]});
    claims(sb, c);
    revocation(sb, c);
    latency(sb, s);
    OBJECT(sb, "clients", {"connected", f->clients}, {"subscribers", f->subscribers}, {"accepted", f->accepted},
           {"refused", f->refused}, {"requests", f->requests}, {"events_sent", f->events_sent},
           {"events_dropped", f->events_dropped});
    OBJECT(sb, "state", {"saves", s->saves}, {"save_failed", s->save_failed},
           {"unsaved", c->persist && (c->dirty || c->save != SAVE_NONE)}, {"failing", c->save_failures > 0},
           {"corrupt", c->remembered.corrupt[0] != '\0'}, {"closed", core_closed(c)});
    OBJECT(sb, "device_workers", {"running", f->workers}, {"idle", f->workers_idle}, {"late", f->workers_late},
           {"ended", f->workers_ended}, {"orders_waiting", f->orders_waiting}, {"orders", f->orders},
           {"orders_late", f->orders_late});
    workers(sb, "connectors", &f->connectors);
    workers(sb, "opener", &f->opener);
    workers(sb, "disk_worker", &f->disk_worker);
    quarantine(sb, c, f);
    authorization(sb, c, f);
    if (c->gives_pci)
        workers(sb, "vfio_workers", &f->vfio_workers);
    OBJECT(sb, "reload", {"ok", f->reloads}, {"failed", f->reloads_failed});
    member_time(sb, "reload_failed_at", f->reload_failed_at);
    member_text_or_null(sb, "reload_error", f->reload_error);
    OBJECT(sb, "log", {"dropped", f->log_dropped});
    OBJECT(sb, "arena", {"used", f->arena_used}, {"peak", f->arena_peak}, {"size", VH_ARENA_SIZE});
    sb_str(sb, ", \"vms\": [");
}

static void vm(struct sbuf *sb, const struct core *c, int v, bool connected) {
    static const char states[][8] = {[VM_DOWN] = "down", [VM_UNKNOWN] = "unknown", [VM_UP] = "up"};
    static const char *const ops[] = {
        [OP_NONE] = NULL, [OP_LIST] = "list", [OP_ATTACH] = "attach", [OP_DETACH] = "detach"};
    const struct vm *s = &c->vm[v];
    unsigned held = 0;
    for (int i = 0; i < c->used; i++)
        held += c->slot[i].state == SLOT_PRESENT && c->slot[i].vm == v;
    sb_str(sb, "{\"name\": ");
    sb_json(sb, c->conf->vms[v].name);
    member_text(sb, "state", states[s->state]);
    member_bool(sb, "connected", connected);
    member_bool(sb, "busy", s->busy);
    member_text_or_null(sb, "operation", ops[s->op] != NULL ? ops[s->op] : "");
    member_uint(sb, "devices", held);
    member_uint(sb, "failures", (uint64_t)s->failures);
    member_text_or_null(sb, "reason", s->reason);
    sb_char(sb, '}');
}

/* The cursor is the row of the VM to look at next. It is 0 only until the first VM is written. */
bool api_stats_part(const struct core *c, const struct request *r, const struct figures *f, uint64_t *cursor,
                    struct sbuf *sb) {
    bool first = *cursor == 0;
    int v = (int)*cursor;
    if (first)
        begin(sb, c, f);
    while (v < c->conf->nvms && c->conf->vms[v].retired)
        v++;
    if (v >= c->conf->nvms) {
        sb_char(sb, ']');
        reply_end(sb, r->id);
        return false;
    }
    sb_str(sb, first ? "" : ", ");
    vm(sb, c, v, f->connected >> v & 1);
    *cursor = (uint64_t)v + 1;
    return true;
}
