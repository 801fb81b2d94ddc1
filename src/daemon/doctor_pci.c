/*
 * doctor_pci.c - see doctor_pci.h. Reads the devices here and now, in no worker; decides nothing, policy_pci.c does.
 */
#include "daemon/doctor_pci.h"

#include "bus/pci_sysfs.h"
#include "cli/cli_text.h"
#include "codec/pci_names.h"
#include "config/policy_pci.h"
#include "daemon/doctor_say.h"

#include <stdio.h>
#include <string.h>

static struct device_pci list;
static struct pci_fate fates[VH_MAX_PCI];

static struct pci_host read_host(const struct conf *c) {
    pci_sysfs_list(&list);
    policy_pci_judge(c, list.row, (int)list.n, fates);
    return (struct pci_host){.row = list.row, .fate = fates, .n = (int)list.n};
}

/* "0000:00:14.3" */
static const char *address_of(const struct pci_device *d, char *text, size_t cap) {
    struct sbuf sb;
    sb_init(&sb, text, cap);
    pci_address_print(&sb, &d->address);
    return text;
}

/* Why no VM would get it although a rule decides for it; "" if one would. Nothing is cut: text has room. */
static void obstacle(const struct conf *c, const struct pci_host *h, int i, char *text, size_t cap) {
    struct sbuf why;
    sb_init(&why, text, cap);
    sb_str(&why, "it ");
    if (policy_pci_kept(c, h, i, &why))
        return;
    sb_init(&why, text, cap);
    if (h->fate[i].way == PCI_SHARED)
        sb_str(&why, "it shares its IOMMU group (pciIommuSkipIfShared)");
    else if (policy_pci_vm(c, h, i) < 0)
        sb_str(&why, "its rule names no VM that is configured");
    else if (h->row[i].grouped == 0)
        sb_str(&why, "it is in no IOMMU group");
}

/* ---- doctor ---- */

static void say_groups(const struct pci_host *h, bool wanted) {
    int grouped = 0;
    for (int i = 0; i < h->n; i++)
        grouped += h->row[i].grouped != 0;
    if (grouped > 0)
        doctor_say(FINE, "PCI: %d devices, %d of them in IOMMU groups", h->n, grouped);
    else
        doctor_say(wanted ? NOTE : FINE, "PCI: %d devices, none in an IOMMU group%s", h->n,
                   wanted ? "; none can be given to a VM (VT-d or AMD-Vi in the firmware; intel_iommu=on; "
                            "CONFIG_INTEL_IOMMU, CONFIG_AMD_IOMMU, CONFIG_ARM_SMMU_V3)"
                          : "");
}

void doctor_pci(const struct conf *c) {
    char text[VH_TEXT_MAX], address[24];
    struct pci_host h = read_host(c);
    bool wanted = false;
    for (int i = 0; i < h.n; i++)
        wanted = wanted || h.fate[i].way != PCI_NO_RULE;
    if (h.n == 0)
        return;
    say_groups(&h, wanted);
    doctor_say(FINE, "PCI names: %s", pci_names_version());
    for (int i = 0; i < h.n; i++) {
        if (h.fate[i].way == PCI_NO_RULE)
            continue;
        obstacle(c, &h, i, text, sizeof text);
        if (text[0] != '\0')
            doctor_say(NOTE, "PCI device %s: stays with the host: %s", address_of(&h.row[i], address, sizeof address),
                       text);
        else if (policy_pci_loses_route(c, &h, i))
            doctor_say(NOTE, "PCI device %s: the host loses its default route with it (general.protectUplink)",
                       address_of(&h.row[i], address, sizeof address));
    }
}

/* ---- --check --live ---- */

static void print_device(const struct conf *c, const struct pci_host *h, int i) {
    const struct pci_device *d = &h->row[i];
    const struct pci_rule *r = &c->pci_rules[h->fate[i].rule];
    char text[VH_TEXT_MAX], address[24];
    obstacle(c, h, i, text, sizeof text);
    printf("  %s %04x:%04x: ", address_of(d, address, sizeof address), (unsigned)d->vendor, (unsigned)d->device);
    if (text[0] != '\0')
        printf("host, since %s, in spite of", text);
    else
        printf("%s while it runs, by", c->vms[r->vm].name);
    printf(" pciPassthrough[%d] (line %u", h->fate[i].rule, (unsigned)r->line);
    if (r->description[0] != '\0') {
        printf(": ");
        text_print(r->description);
    }
    putchar(')');
    if (h->fate[i].way == PCI_ALONG)
        printf(" with %s", address_of(&h->row[h->fate[i].with], address, sizeof address));
    if (text[0] == '\0' && policy_pci_loses_route(c, h, i))
        printf("; the host loses its default route");
    putchar('\n');
}

void check_live_pci(const struct conf *c) {
    struct pci_host h = read_host(c);
    for (int i = 0; i < h.n; i++) {
        if (h.fate[i].way != PCI_NO_RULE)
            print_device(c, &h, i);
    }
}
