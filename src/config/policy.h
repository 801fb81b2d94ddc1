/*
 * policy.h - which rule decides for a device. Pure. A rule applies if it is enabled, an allow entry matches and no deny
 * entry does; the first applicable rule decides. A malformed device matches no allow entry.
 *
 * An entry without any field, or a disabled one, matches nothing. "all" (the default): every field given must match,
 * the interface fields on one and the same interface; `port` is that port alone, "2" a root port and "2.3" one behind a
 * hub.
 *
 * "any" (general.ruleMatch, the reading of the older daemons): one of these groups suffices - vendorId with productId,
 * vendorName, productName, bus with port, device class, interface class, driverPath - where a group's given fields must
 * all match, and a port without a dot also matches devices behind a hub there. `removable`, `serial`,
 * `allInterfaces` and `connector` always restrict; the latter three may stand alone. driverPath matches only where no
 * interface has a class other than 0 or 255; one of several modules suffices.
 *
 * connector: the device is at one of these connectors or behind a hub there; with `direct`, only at it.
 *
 * allInterfaces: each interface is of one of the classes, and there is one. A malformed device never matches.
 */
#ifndef VHOTPLUG_POLICY_H
#define VHOTPLUG_POLICY_H

#include "base/model.h"
#include "config/conf.h"

/* Called when all rules are read, so that policy_rule() can skip most rules of a long list. Optional. */
void policy_index(struct conf *c);
/* The deciding rule's index, or -1 if none applies. */
int policy_rule(const struct conf *c, const struct device *dev);
/* With general.quarantine: do the host's drivers never see this device with that rule (NULL: none)? No hub is asked
 * about. What usbAuthorization names for the host (hostAllow) is the host's, unless a rule gives it to a VM. */
bool policy_keeps_from_host(const struct conf *c, enum quarantine q, const struct rule *r, const struct device *dev);
/* With usbAuthorization: is it one of the devices that are authorised for the host? Else for the VM alone that gets it.
 */
bool policy_authorises(const struct conf *c, const struct rule *r, const struct device *dev);
/* Does a deny entry of any enabled rule match? For devices without a rule: "unknown" is not "forbidden". */
bool policy_denies(const struct conf *c, const struct device *dev);
/* In the configured reading. Ignores whether the device is malformed; policy_rule() checks that. */
bool policy_entry_matches(const struct conf *c, const struct entry *e, const struct device *dev);
/* Fields of e (enum entry_field bits) that do not match dev, under the strict reading. 0: all match. Of the interface
 * fields, those that fail on the interface where the fewest do. */
uint32_t policy_entry_misses(const struct conf *c, const struct entry *e, const struct device *dev);

/* Which interface of dev is of none of the classes of e's allInterfaces; -1 none. */
int policy_stray_iface(const struct conf *c, const struct entry *e, const struct device *dev);

#endif
