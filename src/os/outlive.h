/*
 * outlive.h - what the loop leaves to the workers that outlive it: numbers that it notes in memory which they only
 * read, and whether a process still runs that holds something until it ends.
 *
 * Without outlive_start() nothing is noted, and nobody holds anything.
 */
#ifndef VHOTPLUG_OUTLIVE_H
#define VHOTPLUG_OUTLIVE_H

#include <stdbool.h>
#include <stdint.h>

enum { OUTLIVE_ROWS = 512 };

bool outlive_start(void); /* before the processes start; false after logging why */
void outlive_hold(void);  /* in a process that holds something */
void outlive_watch(void); /* in a process that outlives the loop */
void outlive_drop(void);  /* in the loop, once they have started: what starts later has none of it */

/* The loop's. A store each, so what a killed loop has noted is whole. 0: none. */
void outlive_note(int row, uint64_t number);

/* The others', after the loop has ended. */
bool outlive_noted(uint64_t number);
bool outlive_take(uint64_t number); /* true for one of all processes; false, too, for one that comes too late */
bool outlive_taken(uint64_t number);
unsigned outlive_turn(void);    /* 0, 1, 2...: of each process that asks another one */
bool outlive_free(int wait_ms); /* has every process ended that holds something? Waits for that */

#endif
