/*
 * doctor_places.h - of `vhotplug doctor`: the directories and the owners that a configuration names.
 */
#ifndef VHOTPLUG_DOCTOR_PLACES_H
#define VHOTPLUG_DOCTOR_PLACES_H

#include "config/conf.h"

/* Of the state file, the record and the API's unix socket; and who that socket is to belong to. */
void doctor_places(const struct conf *c);
/* Of a VM's socket that is not there. True if its directory is missing, which is said. */
bool doctor_vm_directory(const char *vm, const char *socket);

#endif
