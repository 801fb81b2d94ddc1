/*
 * listener.c - the API's listening sockets. Owns them, opens them, retries and accepts. Knows nothing about clients.
 *
 * A transport that cannot be opened is tried again later and does not affect the others. A failing accept() pauses its
 * listener for a moment, never the loop.
 */
#include "server/listener.h"

#include "base/log.h"
#include "base/str.h"
#include "os/accounts.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ACCEPTS_PER_PASS = 16 };

struct listener {
    bool wanted;
    bool logged; /* its failure to open */
    enum transport transport;
    const char *name;
    int fd, poll;
    int64_t retry_at; /* to open it, or to accept again */
};

static struct {
    const struct api_conf *conf;
    struct listener listener[3];
    uint64_t unix_dev, unix_ino; /* the socket file that was made here: no other file is removed */
} listeners;

static bool lookup_owner(int64_t *uid, int64_t *gid) {
    const struct api_conf *c = listeners.conf;
    *uid = *gid = -1;
    return (c->unix_user[0] == '\0' || accounts_id(ACCOUNTS_USERS, c->unix_user, uid)) &&
           (c->unix_group[0] == '\0' || accounts_id(ACCOUNTS_GROUPS, c->unix_group, gid));
}

static int open_unix(void) {
    const struct api_conf *c = listeners.conf;
    int64_t uid = -1, gid = -1;
    struct sys_stat st;
    if (opener_sealed() && (c->unix_user[0] != '\0' || c->unix_group[0] != '\0')) {
        log_error("an API socket with an owner or group can be opened at start only: restart the daemon: path=%s",
                  c->unix_path);
        errno = EPERM;
        return -1;
    }
    if (!opener_sealed() && !lookup_owner(&uid, &gid)) {
        errno = ENOENT;
        return -1;
    }
    int fd = opener_sealed() ? opener_open(OPEN_UNIX, c->unix_path, c->unix_mode)
                             : sock_listen_unix(c->unix_path, c->unix_mode, uid, gid);
    if (fd >= 0 && sys_stat(AT_FDCWD, c->unix_path, 0, &st)) {
        listeners.unix_dev = st.dev;
        listeners.unix_ino = st.ino;
    }
    return fd;
}

static void listener_open(struct listener *l) {
    const struct api_conf *c = listeners.conf;
    switch (l->transport) {
    case TRANSPORT_UNIX:
        l->fd = open_unix();
        break;
    case TRANSPORT_TCP:
        l->fd = opener_open(OPEN_TCP, c->host, c->tcp_port);
        break;
    case TRANSPORT_VSOCK:
        l->fd = opener_open(OPEN_VSOCK, "", c->vsock_port);
        break;
    }
    if (l->fd >= 0) {
        log_info("API listening: transport=%s", l->name);
        l->logged = false;
        l->retry_at = VH_NEVER;
        return;
    }
    if (!l->logged)
        log_warn("API transport cannot be opened yet, trying again every %d s: transport=%s error=\"%s\"",
                 VH_T_LISTEN_RETRY / 1000, l->name, strerror(errno));
    l->logged = true;
    l->retry_at = clock_now() + ms_to_ns(VH_T_LISTEN_RETRY);
}

bool listener_wants(const struct api_conf *c, enum transport t) {
    return c->enable && (t == TRANSPORT_UNIX ? c->unix_on : t == TRANSPORT_TCP ? c->tcp_on : c->vsock_on);
}

void listener_start(const struct api_conf *c) {
    const struct listener all[3] = {
        {.wanted = c->unix_on, .transport = TRANSPORT_UNIX, .name = "unix"},
        {.wanted = c->tcp_on, .transport = TRANSPORT_TCP, .name = "tcp"},
        {.wanted = c->vsock_on, .transport = TRANSPORT_VSOCK, .name = "vsock"},
    };
    listeners.conf = c;
    for (int i = 0; i < 3; i++) {
        struct listener *l = &listeners.listener[i];
        *l = all[i];
        l->fd = l->poll = -1;
        l->retry_at = VH_NEVER;
        l->wanted = l->wanted && c->enable;
        if (l->wanted)
            listener_open(l);
    }
}

