/*
 * server.c - API transports and client slots: listen, accept, read lines, hand out output. Knows nothing of what a line
 * means.
 *
 * A transport that cannot be opened is tried again later and keeps nothing else from working. A full table or a failing
 * accept() stops the listener for a moment, never the loop.
 */
#include "server.h"

#include "access.h"
#include "client.h"
#include "log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES_PER_PASS = 16, ACCEPTS_PER_PASS = 16 };

struct listener {
    bool wanted, told; /* told: its failure was logged */
    enum transport transport;
    const char *name;
    int fd, poll;
    int64_t retry_at; /* to open it, or to accept again */
};

static struct {
    const struct api_conf *conf;
    const struct server_calls *calls;
    struct listener listener[3];
    dev_t unix_dev; /* our socket file, to be removed only while it is ours */
    ino_t unix_ino;
    int64_t now;
    uint32_t next_gen;
    uint64_t refused_logged;
    struct server_stats stats;
} server;

static struct client clients[VH_MAX_CLIENTS];
static struct client_room rooms[VH_MAX_CLIENTS];

const struct server_stats *server_stats(void) {
    return &server.stats;
}

/* ---- listeners ---- */

static bool lookup_owner(int64_t *uid, int64_t *gid) {
    const struct api_conf *c = server.conf;
    uint64_t number = 0;
    *uid = *gid = -1;
    if (c->unix_user[0] != '\0' && str_uint(c->unix_user, strlen(c->unix_user), UINT32_MAX, &number)) {
        *uid = (int64_t)number;
    } else if (c->unix_user[0] != '\0') {
        const struct passwd *p = getpwnam(c->unix_user);
        if (p == NULL)
            return false;
        *uid = (int64_t)p->pw_uid;
    }
    if (c->unix_group[0] != '\0' && str_uint(c->unix_group, strlen(c->unix_group), UINT32_MAX, &number)) {
        *gid = (int64_t)number;
    } else if (c->unix_group[0] != '\0') {
        const struct group *g = getgrnam(c->unix_group);
        if (g == NULL)
            return false;
        *gid = (int64_t)g->gr_gid;
    }
    return true;
}

/* The last directory of the path is made if only it is missing, as /var/lib/vhotplug on a fresh image. */
static void make_parent(const char *path) {
    char dir[VH_SUN_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path && str_copyn(dir, sizeof dir, path, (size_t)(slash - path)))
        (void)mkdir(dir, 0755); /* what is wrong shows at bind() */
}

static int open_unix(void) {
    const struct api_conf *c = server.conf;
    int64_t uid, gid;
    struct stat st;
    if (!lookup_owner(&uid, &gid)) {
        errno = ENOENT;
        return -1;
    }
    make_parent(c->unix_path);
    int fd = sock_listen_unix(c->unix_path, c->unix_mode, uid, gid);
    if (fd >= 0 && stat(c->unix_path, &st) == 0) {
        server.unix_dev = st.st_dev;
        server.unix_ino = st.st_ino;
    }
    return fd;
}

static void listener_open(struct listener *l) {
    const struct api_conf *c = server.conf;
    switch (l->transport) {
    case TRANSPORT_UNIX:
        l->fd = open_unix();
        break;
    case TRANSPORT_TCP:
        l->fd = sock_listen_tcp(c->host, c->tcp_port, false);
        break;
    case TRANSPORT_VSOCK:
        l->fd = sock_listen_vsock(c->vsock_port);
        break;
    }
    if (l->fd >= 0) {
        log_info("API listening: transport=%s", l->name);
        l->told = false;
        l->retry_at = VH_NEVER;
        return;
    }
    if (!l->told)
        log_warn("API transport cannot be opened yet, trying again every %d s: transport=%s error=\"%s\"",
                 VH_T_LISTEN_RETRY / 1000, l->name, strerror(errno));
    l->told = true;
    l->retry_at = sock_now() + VH_T_LISTEN_RETRY * VH_NSEC_PER_MSEC;
}

