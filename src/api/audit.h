/*
 * audit.h - who did or tried what, in one line: for the log, and as an event for admins who subscribe to it. Pure.
 */
#ifndef VHOTPLUG_AUDIT_H
#define VHOTPLUG_AUDIT_H

#include "base/str.h"
#include "core/core.h"

/* The content of one line. Absent texts are NULL. */
struct audit_entry {
    const struct principal *who;
    const char *action;    /* the request's name, or "connect" */
    const char *outcome;   /* "ok", "refused" (by the daemon) or "failed" (at a VM or the host) */
    const char *reason;    /* why not */
    const struct audit *a; /* the request and the devices it matched; NULL if it was no request */
};

/* `key=value` pairs in a fixed order. Texts that the daemon did not choose are quoted as JSON strings, so that none can
 * forge a key. */
void audit_line(struct sbuf *sb, const struct core *c, const struct audit_entry *e);
void audit_event(struct sbuf *sb, const struct core *c, const struct audit_entry *e); /* the same as an event line */
const char *audit_outcome_name(enum audit_outcome o);

#endif
