/*
 * connector.c - orders about VMs on their way to the connectors, and the answers. Owns the queue, the deadlines and the
 * rule which connector gets what; opens and connects nothing itself, and believes an answer only if its form is right.
 */
#include "vmm/connector.h"

#include "base/assert.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/pollset.h"

#include <string.h>
#include <unistd.h>

enum { FIRST_KIND = CONNECTOR_CONNECT, KINDS = CONNECTOR_RELOAD, NO_VM = -1 }; /* the kinds that are about a VM */

struct asked {
    enum { FREE, QUEUED, GIVEN } state;
    uint64_t turn; /* the lowest is the oldest */
    int64_t deadline;
};

struct hand { /* one connector, and what it has in hand */
    struct worker worker;
    uint32_t kind;
    int vm;      /* NO_VM: the configuration, or a VM that has gone */
    bool wanted; /* its answer is */
    bool stale;  /* it is to read the configuration first */
    int64_t reload_at;
    unsigned failures; /* to read it, in a row */
};

static struct {
    const struct conf *conf;
    const struct connector_calls *calls;
    struct asked asked[KINDS][VH_MAX_VMS]; /* by kind; the first row is not used */
    uint64_t turns;
    struct hand hands[VH_MAX_CONNECTORS];
} connector;

/* ---- ends of orders ---- */

static void tell(uint32_t kind, int vm, const struct connector_answer *a, int fd, int pidfd) {
    connector.asked[kind][vm].state = FREE;
    if (kind == CONNECTOR_CONNECT)
        connector.calls->connected(vm, a, fd, pidfd);
    else if (kind == CONNECTOR_LISTENING)
        connector.calls->listening(vm, a);
    else
        connector.calls->looked(vm, a);
}

static void fail(uint32_t kind, int vm, enum connector_status status) {
    const struct connector_answer a = {.status = (uint8_t)status};
    tell(kind, vm, &a, -1, -1);
}

/* What the connector has in hand is not waited for any more. True if it was. */
static bool lay_down(struct hand *h) {
    bool wanted = h->wanted;
    h->wanted = false;
    return wanted;
}

static void ended(struct hand *h) {
    if (lay_down(h))
        fail(h->kind, h->vm, CONNECTOR_GONE);
    h->vm = NO_VM;
}

static bool all_gone(void) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        if (connector.hands[i].worker.state != WORKER_GONE)
            return false;
    }
    return true;
}

/* ---- orders ---- */

static bool is_in_hand(int vm) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        const struct hand *h = &connector.hands[i];
        bool busy = h->worker.state == WORKER_BUSY || h->worker.state == WORKER_LATE;
        if (busy && h->vm == vm)
            return true;
    }
    return false;
}

/* The oldest order that may be given now. False: none. */
static bool oldest(uint32_t *kind, int *vm) {
    uint64_t turn = UINT64_MAX;
    for (uint32_t k = FIRST_KIND; k < KINDS; k++) {
        for (int v = 0; v < connector.conf->nvms; v++) {
            const struct asked *a = &connector.asked[k][v];
            if (a->state != QUEUED || a->turn >= turn || is_in_hand(v))
                continue;
            turn = a->turn;
            *kind = k;
            *vm = v;
        }
    }
    return turn != UINT64_MAX;
}

static void give_reload(struct hand *h, int64_t now) {
    struct connector_order o = {.vm = ""};
    h->stale = false;
    h->kind = CONNECTOR_RELOAD;
    h->vm = NO_VM;
    h->wanted = false;
    (void)worker_order(&h->worker, &o, CONNECTOR_RELOAD, -1, now + ms_to_ns(VH_T_CONNECT));
}

static void give_order(struct hand *h, uint32_t kind, int vm) {
    struct connector_order o = {.vm = ""};
    struct asked *a = &connector.asked[kind][vm];
    bool ok = str_copy(o.vm, sizeof o.vm, connector.conf->vms[vm].name) &&
              str_copy(o.socket, sizeof o.socket, connector.conf->vms[vm].socket);
    VH_ASSERT(ok); /* same bounds */
    if (!worker_order(&h->worker, &o, kind, -1, a->deadline))
        return; /* another connector gets it, or the next tick finds that there is none */
    h->kind = kind;
    h->vm = vm;
    h->wanted = true;
    a->state = GIVEN;
}

/* Never calls back. */
static void give(int64_t now) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        struct hand *h = &connector.hands[i];
        uint32_t kind = 0;
        int vm = NO_VM;
        if (h->worker.state != WORKER_IDLE)
            continue;
        if (h->stale && h->reload_at <= now)
            give_reload(h, now);
        else if (!h->stale && oldest(&kind, &vm))
            give_order(h, kind, vm);
    }
}

/* The answer to an order in hand would be older than the question. */
static void forget(uint32_t kind, int vm) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        struct hand *h = &connector.hands[i];
        if (h->wanted && h->kind == kind && h->vm == vm)
            h->wanted = false;
    }
    connector.asked[kind][vm].state = FREE;
}

static void ask(uint32_t kind, int vm) {
    struct asked *a = &connector.asked[kind][vm];
    int64_t now = clock_now();
    if (a->state == QUEUED)
        return;
    forget(kind, vm);
    *a = (struct asked){.state = QUEUED, .turn = connector.turns++, .deadline = now + ms_to_ns(VH_T_CONNECT)};
    give(now);
}

void connector_connect(int vm) {
    ask(CONNECTOR_CONNECT, vm);
}

