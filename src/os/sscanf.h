/*
 * sscanf.h - sscanf for libusb only, which reads the kernel's version and the numbers of a node with it. The C
 * library's sscanf also reads floating point and takes 12 KB.
 */
#ifndef VHOTPLUG_SSCANF_H
#define VHOTPLUG_SSCANF_H

/* Literals and the conversions %d %u %x with hh, h or nothing before them. Returns the number of values assigned, as
 * sscanf does; an unknown conversion ends the scan. */
int scan_text(const char *s, const char *format, ...);

#endif
