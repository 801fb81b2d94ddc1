/*
 * cli_subscribe.c - connects for events, and once more after each loss, ever more rarely. Says on standard error that
 * the daemon was lost and that it is there again, since events of the time between are missing.
 */
#include "cli/cli_subscribe.h"

#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <time.h>

enum { FIRST_MS = 250, LONGEST_MS = 8000 }; /* between two attempts; doubles */

static int once(const struct call *c, const char *request, ask_event *event, char why[VH_ERROR_MAX]) {
    struct json j;
    return cli_connect(&c->target, why, VH_ERROR_MAX) ? ask_daemon(request, event, &j, why) : CLI_UNREACHABLE;
}

int subscribe_first(const struct call *c, const char *request, ask_event *event) {
    char why[VH_ERROR_MAX];
    return once(c, request, event, why) == CLI_OK ? CLI_OK : text_failed(why);
}

int subscribe_again(const struct call *c, const char *request, ask_event *event, const char *lost) {
    char why[VH_ERROR_MAX];
    int status = CLI_UNREACHABLE;
    fprintf(stderr, PROGRAM ": %s; trying again\n", lost);
    for (int ms = FIRST_MS; status == CLI_UNREACHABLE; ms = 2 * ms < LONGEST_MS ? 2 * ms : LONGEST_MS) {
        const struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
        (void)nanosleep(&delay, NULL); /* a signal only makes the attempt earlier */
        status = once(c, request, event, why);
    }
    if (status != CLI_OK)
        return text_failed(why);
    fputs(PROGRAM ": connected again; events of the time between are missing\n", stderr);
    return CLI_OK;
}
