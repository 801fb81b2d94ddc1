/*
 * cli_kind.h - what a device is for, in a word or two, by the classes of its interfaces.
 */
#ifndef VHOTPLUG_CLI_KIND_H
#define VHOTPLUG_CLI_KIND_H

#include <stddef.h>

/* interfaces as lists have them, ":030101:080650:" gives "keyboard, storage"; "" is a device without any. Returns dst;
 * what does not fit is left out. */
const char *kind_of(const char *interfaces, char *dst, size_t cap);

#endif
