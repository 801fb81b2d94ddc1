/*
 * cli_listen.c - events as they come, until the client is ended. Never interprets one.
 */
#include "base/limits.h"
#include "cli/cli_call.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"
#include "cli/cli_wire.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Prints events until the connection ends. False if standard output is gone. */
static bool print_events(char *why, size_t cap) {
    const char *line = NULL;
    size_t len = 0;
    while (cli_receive(&line, &len, -1, why, cap))
        if (puts(line) == EOF || fflush(stdout) != 0)
            return false;
    return true;
}

/* The first connection must succeed; later ones are tried once a second. */
int listen_for_ever(const struct call *c, const char *request, size_t n) {
    char why[VH_ERROR_MAX];
    for (bool first = true;; first = false) {
        const char *line = NULL;
        size_t len = 0;
        bool on = cli_connect(&c->target, why, sizeof why) && cli_send(request, n, why, sizeof why) &&
                  cli_receive(&line, &len, CLI_REPLY_MS, why, sizeof why);
        if (on && strstr(line, "\"ok\"") == NULL)
            return text_failed(line);
        if (!on && first)
            return text_failed(why);
        if (on && !print_events(why, sizeof why))
            return CLI_FAILED; /* main() reports it */
        if (on)
            fprintf(stderr, "vhotplugcli: %s; trying again\n", why);
        const struct timespec second = {.tv_sec = 1};
        (void)nanosleep(&second, NULL);
    }
}
