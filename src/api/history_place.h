/*
 * history_place.h - where the device of a kept event was, in a few bytes: inside api/ only.
 */
#ifndef VHOTPLUG_HISTORY_PLACE_H
#define VHOTPLUG_HISTORY_PLACE_H

#include "api/api_history.h"

/* Told again: as much of a device as its connector follows from. */
struct history_where {
    struct device dev; /* sys_name, stable_path, twin and connector */
    char stable_path[VH_STABLE_PATH_MAX], twin[VH_PORTPATH_MAX];
};

/* For the event that is being added, while it has the place of the one that it replaces. */
struct history_place history_place_keep(struct history *h, const struct device *d);
/* Fills all of *w but sys_name. */
void history_place_tell(const struct history *h, const struct history_event *e, const struct conf *c,
                        struct history_where *w);

#endif