static void accept_ready(struct listener *l, int64_t now, listener_taken *taken) {
    for (int i = 0; i < ACCEPTS_PER_PASS; i++) {
        int fd = sock_accept(l->fd);
        if (fd >= 0) {
            taken(l->transport, fd);
            continue;
        }
        if (errno == ECONNABORTED)
            continue; /* the client has closed already */
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            log_warn("accept failed, pausing: transport=%s error=\"%s\"", l->name, strerror(errno));
            l->retry_at = now + ms_to_ns(VH_T_RETRY_MIN);
        }
        return;
    }
}

void listener_fill(struct pollset *ps) {
    for (int i = 0; i < 3; i++) {
        struct listener *l = &listeners.listener[i];
        bool pausing = l->retry_at != VH_NEVER;
        l->poll = l->fd >= 0 && !pausing ? pollset_add(ps, l->fd, POLLIN) : -1;
    }
}

void listener_ready(const struct pollset *ps, int64_t now, listener_taken *taken) {
    for (int i = 0; i < 3; i++) {
        struct listener *l = &listeners.listener[i];
        if (pollset_got(ps, l->poll, l->fd) != 0)
            accept_ready(l, now, taken);
    }
}

int64_t listener_deadline(void) {
    int64_t at = VH_NEVER;
    for (int i = 0; i < 3; i++) {
        if (listeners.listener[i].retry_at < at)
            at = listeners.listener[i].retry_at;
    }
    return at;
}

void listener_tick(int64_t now) {
    for (int i = 0; i < 3; i++) {
        struct listener *l = &listeners.listener[i];
        if (l->retry_at > now)
            continue;
        l->retry_at = VH_NEVER;
        if (l->fd < 0)
            listener_open(l);
    }
}

/* Inside the sandbox no owner can be set. Then the socket stays as it is: closed, it could not be opened again. */
static bool same_owner(const struct api_conf *a, const struct api_conf *b) {
    if (str_eq(a->unix_user, b->unix_user) && str_eq(a->unix_group, b->unix_group))
        return true;
    if (opener_sealed())
        log_warn(
            "general.api.unixSocketUser and unixSocketGroup take effect at start only: restart the daemon for them");
    return opener_sealed();
}

/* Does this transport have the same address and the same rights in both configurations? */
static bool same_place(const struct api_conf *a, const struct api_conf *b, enum transport t) {
    switch (t) {
    case TRANSPORT_UNIX:
        return str_eq(a->unix_path, b->unix_path) && a->unix_mode == b->unix_mode && same_owner(a, b);
    case TRANSPORT_TCP:
        return str_eq(a->host, b->host) && a->tcp_port == b->tcp_port;
    case TRANSPORT_VSOCK:
        return a->vsock_port == b->vsock_port;
    }
    return false;
}

static void listener_close(struct listener *l) {
    struct sys_stat st;
    if (l->fd < 0)
        return;
    (void)close(l->fd);
    l->fd = -1;
    if (l->transport == TRANSPORT_UNIX && sys_stat(AT_FDCWD, listeners.conf->unix_path, AT_SYMLINK_NOFOLLOW, &st) &&
        st.dev == listeners.unix_dev && st.ino == listeners.unix_ino)
        (void)sys_unlink(listeners.conf->unix_path);
}

void listener_reload(const struct api_conf *c) {
    bool keep[3];
    for (int i = 0; i < 3; i++) {
        enum transport t = listeners.listener[i].transport;
        keep[i] = listener_wants(c, t) && listeners.listener[i].wanted && same_place(listeners.conf, c, t);
        if (!keep[i])
            listener_close(&listeners.listener[i]);
    }
    listeners.conf = c;
    for (int i = 0; i < 3; i++) {
        struct listener *l = &listeners.listener[i];
        l->wanted = listener_wants(c, l->transport);
        if (keep[i])
            continue;
        l->retry_at = VH_NEVER;
        l->logged = false;
        if (l->wanted)
            listener_open(l);
    }
}

void listener_stop(void) {
    for (int i = 0; i < 3; i++)
        listener_close(&listeners.listener[i]);
}
