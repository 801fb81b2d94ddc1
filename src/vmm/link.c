/*
 * link.c - one connection and at most one operation for each VM. Owns sockets, deadlines and the descriptor in passing.
 *
 * Decides nothing: an operation ends with what was seen. A result is never told from within link_op(); it waits for the
 * next link_ready() or link_tick(), so that the caller is never called back in the middle of its own step.
 */
#include "vmm/link.h"

#include "base/limits.h"
#include "base/log.h"
#include "codec/linebuf.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum link_state {
    LINK_IDLE,     /* not connected */
    LINK_GREETING, /* connected; the monitor has not greeted: it may be serving somebody else */
    LINK_READY,    /* greeted */
};

struct link {
    enum link_state state;
    const struct vmm *vmm; /* NULL: a type that we do not drive */
    int fd, poll;
    struct vmm_op op; /* OP_NONE: none */
    bool sent;        /* its bytes went out */
    bool finished;    /* its result waits to be told */
    bool wanted;      /* wait in line although no operation is under way */
    bool was_busy;
    int64_t deadline;          /* of the greeting or of the answer */
    int64_t connect_at;        /* next attempt to connect, VH_NEVER if none is due */
    unsigned connect_failures; /* in a row, of the connection that is wanted now */
    int64_t give_up_at;
    unsigned losses; /* connections that broke since an operation has ended well: the next one waits for it */
    int64_t linger_until;
    int64_t pause_until; /* its turn ended before its lines did; 0: it did not */
    uint32_t features;
    size_t out_len; /* bytes not sent yet */
    struct op_result result;
    struct vmm_conv conv;
    struct linebuf in;
    char out[VH_QMP_OUT_MAX];
    char in_buf[VH_QMP_LINE_MAX];
};

static struct link links[VH_MAX_VMS];
static const struct conf *conf;
static const struct vmm *const *types;
static const struct link_calls *calls;
static uint32_t own_uid;
static struct {
    int first; /* whose turn comes first */
    int64_t pause_until;
} turns;

static int index_of(const struct link *l) {
    return (int)(l - links);
}

static void link_init(struct link *l, const char *type) {
    l->state = LINK_IDLE;
    l->fd = l->poll = -1;
    l->deadline = l->connect_at = l->linger_until = VH_NEVER;
    l->vmm = NULL;
    l->features = 0;
    for (int i = 0; types[i] != NULL; i++) {
        if (str_eq(types[i]->type, type))
            l->vmm = types[i];
    }
}

void link_start(const struct conf *c, const struct vmm *const *list, const struct link_calls *table) {
    conf = c;
    types = list;
    calls = table;
    own_uid = geteuid(); /* no call of later */
    for (int v = 0; v < c->nvms; v++)
        link_init(&links[v], c->vms[v].type);
}

void link_reload(const struct conf *c, vm_set changed) {
    conf = c;
    for (int v = 0; v < c->nvms; v++) {
        if ((changed >> v & 1) != 0)
            link_init(&links[v], c->vms[v].type);
    }
}

/* ---- results ---- */

static void finish(struct link *l, enum op_status status, const char *text) {
    if (l->op.kind == OP_NONE)
        return;
    l->result = (struct op_result){.serial = l->op.serial, .vm = index_of(l), .status = status};
    (void)str_copy(l->result.text, sizeof l->result.text, text); /* an explanation may be cut */
    l->op.kind = OP_NONE;
    l->finished = true;
    l->deadline = l->connect_at = VH_NEVER;
}

static void finish_fmt(struct link *l, enum op_status status, const char *before, const char *after) {
    char text[VH_TEXT_MAX];
    (void)str_fmt(text, sizeof text, "%s '%s' %s", before, conf->vms[index_of(l)].name, after);
    finish(l, status, text);
}

static void tell_result(struct link *l) {
    if (!l->finished)
        return;
    l->finished = false;
    struct op_result r = l->result;
    calls->done(&r);
}

/* ---- connections ---- */

static void close_link(struct link *l) {
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->state = LINK_IDLE;
    l->pause_until = 0;
    l->deadline = l->linger_until = VH_NEVER;
    l->out_len = 0;
}

/* Anything but a clear "nobody" is no proof: we may be short of descriptors, or its queue is full. */
bool link_listening(int v) {
    int fd = sock_connect_unix(conf->vms[v].socket);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 || (errno != ECONNREFUSED && errno != ENOENT && errno != ENOTDIR);
}

