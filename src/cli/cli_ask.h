/*
 * cli_ask.h - one request over the open connection, and its answer.
 */
#ifndef VHOTPLUG_CLI_ASK_H
#define VHOTPLUG_CLI_ASK_H

#include "base/limits.h"
#include "codec/json.h"

#include <stdbool.h>

/* What to do with an event that comes before the answer; NULL: nothing. The event is valid until it returns. */
typedef void ask_event(const struct json *event);

/* Sends a line, newline included, and waits for its answer. CLI_OK; CLI_FAILED with the daemon's words in `why` (j is
 * its answer); CLI_UNREACHABLE with the reason in `why` (nothing can be asked any more). *j is valid until the next
 * call. */
int ask_daemon(const char *request, ask_event *event, struct json *j, char why[VH_ERROR_MAX]);
/* Parses a line that came. *j is valid until the next call of this one or of ask_daemon(). */
bool ask_parse(struct json *j, const char *line, size_t len);
void ask_debug(void); /* from now on the lines are shown on standard error */

#endif
