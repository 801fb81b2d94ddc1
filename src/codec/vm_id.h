/*
 * vm_id.h - the id that a device gets in a VM: "vhp-usb-<bus>-<address>", written and read. Pure.
 *
 * The prefix tells our devices from others in a listing of a VM. The numbers tell which device it was when it was
 * attached; the kernel uses them again for other devices later.
 */
#ifndef VHOTPLUG_VM_ID_H
#define VHOTPLUG_VM_ID_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

void vm_id_print(char id[VH_OPID_MAX], uint8_t bus, uint8_t devnum);
void vm_id_print_port(char id[VH_OPID_MAX], uint8_t port); /* in a VM that names nothing: "port 9" */
/* True if the id has our prefix and no number with a leading zero, which would be another id than the one that these
 * numbers are printed as. *bus and *devnum stay as they were if the rest is not of this form: an id of another
 * version of this program. */
bool vm_id_parse(const char *id, uint8_t *bus, uint8_t *devnum);

#endif