void server_start(const struct api_conf *c, const struct server_calls *calls) {
    const struct listener all[3] = {
        {.wanted = c->unix_on, .transport = TRANSPORT_UNIX, .name = "unix"},
        {.wanted = c->tcp_on, .transport = TRANSPORT_TCP, .name = "tcp"},
        {.wanted = c->vsock_on, .transport = TRANSPORT_VSOCK, .name = "vsock"},
    };
    server.conf = c;
    server.calls = calls;
    for (int i = 0; i < 3; i++) {
        struct listener *l = &server.listener[i];
        *l = all[i];
        l->fd = l->poll = -1;
        l->retry_at = VH_NEVER;
        l->wanted = l->wanted && c->enable;
        if (l->wanted)
            listener_open(l);
    }
}

/* ---- clients ---- */

static struct client_ref ref_of(const struct client *c) {
    return (struct client_ref){.index = (uint16_t)(c - clients), .gen = c->gen};
}

static struct client *by_ref(struct client_ref ref) {
    struct client *c = &clients[ref.index];
    VH_ASSERT(ref.index < VH_MAX_CLIENTS);
    return ref.gen != 0 && c->gen == ref.gen && c->state != CLIENT_FREE && c->state != CLIENT_DEAD ? c : NULL;
}

static bool identify(enum transport t, int fd, struct principal *who) {
    uint32_t uid = 0, gid = 0, cid = 0, port = 0;
    int32_t pid = 0;
    char address[64];
    switch (t) {
    case TRANSPORT_UNIX:
        if (!sock_peer_unix(fd, &uid, &gid, &pid))
            return false;
        access_unix(server.conf, uid, gid, pid, who);
        break;
    case TRANSPORT_TCP:
        if (!sock_peer_tcp(fd, address, sizeof address))
            return false;
        access_tcp(server.conf, address, who);
        break;
    case TRANSPORT_VSOCK:
        if (!sock_peer_vsock(fd, &cid, &port))
            return false;
        access_vsock(server.conf, cid, who);
        break;
    }
    return true;
}

/* Refusals come in floods; powers of two of them are logged. */
static void refuse(int fd, const struct principal *who, const char *why) {
    (void)close(fd);
    uint64_t n = ++server.stats.refused;
    if ((n & (n - 1)) == 0)
        log_warn("API client refused: by=\"%s\" reason=\"%s\" so_far=%llu", who->name, why, (unsigned long long)n);
}

static void admit(enum transport t, int fd) {
    struct principal who = {.role = ROLE_NONE, .vm = -1};
    if (!identify(t, fd, &who)) {
        (void)close(fd); /* gone already */
        return;
    }
    if (who.role == ROLE_NONE) {
        refuse(fd, &who, "not allowed");
        return;
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        struct client *c = &clients[i];
        if (c->state != CLIENT_FREE)
            continue;
        client_open(c, &rooms[i], fd, &who);
        c->transport = t;
        if (++server.next_gen == 0)
            server.next_gen = 1;
        c->gen = server.next_gen;
        server.stats.accepted++;
        server.stats.clients++;
        log_debug("API client connected: by=\"%s\"", who.name);
        return;
    }
    refuse(fd, &who, "too many clients");
}

static void accept_ready(struct listener *l) {
    for (int i = 0; i < ACCEPTS_PER_PASS; i++) {
        int fd = sock_accept(l->fd);
        if (fd >= 0) {
            admit(l->transport, fd);
            continue;
        }
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            log_warn("accept failed, pausing: transport=%s error=\"%s\"", l->name, strerror(errno));
            l->retry_at = server.now + VH_T_RETRY_MIN * VH_NSEC_PER_MSEC;
        }
        return;
    }
}

static void client_free(struct client *c) {
    if (c->subscribed)
        server.stats.subscribers--;
    server.stats.clients--;
    (void)close(c->fd);
    log_debug("API client gone: by=\"%s\"", c->who.name);
    struct client_ref ref = ref_of(c);
    c->state = CLIENT_FREE;
    c->gen = 0;
    server.calls->closed(ref);
}

