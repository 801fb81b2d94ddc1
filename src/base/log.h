/*
 * log.h - log lines on stderr: one event a line, a level each, key=value where it can be grepped.
 *
 * On a terminal a line is "vhotplug: text"; elsewhere it starts with the kernel's "<n>" level, which systemd and syslog
 * daemons understand. Characters that end a line or control a terminal are replaced, so that a device's strings cannot
 * forge a line. A line is one write. A line that cannot be written, as into a full pipe, is dropped and counted; the
 * next line that can be written is preceded by the count. In a file a line begins with the time; whoever reads a pipe
 * or a socket notes the time itself. Where standard error may block: see os/logger.h.
 */
#ifndef VHOTPLUG_LOG_H
#define VHOTPLUG_LOG_H

#include "base/assert.h"

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 }; /* syslog's numbers */

void log_open(const char *program, enum log_level most); /* lines above `most` are left out */
void log_stamp(void); /* from now on lines begin with the time (UTC) if standard error is a regular file */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line as it is, newline included: the logger's. */
void log_copy(const char *line, size_t len);
/* Logs how many lines were dropped, if no other line does it before: VH_NEVER if none was, or if nobody reads any
 * more. Times are the caller's, in nanoseconds. */
int64_t log_dropped_deadline(void);
uint64_t log_dropped(void); /* lines of this process, since its start */
void log_dropped_tick(int64_t now);

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
