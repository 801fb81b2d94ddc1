/*
 * cli_match.c - holds devices of a list against what was asked for. Pure.
 */
#include "cli/cli_match.h"

#include <stddef.h>

bool match_vm(const struct json *j, int device, const char *vm) {
    if (vm == NULL || json_string_is(j, json_get(j, device, "vm"), vm))
        return true;
    for (int a = json_first(j, json_get(j, device, "allowed_vms")); a >= 0; a = json_next(j, a)) {
        if (json_string_is(j, a, vm))
            return true;
    }
    return false;
}