/* The connection is over. Whether the VM is, its socket tells. */
static void lost(struct link *l, const char *why) {
    int v = index_of(l);
    bool doubtful = l->sent;
    l->losses++;
    close_link(l);
    finish(l, doubtful ? OP_UNKNOWN : OP_LOCAL, why);
    tell_result(l);
    if (link_listening(v))
        calls->again(v);
    else
        calls->down(v, why);
}

/* Whoever answers there is handed opened devices: so it must be who the configuration says, else at least root or the
 * owner of the very socket, and the path no link that somebody else has laid. OP_OK, OP_REFUSED, or OP_LOCAL if that
 * cannot be told now. */
static enum op_status is_trusted(int v, uint32_t uid, char *why, size_t cap) {
    const struct vm_conf *vc = &conf->vms[v];
    struct sys_stat path, sock;
    if (vc->uid_given) {
        (void)str_fmt(why, cap, "its socket is served by uid %u, not %u", (unsigned)uid, (unsigned)vc->uid);
        return uid == vc->uid ? OP_OK : OP_REFUSED;
    }
    if (!sys_stat(AT_FDCWD, vc->socket, AT_SYMLINK_NOFOLLOW, &path) || !sys_stat(AT_FDCWD, vc->socket, 0, &sock)) {
        (void)str_fmt(why, cap, "its socket cannot be looked at: %s", strerror(errno));
        return OP_LOCAL;
    }
    if (S_ISLNK(path.mode) && path.uid != 0 && path.uid != own_uid) {
        (void)str_fmt(why, cap, "its socket is a symbolic link of uid %u", (unsigned)path.uid);
        return OP_REFUSED;
    }
    (void)str_fmt(why, cap, "its socket is of uid %u, served by uid %u", (unsigned)sock.uid, (unsigned)uid);
    return uid == 0 || uid == sock.uid ? OP_OK : OP_REFUSED;
}

static void connected(struct link *l, int fd) {
    uint32_t uid = 0, gid = 0;
    int32_t pid = 0;
    char why[VH_TEXT_MAX] = "the kernel does not say who serves its socket";
    l->connect_at = VH_NEVER;
    enum op_status trust = OP_LOCAL;
    if (sock_peer_unix(fd, &uid, &gid, &pid))
        trust = is_trusted(index_of(l), uid, why, sizeof why);
    if (trust != OP_OK) {
        (void)close(fd);
        finish_fmt(l, trust, "VM", why);
        return;
    }
    l->fd = fd;
    l->state = LINK_GREETING;
    l->deadline = clock_now() + ms_to_ns(VH_T_GREETING);
    l->conv.features = l->features;
    l->vmm->reset(&l->conv);
    linebuf_init(&l->in, l->in_buf, sizeof l->in_buf);
    calls->peer(index_of(l), pid);
}

/* A socket file with nobody behind it may be between bind() and listen(); a full queue of connections empties. */
static void try_connect(struct link *l, int64_t now) {
    int fd = sock_connect_unix(conf->vms[index_of(l)].socket);
    if (fd >= 0) {
        connected(l, fd);
        return;
    }
    bool full = errno == EAGAIN, refused = errno == ECONNREFUSED;
    const char *why = strerror(errno);
    if (errno == ENOENT || errno == ENOTDIR) {
        finish_fmt(l, OP_REFUSED, "VM", "is not running");
        return;
    }
    if (now >= l->give_up_at && l->op.kind != OP_NONE) {
        if (full)
            finish_fmt(l, OP_BUSY, "the monitor of VM", "has too many clients waiting");
        else if (refused)
            finish_fmt(l, OP_REFUSED, "VM", "is not running");
        else
            finish_fmt(l, OP_LOCAL, "the monitor of VM", why);
        l->was_busy = full;
        if (!full)
            return;
    }
    l->connect_failures++;
    l->connect_at = now + backoff(l->connect_failures, VH_T_CONNECT_MIN, VH_T_CONNECT_MAX);
}

/* ---- operations ---- */

static bool flush(struct link *l, int pass_fd) {
    while (l->out_len > 0) {
        ssize_t n = sock_send(l->fd, l->out, l->out_len, pass_fd);
        if (n < 0)
            return false;
        if (n == 0)
            return true; /* POLLOUT will tell */
        pass_fd = -1;
        l->sent = true;
        l->out_len -= (size_t)n;
        memmove(l->out, l->out + n, l->out_len);
    }
    return true;
}

