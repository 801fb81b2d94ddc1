/*
 * duration.c - see duration.h. The growth of all retry delays.
 */
#include "base/duration.h"

int64_t backoff(unsigned failures, int64_t min_ms, int64_t max_ms) {
    int64_t ms = min_ms;
    for (unsigned i = 1; i < failures && ms < max_ms; i++)
        ms *= 2;
    return ms_to_ns(ms < max_ms ? ms : max_ms);
}
