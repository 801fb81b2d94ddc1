/*
 * stable_path.h - the name of a USB port that stays the same whatever number its bus gets: "CONTROLLER/HALF:PORTS", as
 * in "pci0000:00-0000:00:03.0/2:2.3" or "platform-fe800000.usb/3:1". Pure.
 *
 * CONTROLLER is the directory of the root hub's controller below /sys/devices, with "-" for each slash. HALF is 2 or 3:
 * a controller has one root hub for all speeds up to USB 2, and one for USB 3. PORTS is the chain of ports from the
 * root hub; "0" is the root hub itself. A USB 3 socket is two such ports, one of each half; the number of its other
 * port is called the twin here.
 */
#ifndef VHOTPLUG_STABLE_PATH_H
#define VHOTPLUG_STABLE_PATH_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* From what the device's link in /sys/bus/usb/devices leads to, and the speed of its root hub ("480"). False, with
 * dst "", if that is no such link, or the path is too long. */
bool stable_path_make(char dst[VH_STABLE_PATH_MAX], const char *link, uint8_t bus, const char *root_speed,
                      const char *ports);
bool stable_path_valid(const char *s);
const char *stable_path_ports(const char *path); /* of a valid path: "2.3" */
/* The path of the port `ports` in the other half of the same controller. False, with dst "", if it is too long. */
bool stable_path_other(char dst[VH_STABLE_PATH_MAX], const char *path, const char *ports);
/* What follows the port in the device's path, if the device is at that port (then "") or behind a hub there (".4");
 * NULL if it is elsewhere. Both sides of its socket count. twin: "" if it has none. */
const char *stable_path_behind(const char *port, const char *path, const char *twin);

#endif
