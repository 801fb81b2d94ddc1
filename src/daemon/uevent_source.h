/*
 * uevent_source.h - the source of uevents: a part of the loop's poll set, given to the bus, opened anew when it fails.
 */
#ifndef VHOTPLUG_UEVENT_SOURCE_H
#define VHOTPLUG_UEVENT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct pollset;

/* Opens it; `fake` is the path of a stand-in for netlink, or NULL. False with errno. Both live on. */
bool uevent_source_start(const struct bus *bus, const char *fake);
void uevent_source_stop(void);

/* The loop's: the descriptor into the poll set; what came, to the bus, one batch a pass. */
void uevent_source_fill(struct pollset *ps);
void uevent_source_ready(const struct pollset *ps);
int64_t uevent_source_deadline(void); /* 0: there is more to do at once; VH_NEVER */
void uevent_source_tick(int64_t now);

uint64_t uevent_source_rescans(void); /* after losses, since start */

#endif
