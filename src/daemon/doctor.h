/*
 * doctor.h - `vhotplug doctor`: is this host fit for the daemon and this configuration? Checks once and prints advice.
 */
#ifndef VHOTPLUG_DOCTOR_H
#define VHOTPLUG_DOCTOR_H

#include "bus/bus.h"
#include "config/conf.h"

/* After sysfs_root(). Prints to standard output; 1 if there is a problem, else 0. */
int doctor(const struct conf *c, const struct bus *bus);

#endif
