/*
 * cli_match.h - which devices of a list are meant.
 */
#ifndef VHOTPLUG_CLI_MATCH_H
#define VHOTPLUG_CLI_MATCH_H

#include "cli/cli_call.h"
#include "codec/json.h"

#include <stdbool.h>

/* Has this VM the device, or may it have the device? Any device does for NULL. */
bool match_vm(const struct json *j, int device, const char *vm);
/* The first device of a list, as request_list() asks for one, that the call names, from `device` on (a token, or -1);
 * -1 if there is none. As the daemon does, a port that is no place of its own is looked for at the root hub. */
int match_next(const struct call *c, const struct json *j, int device);
int match_first(const struct call *c, const struct json *j);

#endif
