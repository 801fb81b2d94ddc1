/*
 * doctor_pci.h - what `vhotplug doctor` and `--check --live` say of PCI devices.
 */
#ifndef VHOTPLUG_DOCTOR_PCI_H
#define VHOTPLUG_DOCTOR_PCI_H

#include "config/conf.h"

/* How many there are, whether they have an IOMMU, and what the rules send to a VM that stays, and why. */
void doctor_pci(const struct conf *c);
/* A line for each device that a rule decides for, on standard output. */
void check_live_pci(const struct conf *c);

#endif
