/*
 * listener.c - the API's listening sockets. Owns them, asks the opener for them, retries and accepts. Knows nothing
 * about clients.
 *
 * A transport that cannot be opened is tried again later and does not affect the others. A failing accept() pauses its
 * listener for a moment, never the loop.
 */
#include "server/listener.h"

#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "os/accounts.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/pollset.h"
#include "os/sock.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ACCEPTS_PER_PASS = 16 };

struct listener {
    bool wanted;
    bool logged; /* its failure to open */
    bool asked;  /* the opener has not answered yet */
    bool stale;  /* and its answer will be one of an earlier configuration */
    enum transport transport;
    const char *name;
    int fd, poll;
    int64_t retry_at; /* to open it, or to accept again */
};

static struct {
    const struct api_conf *conf;
    struct listener listener[3];
} listeners;

static bool has_owner(const struct api_conf *c) {
    return c->unix_user[0] != '\0' || c->unix_group[0] != '\0';
}

void listener_places(const struct api_conf *c, struct opener_listeners *l) {
    *l = (struct opener_listeners){
        .unix_on = listener_wants(c, TRANSPORT_UNIX),
        .tcp_on = listener_wants(c, TRANSPORT_TCP),
        .vsock_on = listener_wants(c, TRANSPORT_VSOCK),
        .unix_mode = c->unix_mode,
        .unix_owned = has_owner(c),
        .uid = -1,
        .gid = -1,
        .tcp_port = c->tcp_port,
        .vsock_port = c->vsock_port,
    };
    VH_ASSERT(str_copy(l->unix_path, sizeof l->unix_path, c->unix_path)); /* the same bounds */
    VH_ASSERT(str_copy(l->host, sizeof l->host, c->host));
}

/* An unknown owner is nobody: the socket stays the daemon's own, whose mode then lets nobody in whom it would not have
 * let in. */
static void find_owner(const char *key, const char *file, const char *name, int64_t *id, bool say) {
    if (name[0] != '\0' && !accounts_id(file, name, id) && say)
        log_error("general.api.%s: '%s' is not in %s: the unix socket stays with the daemon's own", key, name, file);
}

/* Before the sandbox: names of owners are looked up, and the next sockets are opened by this configuration. */
static void prepare_open(enum transport opened_now) {
    bool say = opened_now == TRANSPORT_UNIX;
    const struct api_conf *c = listeners.conf;
    struct opener_listeners l;
    listener_places(c, &l);
    find_owner("unixSocketUser", ACCOUNTS_USERS, c->unix_user, &l.uid, say);
    find_owner("unixSocketGroup", ACCOUNTS_GROUPS, c->unix_group, &l.gid, say);
    opener_listen_at(&l);
}

static void opened(struct listener *l, int fd) {
    l->fd = fd;
    l->logged = false;
    l->retry_at = VH_NEVER;
    log_info("API listening: transport=%s", l->name);
}

static void not_opened(struct listener *l, int error) {
    if (!l->logged)
        log_warn("API transport cannot be opened yet, trying again every %d s: transport=%s error=\"%s\"",
                 VH_T_LISTEN_RETRY / 1000, l->name, opener_why(error));
    l->logged = true;
    l->retry_at = clock_now() + ms_to_ns(VH_T_LISTEN_RETRY);
}

static void on_answer(enum opener_what what, int fd, int error);

static void listener_open(struct listener *l) {
    bool owner = l->transport == TRANSPORT_UNIX && has_owner(listeners.conf);
    if (owner && opener_sealed()) {
        log_error("an API socket with an owner or group can be opened at start only: restart the daemon: path=%s",
                  listeners.conf->unix_path);
        not_opened(l, EPERM);
        return;
    }
    if (!opener_sealed())
        prepare_open(l->transport);
    l->asked = true;
    opener_ask((enum opener_what)(OPEN_UNIX + (l - listeners.listener)), on_answer);
}

static void on_answer(enum opener_what what, int fd, int error) {
    struct listener *l = &listeners.listener[what - OPEN_UNIX];
    bool stale = l->stale;
    VH_ASSERT(l->asked && l->fd < 0);
    l->asked = l->stale = false;
    if (stale) {
        if (fd >= 0)
            (void)close(fd);
        if (fd >= 0 && l->transport == TRANSPORT_UNIX)
            opener_ask(OPEN_UNLINK, NULL);
        if (l->wanted)
            listener_open(l);
    } else if (fd >= 0) {
        opened(l, fd);
    } else {
        not_opened(l, error);
    }
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
            if (log_may_about(LOG_STRANGERS, l->name, now))
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
        if (l->fd < 0 && l->wanted && !l->asked)
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

/* What the opener may still be opening is of no use any more. */
static void listener_close(struct listener *l) {
    bool any = l->fd >= 0 || l->asked;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    l->stale = l->asked;
    if (any && l->transport == TRANSPORT_UNIX)
        opener_ask(OPEN_UNLINK, NULL);
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
        if (l->wanted && !l->asked) /* else once the stale answer has come */
            listener_open(l);
    }
}

void listener_stop(void) {
    for (int i = 0; i < 3; i++) {
        listeners.listener[i].wanted = false;
        listener_close(&listeners.listener[i]);
    }
}
