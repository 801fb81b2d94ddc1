/*
 * uevent_source.h - the source of uevents: a part of the loop's poll set, given to the bus, opened anew when it fails.
 */
#ifndef VHOTPLUG_UEVENTS_H
#define VHOTPLUG_UEVENTS_H

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct pollset;

/* Opens it; `fake` is the path of a stand-in for netlink, or NULL. False with errno. Both live on. */
bool uevents_start(const struct bus *bus, const char *fake);
void uevents_stop(void);

/* The loop's: the descriptor into the poll set; what came, to the bus, one batch a pass. */
void uevents_fill(struct pollset *ps);
void uevents_ready(const struct pollset *ps);
int64_t uevents_deadline(void); /* 0: there is more to do at once; VH_NEVER */
void uevents_tick(int64_t now);

uint64_t uevents_rescans(void); /* after losses, since start */

#endif
