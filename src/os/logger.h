/*
 * logger.h - the process that waits for standard error, so that nobody else does. It copies log lines from a pipe to
 * the standard error that the daemon was started with. The daemon and its workers have the pipe's writing end as
 * standard error: a write to it never waits.
 */
#ifndef VHOTPLUG_LOGGER_H
#define VHOTPLUG_LOGGER_H

#include <stdbool.h>

/* Forks, before any other process is and while little memory is in use. Log lines still go straight to standard error.
 * Starts nothing if standard error is closed or /dev/null, which never wait. False after logging why. */
bool logger_start(void);
/* From now on log lines of this process, and of processes that it forks, go through the logger. Call after log_open(),
 * which looks at the real standard error. */
bool logger_use(void);

#endif
