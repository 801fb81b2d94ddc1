/*
 * doctor_taken.h - of `vhotplug doctor`: are the API's addresses free for the daemon, or does another process have
 * them?
 */
#ifndef VHOTPLUG_DOCTOR_TAKEN_H
#define VHOTPLUG_DOCTOR_TAKEN_H

#include "config/conf_api.h"
#include "os/host_lock.h"

/* daemon: the process that has the lock, if it is held; 0 if that is not known. Opens each address for a moment. */
void doctor_taken(const struct api_conf *c, enum host_lock held, int daemon);

#endif
