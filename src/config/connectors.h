/*
 * connectors.h - which connector of the host a USB device is at: a named one of general.connectors, or a port's stable
 * path (stable_path.h). Pure.
 *
 * A device is at a connector if it is plugged into one of its ports, and behind the connector if it is plugged into a
 * hub there. Both sides of a socket are one connector if the configuration lists both, or if the firmware joins them
 * (device.twin).
 */
#ifndef VHOTPLUG_CONNECTORS_H
#define VHOTPLUG_CONNECTORS_H

#include "base/limits.h"
#include "base/model.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

int connector_find(const struct conf *c, const char *name); /* index or -1 */
/* The named connector that the device is at or behind, of nested ones the innermost; -1 none. It is kept in
 * device.connector, which the functions below use. */
int16_t connector_of(const struct conf *c, const struct device *dev);
/* Is the device at the connector of this name or stable path, or (unless direct) behind it? */
bool connector_has(const struct conf *c, const char *connector, const struct device *dev, bool direct);
bool connector_is_known(const struct conf *c, const char *connector); /* a name of the configuration, or a path */
/* By the `connector` of an entry. */
bool connector_matches(const struct conf *c, const struct entry *e, const struct device *dev);
/* What people call the device's connector: its name, or the stable path of the port; "" if neither is known. */
void connector_name(const struct conf *c, const struct device *dev, char dst[VH_STABLE_PATH_MAX]);
/* Names the port, the same for both sides of its socket and whatever the bus numbers: the stable path of one side, or
 * the device's name in sysfs if there is none. Two devices have the same only if they are at one port. */
void connector_port(const struct conf *c, const struct device *dev, char dst[VH_STABLE_PATH_MAX]);
/* Is that the device's port, by this or an earlier configuration? Also a name in sysfs is one: "1-2.3". */
bool connector_is_port(const struct conf *c, const char *port, const struct device *dev);
/* A number for connector_port(), never 0. Two of n ports have the same with a probability of n * n / 2^65. */
uint64_t connector_number(const struct conf *c, const struct device *dev);

#endif
