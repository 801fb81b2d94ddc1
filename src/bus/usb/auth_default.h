/*
 * auth_default.h - with usbAuthorization: the kernel's word on what is plugged in next, and the way back to what it
 * was.
 *
 * usbcore's parameter is for the buses of controllers that come later, `authorized_default` of a root hub for what is
 * plugged in at its bus. Both are 0 while the daemon runs. Interfaces are authorised by default, but for the moment in
 * which a device is authorised for a VM (auth_device.h).
 */
#ifndef VHOTPLUG_AUTH_DEFAULT_H
#define VHOTPLUG_AUTH_DEFAULT_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth_values {
    int32_t parameter; /* -1: the kernel's own choice, which is 1 */
    uint32_t n;
    struct auth_bus {
        char name[VH_SYSNAME_MAX]; /* "usb1" */
        int32_t device, interface;
    } bus[VH_MAX_BUSES];
};

/* Before the workers start, which inherit what is noted here. auth_default_read(): the values as they are now; false
 * with `why` if the kernel has none. auth_default_start(): these are to be put back. again: an earlier daemon has left
 * without having done so, so what is unauthorised now is not so by somebody else's will. */
bool auth_default_read(struct auth_values *v, char *why, size_t cap);
bool auth_default_is(const struct auth_values *v); /* has it the form of what that fills? */
void auth_default_start(const struct auth_values *v, bool again);
bool auth_default_on(void);

/* In a worker. `bus`: the name of a root hub. False with `why`. */
bool auth_default_close(const char *bus, char *why, size_t cap); /* nothing is authorised by itself from here on */
void auth_default_next_order(void); /* a worker has another order: what it closed before is the loop's by now */
bool auth_default_interfaces(const char *bus, bool closed); /* of a device that is configured from here on */
/* All, also of buses that came later. Once for all workers: one that is late must not open what the next daemon has
 * closed. */
void auth_default_put_back(void);
/* After that: would this device be authorised without us? Not if the next daemon is there already. */
bool auth_default_was(const char *sys_name, uint64_t incarnation);

/* "usb1" of "1-2.3". */
void auth_default_bus(const char *sys_name, char bus[VH_SYSNAME_MAX]);

#endif
