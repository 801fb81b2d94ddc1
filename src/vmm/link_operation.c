/*
 * link_operation.c - an operation on its way out, and its result. Owns the opened node until it is sent; never reads
 * from the socket.
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
    l->linger_until = clock_now() + ms_to_ns(VH_T_LINGER);
}

bool link_flush(struct link *l, int pass_fd) {
    while (l->out_len > 0) {
        ssize_t n = sock_send(l->fd, l->out, l->out_len, pass_fd);
        if (n < 0)
            return false;
        if (n == 0)
            return true; /* the rest follows at POLLOUT */
        pass_fd = -1;
        l->sent = true;
        l->out_len -= (size_t)n;
        memmove(l->out, l->out + n, l->out_len);
    }
    return true;
}

/* Opens the node of an OP_ATTACH. False if that ended the operation. */
static bool open_node(struct link *l, int *node) {
    char why[VH_TEXT_MAX] = "";
    enum usb_passing passing = l->conf->passing;
    l->op.by_fd = passing == PASS_FD || (passing == PASS_AUTO && l->vmm->takes_fd(&l->conv, l->features));
    *node = l->calls->open_node(&l->op, why, sizeof why);
    if (*node >= 0)
        return true;
    link_finish(l, OP_LOCAL, why);
    linger(l);
    return false;
}

void link_begin(struct link *l) {
    struct vmm_out out = {.pass_fd = false};
    int node = -1;
    VH_ASSERT(l->state == LINK_READY && l->op.kind != OP_NONE);
    if (l->out_len > 0) { /* the monitor answered the last operation without having read all of it */
        link_lost(l, "the monitor does not read");
        return;
    }
    l->linger_until = VH_NEVER;
    if (l->op.kind == OP_ATTACH && !open_node(l, &node))
        return;
    sb_init(&out.text, l->out, sizeof l->out);
    l->vmm->begin(&l->conv, &l->op, &out);
    VH_ASSERT(sb_ok(&out.text));
    l->out_len = out.text.len;
    l->deadline = clock_now() + ms_to_ns(VH_T_COMMAND);
    bool ok = link_flush(l, out.pass_fd ? node : -1);
    /* The daemon's own copy would keep the device claimed after the VM's death. If nothing was sent, the queue of the
     * socket was full. A monitor that reads leaves space for the first bytes of an operation, so the connection ends.
     */
    if (node >= 0)
        (void)close(node);
    if (!ok || !l->sent)
        link_lost(l, ok ? "the monitor does not read" : strerror(errno));
}

void link_operation_done(struct link *l) {
    l->features = l->conv.features;
    l->losses = 0;
    l->result = l->conv.result;
    l->result.vm = l->vm;
    l->op.kind = OP_NONE;
    l->finished = true;
    l->deadline = VH_NEVER;
    linger(l);
    link_report(l);
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
