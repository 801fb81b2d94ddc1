/*
 * cli_usage.c - what is wrong with a command line: says so, where the help is, and guesses which name was meant.
 */
#include "base/str.h"
#include "cli/cli_call.h"
#include "cli/cli_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Two neighbours changed places: one slip, which the distance takes for two. */
static bool is_swapped(const char *a, const char *b) {
    size_t n = strlen(a), i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i + 1 < n && a[i] == b[i + 1] && a[i + 1] == b[i] && str_eq(a + i + 2, b + i + 2);
}

void command_consider(struct command_guess *g, const char *name) {
    size_t len = strlen(g->word);
    int most = len > 3 ? 2 : len > 1 ? 1 : 0;
    int distance = len == strlen(name) && is_swapped(g->word, name) ? 1
                   : len > 1 && str_starts(name, g->word)           ? 0
                                                                    : str_distance(g->word, name, most);
    if (distance > most || (g->best != NULL && distance >= g->distance))
        return;
    g->best = name;
    g->distance = distance;
}

int command_usage(const struct command *k, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs(PROGRAM ": ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry '" PROGRAM "%s%s%s%s --help'.\n", k != NULL && k->group != NULL ? " " : "",
            k != NULL && k->group != NULL ? k->group : "", k != NULL ? " " : "", k != NULL ? k->name : "");
    return CLI_USAGE;
}
