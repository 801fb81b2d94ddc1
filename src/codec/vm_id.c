/*
 * vm_id.c - the id of a device in a VM. Never says whether the VM has it.
 */
#include "codec/vm_id.h"

#include "base/log.h"
#include "base/str.h"
#include "codec/usb_place.h"

#include <string.h>

static const char prefix[] = "vhp-usb-";

void vm_id_print(char id[VH_OPID_MAX], uint8_t bus, uint8_t devnum) {
    VH_ASSERT(str_fmt(id, VH_OPID_MAX, "%s%u-%u", prefix, (unsigned)bus, (unsigned)devnum));
}

void vm_id_print_port(char id[VH_OPID_MAX], uint8_t port) {
    VH_ASSERT(str_fmt(id, VH_OPID_MAX, "port %u", (unsigned)port));
}

/* "01" is no number that vm_id_print() writes: such an id is another program's, and the name of another device. */
static bool has_leading_zero(const char *s) {
    return s[0] == '0' && s[1] >= '0' && s[1] <= '9';
}

bool vm_id_parse(const char *id, uint8_t *bus, uint8_t *devnum) {
    uint64_t b = 0, d = 0;
    if (!str_starts(id, prefix))
        return false;
    const char *s = id + sizeof prefix - 1, *dash = strchr(s, '-');
    if (has_leading_zero(s) || (dash != NULL && has_leading_zero(dash + 1)))
        return false;
    if (dash != NULL && str_uint(s, (size_t)(dash - s), UINT8_MAX, &b) &&
        str_uint(dash + 1, strlen(dash + 1), USB_DEVNUM_MAX, &d)) {
        *bus = (uint8_t)b;
        *devnum = (uint8_t)d;
    }
    return true;
}
