/*
 * auth_record.h - usbAuthorization: what the kernel authorised before, kept for the daemon after this one in case all
 * processes of this one are killed.
 */
#ifndef VHOTPLUG_AUTH_RECORD_H
#define VHOTPLUG_AUTH_RECORD_H

#include "config/conf.h"

/* Before the workers start, and before anything is changed. False after logging why: then usbAuthorization is off, and
 * auth_record_why() says so. Without it in the configuration, true, and nothing is done. */
bool auth_record_start(const struct conf *conf);
const char *auth_record_why(void); /* "" if it is not off for a reason */

#endif
