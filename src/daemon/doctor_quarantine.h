/*
 * doctor_quarantine.h - of `vhotplug doctor --quarantine`: what general.quarantine would mean for what is here.
 */
#ifndef VHOTPLUG_DOCTOR_QUARANTINE_H
#define VHOTPLUG_DOCTOR_QUARANTINE_H

#include "bus/bus.h"
#include "config/conf.h"

/* Prints a line for each hub and each device: what would be done to it, by which process, and why. Does nothing to any
 * of them. With "off" in the configuration it says what "rules" would mean. False after saying that there is no bus. */
bool doctor_quarantine(const struct conf *c, const struct bus *bus);

#endif
