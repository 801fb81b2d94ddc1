/*
 * link_connection.c - a connection from the first attempt to its end, and the result of an operation that ends with it.
 * Owns the delays between attempts; a connector makes the connection. Never sends or reads a byte.
 */
#include "base/assert.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/clock.h"
#include "vmm/connector.h"
#include "vmm/link_internal.h"

#include <string.h>
#include <unistd.h>

/* ---- results ---- */

void link_finish(struct link *l, enum op_status status, const char *text) {
    if (l->op.kind == OP_NONE)
        return;
    l->result = (struct op_result){.serial = l->op.serial, .vm = l->vm, .status = status};
    (void)str_copy(l->result.text, sizeof l->result.text, text); /* an explanation may be cut */
    l->op.kind = OP_NONE;
    l->node_wanted = false;
    if (l->node >= 0)
        (void)close(l->node);
    l->node = -1;
    l->finished = true;
    l->deadline = l->connect_at = VH_NEVER;
}

void link_finish_about(struct link *l, enum op_status status, const char *before, const char *after) {
    char text[VH_TEXT_MAX];
    (void)str_fmt(text, sizeof text, "%s '%s' %s", before, l->conf->name, after);
    link_finish(l, status, text);
}

void link_report(struct link *l) {
    if (!l->finished)
        return;
    l->finished = false;
    struct op_result r = l->result;
    l->calls->done(&r);
}

/* ---- the end ---- */

void link_close(struct link *l) {
    if (l->state == LINK_CONNECTING)
        connector_cancel(l->vm);
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->state = LINK_IDLE;
    l->pause_until = l->listen_until = 0;
    l->deadline = l->linger_until = VH_NEVER;
    l->out_len = 0;
}

/* The end of a connection does not prove the end of the VM; its socket does. */
void link_lost(struct link *l, const char *why) {
    bool doubtful = l->sent;
    if (l->worked && clock_now() - l->connected_at >= ms_to_ns(VH_T_LOST_MAX))
        l->losses = 0; /* one that hangs up after each answer keeps the delay that it has */
    l->losses++;
    if (l->state == LINK_READY)
        l->features = l->conv.features; /* what the VMM did not bear */
    link_close(l);
    link_ask_listening(l, why); /* before the report: an attempt to connect comes after it */
    link_finish(l, doubtful ? OP_UNKNOWN : OP_LOCAL, why);
    link_report(l);
}

void link_end(struct link *l) {
    link_close(l);
    l->features = 0;
    l->wanted = l->was_busy = l->strange = false;
    l->losses = 0;
    l->connect_at = VH_NEVER;
    link_finish_about(l, OP_UNKNOWN, "VM", "ended");
    link_report(l);
}

void link_ask_listening(struct link *l, const char *why) {
    (void)str_copy(l->down_why, sizeof l->down_why, why); /* an explanation may be cut */
    l->rechecking = true;
    connector_listening(l->vm);
}

/* Only a clear refusal proves that nobody listens. Other failures do not: the host may be short of descriptors, the
 * listener's queue may be full, or the connector may hang. */
void link_heard_listening(struct link *l, const struct connector_answer *a) {
    VH_ASSERT(l->rechecking);
    l->rechecking = false;
    if (a->status != CONNECTOR_ABSENT && a->status != CONNECTOR_REFUSED) {
        l->calls->again(l->vm);
        return;
    }
    if (l->vmm != NULL)
        link_end(l);
    l->calls->down(l->vm, l->down_why);
}

/* ---- connecting ---- */

void link_connect(struct link *l) {
    VH_ASSERT(l->state == LINK_IDLE && l->fd < 0);
    l->state = LINK_CONNECTING;
    l->connect_at = VH_NEVER;
    connector_connect(l->vm);
}

static void try_later(struct link *l) {
    l->connect_failures++;
    l->connect_at = clock_now() + backoff(l->connect_failures, VH_T_CONNECT_MIN, VH_T_CONNECT_MAX);
}

/* Ends the operation. A connection that is wanted without one is tried again. */
static void give_up(struct link *l, enum op_status status, const char *before, const char *after) {
    if (l->op.kind != OP_NONE)
        link_finish_about(l, status, before, after);
    else
        try_later(l);
}

/* VM_EITHER: how the socket talks says of which type the VM is now. */
static void find_type(struct link *l, const struct connector_answer *a) {
    const struct vmm *found = l->either[a->packets != 0 ? VMM_PACKETS : VMM_LINES];
    if (found == NULL || found == l->vmm)
        return;
    l->vmm = found;
    l->features = 0;
}

static void connected(struct link *l, const struct connector_answer *a, int fd, int pidfd) {
    if (!connector_accepts(l->conf, a->uid, a->owner)) { /* a reload has changed the rule meanwhile */
        (void)close(fd);
        if (pidfd >= 0)
            (void)close(pidfd);
        give_up(l, OP_REFUSED, "VM", "its socket is served by another user than it should be");
        return;
    }
    find_type(l, a);
    l->fd = fd;
    l->peer_uid = a->uid;
    l->owner = a->owner;
    l->socket = a->socket;
    l->state = LINK_GREETING;
    l->worked = false;
    l->connected_at = clock_now();
    l->deadline = l->vmm->talk != VMM_LINES ? clock_now() : clock_now() + ms_to_ns(VH_T_GREETING);
    l->conv.features = l->features;
    l->vmm->reset(&l->conv);
    linebuf_init(&l->in, l->in_buf, sizeof l->in_buf);
    l->in_len = 0;
    l->calls->peer(l->vm, pidfd);
}

/* A refused connection is tried again for a while, because the VMM may be between bind() and listen(). So is a full
 * queue, because it empties: there the link keeps trying after the operation has ended. */
static void failed(struct link *l, const struct connector_answer *a) {
    bool full = a->status == CONNECTOR_FULL;
    if (l->op.kind == OP_NONE || clock_now() < l->give_up_at) {
        try_later(l);
        return;
    }
    if (full)
        give_up(l, OP_BUSY, "the monitor of VM", "has too many clients waiting");
    else if (a->status == CONNECTOR_REFUSED)
        give_up(l, OP_REFUSED, "VM", "is not running");
    else
        give_up(l, OP_LOCAL, "the monitor of VM", a->text);
    l->was_busy = full;
    if (full)
        try_later(l);
}

void link_attempt_ended(struct link *l, const struct connector_answer *a, int fd, int pidfd) {
    VH_ASSERT(l->state == LINK_CONNECTING && (fd >= 0) == (a->status == CONNECTOR_OK));
    l->state = LINK_IDLE;
    switch ((enum connector_status)a->status) {
    case CONNECTOR_OK:
        connected(l, a, fd, pidfd);
        break;
    case CONNECTOR_ABSENT:
        give_up(l, OP_REFUSED, "VM", "is not running");
        break;
    case CONNECTOR_DISTRUSTED:
        give_up(l, OP_REFUSED, "VM", a->text);
        break;
    case CONNECTOR_UNKNOWN:
        give_up(l, OP_LOCAL, "VM", a->text);
        break;
    case CONNECTOR_LATE:
        give_up(l, OP_LOCAL, "the monitor of VM", "cannot be reached in time");
        break;
    case CONNECTOR_GONE:
        give_up(l, OP_LOCAL, "the monitor of VM", "cannot be reached: its connector has ended");
        break;
    case CONNECTOR_REFUSED:
    case CONNECTOR_FULL:
    case CONNECTOR_FAILED:
        failed(l, a);
        break;
    }
}
