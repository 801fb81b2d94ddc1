/*
 * uevent_source.h - the source of uevents: reads them from the kernel's socket for the bus, opens the socket anew when
 * it fails.
 */
#ifndef VHOTPLUG_UEVENT_SOURCE_H
#define VHOTPLUG_UEVENT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct pollset;

bool uevent_source_start(const struct bus *bus); /* before opener_seal(); false with errno */
void uevent_source_stop(void);

/* For the loop. Each pass gives at most one batch of uevents to the bus. */
void uevent_source_fill(struct pollset *ps);
void uevent_source_ready(const struct pollset *ps);
int64_t uevent_source_deadline(void); /* 0: the rest of a batch waits; VH_NEVER: nothing does */
void uevent_source_tick(int64_t now);

uint64_t uevent_source_rescans(void); /* after losses, since start */

#endif
