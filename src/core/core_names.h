/*
 * core_names.h - names of states and operations, for traces of the simulation and for the tables of README.md.
 */
#ifndef VHOTPLUG_CORE_NAMES_H
#define VHOTPLUG_CORE_NAMES_H

#include "core/core.h"

extern const char *const slot_state_name[SLOT_STATES];
extern const char *const question_state_name[QUESTION_STATES];
extern const char *const vm_state_name[VM_STATES];
extern const char *const op_kind_name[OP_KINDS];
extern const char *const revoke_state_name[REVOKE_STATES];

#endif
