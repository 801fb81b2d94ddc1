/*
 * kept.h - the USB bus without a daemon, for unit tests, fuzzers and figures: devices are kept as they were reported
 * last, as the core keeps them, and orders are carried out in place, without workers.
 */
#ifndef VHOTPLUG_TEST_KEPT_H
#define VHOTPLUG_TEST_KEPT_H

#include "base/limits.h"
#include "bus/bus.h"
#include "bus/device_pool.h"

/* Those that have gone stay. n = 0 forgets all. */
extern struct kept {
    int n;
    struct device dev[VH_MAX_DEVICES];
    struct device_texts texts[VH_MAX_DEVICES]; /* of them */
} kept;

struct device *kept_device(const char *name); /* NULL if it is not kept */
void kept_fact(const struct fact *f);         /* keeps its device, if there is one and room for it */

/* Starts the bus, after sysfs_root(), and its pool. Without calls->given no VM has a device, without calls->wanted none
 * is to get one. done: what is done with an answer; calls bus_usb_done(). False if either did not start. */
bool kept_start(const struct bus_calls *calls, device_done_fn *done);

#endif
