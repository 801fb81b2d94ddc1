/*
 * server.c - API clients: who is admitted, lines in, replies and events out, limits per peer. Owns the table of
 * clients. Knows nothing of what a line means; listener.c owns the listening sockets.
 */
#include "server/server.h"

#include "base/log.h"
#include "codec/web_line.h"
#include "config/access.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "server/client.h"
#include "server/list_cache.h"
#include "server/listener.h"
#include "server/quota.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { LINES_PER_PASS = 16 };

static struct {
    const struct api_conf *conf;
    const struct server_calls *calls;
    int64_t now;
    int64_t quiet_at; /* when memory is given back, unless a client asks or reads before; VH_NEVER once it was */
    uint32_t next_gen;
    vm_set alive; /* VMs whose guests may connect */
    struct server_stats stats;
} server;

static struct client clients[VH_MAX_CLIENTS];
static struct client_buffers buffers[VH_MAX_CLIENTS];
static struct quota quota;

const struct server_stats *server_stats(void) {
    return &server.stats;
}

void server_start(const struct api_conf *c, const struct server_calls *calls) {
    server.conf = c;
    server.calls = calls;
    server.quiet_at = VH_NEVER;
    listener_start(c);
}

/* ---- clients ---- */

static struct client_ref ref_of(const struct client *c) {
    return (struct client_ref){.index = (uint16_t)(c - clients), .gen = c->gen};
}

static struct client *by_ref(struct client_ref ref) {
    struct client *c = &clients[ref.index];
    VH_ASSERT(ref.index < VH_MAX_CLIENTS);
    return c->gen == ref.gen && c->state == CLIENT_OPEN ? c : NULL;
}

/* Fills *who from what the kernel says of the other end. False if the kernel says nothing, or more than has room. */
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

/* Best effort: the line may not get through. The reasons are constants and need no escape. */
static void say_failed(int fd, const char *why) {
    char line[160];
    struct sbuf sb;
    sb_init(&sb, line, sizeof line);
    sb_fmt(&sb, "{\"result\": \"failed\", \"error\": \"%s\"}\n", why);
    VH_ASSERT(sb_ok(&sb));
    (void)sock_write(fd, line, sb.len);
}

/* A client with a right to connect gets the reason as a reply. */
static void refuse_with_reason(int fd, const struct principal *who, const char *why) {
    say_failed(fd, why);
    refuse(fd, who, why);
}

/* A free entry of the table; the last VH_ADMIN_CLIENTS entries are for admins only. */
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
        refuse_with_reason(fd, &who, "too many clients");
        return;
    }
    int quota_index = quota_enter(&quota, &who.peer, server.conf->peer_clients);
    if (quota_index < 0) {
        refuse_with_reason(fd, &who, "too many connections of this peer");
        return;
    }
    client_open(c, &buffers[c - clients], fd, &who);
    c->transport = t;
    c->quota = quota_index;
    if (++server.next_gen == 0)
        server.next_gen = 1;
    c->gen = server.next_gen;
    server.stats.accepted++;
    server.stats.clients++;
    log_debug("API client connected: by=\"%s\" role=%s", who.name, role_name(who.role));
}

static void client_free(struct client *c) {
    if (c->subscribed)
        server.stats.subscribers--;
    server.stats.clients--;
    quota_leave(&quota, c->quota);
    (void)close(c->fd);
    log_debug("API client gone: by=\"%s\"", c->who.name);
    struct client_ref ref = ref_of(c);
    c->state = CLIENT_FREE;
    c->gen = 0;
    server.calls->closed(ref);
}

static bool is_limited(const struct client *c) {
    return c->who.role != ROLE_ADMIN; /* an admin may take every device away: limits would protect nothing */
}

/* Has the client's peer asked so much lately that the next line must wait? */
static bool must_wait(struct client *c) {
    c->slow_until = is_limited(c) ? quota_ready(&quota, c->quota) : 0;
    return c->slow_until > server.now;
}

static void charge(const struct client *c, unsigned cost) {
    if (is_limited(c))
        quota_charge(&quota, c->quota, cost, server.conf->peer_rate, server.now);
}

/* Does the input hold an unfinished line? False while lines are not read: a request is under way, or the peer must
 * wait.
 */
static bool line_is_begun(const struct client *c) {
    return client_reads(c) && !c->unread && !c->eof && !linebuf_empty(&c->in);
}

static void disconnect(struct client *c, const char *why) {
    server.calls->refused(&c->who, why);
    server.stats.refused++;
    c->state = CLIENT_DEAD; /* freed by server_ready() */
}

/* A page can make a browser of this host send a request of the API, below lines of HTTP. Nothing is answered: what the
 * connection says next may be the page's words. */
static bool speaks_http(const struct client *c, const char *line, size_t len) {
    return c->transport == TRANSPORT_TCP && web_line(line, len);
}

static void not_quiet(void) {
    server.quiet_at = server.now + ms_to_ns(VH_T_IDLE);
}

