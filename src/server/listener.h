/*
 * listener.h - the API's listening sockets. server.c uses it; the opener learns from it where to listen.
 */
#ifndef VHOTPLUG_LISTENER_H
#define VHOTPLUG_LISTENER_H

#include "base/model.h"
#include "config/conf.h"
#include "os/opener.h"

#include <stdbool.h>
#include <stdint.h>

struct pollset;

/* A connection was accepted. The callee owns the descriptor. */
typedef void listener_taken(enum transport t, int fd);

/* Has opened what can be opened now, and retries the rest later (VH_T_LISTEN_RETRY); logs each transport once. c must
 * outlive it. */
void listener_start(const struct api_conf *c);
void listener_reload(const struct api_conf *c); /* transports that differ are opened anew */
void listener_stop(void);                       /* closes everything, has the socket file removed */
/* Where this configuration listens, without the numbers of owners. */
void listener_places(const struct api_conf *c, struct opener_listeners *l);
bool listener_wants(const struct api_conf *c, enum transport t); /* does this configuration have the transport? */

void listener_fill(struct pollset *ps);
void listener_ready(const struct pollset *ps, int64_t now, listener_taken *taken);
int64_t listener_deadline(void);
void listener_tick(int64_t now);

#endif
