/*
 * api_handler.h - clients' requests: lines to facts, outcomes to replies.
 */
#ifndef VHOTPLUG_DESK_H
#define VHOTPLUG_DESK_H

#include "daemon/dispatch.h"
#include "server/server.h"

#include <stdint.h>

/* What the server is to call. `now` in ns, from which uptime counts. */
const struct server_calls *desk_start(int64_t now);
extern const struct dispatch_calls desk_dispatch_calls; /* what dispatch is to call */

#endif
