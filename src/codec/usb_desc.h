/*
 * usb_desc.h - the `descriptors` attribute of a USB device: the 18-byte device descriptor, then every configuration in
 * full. The device writes all of it, so each length is checked. Pure.
 */
#ifndef VHOTPLUG_USB_DESC_H
#define VHOTPLUG_USB_DESC_H

#include "base/model.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Fills vid, pid, bcd_device, the class triple, isochronous, the configurations and the interfaces: each class,
 * subclass and protocol of each interface number once, over all alternate settings of all configurations, in order.
 * What is odd, but hides nothing, is said in `note`. False with *why (static text) if it cannot be told which
 * interfaces there are; dev then has none, and the fields of the device descriptor only if that descriptor is sound.
 */
bool usb_desc_parse(const unsigned char *p, size_t n, struct device *dev, char note[VH_NOTE_MAX], const char **why);
/* The class, subclass and protocol of each row: ":030101:030102:"; nothing without interfaces. */
void usb_desc_interfaces(struct sbuf *sb, const struct device *dev);

#endif
