/*
 * clock.h - the program's only clock: monotonic nanoseconds, without the time during which the process could not run.
 * Owns the sum of that lost time. The time of day is only for people to read: nothing is decided by it.
 */
#ifndef VHOTPLUG_CLOCK_H
#define VHOTPLUG_CLOCK_H

#include <stdint.h>

int64_t clock_now(void);       /* nanoseconds of CLOCK_MONOTONIC, less all that clock_skip() was given */
void clock_skip(int64_t lost); /* nanoseconds, not negative: clock_now() leaves them out from here on */
int64_t clock_date_ms(void);   /* milliseconds since 1970 by the host's time of day; 0 if that is earlier */

#endif
