/*
 * doctor.h - `vhotplug doctor`: is this host fit for the daemon and this configuration? Once, in plain words.
 */
#ifndef VHOTPLUG_DOCTOR_H
#define VHOTPLUG_DOCTOR_H

#include "bus/bus.h"
#include "config/conf.h"

/* After sysfs_root(). Prints to standard output; 0 if nothing stands in the way, 1 if something does. */
int doctor(const struct conf *c, const struct bus *bus);

#endif
