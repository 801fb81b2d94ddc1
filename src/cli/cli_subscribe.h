/*
 * cli_subscribe.h - a connection on which events come, made again when it ends.
 */
#ifndef VHOTPLUG_CLI_SUBSCRIBE_H
#define VHOTPLUG_CLI_SUBSCRIBE_H

#include "cli/cli_ask.h"
#include "cli/cli_call.h"

/* Connects and asks for events, once. Those that come before the answer go to `event`. Returns the exit status; what
 * went wrong was said. */
int subscribe_first(const struct call *c, const char *request, ask_event *event);
/* The same after the connection has ended, which is said, again and again until the daemon is there. */
int subscribe_again(const struct call *c, const char *request, ask_event *event, const char *why);

#endif
