/*
 * link_connection.c - a connection from the first attempt to its end, and the result of an operation that ends with it.
 * Owns the rule who may serve a VM's socket; never sends or reads a byte.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/sock.h"
#include "os/sys.h"
#include "vmm/link_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint32_t own_uid;

void link_connection_start(void) {
    own_uid = geteuid(); /* read once: the sandbox forbids geteuid() */
}

/* ---- results ---- */

void link_finish(struct link *l, enum op_status status, const char *text) {
    if (l->op.kind == OP_NONE)
        return;
    l->result = (struct op_result){.serial = l->op.serial, .vm = l->vm, .status = status};
    (void)str_copy(l->result.text, sizeof l->result.text, text); /* an explanation may be cut */
    l->op.kind = OP_NONE;
    l->node_wanted = false;
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
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->state = LINK_IDLE;
    l->pause_until = 0;
    l->deadline = l->linger_until = VH_NEVER;
    l->out_len = 0;
}

/* Only a clear refusal proves that nobody listens. Other failures do not: the daemon may be short of descriptors, or
 * the listener's queue may be full. */
bool link_socket_served(const char *socket) {
    int fd = sock_connect_unix(socket);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 || (errno != ECONNREFUSED && errno != ENOENT && errno != ENOTDIR);
}

/* The end of a connection does not prove the end of the VM; its socket does. */
void link_lost(struct link *l, const char *why) {
    bool doubtful = l->sent;
    l->losses++;
    link_close(l);
    link_finish(l, doubtful ? OP_UNKNOWN : OP_LOCAL, why);
    link_report(l);
    if (link_socket_served(l->conf->socket))
        l->calls->again(l->vm);
    else
        l->calls->down(l->vm, why);
}

/* ---- connecting ---- */

/* The server of the socket is handed opened devices. So its uid must be the configured one, or else root's or the
 * socket's owner's; and the path must not be a symbolic link that a third user has made. OP_OK, OP_REFUSED, or OP_LOCAL
 * if this cannot be found out now. */
static enum op_status is_trusted(const struct vm_conf *vm, uint32_t uid, char *why, size_t cap) {
    struct sys_stat path, sock;
    if (vm->uid_given) {
        (void)str_fmt(why, cap, "its socket is served by uid %u, not %u", (unsigned)uid, (unsigned)vm->uid);
        return uid == vm->uid ? OP_OK : OP_REFUSED;
    }
    if (!sys_stat(AT_FDCWD, vm->socket, AT_SYMLINK_NOFOLLOW, &path) || !sys_stat(AT_FDCWD, vm->socket, 0, &sock)) {
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
        trust = is_trusted(l->conf, uid, why, sizeof why);
    if (trust != OP_OK) {
        (void)close(fd);
        link_finish_about(l, trust, "VM", why);
        return;
    }
    l->fd = fd;
    l->state = LINK_GREETING;
    l->deadline = clock_now() + ms_to_ns(VH_T_GREETING);
    l->conv.features = l->features;
    l->vmm->reset(&l->conv);
    linebuf_init(&l->in, l->in_buf, sizeof l->in_buf);
    l->calls->peer(l->vm, pid);
}

/* A refused connection is tried again, because the VMM may be between bind() and listen(). So is a full queue, because
 * it empties. */
void link_connect(struct link *l, int64_t now) {
    int fd = sock_connect_unix(l->conf->socket);
    if (fd >= 0) {
        connected(l, fd);
        return;
    }
    bool full = errno == EAGAIN, refused = errno == ECONNREFUSED;
    const char *why = strerror(errno);
    if (errno == ENOENT || errno == ENOTDIR) {
        link_finish_about(l, OP_REFUSED, "VM", "is not running");
        return;
    }
    if (now >= l->give_up_at && l->op.kind != OP_NONE) {
        if (full)
            link_finish_about(l, OP_BUSY, "the monitor of VM", "has too many clients waiting");
        else if (refused)
            link_finish_about(l, OP_REFUSED, "VM", "is not running");
        else
            link_finish_about(l, OP_LOCAL, "the monitor of VM", why);
        l->was_busy = full;
        if (!full)
            return;
    }
    l->connect_failures++;
    l->connect_at = now + backoff(l->connect_failures, VH_T_CONNECT_MIN, VH_T_CONNECT_MAX);
}
