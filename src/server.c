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
#include "quota.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
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
    bool sealed;                 /* the sandbox is shut: no owner can be set, no name looked up */
    uint64_t unix_dev, unix_ino; /* our socket file, to be removed only while it is ours */
    int64_t now;
    uint32_t next_gen;
    vm_set alive; /* VMs whose guests may come in */
    struct server_stats stats;
} server;

static struct client clients[VH_MAX_CLIENTS];
static struct client_room rooms[VH_MAX_CLIENTS];
static struct quota quota;

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
        (void)mkdirat(AT_FDCWD, dir, 0755); /* what is wrong shows at bind() */
}

static int open_unix(void) {
    const struct api_conf *c = server.conf;
    int64_t uid = -1, gid = -1;
    struct sys_stat st;
    if (server.sealed && (c->unix_user[0] != '\0' || c->unix_group[0] != '\0')) {
        log_error("an API socket with an owner or group can be opened at start only: restart the daemon: path=%s",
                  c->unix_path);
        errno = EPERM;
        return -1;
    }
    if (!server.sealed && !lookup_owner(&uid, &gid)) {
        errno = ENOENT;
        return -1;
    }
    make_parent(c->unix_path);
    int fd = sock_listen_unix(c->unix_path, c->unix_mode, uid, gid);
    if (fd >= 0 && sys_stat(AT_FDCWD, c->unix_path, 0, &st)) {
        server.unix_dev = st.dev;
        server.unix_ino = st.ino;
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

/* What the kernel says of the other end, and what that makes of it. False if the kernel says nothing, or too much. */
static bool identify(enum transport t, int fd, struct principal *who) {
    static struct peer_facts f;
    uint32_t port = 0;
    f = (struct peer_facts){.transport = t};
    bool known = false;
    switch (t) {
    case TRANSPORT_UNIX:
        f.ngroups = sock_peer_groups(fd, f.groups, VH_MAX_GROUPS);
        known = f.ngroups >= 0 && sock_peer_unix(fd, &f.uid, &f.gid, &f.pid);
        break;
    case TRANSPORT_TCP:
        known = sock_peer_tcp(fd, f.address, f.text, sizeof f.text);
        break;
    case TRANSPORT_VSOCK:
        known = sock_peer_vsock(fd, &f.cid, &port);
        break;
    }
    if (known)
        access_judge(server.conf, &f, server.alive, who);
    return known;
}

static void refuse(int fd, const struct principal *who, const char *why) {
    (void)close(fd);
    server.stats.refused++;
    server.calls->refused(who, why);
}

/* Nobody waits for the line to get through. The reasons are ours and need no escape. */
static void say_failed(int fd, const char *why) {
    char line[160];
    struct sbuf sb;
    sb_init(&sb, line, sizeof line);
    sb_fmt(&sb, "{\"result\": \"failed\", \"error\": \"%s\"}\n", why);
    VH_ASSERT(sb_ok(&sb));
    (void)sock_send(fd, line, sb.len, -1);
}

/* Who has a right to come in is told why not now. */
static void refuse_aloud(int fd, const struct principal *who, const char *why) {
    say_failed(fd, why);
    refuse(fd, who, why);
}

/* Whatever others do, an admin finds a place. */
static struct client *free_client(enum role role) {
    struct client *free = NULL;
    int others = 0;
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state == CLIENT_FREE)
            free = free != NULL ? free : &clients[i];
        else
            others += clients[i].who.role != ROLE_ADMIN;
    }
    return role == ROLE_ADMIN || others < VH_MAX_CLIENTS - VH_ADMIN_CLIENTS ? free : NULL;
}

static void admit(enum transport t, int fd) {
    struct principal who = {.role = ROLE_NONE, .vm = -1, .name = "unknown"};
    if (!identify(t, fd, &who)) {
        refuse(fd, &who, "the kernel does not say who it is");
        return;
    }
    if (who.role == ROLE_NONE) {
        refuse(fd, &who, who.vm >= 0 ? "its VM is not running" : "not allowed");
        return;
    }
    struct client *c = free_client(who.role);
    if (c == NULL) {
        refuse_aloud(fd, &who, "too many clients");
        return;
    }
    int place = quota_enter(&quota, &who.peer, server.conf->peer_clients);
    if (place < 0) {
        refuse_aloud(fd, &who, "too many connections of this peer");
        return;
    }
    client_open(c, &rooms[c - clients], fd, &who);
    c->transport = t;
    c->place = place;
    if (++server.next_gen == 0)
        server.next_gen = 1;
    c->gen = server.next_gen;
    server.stats.accepted++;
    server.stats.clients++;
    log_debug("API client connected: by=\"%s\" role=%s", who.name, access_role_name(who.role));
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
    quota_leave(&quota, c->place);
    (void)close(c->fd);
    log_debug("API client gone: by=\"%s\"", c->who.name);
    struct client_ref ref = ref_of(c);
    c->state = CLIENT_FREE;
    c->gen = 0;
    server.calls->closed(ref);
}

static bool is_limited(const struct client *c) {
    return c->who.role != ROLE_ADMIN; /* who may take every device away needs no flood to do harm */
}

/* Has its peer asked so much lately that the next line must wait? */
static bool must_wait(struct client *c) {
    c->slow_until = is_limited(c) ? quota_ready(&quota, c->place) : 0;
    return c->slow_until > server.now;
}

static void charge(const struct client *c, unsigned cost) {
    if (is_limited(c))
        quota_charge(&quota, c->place, cost, server.conf->peer_rate, server.now);
}

