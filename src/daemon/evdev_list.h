/*
 * evdev_list.h - the input devices of the host, read when a client asks for them.
 */
#ifndef VHOTPLUG_EVDEV_LIST_H
#define VHOTPLUG_EVDEV_LIST_H

#include "base/model.h"
#include "bus/device_order.h"
#include "daemon/host_list.h"

void evdev_list_start(host_list_done_fn *done);
void evdev_list_ask(struct client_ref c); /* done follows, unless the client goes */
void evdev_list_client_gone(struct client_ref c);
void evdev_list_read(const union device_answer *a); /* the end of the order, as device_done_fn has it */
const struct device_evdev *evdev_list_last(void);

#endif
