/*
 * vm_input_id.h - the id that an input device of the host gets in a VM, "vhp-evdev-event4", and the path of its node,
 * "/dev/input/event4": both of its number, written and read. Pure.
 *
 * Other ids with this prefix are of whoever started the VM: "vhp-evdev-0" is one that a command line has.
 */
#ifndef VHOTPLUG_VM_INPUT_ID_H
#define VHOTPLUG_VM_INPUT_ID_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

void vm_input_id_print(char id[VH_OPID_MAX], uint16_t number);
bool vm_input_id_parse(const char *id, uint16_t *number); /* only exactly as it is printed */
void input_node_print(char node[VH_NODE_MAX], uint16_t number);
bool input_node_parse(const char *node, uint16_t *number); /* likewise */

#endif
