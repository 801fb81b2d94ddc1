/*
 * vm_input_id.c - see vm_input_id.h. Never says whether a VM has the device, nor which device has the number now.
 */
#include "codec/vm_input_id.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

static const char id_prefix[] = "vhp-evdev-event", node_prefix[] = "/dev/input/event";

/* The number behind the prefix, without a zero before it. */
static bool parse(const char *text, const char *prefix, uint16_t *number) {
    size_t n = strlen(prefix);
    uint64_t v = 0;
    if (!str_starts(text, prefix) || (text[n] == '0' && text[n + 1] != '\0') ||
        !str_uint(text + n, strlen(text + n), UINT16_MAX, &v))
        return false;
    *number = (uint16_t)v;
    return true;
}

void vm_input_id_print(char id[VH_OPID_MAX], uint16_t number) {
    bool fits = str_fmt(id, VH_OPID_MAX, "%s%u", id_prefix, (unsigned)number);
    VH_ASSERT(fits);
}

bool vm_input_id_parse(const char *id, uint16_t *number) {
    return parse(id, id_prefix, number);
}

void input_node_print(char node[VH_NODE_MAX], uint16_t number) {
    bool fits = str_fmt(node, VH_NODE_MAX, "%s%u", node_prefix, (unsigned)number);
    VH_ASSERT(fits);
}

bool input_node_parse(const char *node, uint16_t *number) {
    return parse(node, node_prefix, number);
}
