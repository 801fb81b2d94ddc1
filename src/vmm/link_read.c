/*
 * link_read.c - messages from the monitors, in turns. Owns the order of the turns; never waits for a monitor.
 *
 * A turn is bounded for each link and for all of them together. A VMM that never stops sending must not keep the loop
 * from other work, nor use a whole processor.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/http_reply.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "vmm/link_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct {
    int first;           /* the link that comes first in the next pass */
    int64_t pause_until; /* of all links; 0: none */
} turns;

static size_t room_to_send(const struct link *l) {
    bool whole = l->vmm->talk != VMM_PACKETS || l->out_len == 0; /* two packets are not one */
    return whole ? sizeof l->out - l->out_len : 0;
}

/* False if the connection ended with this message. */
static bool take_message(struct link *l, const char *text, size_t len) {
    char extra[VH_QMP_OUT_MAX];
    struct vmm_out out = {.pass_fd = false};
    sb_init(&out.text, extra, sizeof extra);
    enum vmm_step step = l->vmm->message(&l->conv, text, len, &out);
    if (step == VMM_BAD) {
        if (!l->strange)
            log_warn("the monitor does not speak the protocol (%s): vm=%s", l->vmm->strange, l->conf->name);
        l->strange = true;
        link_lost(l, "the monitor does not speak the protocol");
        return false;
    }
    if (!sb_ok(&out.text) || out.text.len > room_to_send(l)) {
        link_lost(l, "the monitor does not take commands");
        return false;
    }
    if (out.text.len > 0) {
        memcpy(l->out + l->out_len, extra, out.text.len);
        l->out_len += out.text.len;
        if (!link_flush(l, -1)) {
            link_lost(l, strerror(errno));
            return false;
        }
    }
    if (step == VMM_READY)
        link_greeted(l);
    else if (step == VMM_DONE)
        link_operation_done(l);
    else if (step == VMM_OUT || step == VMM_STAYS)
        link_heard_out(l, step == VMM_OUT);
    return l->state != LINK_IDLE;
}

/* Takes the lines that were read, at most a turn's worth. Returns their bytes. */
static size_t take_lines(struct link *l, int64_t now) {
    char *line = NULL;
    size_t len = 0, taken = 0;
    l->pause_until = 0;
    while (taken < VH_LINK_TURN) {
        enum line_result r = linebuf_next(&l->in, &line, &len);
        if (r == LINE_TOO_LONG)
            link_lost(l, "the monitor sent an endless line");
        if (r != LINE_OK)
            return taken;
        taken += len + 1;
        if (!take_message(l, line, len))
            return taken;
    }
    l->pause_until = now + ms_to_ns(VH_T_LINK_PAUSE);
    return taken;
}

/* One packet a pass: a VMM that answers has no more for us. Returns its bytes. */
static size_t take_packet(struct link *l) {
    int passed = -1;
    ssize_t n = sock_recv_fds(l->fd, l->in_buf, sizeof l->in_buf, &passed, 1);
    if (passed >= 0)
        (void)close(passed); /* no answer brings one */
    if (n < 0) {
        link_lost(l, errno == 0          ? "the monitor closed the connection"
                     : errno == EMSGSIZE ? "the monitor sent an endless message"
                                         : strerror(errno));
        return 0;
    }
    if (n > 0)
        (void)take_message(l, l->in_buf, (size_t)n);
    return (size_t)n;
}

/* One answer a pass, as of packets: nothing more was asked for. What is none the protocol refuses. Returns the bytes
 * read. */
static size_t take_reply(struct link *l) {
    struct http_reply r = {0};
    _Static_assert(VH_HTTP_HEAD_MAX + VH_HTTP_BODY_MAX < sizeof l->in_buf, "an answer that is not whole leaves room");
    ssize_t n = sock_recv(l->fd, l->in_buf + l->in_len, sizeof l->in_buf - l->in_len);
    if (n < 0) {
        link_lost(l, errno == 0 ? "the monitor closed the connection" : strerror(errno));
        return 0;
    }
    l->in_len += (size_t)n;
    enum http_step step = http_reply_read(l->in_buf, l->in_len, &r);
    if (step == HTTP_MORE)
        return (size_t)n;
    size_t len = step == HTTP_OK && r.end == l->in_len ? r.end : 0; /* a second answer makes both of them none */
    l->in_len = 0;
    (void)take_message(l, l->in_buf, len);
    return (size_t)n;
}

static void read_more(struct link *l) {
    size_t room = 0;
    char *space = linebuf_space(&l->in, &room);
    ssize_t n = sock_recv(l->fd, space, room);
    if (n < 0)
        link_lost(l, errno == 0 ? "the monitor closed the connection" : strerror(errno));
    else
        linebuf_added(&l->in, (size_t)n);
}

/* Lines that were read are used up before more is read. */
static size_t serve(struct link *l, short got, int64_t now) {
    if ((got & POLLOUT) != 0 && !link_flush(l, -1)) {
        link_lost(l, strerror(errno));
        return 0;
    }
    if (l->pause_until > now)
        return 0;
    bool readable = (got & (POLLIN | POLLHUP | POLLERR)) != 0;
    if (l->vmm->talk == VMM_PACKETS)
        return readable ? take_packet(l) : 0;
    if (l->vmm->talk == VMM_HTTP)
        return readable ? take_reply(l) : 0;
    if (l->pause_until == 0 && readable)
        read_more(l);
    return l->state != LINK_IDLE ? take_lines(l, now) : 0;
}

void link_read_fill(struct link *links, int n, struct pollset *ps) {
    for (int v = 0; v < n; v++) {
        struct link *l = &links[v];
        short in = turns.pause_until == 0 && l->pause_until == 0 ? POLLIN : 0, out = l->out_len > 0 ? POLLOUT : 0;
        l->poll = l->fd >= 0 && (in | out) != 0 ? pollset_add(ps, l->fd, (short)(in | out)) : -1;
    }
}

/* Links for which this pass had no time come first in the next one. */
void link_read_ready(struct link *links, int n, const struct pollset *ps, int64_t now) {
    size_t taken = 0;
    int i = 0;
    if (turns.pause_until > now)
        return;
    turns.pause_until = 0;
    for (; i < n && taken < VH_LINKS_TURN; i++) {
        struct link *l = &links[(turns.first + i) % n];
        short got = pollset_got(ps, l->poll, l->fd);
        if (got != 0 || l->pause_until != 0)
            taken += serve(l, got, now);
    }
    if (i < n) {
        turns.first = (turns.first + i) % n;
        turns.pause_until = now + ms_to_ns(VH_T_LINK_PAUSE);
    }
}

int64_t link_read_deadline(void) {
    return turns.pause_until != 0 ? turns.pause_until : VH_NEVER;
}
