/*
 * cli_options.h - the client's options: their names, what they are for, and which one a word on the command line means.
 */
#ifndef VHOTPLUG_CLI_OPTIONS_H
#define VHOTPLUG_CLI_OPTIONS_H

#include "cli/cli_call.h"

#include <getopt.h>

/* Values of long options: those of a command's own are its fields, from OPT_FIELD on. */
enum { OPT_FIELD = 256, OPT_JSON = OPT_FIELD + F_COUNT, OPT_NO_DEBUG, OPT_VERSION };

#define OPTIONS_SHORT "-:t:u:s:p:c:dh" /* words in their order; a missing value is ':' */

/* What getopt_long() is to look this argument up in. */
const struct option *options_for(const char *argument, const struct command *k);
const char *options_name(unsigned fields); /* of the first of these fields */
/* Says what is wrong with an option that getopt_long() did not take. Returns the exit status. */
int options_wrong(const struct command *k, int opt, const char *argument);
/* The lines of help about options: of the connection if k is NULL, else those of the command. */
void options_help(const struct command *k);

#endif
