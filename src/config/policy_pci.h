/*
 * policy_pci.h - which rule of pciPassthrough decides for a device, what its IOMMU group changes, and what stays with
 * the host whatever the rules say. Pure.
 *
 * With general.ruleMatch "all" every given field of an entry must match. With "any" an entry matches by its address, by
 * vendorId and deviceId together, or by its class; each is enough. The first enabled rule decides that has an allow
 * entry that matches and no deny entry that does.
 */
#ifndef VHOTPLUG_POLICY_PCI_H
#define VHOTPLUG_POLICY_PCI_H

#include "base/str.h"
#include "codec/pci_device.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stdint.h>

bool policy_pci_matches(const struct conf *c, const struct pci_entry *e, const struct pci_device *d);
unsigned policy_pci_misses(const struct pci_entry *e, const struct pci_device *d); /* given fields that differ */
bool policy_pci_can_match(const struct conf *c, const struct pci_entry *e);        /* does it fit any device at all? */
/* The rule that decides, -1 none. *entry: the allow entry by which it does; entries are numbered in the order of the
 * file, so lists go by this number. */
int policy_pci_rule(const struct conf *c, const struct pci_device *d, int *entry);

/* What becomes of a device among all devices of the host. */
enum pci_way {
    PCI_NO_RULE, /* no rule decides for it, and it goes along with no other device */
    PCI_BY_RULE,
    PCI_ALONG,  /* with the device `with`, because that one's rule has pciIommuAddAll */
    PCI_SHARED, /* its rule has pciIommuSkipIfShared, and another device is in its group */
};
struct pci_fate {
    enum pci_way way;
    int rule;  /* -1 none; that of `with` if it goes along */
    int entry; /* of the allow entry by which the rule decides */
    int with;  /* -1 none */
};
/* Fills fate[] for n devices: all of the host, since a group has to be known whole. */
void policy_pci_judge(const struct conf *c, const struct pci_device *row, int n, struct pci_fate *fate);

/* Devices with their fates. */
struct pci_host {
    const struct pci_device *row;
    const struct pci_fate *fate;
    int n;
};
/* Where it stands in lists, which go by the entries that match, then by addresses. Never 0. */
uint64_t policy_pci_place(const struct pci_host *h, int i);
/* The VM that the rules send it to, -1 none. It may stay with the host all the same. */
int policy_pci_vm(const struct conf *c, const struct pci_host *h, int i);
/* Does the device stay with the host whatever the rules say? Then *why says for what: "holds the mounted file system
 * /". Names of VMs are in it if the rules of its group differ. */
bool policy_pci_kept(const struct conf *c, const struct pci_host *h, int i, struct sbuf *why);
/* Uses of the device by the host in spite of which it goes, by the configuration: enum pci_use. */
unsigned policy_pci_despite(const struct conf *c, const struct pci_host *h, int i);
/* Does the host lose its default route with this device, and the configuration allows that? */
bool policy_pci_loses_route(const struct conf *c, const struct pci_host *h, int i);

#endif
