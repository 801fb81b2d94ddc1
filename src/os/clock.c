/*
 * clock.c - see clock.h. A deadline is compared with clock_now() only, so time that the process has lost, as in a
 * suspended computer, makes no deadline pass.
 */
#include "os/clock.h"

#include "base/assert.h"
#include "base/duration.h"

#include <time.h>

static int64_t skipped;

int64_t clock_now(void) {
    struct timespec ts;
    VH_ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (int64_t)ts.tv_sec * ms_to_ns(1000) + ts.tv_nsec - skipped;
}

void clock_skip(int64_t lost) {
    VH_ASSERT(lost >= 0);
    skipped += lost;
}

int64_t clock_date_ms(void) {
    struct timespec ts;
    VH_ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
    return ts.tv_sec >= 0 ? (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / VH_NSEC_PER_MSEC : 0;
}
