/*
 * usb_desc.h - the `descriptors` attribute of a USB device: the 18-byte device descriptor, then every
 * configuration in full. Everything in it is the device's word, so each length is checked. Pure.
 */
#ifndef VHOTPLUG_USB_DESC_H
#define VHOTPLUG_USB_DESC_H

#include "base/model.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Fills vid, pid, bcd_device, class triple and the interfaces (first alternate setting of each interface of each
 * configuration, in order, duplicates of the same triple within one device kept once per interface). False with
 * *why (static text) if the bytes break the specification's framing; dev then holds the device descriptor's fields
 * if at least those were sound, and no interfaces.
 */
bool usb_desc_parse(const unsigned char *p, size_t n, struct device *dev, const char **why);
/* The class, subclass and protocol of each interface: ":030101:030102:"; nothing without interfaces. */
void usb_desc_interfaces(struct sbuf *sb, const struct device *dev);

#endif
