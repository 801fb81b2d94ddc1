/*
 * cli_kind.h - what a device is for, in a word or two, by the classes of its interfaces.
 */
#ifndef VHOTPLUG_CLI_KIND_H
#define VHOTPLUG_CLI_KIND_H

#include <stdbool.h>
#include <stddef.h>

/* interfaces as lists have them, ":030101:080650:" gives "keyboard, storage"; "" is a device without any. Returns dst;
 * what does not fit is left out. */
const char *kind_of(const char *interfaces, char *dst, size_t cap);
/* Class, subclass and protocol that say what the device is; -1 for those that do not count. False if nothing does. */
bool kind_class(const char *interfaces, int triple[3]);
bool kind_has(const char *interfaces, const int triple[3]); /* has an interface this class? */
const char *kind_of_pci(int class, int subclass);           /* of a PCI device: "network"; "-" if it has no word */

#endif