/* Does its buffer hold a line that is not finished? While a request is under way, or the peer must wait, nobody looks.
 */
static bool line_is_begun(const struct client *c) {
    return c->state == CLIENT_OPEN && client_reads(c) && !c->unread && !c->eof && !linebuf_empty(&c->in);
}

/* Hands over whole lines, one request at a time; the reply may come from within the call. */
static void take_lines(struct client *c) {
    c->unread = false;
    for (int i = 0; client_reads(c); i++) {
        char *line = NULL;
        size_t len = 0;
        if (must_wait(c)) {
            c->unread = true;
            return;
        }
        enum line_result r = linebuf_next(&c->in, &line, &len);
        if (r == LINE_NONE) {
            if (c->line_until == VH_NEVER && line_is_begun(c))
                c->line_until = server.now + (int64_t)server.conf->line_seconds * 1000 * VH_NSEC_PER_MSEC;
            return;
        }
        if (i == LINES_PER_PASS - 1)
            c->unread = true; /* the others' turn */
        c->asked = true;
        c->barrier = c->queue_len;
        c->line_until = VH_NEVER;
        charge(c, 1);
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
    if (c->state != CLIENT_DEAD && c->unread && client_reads(c) && c->slow_until <= server.now)
        take_lines(c);
    if (c->state != CLIENT_DEAD && (got & POLLIN) != 0 && client_reads(c) && !c->unread && !c->eof)
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
        if (client_reads(c) && !c->unread && !c->eof)
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

/* When there is something to do for this client that no readiness will tell of. */
static int64_t client_due(const struct client *c) {
    if (c->state == CLIENT_DEAD)
        return 0;
    if (c->state != CLIENT_OPEN || !client_reads(c))
        return VH_NEVER;
    if (c->unread)
        return c->slow_until;
    if (c->eof)
        return client_owes(c) ? VH_NEVER : 0;
    return line_is_begun(c) ? c->line_until : VH_NEVER;
}

int64_t server_deadline(void) {
    int64_t at = VH_NEVER;
    for (int i = 0; i < 3; i++) {
        if (server.listener[i].retry_at < at)
            at = server.listener[i].retry_at;
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        int64_t due = client_due(&clients[i]);
        at = due < at ? due : at;
    }
    return at;
}

static void send_away(struct client *c, const char *why) {
    server.calls->refused(&c->who, why);
    server.stats.refused++;
    c->state = CLIENT_DEAD; /* freed by server_ready() */
}

/* A line that is begun and never ended would keep its room for ever. */
static void line_too_late(struct client *c) {
    say_failed(c->fd, "the line was not finished in time");
    send_away(c, "a line was not finished in time");
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
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (line_is_begun(&clients[i]) && clients[i].line_until <= now)
            line_too_late(&clients[i]);
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

void server_charge(struct client_ref ref, unsigned cost) {
    const struct client *c = by_ref(ref);
    if (c != NULL)
        charge(c, cost);
}

void server_subscribe(struct client_ref ref, bool events, bool audit) {
    struct client *c = by_ref(ref);
    if (c == NULL)
        return;
    if (events && !c->subscribed)
        server.stats.subscribers++;
    else if (!events && c->subscribed)
        server.stats.subscribers--;
    if (events != c->subscribed)
        log_debug("API client %s: by=\"%s\"", events ? "subscribes" : "unsubscribes", c->who.name);
    c->subscribed = events;
    c->audit = audit;
}

bool server_subscriber(int *cursor, bool audit, struct client_ref *ref, const struct principal **who) {
    while (*cursor < VH_MAX_CLIENTS) {
        const struct client *c = &clients[(*cursor)++];
        bool open = c->state == CLIENT_OPEN || c->state == CLIENT_CLOSING;
        if (!open || !(audit ? c->audit : c->subscribed))
            continue;
        *ref = ref_of(c);
        *who = &c->who;
        return true;
    }
    return false;
}

void server_vms(vm_set alive, vm_set down) {
    server.alive = alive;
    for (int i = 0; i < VH_MAX_CLIENTS && down != 0; i++) {
        struct client *c = &clients[i];
        bool open = c->state == CLIENT_OPEN || c->state == CLIENT_CLOSING;
        if (open && c->who.role == ROLE_GUEST && (down >> c->who.vm & 1) != 0)
            send_away(c, "its VM has ended");
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
    struct sys_stat st;
    if (l->fd < 0)
        return;
    (void)close(l->fd);
    l->fd = -1;
    if (l->transport == TRANSPORT_UNIX && sys_stat(AT_FDCWD, server.conf->unix_path, AT_SYMLINK_NOFOLLOW, &st) &&
        st.dev == server.unix_dev && st.ino == server.unix_ino)
        (void)sys_unlink(server.conf->unix_path);
}

/* The principal is fixed at accept: who would be another one now has to come again. */
static void judge_again(struct client *c) {
    struct principal who = {.role = ROLE_NONE, .vm = -1};
    vm_set alive = server.alive;
    if (c->who.role == ROLE_GUEST)
        server.alive |= (vm_set)1 << c->who.vm; /* its end is told by server_vms() */
    bool known = wants(server.conf, c->transport) && identify(c->transport, c->fd, &who);
    server.alive = alive;
    if (!known || who.role != c->who.role || who.vm != c->who.vm)
        send_away(c, "another configuration");
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

void server_sealed(void) {
    server.sealed = true;
}

void server_stop(void) {
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state != CLIENT_FREE)
            client_free(&clients[i]);
    }
    for (int i = 0; i < 3; i++)
        listener_close(&server.listener[i]);
}
