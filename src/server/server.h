/*
 * server.h - API clients: listeners, lines in, replies and events out. Knows nothing of what the lines mean.
 *
 * One request of a client is under way at a time: until it is answered no further line of that client is read (they
 * wait in its socket). Output is direct where the socket takes it, else queued in fixed space. Events that arrive while
 * a request is under way are sent after its reply. A list is produced part by part as the client reads.
 *
 * Nobody takes more than its share: connections per peer, places that are kept for admins, requests per second of a
 * peer (what comes faster waits in its socket), and a deadline for a line that is begun.
 */
#ifndef VHOTPLUG_SERVER_H
#define VHOTPLUG_SERVER_H

#include "base/model.h"
#include "base/str.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pollset;

struct server_calls {
    /* A line came (line NULL: it was over VH_LINE_MAX). Exactly one server_reply or server_reply_parts must follow, now
     * or later. */
    void (*line)(struct client_ref c, const struct principal *who, char *line, size_t len);
    /* A connection was not taken, or ended by us. */
    void (*refused)(const struct principal *who, const char *why);
    /* The client is gone; no reply is wanted any more. */
    void (*closed)(struct client_ref c);
    /* Appends the next part (at most VH_REPLY_MAX bytes) of a reply begun with server_reply_parts; *cursor starts at 0
     * and is the callee's. False after the last part, which ends with a newline. */
    bool (*part)(struct client_ref c, uint32_t *cursor, struct sbuf *out);
    /* Replies in parts with the same stamp have the same bytes, so that what was made for one may be sent to others. 0:
     * not to be relied on. */
    uint64_t (*stamp)(struct client_ref c);
};

struct server_stats {
    uint32_t clients, subscribers;
    uint64_t accepted, refused, requests, events_sent, events_dropped;
};

/* Opens what can be opened now and retries the rest later (VH_T_LISTEN_RETRY); logs each transport once. c must outlive
 * it. */
void server_start(const struct api_conf *c, const struct server_calls *calls);
/* Another configuration: transports that differ are opened anew, and every client is judged again by what the kernel
 * said of it; who would come in as somebody else now, or not at all, is gone. */
void server_reload(const struct api_conf *c);
void server_stop(void); /* closes everything, removes our socket file */

void server_reply(struct client_ref c, const char *line, size_t len); /* newline included; len <= VH_REPLY_MAX */
void server_reply_parts(struct client_ref c);
/* The request that it just made costs as much as so many. */
void server_charge(struct client_ref c, unsigned cost);
void server_subscribe(struct client_ref c, bool events, bool audit);
/* Subscribers one after the other, of events or of audit events: *cursor starts at 0; false after the last. */
bool server_subscriber(int *cursor, bool audit, struct client_ref *c, const struct principal **who);
/* The VMs as they are now: those known to run, whose guests may come in, and those that are down, whose guests must go.
 */
void server_vms(vm_set alive, vm_set down);
void server_event_to(struct client_ref c, const char *line, size_t len);
const struct server_stats *server_stats(void);

void server_fill(struct pollset *ps);
void server_ready(const struct pollset *ps, int64_t now);
int64_t server_deadline(void);
void server_tick(int64_t now);

#endif
