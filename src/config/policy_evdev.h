/*
 * policy_evdev.h - which rule of evdevPassthrough decides for an input device. Pure. A rule applies if it is enabled,
 * an allow entry matches and no deny entry does; the first applicable rule decides.
 *
 * A device on USB is none of evdevPassthrough's: rules of usbPassthrough decide for it. An entry without any field, or
 * a disabled one, matches nothing. The fields are the name, the path's tag, and a property with its value: with "all"
 * (the default of general.ruleMatch) each that is given must match, with "any", the reading of the older daemons, one
 * suffices. Patterns match from the start; case does not matter, in values neither.
 */
#ifndef VHOTPLUG_POLICY_EVDEV_H
#define VHOTPLUG_POLICY_EVDEV_H

#include "codec/input_device.h"
#include "config/conf.h"

/* The deciding rule's index, or -1 if none applies. *entry: the allow entry by which it does; entries are numbered in
 * the order of the file, so what goes in their order goes by this number. */
int policy_evdev_rule(const struct conf *c, const struct input_device *d, int *entry);
bool policy_evdev_entry_matches(const struct conf *c, const struct evdev_entry *e, const struct input_device *d);

#endif
