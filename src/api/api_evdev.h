/*
 * api_evdev.h - the reply to `evdev_list`: what the host's sysfs showed, and what the rules say of it. Pure.
 */
#ifndef VHOTPLUG_API_EVDEV_H
#define VHOTPLUG_API_EVDEV_H

#include "base/model.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

/* Part by part like usb_list, by the number of the node: the list may be another one between two parts. */
bool api_evdev_part(const struct device_evdev *l, const struct conf *c, const struct request *r, uint64_t *cursor,
                    struct sbuf *sb);

#endif
