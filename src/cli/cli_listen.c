/*
 * cli_listen.c - events as they come, until the client is ended: for people a line each, for scripts the daemon's own
 * lines, bytes unchanged.
 */
#include "base/limits.h"
#include "cli/cli_call.h"
#include "cli/cli_event.h"
#include "cli/cli_show.h"
#include "cli/cli_subscribe.h"
#include "cli/cli_term.h"

#include <stdio.h>
#include <time.h>

/* False if standard output is gone. */
static bool print_event(const char *line, size_t len, bool words) {
    struct json j;
    if (words && ask_parse(&j, line, len))
        event_show(&j, 0, (int64_t)time(NULL), false);
    else
        puts(line);
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

int listen_for_ever(const struct call *c, const char *request) {
    char why[VH_ERROR_MAX];
    bool words = term_is(stdout) && !c->json;
    int status = subscribe_first(c, request, NULL);
    while (status == CLI_OK) {
        const char *line = NULL;
        size_t len = 0;
        if (!cli_receive(&line, &len, -1, why, sizeof why))
            status = subscribe_again(c, request, NULL, why);
        else if (!print_event(line, len, words))
            return CLI_FAILED; /* main() reports it */
    }
    return status;
}
