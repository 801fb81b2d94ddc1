/*
 * sscanf.h - sscanf for libusb alone, which reads a kernel's version and a node's numbers with it. The C library's can
 * read floating point as well, and that takes 12 KB.
 */
#ifndef VHOTPLUG_SSCANF_H
#define VHOTPLUG_SSCANF_H

/* Literals and the conversions %d %u %x with hh, h or nothing before them. Counts what was assigned, as sscanf does; a
 * format that it does not know matches nothing from there on. */
int scan_text(const char *s, const char *format, ...);

#endif