static void begin(struct link *l) {
    struct vmm_out out = {.pass_fd = false};
    const struct vm_conf *vc = &conf->vms[index_of(l)];
    char why[VH_TEXT_MAX] = "";
    int node = -1;
    VH_ASSERT(l->state == LINK_READY && l->op.kind != OP_NONE);
    if (l->out_len > 0) { /* it has answered the last operation without having read all of it */
        lost(l, "the monitor does not read");
        return;
    }
    l->linger_until = VH_NEVER;
    if (l->op.kind == OP_ATTACH) {
        l->op.by_fd = vc->passing == PASS_FD || (vc->passing == PASS_AUTO && l->vmm->takes_fd(&l->conv, l->features));
        node = calls->open_node(&l->op, why, sizeof why);
        if (node < 0) {
            finish(l, OP_LOCAL, why);
            l->linger_until = clock_now() + ms_to_ns(VH_T_LINGER);
            return;
        }
    }
    sb_init(&out.text, l->out, sizeof l->out);
    l->vmm->begin(&l->conv, &l->op, &out);
    VH_ASSERT(sb_ok(&out.text));
    l->out_len = out.text.len;
    l->deadline = clock_now() + ms_to_ns(VH_T_COMMAND);
    bool ok = flush(l, out.pass_fd ? node : -1);
    /* A copy of ours would keep the device claimed after the VM's death. If nothing went out, the socket's queue was
     * full, which cannot be for the first bytes of a fresh operation; the operation then ends. */
    if (node >= 0)
        (void)close(node);
    if (!ok || !l->sent)
        lost(l, ok ? "the monitor does not read" : strerror(errno));
}

void link_op(int v, const struct vmm_op *op) {
    struct link *l = &links[v];
    int64_t now = clock_now();
    VH_ASSERT(l->op.kind == OP_NONE && !l->finished && l->vmm != NULL);
    l->op = *op;
    l->sent = false;
    if (l->state == LINK_READY) {
        l->deadline = now; /* begun by the tick that follows */
        l->linger_until = VH_NEVER;
    } else if (l->state == LINK_GREETING) {
        l->deadline = now + ms_to_ns(VH_T_GREETING);
    } else {
        int64_t pause = l->losses > 0 ? backoff(l->losses, VH_T_CONNECT_MIN, VH_T_LOST_MAX) : 0;
        l->connect_failures = 0;
        l->give_up_at = now + pause + 50 * ms_to_ns(VH_T_CONNECT_MIN);
        if (pause > 0)
            l->connect_at = now + pause;
        else
            try_connect(l, now);
    }
}

void link_drop(int v) {
    struct link *l = &links[v];
    if (l->vmm == NULL)
        return;
    close_link(l);
    l->features = 0;
    l->wanted = l->was_busy = false;
    l->losses = 0;
    l->connect_at = VH_NEVER;
    finish_fmt(l, OP_UNKNOWN, "VM", "ended");
    tell_result(l);
}

void link_wanted(int v, bool wanted) {
    links[v].wanted = wanted;
}

bool link_connected(int v) {
    return links[v].state == LINK_READY;
}

/* ---- bytes in ---- */

static void operation_done(struct link *l) {
    l->features = l->conv.features;
    l->losses = 0;
    l->result = l->conv.result;
    l->result.vm = index_of(l);
    l->op.kind = OP_NONE;
    l->finished = true;
    l->deadline = VH_NEVER;
    l->linger_until = clock_now() + ms_to_ns(VH_T_LINGER);
    tell_result(l);
}

static void greeted(struct link *l) {
    bool was_busy = l->was_busy;
    l->state = LINK_READY;
    l->deadline = VH_NEVER;
    l->was_busy = false;
    l->linger_until = clock_now() + ms_to_ns(VH_T_LINGER);
    if (l->op.kind != OP_NONE)
        begin(l);
    else if (was_busy)
        calls->answers(index_of(l));
}

/* One line; false if the connection ended with it. */
static bool take_line(struct link *l, const char *line, size_t len) {
    char extra[VH_QMP_OUT_MAX];
    struct vmm_out out = {.pass_fd = false};
    sb_init(&out.text, extra, sizeof extra);
    enum vmm_step step = l->vmm->line(&l->conv, line, len, &out);
    if (step == VMM_BAD) {
        log_warn("the monitor does not speak the protocol: vm=%s", conf->vms[index_of(l)].name);
        lost(l, "the monitor does not speak the protocol");
        return false;
    }
    if (!sb_ok(&out.text) || out.text.len > sizeof l->out - l->out_len) {
        lost(l, "the monitor does not take commands");
        return false;
    }
    if (out.text.len > 0) {
        memcpy(l->out + l->out_len, extra, out.text.len);
        l->out_len += out.text.len;
        if (!flush(l, -1)) {
            lost(l, strerror(errno));
            return false;
        }
    }
    if (step == VMM_READY)
        greeted(l);
    else if (step == VMM_DONE)
        operation_done(l);
    return l->state != LINK_IDLE;
}

