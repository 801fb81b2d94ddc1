/*
 * vm_ports.c - the words for speeds and controllers. Owns nothing else.
 */
#include "base/vm_ports.h"

const char *usb_speed_name(unsigned n) {
    static const char names[USB_SPEEDS][6] = {"low", "full", "high", "super"};
    return names[n < USB_SPEEDS ? n : 0];
}

const char *vm_controller_name(unsigned controller) {
    static const char names[VM_CONTROLLERS][5] = {"uhci", "ohci", "ehci", "xhci"};
    return names[controller < VM_CONTROLLERS ? controller : 0];
}
