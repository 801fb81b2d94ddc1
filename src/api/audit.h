/*
 * audit.h - who did or tried what, in one line: for the log, and as an event for admins who ask for it. Pure.
 */
#ifndef VHOTPLUG_AUDIT_H
#define VHOTPLUG_AUDIT_H

#include "base/str.h"
#include "core/core.h"

/* One line's worth, whatever it was. Absent texts are NULL. */
struct audit_entry {
    const struct principal *who;
    const char *action;    /* the request's name, or "connect" */
    const char *outcome;   /* "ok", "refused" (by us) or "failed" (by a VM or the host) */
    const char *reason;    /* why not */
    const struct audit *a; /* what was asked and met; NULL if it was no request */
};

/* `key=value`s in a fixed order. Texts that somebody else chose are quoted as JSON strings are, so none can forge a
 * key. */
void audit_line(struct sbuf *sb, const struct core *c, const struct audit_entry *e);
void audit_event(struct sbuf *sb, const struct core *c, const struct audit_entry *e); /* the same as an event line */
const char *audit_outcome_name(enum audit_outcome o);

#endif
