/*
 * reset_helper.h - devices that come back from a VM are reset and given to the host's drivers, in a process of its own.
 *
 * USBDEVFS_RESET and drivers_probe return when the device has answered; a device that does not want to can make that
 * last for seconds, and the loop waits for nobody. So a helper, forked at start, does it, one device after the other.
 */
#ifndef VHOTPLUG_RESET_HELPER_H
#define VHOTPLUG_RESET_HELPER_H

#include "base/model.h"
#include "bus/bus.h"

#include <stdbool.h>
#include <stdint.h>

struct pollset;

typedef void reset_helper_done_fn(uint32_t token);

/* Starts the helper, which shuts itself into a sandbox. Before anything else is opened, so that it holds nothing. False
 * after logging why. */
bool reset_helper_start(const struct bus *bus, reset_helper_done_fn *done);
/* Every begin ends with one call of done, also if the helper is stuck (VH_T_RELEASE) or gone; if the queue is full,
 * from within. pidfd: the process that had the device, waited for first; -1 none; it stays the caller's. */
void reset_helper_begin(uint32_t token, const struct device *dev, int pidfd);
void reset_helper_stop(void);

void reset_helper_fill(struct pollset *ps);
void reset_helper_ready(const struct pollset *ps);
int64_t reset_helper_deadline(void);
void reset_helper_tick(int64_t now);

#endif
