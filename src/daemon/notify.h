/*
 * notify.h - what happened, told: events to every subscriber in words that its role may read, audit lines to the log
 * and to the admins who listen.
 */
#ifndef VHOTPLUG_NOTIFY_H
#define VHOTPLUG_NOTIFY_H

#include "api/audit.h"
#include "base/model.h"
#include "core/core.h"

#include <stdint.h>

/* ACT_EVENT: to all, or to the one client it names, which is `only`. */
void notify_event(const struct core *c, const struct action *a, const struct principal *only, int64_t now);
/* A request's outcome. */
void notify_audit(const struct core *c, const struct audit *a, const char *reason, int64_t now);
/* A connection that was not taken, or ended by us. Of a flood only what the log takes is told. */
void notify_refused(const struct core *c, const struct principal *who, const char *why, int64_t now);

#endif
