/*
 * vm_ports.h - the USB ports that a VM offers: its buses, and which ports of them are in use, as its VMM told when the
 * VM was listed. Plain data, filled by a VMM's protocol (vmm.h) and read by the core. No state.
 */
#ifndef VHOTPLUG_VM_PORTS_H
#define VHOTPLUG_VM_PORTS_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* Speeds of USB; a set of them is a union. */
enum usb_speed {
    USB_SPEED_LOW = 1 << 0,
    USB_SPEED_FULL = 1 << 1,
    USB_SPEED_HIGH = 1 << 2,
    USB_SPEED_SUPER = 1 << 3, /* and above */
};
enum { USB_SPEEDS = 4 };

enum vm_controller { VM_UHCI, VM_OHCI, VM_EHCI, VM_XHCI, VM_CONTROLLERS };

struct vm_bus {
    char name[VH_NAME_MAX]; /* as the VMM calls it: "xhci.0" */
    uint8_t controller;     /* enum vm_controller */
};

struct vm_port {
    char path[VH_VM_PORT_PATH]; /* "3"; "3.1" is behind the hub at 3 */
    uint8_t bus;                /* index */
    uint8_t speeds;             /* that it takes: a union of enum usb_speed */
    bool behind_hub;            /* a hub of the VM, which is a full-speed one */
    bool used;                  /* by anything: a hub, a device of the VM itself, a device of the host */
    uint8_t busnum, devnum;     /* of the device of ours that is there; 0: none */
};

struct vm_ports {
    bool known; /* all of it; else the rest says nothing */
    uint8_t nbuses, nports;
    struct vm_bus bus[VH_VM_BUSES];
    struct vm_port port[VH_VM_PORTS];
};

const char *usb_speed_name(unsigned n); /* of 1 << n: "low" */
const char *vm_controller_name(unsigned controller);

#endif
