/*
 * api_reload.h - what came of a reload, in words: the problems that were found, and the reply to `reload`. Pure.
 */
#ifndef VHOTPLUG_API_RELOAD_H
#define VHOTPLUG_API_RELOAD_H

#include "base/limits.h"
#include "base/str.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>

struct reloaded {
    bool ok;
    char error[VH_ERROR_MAX]; /* why not; else the first problem that is an error, or "" */
    unsigned rules, vms;      /* of the new configuration */
    unsigned warnings, more;  /* found; problems that the reply does not carry */
    size_t len;
    char problems[VH_PROBLEMS_MAX]; /* `len` bytes of JSON: objects with commas between them */
};

void api_reload_begin(struct reloaded *r);
/* One problem, of any length; count: what it stands for, more than 1 if they are not shown one by one. Warnings and
 * notes leave room for errors. */
void api_reload_problem(struct reloaded *r, enum diag_level level, unsigned count, const char *text);
/* The end. fresh: NULL if nothing has changed; then `error` says why, unless it is "" and a problem says it. */
void api_reload_end(struct reloaded *r, const struct conf *fresh, const char *error);
void api_reloaded(struct sbuf *sb, const char *id, const struct reloaded *r);

#endif
