/*
 * usb_desc.h - the `descriptors` attribute of a USB device: the 18-byte device descriptor, then every
 * configuration in full. Everything in it is the device's word, so each length is checked. Pure.
 */
#ifndef VHOTPLUG_USB_DESC_H
#define VHOTPLUG_USB_DESC_H

#include "base/limits.h"
#include "base/model.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Fills vid, pid, bcd_device, class triple and the interfaces (first alternate setting of each interface of each
 * configuration, in order, duplicates of the same triple within one device kept once per interface). False with
 * *why (static text) if the bytes break the specification's framing; dev then holds the device descriptor's fields
 * if at least those were sound, and no interfaces.
 */
bool usb_desc_parse(const unsigned char *p, size_t n, struct device *dev, const char **why);
/* ":030101:030102:" or "" without interfaces; false if cap is too small. */
bool usb_desc_interfaces(const struct device *dev, char *dst, size_t cap);

#endif
