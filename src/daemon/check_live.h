/*
 * check_live.h - of `vhotplug --check --live`: where would the devices that are here go with another configuration?
 */
#ifndef VHOTPLUG_CHECK_LIVE_H
#define VHOTPLUG_CHECK_LIVE_H

#include "bus/bus.h"
#include "config/conf.h"

/* Asks the daemon at this API socket which VM has which device, reads the devices for itself, and prints for each where
 * it is and where the configuration would have it. How many would change their place; -1, after saying why, if that
 * cannot be told. */
int check_live(const struct conf *c, const struct bus *bus, const char *path);

#endif
