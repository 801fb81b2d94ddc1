/*
 * sandbox_filter.h - the lists of sandbox_calls.h as a program for the kernel's seccomp.
 */
#ifndef VHOTPLUG_SANDBOX_FILTER_H
#define VHOTPLUG_SANDBOX_FILTER_H

#include "os/sandbox.h"

#include <stdbool.h>

/* Sets the filter of its role for the rest of the process: any other call kills it. no_new_privs must be set. False
 * with errno; ENOSYS if this kernel or architecture has no filters. */
bool sandbox_filter(const struct sandbox *s);
int sandbox_filter_calls(enum sandbox_role role); /* how many it allows */

#endif
