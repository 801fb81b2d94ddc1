/*
 * clock.h - the program's only clock: monotonic nanoseconds, without the time during which the process could not run.
 * Owns the sum of that lost time. Never reads the time of day.
 */
#ifndef VHOTPLUG_CLOCK_H
#define VHOTPLUG_CLOCK_H

#include <stdint.h>

int64_t clock_now(void);       /* nanoseconds of CLOCK_MONOTONIC, less all that clock_skip() was given */
void clock_skip(int64_t lost); /* nanoseconds, not negative: clock_now() leaves them out from here on */

#endif
