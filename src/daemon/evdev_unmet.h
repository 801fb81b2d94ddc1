/*
 * evdev_unmet.h - rules of evdevPassthrough that decide for no input device of this host, for doctor and --check
 * --live.
 */
#ifndef VHOTPLUG_EVDEV_UNMET_H
#define VHOTPLUG_EVDEV_UNMET_H

#include "config/conf.h"

#include <stdbool.h>

/* Reads the input devices of the host, here and not in a worker. Before the other one. */
void evdev_unmet_read(void);
/* Is it an enabled rule for a VM that is there, and decides for none of them? False if they could not all be read. */
bool evdev_unmet(const struct conf *c, int rule);

#endif
