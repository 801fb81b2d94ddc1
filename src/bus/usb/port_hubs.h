/*
 * port_hubs.h - the hubs of the host, and which of their ports are held. While a port is held, what is plugged into it
 * stays unconfigured and no driver of the host can bind to it (general.quarantine).
 */
#ifndef VHOTPLUG_PORT_HUBS_H
#define VHOTPLUG_PORT_HUBS_H

#include "base/model.h"
#include "bus/bus.h"
#include "bus/device_order.h"
#include "bus/usb/port_order.h"

#include <stdbool.h>

/* Before the first report. Until then, and without it, nothing here does anything. later: all devices are to be
 * reported again in a while, because a hub could not be held. Ports that are refused are tried again by the tick. */
void port_hubs_start(void (*later)(void));
bool port_hubs_on(void);  /* started: devices may be unconfigured because their ports are, or were, held */
bool port_hubs_run(void); /* and not lost since */
void port_hubs_status(struct bus_quarantine *s);
void port_hubs_lost(const char *why); /* logs it; from here on nothing is held */
int64_t port_hubs_deadline(void);
void port_hubs_tick(int64_t now);

/* A device was reported: if it is a hub that the kernel drives, its ports are to be held. */
void port_hub_seen(const struct device *dev);
/* Likewise, before it is reported: the kernel has just begun to drive it. incarnation, busnum and devnum of o are its.
 */
void port_hub_bound(const struct device_order *o);
void port_hub_gone(const char *sys_name);
bool port_held(const char *sys_name);   /* is the port held that this device is plugged into? */
bool port_coming(const char *sys_name); /* is it about to be held? Not if the kernel is busy with its hub */
void port_open(const char *sys_name);   /* it was, is not now, and is to be again */

/* The ends of DEVICE_HUB (d: NULL if there was no answer in time; fd: the callee's) and of an order about ports; true
 * if ports are held now that were not. */
void port_hub_opened(const struct device_order *o, const struct device_done *d, int fd);
bool port_hub_answered(const struct port_order *o, uint64_t token, const struct port_answer *a);
void port_hub_late(const char *sys_name);   /* the kernel is busy with it */
void port_hub_unheld(const char *sys_name); /* its claims have ended with the workers that had its node */

#endif
