/*
 * qemu_info_usb.h - the ports of a QEMU, by its `info usb`. Pure.
 */
#ifndef VHOTPLUG_QEMU_INFO_USB_H
#define VHOTPLUG_QEMU_INFO_USB_H

#include "vmm/qemu_ports.h"

/* Fills p->ports but for `known`. The text is taken apart. False: it does not agree with what QOM said. */
bool qemu_info_usb_join(struct qemu_ports *p, char *text);

#endif
