/*
 * link_operation.c - an operation on its way out, and its result. Owns the opened node until it is sent; never opens
 * it, and never reads from the socket.
 */
#include "base/assert.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/sock.h"
#include "vmm/link_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void linger(struct link *l) {
    int64_t until = clock_now() + ms_to_ns(VH_T_LINGER);
    l->linger_until = until > l->listen_until ? until : l->listen_until;
}

bool link_flush(struct link *l, int pass_fd) {
    while (l->out_len > 0) {
        ssize_t n = sock_send(l->fd, l->out, l->out_len, pass_fd);
        if (n < 0)
            return false;
        if (n == 0)
            return true; /* the rest follows at POLLOUT */
        pass_fd = -1;
        l->out_len -= (size_t)n;
        memmove(l->out, l->out + n, l->out_len);
    }
    return true;
}

/* True if nothing of an earlier operation is left: the monitor has read all of it. */
static bool is_clear(struct link *l) {
    if (l->out_len == 0)
        return true;
    link_lost(l, "the monitor does not read");
    return false;
}

/* Sends the first bytes of the operation, and its node with them. Closes the node: the daemon's own copy would keep the
 * device claimed after the VM's death. If nothing was sent, the queue of the socket was full. A monitor that reads
 * leaves space for the first bytes of an operation, so the connection ends. */
static void send_first(struct link *l) {
    struct vmm_out out = {.pass_fd = false};
    int node = l->node;
    l->node = -1;
    sb_init(&out.text, l->out, sizeof l->out);
    l->vmm->begin(&l->conv, &l->op, &out);
    VH_ASSERT(sb_ok(&out.text));
    l->out_len = out.text.len;
    VH_ASSERT(!out.pass_fd || l->vmm->most_fds > 0);
    bool adds_pci = l->op.pci && l->op.kind == OP_ATTACH;
    l->deadline = clock_now() + ms_to_ns(adds_pci ? VH_T_ADD_PCI : l->vmm->answer_ms);
    bool ok = link_flush(l, out.pass_fd ? node : -1);
    const char *why = ok ? "the monitor does not read" : strerror(errno);
    l->sent = l->out_len < out.text.len;
    if (node >= 0)
        (void)close(node);
    if (!ok || !l->sent)
        link_lost(l, why);
}

static void without_node(struct link *l, const char *why) {
    link_finish(l, OP_LOCAL, why);
    if (l->state == LINK_READY)
        linger(l);
}

/* The owner of the node has a deadline of its own; the link's is for an answer that never comes. */
void link_ask_node(struct link *l) {
    char why[VH_TEXT_MAX] = "";
    struct vmm_op op = l->op;
    l->node_wanted = true; /* before: the answer may come during the call */
    if (!l->calls->open_node(&op, why, sizeof why))
        without_node(l, why);
}

static void begin_attach(struct link *l) {
    enum usb_passing passing = l->conf->passing;
    l->op.by_fd = passing == PASS_FD || (passing == PASS_AUTO && l->vmm->takes_fd(&l->conv, l->features));
    send_first(l);
}

/* Rules may send a VM PCI devices that its type does not take, and which type it has may be known only now. */
static bool is_taken(const struct link *l) {
    return l->op.kind == OP_LIST || !l->op.pci || (l->vmm->kinds & VM_KIND_PCI) != 0;
}

void link_begin(struct link *l) {
    VH_ASSERT(l->state == LINK_READY && l->op.kind != OP_NONE && !l->sent);
    if (!is_clear(l))
        return;
    if (!is_taken(l)) {
        link_finish_about(l, OP_LOCAL, "the VMM of VM", "takes no PCI devices");
        linger(l);
        return;
    }
    l->linger_until = VH_NEVER;
    if (l->op.kind != OP_ATTACH || l->op.pci) {
        send_first(l);
    } else if (l->node >= 0) {
        begin_attach(l);
    } else {
        l->deadline = clock_now() + ms_to_ns(VH_T_COMMAND);
        if (!l->node_wanted)
            link_ask_node(l);
    }
}

/* While the link is not ready, the node waits for that. */
void link_node_opened(struct link *l, uint32_t op_serial, int fd, const char *why) {
    if (!l->node_wanted || l->op.serial != op_serial) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    VH_ASSERT(l->op.kind == OP_ATTACH && l->node < 0);
    l->node_wanted = false;
    l->node = fd;
    if (fd < 0)
        without_node(l, why);
    else if (l->state == LINK_READY && is_clear(l))
        begin_attach(l);
}

void link_node_late(struct link *l) {
    without_node(l, "the device was not opened in time");
}

void link_operation_done(struct link *l) {
    l->features = l->conv.features;
    l->worked = true;
    l->strange = false;
    l->result = l->conv.result;
    l->result.vm = l->vm;
    l->result.socket = l->socket;
    l->op.kind = OP_NONE;
    l->finished = true;
    l->deadline = VH_NEVER;
    if (l->result.status == OP_ACCEPTED)
        l->listen_until = clock_now() + ms_to_ns(VH_T_LISTEN);
    if (l->vmm->one_operation) {
        link_close(l); /* before the report: another operation may follow from it */
        l->losses = 0;
    } else {
        linger(l);
    }
    link_report(l);
}

void link_heard_out(struct link *l, bool out) {
    char id[VH_OPID_MAX];
    memcpy(id, l->conv.out_id, sizeof id);
    l->listen_until = 0;
    if (l->op.kind == OP_NONE)
        linger(l);
    l->calls->out(l->vm, id, out);
}

void link_greeted(struct link *l) {
    bool was_busy = l->was_busy;
    l->state = LINK_READY;
    l->deadline = VH_NEVER;
    l->was_busy = false;
    linger(l);
    if (l->op.kind != OP_NONE)
        link_begin(l);
    else if (was_busy)
        l->calls->answers(l->vm);
}