/* Hands over whole lines, one request at a time. The reply may come from within the call. */
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
                c->line_until = server.now + (int64_t)server.conf->line_seconds * ms_to_ns(1000);
            return;
        }
        if (r == LINE_OK && speaks_http(c, line, len)) {
            disconnect(c, "it speaks HTTP, which is not the protocol of this port");
            return;
        }
        if (i == LINES_PER_PASS - 1)
            c->unread = true; /* other clients have their turn first */
        c->asked = true;
        c->barrier = c->queue_len;
        c->line_until = VH_NEVER;
        charge(c, 1);
        server.stats.requests++;
        not_quiet();
        server.calls->line(ref_of(c), &c->who, r == LINE_OK ? line : NULL, len);
        if (c->state == CLIENT_OPEN)
            client_flush(c, ref_of(c), server.calls);
        if (c->unread)
            return;
    }
    c->unread = true; /* a request is under way: go on after its reply */
}

/* Whole lines pass through a buffer that all clients share. Only an unfinished rest is moved to the client's own
 * buffer.
 */
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
    c->eof = n < 0 && errno == 0;
    if (c->eof)
        linebuf_finish(&c->in); /* a last line may lack its newline: printf '{"action": "usb_list"}' | nc */
    else if (n < 0)
        c->state = CLIENT_DEAD;
    if (c->state != CLIENT_DEAD)
        take_lines(c);
    if (c->in.buf == shared)
        linebuf_move(&c->in, c->buffers->in);
}

static void client_ready(struct client *c, short got) {
    if ((got & (POLLERR | POLLNVAL)) != 0 || ((got & POLLHUP) != 0 && (got & POLLIN) == 0)) {
        c->state = CLIENT_DEAD;
        return;
    }
    if ((got & POLLOUT) != 0) {
        not_quiet(); /* the rest of a list may be rendered again */
        client_flush(c, ref_of(c), server.calls);
    }
    if (c->unread && client_reads(c) && c->slow_until <= server.now)
        take_lines(c);
    if ((got & POLLIN) != 0 && client_reads(c)) /* not polled for while lines are unread, nor after the end */
        read_ready(c);
    if (c->eof && client_reads(c) && !c->unread && !client_owes(c))
        c->state = CLIENT_DEAD; /* everything it asked is answered */
}

/* ---- for the loop ---- */

void server_fill(struct pollset *ps) {
    listener_fill(ps);
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
        if (c->state == CLIENT_OPEN)
            client_ready(c, pollset_got(ps, c->poll, c->fd));
    }
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state == CLIENT_DEAD)
            client_free(&clients[i]);
    }
    listener_ready(ps, now, admit);
}

/* The time of the next work for this client that poll() does not report. */
static int64_t client_due(const struct client *c) {
    if (c->state == CLIENT_DEAD)
        return 0;
    if (!client_reads(c))
        return VH_NEVER;
    if (c->unread)
        return c->slow_until;
    if (c->eof)
        return client_owes(c) ? VH_NEVER : 0;
    return line_is_begun(c) ? c->line_until : VH_NEVER;
}

int64_t server_deadline(void) {
    int64_t at = listener_deadline();
    at = server.quiet_at < at ? server.quiet_at : at;
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        int64_t due = client_due(&clients[i]);
        at = due < at ? due : at;
    }
    return at;
}

/* A client with an unfinished line would else keep its entry and its buffer for ever. */
static void line_too_late(struct client *c) {
    say_failed(c->fd, "the line was not finished in time");
    disconnect(c, "a line was not finished in time");
}

void server_tick(int64_t now) {
    listener_tick(now);
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (line_is_begun(&clients[i]) && clients[i].line_until <= now)
            line_too_late(&clients[i]);
    }
    if (now >= server.quiet_at) {
        server.quiet_at = VH_NEVER;
        list_cache_drop();
        server.calls->quiet();
    }
}

/* ---- output ---- */

void server_reply(struct client_ref ref, const char *line, size_t len) {
    struct client *c = by_ref(ref);
    if (c == NULL)
        return;
    client_reply(c, line, len);
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
        if (c->state != CLIENT_OPEN || !(audit ? c->audit : c->subscribed))
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
        if (c->state == CLIENT_OPEN && c->who.role == ROLE_GUEST && (down >> c->who.vm & 1) != 0)
            disconnect(c, "its VM has ended");
    }
}

void server_event_to(struct client_ref ref, const char *line, size_t len) {
    struct client *c = by_ref(ref);
    if (c != NULL)
        client_event(c, line, len, &server.stats);
}

/* The principal is fixed at accept: a client that would get another one now has to connect again. */
static void identify_again(struct client *c) {
    struct principal who = {.role = ROLE_NONE, .vm = -1};
    vm_set alive = server.alive;
    if (c->who.role == ROLE_GUEST)
        server.alive |= (vm_set)1 << c->who.vm; /* server_vms() disconnects it if its VM is down */
    bool known = listener_wants(server.conf, c->transport) && identify(c->transport, c->fd, &who);
    server.alive = alive;
    if (!known || who.role != c->who.role || who.vm != c->who.vm)
        disconnect(c, "another configuration");
}

void server_reload(const struct api_conf *c) {
    listener_reload(c);
    server.conf = c;
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state == CLIENT_OPEN)
            identify_again(&clients[i]);
    }
}

void server_stop(void) {
    for (int i = 0; i < VH_MAX_CLIENTS; i++) {
        if (clients[i].state != CLIENT_FREE)
            client_free(&clients[i]);
    }
    listener_stop();
}
