/*
 * port_turn.h - the host's turn at a device in a held port: the port is released, the device is configured and offered
 * to the host's drivers, and the port is claimed again. Drivers stay bound.
 */
#ifndef VHOTPLUG_PORT_TURN_H
#define VHOTPLUG_PORT_TURN_H

#include "bus/device_order.h"
#include "bus/usb/port_order.h"

#include <stdbool.h>
#include <stdint.h>

typedef void port_turn_fn(const struct device_order *o, uint64_t token, bool ok);

void port_turn_start(port_turn_fn *ended);
/* o: a DEVICE_OFFER. `ended` follows, perhaps much later. False if too many orders wait: then nothing follows. */
bool port_turn(const struct device_order *o, uint64_t token);
/* Since the last call, has a turn ended in which another process may have had the port? There the kernel refuses the
 * host's drivers: the device is to have its turn again once its port is held. */
bool port_turn_missed(void);
/* The ends of its orders; a is NULL if there is none in time, or none any more. */
void port_turn_offered(const struct device_order *o, uint64_t token, const struct device_done *d);
void port_turn_late(uint64_t token, const struct port_order *o);
void port_turn_answered(uint64_t token, const struct port_order *o, const struct port_answer *a);

#endif