/* Hands over whole lines, one request at a time; the reply may come from within the call. */
static void take_lines(struct client *c) {
    c->unread = false;
    for (int i = 0; client_reads(c); i++) {
        char *line = NULL;
        size_t len = 0;
        enum line_result r = linebuf_next(&c->in, &line, &len);
        if (r == LINE_NONE)
            return;
        if (i == LINES_PER_PASS - 1)
            c->unread = true; /* the others' turn */
        c->asked = true;
        c->barrier = c->queue_len;
        server.stats.requests++;
        server.calls->line(ref_of(c), &c->who, r == LINE_OK ? line : NULL, len);
        if (c->state == CLIENT_OPEN || c->state == CLIENT_CLOSING)
            client_flush(c, ref_of(c), server.calls);
        if (c->unread)
            return;
    }
    c->unread = true; /* something is under way; look again when it is done */
}

/* A last line may lack its newline: printf '{"action": "usb_list"}' | nc */
static void at_eof(struct client *c) {
    size_t room = 0;
    c->eof = true;
    if (linebuf_empty(&c->in) || c->in.skipping)
        return;
    char *space = linebuf_space(&c->in, &room);
    if (room > 0) {
        *space = '\n';
        linebuf_added(&c->in, 1);
    }
}

/* Whole lines pass through a buffer that all clients share; only what is left unfinished goes to the client's own. */
static void read_ready(struct client *c) {
    static char shared[VH_LINE_MAX];
    size_t room = 0;
    if (linebuf_empty(&c->in))
        linebuf_move(&c->in, shared);
    char *space = linebuf_space(&c->in, &room);
    if (room == 0)
        return;
    ssize_t n = sock_recv(c->fd, space, room);
    if (n > 0)
        linebuf_added(&c->in, (size_t)n);
    else if (n < 0 && errno == 0)
        at_eof(c);
    else if (n < 0)
        c->state = CLIENT_DEAD;
    if (c->state != CLIENT_DEAD)
        take_lines(c);
    if (c->in.buf == shared)
        linebuf_move(&c->in, c->room->in);
}

static void client_ready(struct client *c, short got) {
    if ((got & (POLLERR | POLLNVAL)) != 0 || ((got & POLLHUP) != 0 && (got & POLLIN) == 0)) {
        c->state = CLIENT_DEAD;
        return;
    }
    if ((got & POLLOUT) != 0)
        client_flush(c, ref_of(c), server.calls);
    if (c->state != CLIENT_DEAD && c->unread && client_reads(c))
        take_lines(c);
    if (c->state != CLIENT_DEAD && (got & POLLIN) != 0 && client_reads(c) && !c->eof)
        read_ready(c);
    if (c->state != CLIENT_DEAD && c->eof && client_reads(c) && !c->unread && !client_owes(c))
        c->state = CLIENT_DEAD; /* everything it asked is answered */
}

/* ---- the room's offers ---- */

void server_fill(struct pollset *ps) {
    for (int i = 0; i < 3; i++) {
        struct listener *l = &server.listener[i];
        bool pausing = l->retry_at != VH_NEVER;
        l->poll = l->fd >= 0 && !pausing ? pollset_add(ps, l->fd, POLLIN) : -1;
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        struct client *c = &clients[i];
        c->poll = -1;
        if (c->state == CLIENT_FREE)
            continue;
        int events = 0;
        if (client_reads(c) && !c->eof)
            events |= POLLIN;
        if (client_owes(c))
            events |= POLLOUT;
        c->poll = pollset_add(ps, c->fd, (short)events);
    }
}

void server_ready(const struct pollset *ps, int64_t now) {
    server.now = now;
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        struct client *c = &clients[i];
        if (c->state == CLIENT_OPEN || c->state == CLIENT_CLOSING)
            client_ready(c, pollset_got(ps, c->poll, c->fd));
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state == CLIENT_DEAD)
            client_free(&clients[i]);
    }
    for (int i = 0; i < 3; i++) {
        struct listener *l = &server.listener[i];
        if (pollset_got(ps, l->poll, l->fd) != 0)
            accept_ready(l);
    }
}

/* Is there something to do for this client that no readiness will tell of? */
static bool client_due(const struct client *c) {
    return c->state == CLIENT_DEAD ||
           (c->state == CLIENT_OPEN && client_reads(c) && (c->unread || (c->eof && !client_owes(c))));
}

int64_t server_deadline(void) {
    int64_t at = VH_NEVER;
    for (int i = 0; i < 3; i++) {
        if (server.listener[i].retry_at < at)
            at = server.listener[i].retry_at;
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (client_due(&clients[i]))
            return 0;
    }
    return at;
}