/* Lines that are there, no more than a turn's worth: a VMM that never stops talking must not hold up others, nor take
 * the whole of a processor. How many bytes they had. */
static size_t take_lines(struct link *l, int64_t now) {
    char *line = NULL;
    size_t len = 0, taken = 0;
    l->pause_until = 0;
    while (taken < VH_LINK_TURN) {
        enum line_result r = linebuf_next(&l->in, &line, &len);
        if (r == LINE_TOO_LONG)
            lost(l, "the monitor sent an endless line");
        if (r != LINE_OK)
            return taken;
        taken += len + 1;
        if (!take_line(l, line, len))
            return taken;
    }
    l->pause_until = now + ms_to_ns(VH_T_LINK_PAUSE);
    return taken;
}

static void read_more(struct link *l) {
    size_t room = 0;
    char *space = linebuf_space(&l->in, &room);
    ssize_t n = sock_recv(l->fd, space, room);
    if (n < 0)
        lost(l, errno == 0 ? "the monitor closed the connection" : strerror(errno));
    else
        linebuf_added(&l->in, (size_t)n);
}

/* ---- the room's offers ---- */

void link_fill(struct pollset *ps) {
    for (int v = 0; v < conf->nvms; v++) {
        struct link *l = &links[v];
        short in = turns.pause_until == 0 && l->pause_until == 0 ? POLLIN : 0, out = l->out_len > 0 ? POLLOUT : 0;
        l->poll = l->fd >= 0 && (in | out) != 0 ? pollset_add(ps, l->fd, (short)(in | out)) : -1;
    }
}

/* What was read is used up before more is read. */
static size_t serve(struct link *l, short got, int64_t now) {
    if ((got & POLLOUT) != 0 && !flush(l, -1)) {
        lost(l, strerror(errno));
        return 0;
    }
    if (l->pause_until > now)
        return 0;
    if (l->pause_until == 0 && (got & (POLLIN | POLLHUP | POLLERR)) != 0)
        read_more(l);
    return l->state != LINK_IDLE ? take_lines(l, now) : 0;
}

/* Who was left out for want of time comes first in the next pass. */
void link_ready(const struct pollset *ps, int64_t now) {
    size_t taken = 0;
    int n = conf->nvms, i = 0;
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

int64_t link_deadline(void) {
    int64_t at = turns.pause_until != 0 ? turns.pause_until : VH_NEVER;
    for (int v = 0; v < conf->nvms; v++) {
        const struct link *l = &links[v];
        bool keep = conf->vms[v].keep_monitor;
        if (l->finished)
            return 0;
        if (l->pause_until != 0 && l->pause_until < at)
            at = l->pause_until;
        if (l->vmm == NULL)
            continue;
        at = l->deadline < at ? l->deadline : at;
        at = l->connect_at < at ? l->connect_at : at;
        if (!keep && l->op.kind == OP_NONE && l->linger_until < at)
            at = l->linger_until;
    }
    return at;
}

static void greeting_late(struct link *l) {
    l->was_busy = true;
    l->deadline = VH_NEVER;
    l->wanted = true; /* until told otherwise: the place in line is not given up for nothing */
    finish_fmt(l, OP_BUSY, "the monitor of VM", "does not answer: another client may hold it");
}

static void tick(struct link *l, int64_t now) {
    tell_result(l);
    if (l->connect_at <= now) {
        if (l->op.kind != OP_NONE || l->wanted)
            try_connect(l, now);
        else
            l->connect_at = VH_NEVER;
    }
    if (l->state == LINK_READY && l->op.kind != OP_NONE && !l->sent) {
        begin(l);
    } else if (l->deadline <= now) {
        if (l->state == LINK_GREETING)
            greeting_late(l);
        else
            lost(l, "the monitor did not answer in time");
    }
    if (l->state == LINK_GREETING && l->op.kind == OP_NONE && !l->finished && !l->wanted)
        close_link(l);
    if (l->state == LINK_READY && l->op.kind == OP_NONE && l->linger_until <= now &&
        !conf->vms[index_of(l)].keep_monitor)
        close_link(l);
    tell_result(l);
}

void link_tick(int64_t now) {
    for (int v = 0; v < conf->nvms; v++) {
        if (links[v].vmm != NULL)
            tick(&links[v], now);
    }
}

void link_stop(void) {
    for (int v = 0; v < conf->nvms; v++)
        close_link(&links[v]);
}
