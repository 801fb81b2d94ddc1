/*
 * api_handler.h - clients' requests: lines to facts, outcomes to replies.
 */
#ifndef VHOTPLUG_API_HANDLER_H
#define VHOTPLUG_API_HANDLER_H

#include "api/api_reload.h"
#include "daemon/dispatch.h"
#include "server/server.h"

#include <stdint.h>

/* The calls for the server. Uptime counts from `now`, in ns. */
const struct server_calls *api_handler_start(int64_t now);
/* reload_calls.done: the reply, and the audit. */
void api_handler_reloaded(struct client_ref c, const struct principal *who, const struct reloaded *r);
extern const struct dispatch_calls api_handler_dispatch_calls; /* the calls for dispatch.c */

#endif
