/*
 * cli_ask.c - a request and its answer. Owns the memory for the answer's tokens, which is mapped at its first use: the
 * daemon is the same binary and should not carry it.
 */
#include "cli/cli_ask.h"

#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { TOKENS_MAX = 1 << 18 }; /* enough to explain every entry of the largest configuration */

static const char nonsense[] = "the daemon's answer is not understood";
static bool debug;

void ask_debug(void) {
    debug = true;
}

bool ask_parse(struct json *j, const char *line, size_t len) {
    static jsmntok_t *tokens;
    struct json_error error;
    if (tokens == NULL) {
        void *p = mmap(NULL, sizeof *tokens * TOKENS_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return false;
        tokens = p;
    }
    return json_parse(j, line, len, tokens, TOKENS_MAX, &error);
}

/* The next line that is no event. */
static bool receive(ask_event *event, struct json *j, char why[VH_ERROR_MAX]) {
    const char *line = NULL;
    size_t len = 0;
    while (cli_receive(&line, &len, CLI_REPLY_MS, why, VH_ERROR_MAX)) {
        if (debug)
            fprintf(stderr, "< %s\n", line);
        if (!ask_parse(j, line, len)) {
            (void)str_copy(why, VH_ERROR_MAX, nonsense);
            *j = (struct json){.text = line, .len = len};
            return true;
        }
        if (json_get(j, 0, "event") < 0)
            return true;
        if (event != NULL)
            event(j);
    }
    return false;
}

int ask_daemon(const char *request, ask_event *event, struct json *j, char why[VH_ERROR_MAX]) {
    if (debug)
        fprintf(stderr, "> %s", request);
    if (!cli_send(request, strlen(request), why, VH_ERROR_MAX) || !receive(event, j, why))
        return CLI_UNREACHABLE;
    if (j->ntok == 0)
        return CLI_FAILED;
    if (json_string_is(j, json_get(j, 0, "result"), "ok"))
        return CLI_OK;
    if (!json_string(j, json_get(j, 0, "error"), why, VH_ERROR_MAX))
        (void)str_copy(why, VH_ERROR_MAX, nonsense);
    return CLI_FAILED;
}
