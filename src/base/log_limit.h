/*
 * log_limit.h - a limit on log lines that clients and devices can cause at will, for each peer or device and for all of
 * a kind together. Lines above the limit are counted, and one line reports the count. Reads no clock.
 */
#ifndef VHOTPLUG_LOG_LIMIT_H
#define VHOTPLUG_LOG_LIMIT_H

#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is said about. Each share has an allowance of its own, so that none can use up another's: what strangers try
 * hides no client, what is refused hides nothing that was done, and nobody hides an admin. */
enum log_share {
    LOG_STRANGERS,
    LOG_REFUSALS, /* and what had no effect */
    LOG_CHANGES,
    LOG_ADMIN_REFUSALS,
    LOG_ADMIN_CHANGES,
    LOG_DEVICES,
    LOG_VMS,
    LOG_SHARES
};

/* The key of a peer or device, from any bytes that identify it. */
uint64_t log_key(const void *bytes, size_t n);
/* May one more line about `whom` be written? If not, it is counted. Times are the caller's, in nanoseconds. */
bool log_may(enum log_share share, uint64_t key, const char *whom, int64_t now);
bool log_may_about(enum log_share share, const char *name, int64_t now); /* of a device or a VM, which is its key */
int64_t log_limit_deadline(void); /* when to call log_limit_tick(); VH_NEVER if nothing was left out */
void log_limit_tick(int64_t now); /* logs how many lines were left out */

#endif
