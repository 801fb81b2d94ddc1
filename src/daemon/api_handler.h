/*
 * api_handler.h - clients' requests: lines to facts, outcomes to replies.
 */
#ifndef VHOTPLUG_API_HANDLER_H
#define VHOTPLUG_API_HANDLER_H

#include "daemon/dispatch.h"
#include "server/server.h"

#include <stdint.h>

/* The calls for the server. Uptime counts from `now`, in ns. */
const struct server_calls *api_handler_start(int64_t now);
extern const struct dispatch_calls api_handler_dispatch_calls; /* the calls for dispatch.c */

#endif
