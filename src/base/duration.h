/*
 * duration.h - spans of time. A point in time or a span is an int64_t of nanoseconds of CLOCK_MONOTONIC; limits.h gives
 * milliseconds. Reads no clock.
 */
#ifndef VHOTPLUG_DURATION_H
#define VHOTPLUG_DURATION_H

#include <stdint.h>

#define VH_NSEC_PER_MSEC ((int64_t)1000000)
#define VH_NEVER INT64_MAX /* a deadline that does not exist */

static inline int64_t ms_to_ns(int64_t ms) {
    return ms * VH_NSEC_PER_MSEC;
}

/* The delay, in nanoseconds, before something is tried again that has failed `failures` times in a row (from 1 on; 0 is
 * taken as 1): min_ms, doubled with each further failure, at most max_ms. Both are positive. */
int64_t backoff(unsigned failures, int64_t min_ms, int64_t max_ms);

#endif
