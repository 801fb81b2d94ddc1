/*
 * cli_match.h - which devices of a list are meant.
 */
#ifndef VHOTPLUG_CLI_MATCH_H
#define VHOTPLUG_CLI_MATCH_H

#include "codec/json.h"

#include <stdbool.h>

/* Has this VM the device, or may it have the device? Any device does for NULL. */
bool match_vm(const struct json *j, int device, const char *vm);

#endif
