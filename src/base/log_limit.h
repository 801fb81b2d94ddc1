/*
 * log_limit.h - log lines that somebody else can cause at will. Beyond a few at once they are counted and told of in
 * one line, per peer or device, and for all together.
 */
#ifndef VHOTPLUG_LOG_LIMIT_H
#define VHOTPLUG_LOG_LIMIT_H

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Any bytes that tell one from another. */
uint64_t log_key(const void *bytes, size_t n);
/* May one more line about `whom` be written? If not, it is counted. Times are the caller's, in nanoseconds. */
bool log_may(uint64_t key, const char *whom, int64_t now);
int64_t log_limit_deadline(void); /* call log_limit_tick then; INT64_MAX if nothing was left out */
void log_limit_tick(int64_t now); /* tells how many lines were left out, once in a while */

#endif
