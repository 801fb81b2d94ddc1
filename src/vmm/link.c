/*
 * link.c - one connection and at most one operation for each VM. Owns the links and their deadlines.
 *
 * Decides nothing: an operation ends with what was seen. A result is never reported from within link_op(); it waits for
 * the next link_ready() or link_tick(), so that the caller is never called back in the middle of its own step.
 */
#include "vmm/link.h"

#include "base/assert.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/clock.h"
#include "vmm/connector.h"
#include "vmm/link_internal.h"

static struct link links[VH_MAX_VMS];
static const struct conf *conf;
static const struct vmm *const *types;
static const struct link_calls *calls;

/* Of VM_EITHER what was found out last is forgotten: lines are tried first. */
static void choose_type(struct link *l, const struct vm_conf *vm) {
    l->vmm = l->either[VMM_LINES] = l->either[VMM_PACKETS] = NULL;
    for (int i = 0; types[i] != NULL; i++) {
        if (str_eq(types[i]->type, vm->type))
            l->vmm = types[i];
        if (vm->listens == VM_EITHER && types[i]->talk != VMM_HTTP)
            l->either[types[i]->talk] = types[i];
    }
    if (vm->listens == VM_EITHER)
        l->vmm = l->either[VMM_LINES];
}

static void link_init(struct link *l, const struct vm_conf *vm) {
    l->vm = (int)(l - links);
    l->calls = calls;
    l->state = LINK_IDLE;
    l->fd = l->poll = l->node = -1;
    l->deadline = l->connect_at = l->linger_until = VH_NEVER;
    l->rechecking = false;
    l->features = 0;
    choose_type(l, vm);
}

void link_start(const struct conf *c, const struct vmm *const *list, const struct link_calls *table) {
    types = list;
    calls = table;
    link_reload(c, ~(vm_set)0);
}

/* The configuration may name another user now than the one who serves the VM. */
static void judge_again(struct link *l) {
    if (l->fd >= 0 && !connector_accepts(l->conf, l->peer_uid, l->owner))
        link_lost(l, "its monitor is served by another user than the configuration says now");
}

void link_reload(const struct conf *c, vm_set changed) {
    conf = c;
    for (int v = 0; v < c->nvms; v++) {
        links[v].conf = &c->vms[v];
        if ((changed >> v & 1) != 0)
            link_init(&links[v], &c->vms[v]);
    }
    for (int v = 0; v < c->nvms; v++)
        judge_again(&links[v]);
}

static void allow_attempts(struct link *l, int64_t from) {
    l->connect_failures = 0;
    l->give_up_at = from + 50 * ms_to_ns(VH_T_CONNECT_MIN);
}

void link_op(int v, const struct vmm_op *op) {
    struct link *l = &links[v];
    int64_t now = clock_now();
    VH_ASSERT(l->op.kind == OP_NONE && !l->finished && l->vmm != NULL);
    l->op = *op;
    l->sent = false;
    if (l->state == LINK_READY) {
        l->deadline = now; /* the next tick begins it */
        l->linger_until = VH_NEVER;
    } else if (l->state == LINK_GREETING) {
        l->deadline = now + ms_to_ns(VH_T_GREETING);
    } else if (l->state == LINK_CONNECTING) {
        allow_attempts(l, now);
    } else {
        int64_t most = l->strange ? VH_T_RETRY_MAX : VH_T_LOST_MAX; /* another program has to be started there first */
        int64_t pause = l->losses > 0 ? backoff(l->losses, VH_T_CONNECT_MIN, most) : 0;
        allow_attempts(l, now + pause);
        if (pause > 0)
            l->connect_at = now + pause;
        else
            link_connect(l);
    }
    /* While the monitor greets, a worker opens the node: each takes a while. With a pause before, it would be open, and
     * perhaps configured, for long. */
    if (op->kind == OP_ATTACH && !op->pci && (l->state == LINK_CONNECTING || l->state == LINK_GREETING))
        link_ask_node(l);
}

