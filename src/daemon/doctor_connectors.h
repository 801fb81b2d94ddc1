/*
 * doctor_connectors.h - `vhotplug doctor --connectors`: the sockets of this host, for general.connectors.
 */
#ifndef VHOTPLUG_DOCTOR_CONNECTORS_H
#define VHOTPLUG_DOCTOR_CONNECTORS_H

#include "config/conf.h"

/* After sysfs_root(). Prints the configuration on standard output, and a table of all ports on standard error. 1 if the
 * host has no port, else 0. */
int doctor_connectors(const struct conf *c);

#endif
