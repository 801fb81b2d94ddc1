/*
 * reset_helper.h - resets devices that come back from a VM and gives them to the host's drivers, in a process of its
 * own.
 *
 * USBDEVFS_RESET and drivers_probe return when the device has answered. An unresponsive device can block them for
 * seconds, and the loop must never block. So a helper, forked at start, resets one device after the other.
 */
#ifndef VHOTPLUG_RESET_HELPER_H
#define VHOTPLUG_RESET_HELPER_H

#include "base/model.h"
#include "bus/bus.h"

#include <stdbool.h>
#include <stdint.h>

struct pollset;

typedef void reset_helper_done_fn(uint32_t token);

/* Starts the helper, which enters a sandbox of its own. Call it before anything else is opened, so that the helper
 * inherits no descriptor. False after logging why. */
bool reset_helper_start(const struct bus *bus, reset_helper_done_fn *done);
/* Every begin leads to exactly one call of done, also if the helper is stuck (VH_T_RELEASE) or gone; if the queue is
 * full, done is called from within. pidfd: the process that had the device, whose end the helper awaits first; -1 none.
 * The descriptor stays the caller's. */
void reset_helper_begin(uint32_t token, const struct device *dev, int pidfd);
void reset_helper_stop(void);

void reset_helper_fill(struct pollset *ps);
void reset_helper_ready(const struct pollset *ps);
int64_t reset_helper_deadline(void);
void reset_helper_tick(int64_t now);

#endif
