/*
 * reload.h - another configuration takes the place of the one in force: at SIGHUP, or because an admin asks for it.
 *
 * One reading at a time. Whoever asks while one is under way is served by the next one, which begins after it: the file
 * may have been replaced since it was read. Each reading ends within VH_T_OPEN, so each request is answered.
 */
#ifndef VHOTPLUG_RELOAD_H
#define VHOTPLUG_RELOAD_H

#include "api/api_reload.h"
#include "base/model.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

/* A problem of what is read; text has its place in the file. count as in struct diag. */
typedef void reload_tell(enum diag_level level, unsigned count, const char *text);

struct reload_calls {
    /* Reads what the opener has read (fd, or -1 and an errno), into other memory than that of the configuration in
     * force (`old`), and aligns it with `old` (conf_align). NULL, all problems logged and told, if it is not usable. */
    const struct conf *(*read)(int fd, int error, const struct conf *old, vm_set busy, reload_tell *tell);
    /* What a request of this client has come to. c.gen is 0 if the client has gone. */
    void (*done)(struct client_ref c, const struct principal *who, const struct reloaded *r);
};

void reload_start(const struct reload_calls *calls); /* after dispatch_start() */
void reload_hangup(void);                            /* SIGHUP: nobody waits for the outcome */
/* done() follows. False if too many wait, those that have gone included. */
bool reload_ask(struct client_ref c, const struct principal *who);
void reload_client_gone(struct client_ref c); /* the reload is done all the same */
void reload_next(void);                       /* at the end of each pass: begins what was asked for */

/* Tells the service manager that a configuration is in force: at "ready", and once each reading has ended. The remark
 * says what else there is to know, "" nothing. */
void reload_tell_ready(const char *remark);

struct reload_stats {
    uint64_t ok, failed; /* since the start */
    int64_t failed_at;   /* of the last one, if it failed: ms since 1970; else 0 */
    const char *error;   /* likewise; else "" */
};
const struct reload_stats *reload_stats(void);

#endif
