/*
 * server.h - API clients: listeners, lines in, replies and events out. Knows nothing of what the lines mean.
 *
 * One request of a client is under way at a time: until it is answered, further lines of that client wait in its
 * socket. Output goes directly to the socket, and what the socket does not take is queued in fixed space. Events that
 * arrive while a request is under way are sent after its reply. A list is produced part by part as the client reads.
 *
 * Limits keep clients from harming each other: connections per peer, connections reserved for admins, requests per
 * second of a peer (further ones wait in its socket), and a deadline for an unfinished line.
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
    /* A connection was refused, or ended by the server. */
    void (*refused)(const struct principal *who, const char *why);
    /* The client is gone; a reply to it is dropped. */
    void (*closed)(struct client_ref c);
    /* Appends the next part (at most VH_REPLY_MAX bytes) of a reply begun with server_reply_parts. *cursor starts at 0;
     * its other values are up to the callee. False after the last part, which ends with a newline. */
    bool (*part)(struct client_ref c, uint64_t *cursor, struct sbuf *out);
    /* Replies in parts with the same stamp have the same bytes, so that parts rendered for one client may be sent to
     * others. 0: the reply is for this client only. */
    uint64_t (*stamp)(struct client_ref c);
    /* No client has asked for, or read, anything for VH_T_IDLE: what only requests need may be given back. */
    void (*quiet)(void);
};

struct server_stats {
    uint32_t clients, subscribers;
    uint64_t accepted, refused, requests, events_sent, events_dropped;
};

/* Opens the transports that can be opened now and retries the others later (VH_T_LISTEN_RETRY); logs each transport
 * once. c must stay valid until server_reload(). */
void server_start(const struct api_conf *c, const struct server_calls *calls);
/* Another configuration: opens transports that differ anew and identifies every client again. A client that would get
 * another role or VM now, or be refused, is disconnected. */
void server_reload(const struct api_conf *c);
void server_stop(void); /* closes everything, removes the socket file */

void server_reply(struct client_ref c, const char *line, size_t len); /* newline included; len <= VH_REPLY_MAX */
void server_reply_parts(struct client_ref c);
/* The client's last request counts as `cost` requests more. */
void server_charge(struct client_ref c, unsigned cost);
void server_subscribe(struct client_ref c, bool events, bool audit);
/* Subscribers of events, or of audit events, one after the other: *cursor starts at 0; false after the last one. */
bool server_subscriber(int *cursor, bool audit, struct client_ref *c, const struct principal **who);
/* The VMs as they are now: guests of those known to run may connect, guests of those that are down are disconnected. */
void server_vms(vm_set alive, vm_set down);
void server_event_to(struct client_ref c, const char *line, size_t len);
const struct server_stats *server_stats(void);

void server_fill(struct pollset *ps);
void server_ready(const struct pollset *ps, int64_t now);
int64_t server_deadline(void);
void server_tick(int64_t now);

#endif
