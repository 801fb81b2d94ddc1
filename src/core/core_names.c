/*
 * core_names.c - owns the names of states and operations. Clients never see them: core_view.c has the words for lists.
 */
#include "core/core_names.h"

/* The initialisers give the lengths, so that a value without a name does not compile. */
#define NAMES(table, n, ...)                                                                                           \
    _Static_assert(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *) == (n), "each value has a name"); \
    const char *const table[n] = {__VA_ARGS__}

NAMES(slot_state_name, SLOT_STATES, "free", "present", "leaving", "dead");
NAMES(question_state_name, QUESTION_STATES, "none", "open", "closed");
NAMES(vm_state_name, VM_STATES, "down", "unknown", "up");
NAMES(op_kind_name, OP_KINDS, "none", "list", "attach", "detach");
NAMES(revoke_state_name, REVOKE_STATES, "none", "under way", "certain", "uncertain");
