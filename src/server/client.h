/*
 * client.h - one API client's input and output. Only server.c uses it.
 *
 * Output has an order: bytes queued before the request under way, then its reply, then events queued since. `barrier`
 * marks the position of the reply in the queue.
 */
#ifndef VHOTPLUG_CLIENT_H
#define VHOTPLUG_CLIENT_H

#include "base/limits.h"
#include "base/model.h"
#include "codec/linebuf.h"
#include "server/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum client_state {
    CLIENT_FREE,
    CLIENT_OPEN, /* reads and answers lines; after the end of input, replies and events due are still sent */
    CLIENT_DEAD, /* to be freed after the pass */
};

/* Only clients that send unfinished lines or do not read touch these: apart, so that other clients take no pages. */
struct client_buffers {
    char in[VH_LINE_MAX];
    char head[VH_REPLY_MAX];
    char queue[VH_QUEUE_MAX];
};

struct client {
    enum client_state state;
    int fd;
    int poll; /* index in the poll set, -1 */
    uint32_t gen;
    bool subscribed;
    bool asked;  /* a request is under way */
    bool parts;  /* its reply is being produced part by part */
    bool unread; /* input may still hold whole lines */
    bool eof;
    uint64_t cursor;
    bool audit;         /* wants audit events, too */
    int quota;          /* index of its peer in the quotas */
    int64_t slow_until; /* its peer has asked too much: no line is taken before then */
    int64_t line_until; /* deadline for the end of an unfinished line, VH_NEVER if there is none */
    uint64_t lost;      /* events dropped since the last one that fitted */
    enum transport transport;
    struct principal who;
    struct linebuf in;
    size_t head_at, head_len;   /* unsent bytes of the reply in head */
    size_t queue_at, queue_len; /* queued bytes; moved to the buffer's start if the end is reached */
    size_t barrier;             /* bytes of the queue that go before the reply; all of them if nothing is under way */
    struct client_buffers *buffers;
};

void client_open(struct client *c, struct client_buffers *buffers, int fd, const struct principal *who);
void client_reply(struct client *c, const char *line, size_t len);
void client_reply_parts(struct client *c);
void client_event(struct client *c, const char *line, size_t len, struct server_stats *stats);
/* Sends what can be sent, in order. */
void client_flush(struct client *c, struct client_ref ref, const struct server_calls *calls);
bool client_owes(const struct client *c);  /* bytes wait to be sent */
bool client_reads(const struct client *c); /* may the next line be read? */

#endif
