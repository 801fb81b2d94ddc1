/*
 * log.h - log lines on stderr: one event a line, a level each, key=value where it can be grepped.
 *
 * On a terminal a line is "vhotplug: text"; elsewhere it starts with the kernel's "<n>" level, which systemd and syslog
 * daemons understand. Characters that end a line or control a terminal are replaced, so that a device's strings cannot
 * forge a line. If writing fails, as with a full pipe, the line is lost and the daemon continues.
 */
#ifndef VHOTPLUG_LOG_H
#define VHOTPLUG_LOG_H

#include "base/assert.h"

enum log_level { LOG_ERROR = 3, LOG_WARN = 4, LOG_INFO = 6, LOG_DEBUG = 7 }; /* syslog's numbers */

void log_open(const char *program, enum log_level most); /* lines above `most` are dropped */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
