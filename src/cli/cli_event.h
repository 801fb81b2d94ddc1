/*
 * cli_event.h - an event in one line for people.
 */
#ifndef VHOTPLUG_CLI_EVENT_H
#define VHOTPLUG_CLI_EVENT_H

#include "codec/json.h"

#include <stdbool.h>

/* event: the token of an object as the API sends events, or as it keeps them for the history (the device's members are
 * the event's own). seconds: since 1970, shown in local time; dated: with the day. */
void event_show(const struct json *j, int event, int64_t seconds, bool dated);

#endif
