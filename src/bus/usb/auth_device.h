/*
 * auth_device.h - one USB device's authorisation. In a worker; `dir` is a descriptor of the device's directory.
 */
#ifndef VHOTPLUG_AUTH_DEVICE_H
#define VHOTPLUG_AUTH_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

/* For a VM: the kernel configures it, and no driver of the host binds to its interfaces by that. For one device of a
 * bus at a time. False with `why`: then it is not authorised. */
bool auth_device_for_vm(int dir, const char *sys_name, char *why, size_t cap);
/* For the host: this contains its drivers' probing. False with `why`. */
bool auth_device_for_host(int dir, const char *sys_name, char *why, size_t cap);
bool auth_device_end(int dir, char *why, size_t cap); /* it loses its configuration; nobody can use it */
/* Each of its interfaces that is not authorised is so again; drivers are not offered it by that. False if all were. */
bool auth_device_interfaces(int dir, const char *sys_name);

#endif