void server_tick(int64_t now) {
    for (int i = 0; i < 3; i++) {
        struct listener *l = &server.listener[i];
        if (l->retry_at > now)
            continue;
        l->retry_at = VH_NEVER;
        if (l->fd < 0)
            listener_open(l);
    }
}

/* ---- output ---- */

void server_reply(struct client_ref ref, const char *line, size_t len) {
    struct client *c = by_ref(ref);
    if (c != NULL)
        client_reply(c, line, len);
    if (c != NULL)
        client_flush(c, ref, server.calls);
}

void server_reply_parts(struct client_ref ref) {
    struct client *c = by_ref(ref);
    if (c == NULL)
        return;
    client_reply_parts(c);
    client_flush(c, ref, server.calls);
}

void server_subscribe(struct client_ref ref, bool on) {
    struct client *c = by_ref(ref);
    if (c == NULL || c->subscribed == on)
        return;
    c->subscribed = on;
    if (on)
        server.stats.subscribers++;
    else
        server.stats.subscribers--;
    log_debug("API client %s: by=\"%s\"", on ? "subscribes" : "unsubscribes", c->who.name);
}

void server_event(const char *line, size_t len) {
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].subscribed)
            client_event(&clients[i], line, len, &server.stats);
    }
}

void server_event_to(struct client_ref ref, const char *line, size_t len) {
    struct client *c = by_ref(ref);
    if (c != NULL)
        client_event(c, line, len, &server.stats);
}

static bool wants(const struct api_conf *c, enum transport t) {
    return c->enable && (t == TRANSPORT_UNIX ? c->unix_on : t == TRANSPORT_TCP ? c->tcp_on : c->vsock_on);
}

/* Is this transport at the same place, under the same rights? */
static bool same_place(const struct api_conf *a, const struct api_conf *b, enum transport t) {
    switch (t) {
    case TRANSPORT_UNIX:
        return str_eq(a->unix_path, b->unix_path) && str_eq(a->unix_user, b->unix_user) &&
               str_eq(a->unix_group, b->unix_group) && a->unix_mode == b->unix_mode;
    case TRANSPORT_TCP:
        return str_eq(a->host, b->host) && a->tcp_port == b->tcp_port;
    case TRANSPORT_VSOCK:
        return a->vsock_port == b->vsock_port;
    }
    return false;
}

static void listener_close(struct listener *l) {
    struct stat st;
    if (l->fd < 0)
        return;
    (void)close(l->fd);
    l->fd = -1;
    if (l->transport == TRANSPORT_UNIX && lstat(server.conf->unix_path, &st) == 0 && st.st_dev == server.unix_dev &&
        st.st_ino == server.unix_ino)
        (void)unlink(server.conf->unix_path);
}

static void judge_again(struct client *c) {
    struct principal who = {.role = ROLE_NONE, .vm = -1};
    if (wants(server.conf, c->transport) && identify(c->transport, c->fd, &who) && who.role != ROLE_NONE) {
        c->who = who;
        return;
    }
    log_info("API client sent away by the new configuration: by=\"%s\"", c->who.name);
    c->state = CLIENT_DEAD; /* freed by server_ready() */
}

void server_reload(const struct api_conf *c) {
    bool keep[3];
    for (int i = 0; i < 3; i++) {
        enum transport t = server.listener[i].transport;
        keep[i] = wants(c, t) && server.listener[i].wanted && same_place(server.conf, c, t);
        if (!keep[i])
            listener_close(&server.listener[i]);
    }
    server.conf = c;
    for (int i = 0; i < 3; i++) {
        struct listener *l = &server.listener[i];
        l->wanted = wants(c, l->transport);
        if (keep[i])
            continue;
        l->retry_at = VH_NEVER;
        l->told = false;
        if (l->wanted)
            listener_open(l);
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state == CLIENT_OPEN || clients[i].state == CLIENT_CLOSING)
            judge_again(&clients[i]);
    }
}

void server_stop(void) {
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state != CLIENT_FREE)
            client_free(&clients[i]);
    }
    for (int i = 0; i < 3; i++)
        listener_close(&server.listener[i]);
}