void connector_listening(int vm) {
    ask(CONNECTOR_LISTENING, vm);
}

void connector_look(int vm) {
    ask(CONNECTOR_LOOK, vm);
}

void connector_cancel(int vm) {
    forget(CONNECTOR_CONNECT, vm);
}

/* ---- answers ---- */

static void close_fds(const int fds[WORKER_FDS]) {
    for (int i = 0; i < WORKER_FDS; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
}

/* Without the new configuration it does nothing: the old one may name another server of a socket. */
static void reloaded(struct hand *h, const struct connector_answer *a, int64_t now) {
    if (a->status == CONNECTOR_OK) {
        h->failures = 0;
        return;
    }
    if (h->failures++ == 0)
        log_error("no VM can be reached until the configuration is reloaded: %s", a->text);
    h->stale = true;
    h->reload_at = now + backoff(h->failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

static void take(struct hand *h, int64_t now) {
    int fds[WORKER_FDS];
    size_t n = 0;
    enum worker_got got = worker_read(&h->worker, &n, fds);
    if (got == WORKER_ENDED)
        ended(h);
    if (got == WORKER_DROPPED && h->kind == CONNECTOR_RELOAD)
        h->stale = true; /* what it said is not known */
    if (got == WORKER_DROPPED)
        h->vm = NO_VM;
    if (got != WORKER_ANSWER)
        return;
    struct connector_answer a = *(const struct connector_answer *)h->worker.job->answer;
    if (!connector_answer_valid(h->kind, &a, n, fds)) {
        close_fds(fds);
        log_error("worker ended: name=%s reason=\"it answers what is no answer\"", h->worker.job->name);
        worker_stop(&h->worker);
        ended(h);
        return;
    }
    int vm = h->vm;
    h->vm = NO_VM;
    if (h->kind == CONNECTOR_RELOAD)
        reloaded(h, &a, now);
    else if (lay_down(h))
        tell(h->kind, vm, &a, fds[0], fds[1]);
    else
        close_fds(fds);
}

/* ---- start, reload, end ---- */

bool connector_start(const struct connector_setup *s, const struct connector_calls *calls) {
    const struct worker_job *job = connector_work(s);
    memset(&connector, 0, sizeof connector);
    connector.conf = s->conf;
    connector.calls = calls;
    bool ok = true;
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        struct hand *h = &connector.hands[i];
        h->vm = NO_VM;
        h->worker = (struct worker){.sock = -1, .poll = -1};
        ok = ok && worker_start(&h->worker, job);
    }
    return ok;
}

void connector_reload(const struct conf *c, vm_set changed) {
    connector.conf = c;
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        struct hand *h = &connector.hands[i];
        h->stale = true;
        h->reload_at = 0;
        if (h->vm != NO_VM && (changed >> h->vm & 1) != 0) {
            h->wanted = false;
            h->vm = NO_VM;
        }
    }
    for (uint32_t k = FIRST_KIND; k < KINDS; k++) {
        for (int v = 0; v < VH_MAX_VMS; v++) {
            if ((changed >> v & 1) != 0)
                connector.asked[k][v].state = FREE;
        }
    }
    give(clock_now());
}

void connector_stop(void) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        worker_stop(&connector.hands[i].worker);
}

/* ---- descriptors and deadlines ---- */

void connector_count(struct worker_counts *n) {
    *n = (struct worker_counts){0};
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        worker_count(&connector.hands[i].worker, n);
}

void connector_fill(struct pollset *ps) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        worker_fill(&connector.hands[i].worker, ps);
}

void connector_ready(const struct pollset *ps, int64_t now) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        if (worker_ready(&connector.hands[i].worker, ps))
            take(&connector.hands[i], now);
    }
    give(now);
}

int64_t connector_deadline(void) {
    int64_t at = VH_NEVER;
    bool gone = all_gone();
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        const struct hand *h = &connector.hands[i];
        if (h->worker.state == WORKER_BUSY && h->worker.deadline < at)
            at = h->worker.deadline;
        if (h->worker.state == WORKER_IDLE && h->stale && h->reload_at < at)
            at = h->reload_at;
    }
    for (uint32_t k = FIRST_KIND; k < KINDS; k++) {
        for (int v = 0; v < connector.conf->nvms; v++) {
            const struct asked *a = &connector.asked[k][v];
            if (a->state == QUEUED && a->deadline < at)
                at = gone ? 0 : a->deadline;
        }
    }
    return at;
}

static void late(struct hand *h) {
    const char *name = h->vm == NO_VM ? "" : connector.conf->vms[h->vm].name;
    if (log_may_about(LOG_VMS, name, clock_now()))
        log_warn("a connector does not answer in time: vm=%s", name);
    if (lay_down(h))
        fail(h->kind, h->vm, CONNECTOR_LATE); /* h->vm stays: no other connector is to hang there as well */
}

void connector_tick(int64_t now) {
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        if (worker_expired(&connector.hands[i].worker, now))
            late(&connector.hands[i]);
    }
    bool gone = all_gone();
    for (uint32_t k = FIRST_KIND; k < KINDS; k++) {
        for (int v = 0; v < connector.conf->nvms; v++) {
            const struct asked *a = &connector.asked[k][v];
            if (a->state == QUEUED && (gone || a->deadline <= now))
                fail(k, v, gone ? CONNECTOR_GONE : CONNECTOR_LATE);
        }
    }
    give(now);
}
