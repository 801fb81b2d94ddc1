/*
 * notify.h - sends events to every subscriber, with the words that its role may read, and audit lines to the log and to
 * the admins who subscribed to them.
 */
#ifndef VHOTPLUG_NOTIFY_H
#define VHOTPLUG_NOTIFY_H

#include "api/api_history.h"
#include "api/audit.h"
#include "base/model.h"
#include "core/core.h"

#include <stdint.h>

/* ACT_EVENT: to all subscribers, or to the one client that the action names, whose principal is `only`. */
void notify_event(const struct core *c, const struct action *a, const struct principal *only, int64_t now);
const struct history *notify_history(void); /* of the events to all */
/* history_reload(), before the new configuration is in force. */
void notify_reload(const struct conf *old, const struct conf *fresh, vm_set changed);
/* ACT_STATE: to the admins among the subscribers, or to `only` if its gen is not 0. */
void notify_state(const struct core *c, struct client_ref only);
/* The outcome of a request. */
void notify_audit(const struct core *c, const struct audit *a, const char *reason, int64_t now);
/* A connection was refused, or ended by the server. In a flood, only as many are reported as the log may have lines. */
void notify_refused(const struct core *c, const struct principal *who, const char *why, int64_t now);

#endif
