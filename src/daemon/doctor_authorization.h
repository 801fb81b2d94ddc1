/*
 * doctor_authorization.h - the part of `vhotplug doctor` that looks at usbAuthorization.
 */
#ifndef VHOTPLUG_DOCTOR_AUTHORIZATION_H
#define VHOTPLUG_DOCTOR_AUTHORIZATION_H

#include "config/conf.h"

void doctor_authorization(const struct conf *c);

#endif
