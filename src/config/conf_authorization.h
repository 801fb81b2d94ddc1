/*
 * conf_authorization.h - usbAuthorization as a struct: whether the kernel uses a USB device only once it is told to,
 * and which devices it is told of for the host.
 */
#ifndef VHOTPLUG_CONF_AUTHORIZATION_H
#define VHOTPLUG_CONF_AUTHORIZATION_H

#include <stdbool.h>
#include <stdint.h>

struct authorization {
    bool enabled;
    bool unmatched;         /* deauthorizeUnmatched: at start, also what is there already and goes nowhere */
    uint16_t allow, nallow; /* hostAllow: a range in conf.entries */
};

#endif
