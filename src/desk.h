/*
 * desk.h - clients' requests: lines to facts, outcomes to replies.
 */
#ifndef VHOTPLUG_DESK_H
#define VHOTPLUG_DESK_H

#include "model.h"
#include "server.h"

#include <stdint.h>

/* What the server is to call. `now` in ns, from which uptime counts. */
const struct server_calls *desk_start(int64_t now);

/* ACT_REPLY and ACT_REPLY_VERSION; `error` counts if it did not go well. */
void desk_reply(const struct action *a, const char *error);
/* ACT_REPLY_PARTS */
void desk_reply_parts(const struct action *a);
/* Who asked what is under way for this client. */
const struct principal *desk_asker(struct client_ref c);

#endif
