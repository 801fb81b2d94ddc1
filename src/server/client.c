/*
 * client.c - one API client's output in the right order, in fixed space. Never waits for the client.
 *
 * While nothing is queued, bytes go directly to the socket, so that a client that reads takes no memory of its own.
 */
#include "server/client.h"

#include "base/log.h"
#include "base/str.h"
#include "os/sock.h"
#include "server/list_cache.h"

#include <string.h>

void client_open(struct client *c, struct client_buffers *buffers, int fd, const struct principal *who) {
    c->state = CLIENT_OPEN;
    c->buffers = buffers;
    c->fd = fd;
    c->poll = -1;
    c->subscribed = c->audit = c->asked = c->parts = c->unread = c->eof = false;
    c->lost = 0;
    c->slow_until = 0;
    c->line_until = VH_NEVER;
    c->who = *who;
    c->head_at = c->head_len = c->queue_at = c->queue_len = c->barrier = 0;
    linebuf_init(&c->in, buffers->in, sizeof buffers->in);
}

bool client_owes(const struct client *c) {
    return c->head_len > 0 || c->parts || c->barrier > 0 || (c->queue_len > 0 && !c->asked);
}

bool client_reads(const struct client *c) {
    return c->state == CLIENT_OPEN && !c->asked && !c->parts && c->head_len == 0;
}

/* The number of bytes that the socket took. A broken connection counts as taking everything. */
static size_t try_send(struct client *c, const char *p, size_t n) {
    ssize_t sent = sock_write(c->fd, p, n);
    if (sent >= 0)
        return (size_t)sent;
    c->state = CLIENT_DEAD;
    return n;
}

static void begin_reply(struct client *c) {
    VH_ASSERT(c->asked && !c->parts && c->head_len == 0);
    c->asked = false;
}

void client_reply(struct client *c, const char *line, size_t len) {
    VH_ASSERT(len <= sizeof c->buffers->head);
    begin_reply(c);
    size_t sent = c->barrier == 0 ? try_send(c, line, len) : 0;
    if (c->state == CLIENT_DEAD)
        return;
    memcpy(c->buffers->head, line + sent, len - sent);
    c->head_at = 0;
    c->head_len = len - sent;
}

void client_reply_parts(struct client *c) {
    begin_reply(c);
    c->parts = true;
    c->cursor = 0;
}

/* ---- the queue ---- */

static bool enqueue(struct client *c, const char *p, size_t n) {
    if (n > sizeof c->buffers->queue - c->queue_len)
        return false;
    if (n > sizeof c->buffers->queue - c->queue_at - c->queue_len) {
        memmove(c->buffers->queue, c->buffers->queue + c->queue_at, c->queue_len);
        c->queue_at = 0;
    }
    memcpy(c->buffers->queue + c->queue_at + c->queue_len, p, n);
    c->queue_len += n;
    return true;
}

/* Queues the number of lost events at the position of the loss: before the next event that fits. */
static bool queue_loss(struct client *c) {
    char line[80];
    struct sbuf sb;
    if (c->lost == 0)
        return true;
    sb_init(&sb, line, sizeof line);
    sb_str(&sb, "{\"event\": \"notifications_lost\", \"count\": ");
    sb_uint(&sb, c->lost);
    sb_str(&sb, "}\n");
    if (!enqueue(c, line, sb.len))
        return false;
    c->lost = 0;
    return true;
}

void client_event(struct client *c, const char *line, size_t len, struct server_stats *stats) {
    VH_ASSERT(c->state == CLIENT_OPEN);
    size_t sent = 0;
    if (c->queue_len == 0 && c->lost == 0 && !c->asked && !c->parts && c->head_len == 0)
        sent = try_send(c, line, len);
    if (c->state == CLIENT_DEAD)
        return;
    if (sent == len) {
        stats->events_sent++;
        return;
    }
    /* A line sent in part is never dropped: the queue was empty, so the rest fits. */
    if ((sent == 0 && c->lost > 0 && c->queue_len > sizeof c->buffers->queue / 2) || !queue_loss(c) ||
        !enqueue(c, line + sent, len - sent)) {
        c->lost++;
        stats->events_dropped++;
        return;
    }
    stats->events_sent++;
    if (!c->asked && !c->parts && c->head_len == 0)
        c->barrier = c->queue_len; /* no request is under way: all of it may be sent */
}

/* ---- sending ---- */

static bool flush_queue(struct client *c, size_t n) {
    size_t sent = n > 0 ? try_send(c, c->buffers->queue + c->queue_at, n) : 0;
    if (c->state == CLIENT_DEAD)
        return false;
    c->queue_at += sent;
    c->queue_len -= sent;
    c->barrier -= c->barrier < sent ? c->barrier : sent;
    if (c->queue_len == 0)
        c->queue_at = 0;
    return sent == n;
}

static bool flush_head(struct client *c) {
    if (c->head_len == 0)
        return true;
    size_t sent = try_send(c, c->buffers->head + c->head_at, c->head_len);
    if (c->state == CLIENT_DEAD)
        return false;
    c->head_at += sent;
    c->head_len -= sent;
    return c->head_len == 0;
}

/* Sends several parts at once. Of the bytes that the socket does not take, only the rest of one part is kept here: the
 * parts after it come from the cache again, or are rendered again. */
static bool flush_parts(struct client *c, struct client_ref ref, const struct server_calls *calls) {
    struct list_run run = list_cache_run(c->cursor, ref, calls);
    size_t sent = try_send(c, run.text, run.len);
    if (c->state == CLIENT_DEAD)
        return false;
    struct list_rest rest = list_cache_rest(&run, sent);
    memcpy(c->buffers->head, rest.text, rest.len);
    c->head_at = 0;
    c->head_len = rest.len;
    c->cursor = rest.cursor;
    c->parts = rest.more;
    return c->head_len == 0;
}

void client_flush(struct client *c, struct client_ref ref, const struct server_calls *calls) {
    if (c->state != CLIENT_OPEN)
        return;
    if (!c->asked && !c->parts && c->head_len == 0)
        c->barrier = c->queue_len;
    if (!flush_queue(c, c->barrier) || !flush_head(c))
        return;
    for (int i = 0; c->parts && i < 16; i++) {
        if (!flush_parts(c, ref, calls))
            return;
    }
    if (c->asked || c->parts)
        return;
    if (flush_queue(c, c->queue_len) && c->lost > 0 && queue_loss(c)) {
        c->barrier = c->queue_len;
        (void)flush_queue(c, c->queue_len);
    }
    c->barrier = c->queue_len;
}
