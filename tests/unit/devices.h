/*
 * devices.h - a device as the bus would report it, for tests of the core, the simulation and the fuzzers.
 */
#ifndef VHOTPLUG_TEST_DEVICES_H
#define VHOTPLUG_TEST_DEVICES_H

#include "base/model.h"

/* 1234:00CC with one interface of class CC, settled, without a serial number and with incarnation 0. sys_name is
 * "BUS-PORT"; the number in it need not be busnum. */
void device_make(struct device *d, const char *sys_name, unsigned busnum, unsigned devnum, uint8_t cls);

#endif