void link_node(int v, uint32_t op_serial, int fd, const char *why) {
    link_node_opened(&links[v], op_serial, fd, why);
}

void link_reached(int v, const struct connector_answer *a, int fd, int pidfd) {
    link_attempt_ended(&links[v], a, fd, pidfd);
}

void link_recheck(int v, const char *why) {
    link_ask_listening(&links[v], why);
}

bool link_rechecking(int v) {
    return links[v].rechecking;
}

void link_rechecked(int v, const struct connector_answer *a) {
    link_heard_listening(&links[v], a);
}

void link_drop(int v) {
    if (links[v].vmm != NULL)
        link_end(&links[v]);
}

void link_wanted(int v, bool wanted) {
    links[v].wanted = wanted;
}

bool link_connected(int v) {
    return links[v].state == LINK_READY;
}

uint32_t link_peer(int v) {
    return links[v].peer_uid;
}

void link_stop(void) {
    for (int v = 0; v < conf->nvms; v++)
        link_close(&links[v]);
}

/* ---- descriptors and deadlines ---- */

void link_fill(struct pollset *ps) {
    link_read_fill(links, conf->nvms, ps);
}

void link_ready(const struct pollset *ps, int64_t now) {
    link_read_ready(links, conf->nvms, ps, now);
}

/* A connection that nobody else waits for need not be made anew for the next operation. */
static bool link_stays(const struct link *l) {
    return l->conf->keep_monitor || !(l->vmm->one_client || l->vmm->one_operation);
}

/* What the VMM has not read yet would be lost with the connection. */
static int64_t link_lets_go(const struct link *l) {
    if (l->state != LINK_READY || l->op.kind != OP_NONE || link_stays(l) || l->linger_until == VH_NEVER)
        return VH_NEVER;
    return l->linger_until + (l->conv.waiting != 0 ? ms_to_ns(VH_T_COMMAND) : 0);
}

int64_t link_deadline(void) {
    int64_t at = link_read_deadline();
    for (int v = 0; v < conf->nvms; v++) {
        const struct link *l = &links[v];
        if (l->finished)
            return 0;
        if (l->pause_until != 0 && l->pause_until < at)
            at = l->pause_until;
        if (l->vmm == NULL)
            continue;
        at = l->deadline < at ? l->deadline : at;
        at = l->connect_at < at ? l->connect_at : at;
        int64_t end = link_lets_go(l);
        at = end < at ? end : at;
    }
    return at;
}

static void greeting_late(struct link *l) {
    l->was_busy = true;
    l->deadline = VH_NEVER;
    l->wanted = true; /* until link_wanted() says otherwise: a new connection would wait behind all others */
    link_finish_about(l, OP_BUSY, "the monitor of VM", "does not answer: another client may hold it");
}

static void tick(struct link *l, int64_t now) {
    link_report(l);
    if (l->connect_at <= now) {
        if (l->op.kind != OP_NONE || l->wanted)
            link_connect(l);
        else
            l->connect_at = VH_NEVER;
    }
    if (l->state == LINK_GREETING && l->vmm->talk != VMM_LINES)
        link_greeted(l);
    if (l->state == LINK_READY && l->op.kind != OP_NONE && !l->sent && !l->node_wanted) {
        link_begin(l);
    } else if (l->deadline <= now) {
        if (l->state == LINK_GREETING)
            greeting_late(l);
        else if (l->node_wanted)
            link_node_late(l);
        else
            link_lost(l, "the monitor did not answer in time");
    }
    if (l->state == LINK_GREETING && l->op.kind == OP_NONE && !l->finished && !l->wanted)
        link_close(l);
    if (link_lets_go(l) <= now) {
        link_close(l);
        l->losses = 0;
    }
    link_report(l);
}

void link_tick(int64_t now) {
    for (int v = 0; v < conf->nvms; v++) {
        if (links[v].vmm != NULL)
            tick(&links[v], now);
    }
}
