/*
 * conf.h - the configuration file as a struct: parsed, checked, every problem reported with its position.
 * Pure: the caller reads the file. The schema is that of docs/config.md.
 */
#ifndef VHOTPLUG_CONF_H
#define VHOTPLUG_CONF_H

#include "base/limits.h"
#include "base/model.h"
#include "codec/regex.h"
#include "config/conf_acpi.h"
#include "config/conf_api.h"
#include "config/conf_authorization.h"
#include "config/conf_evdev.h"
#include "config/conf_pci.h"
#include "config/conf_rule.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vm_kind { VM_KIND_USB = 1 << 0, VM_KIND_PCI = 1 << 1, VM_KIND_EVDEV = 1 << 2 };

/* Of a VM's control socket. */
enum vm_socket {
    VM_STREAM,  /* SOCK_STREAM, and the VMM greets */
    VM_API,     /* SOCK_STREAM, and the VMM only answers */
    VM_PACKETS, /* SOCK_SEQPACKET */
    VM_EITHER,  /* each connection finds out */
};

/* The one list of VM types. main.c holds its VMM implementations to it at start: one for each supported type
 * but that which stands for any of them. */
struct vm_type {
    const char *name;
    bool supported; /* else accepted, but its VMs get no devices */
    unsigned kinds; /* of devices that such a VM can take while it runs: a union of enum vm_kind */
    unsigned given; /* those of them that the daemon gives it */
    enum vm_socket listens;
};
enum { CONF_VM_TYPES = 4 };
extern const struct vm_type conf_vm_types[CONF_VM_TYPES];

/* Which devices the host's drivers never see: none; those that a rule may give to a VM; all but those of rules with
 * "host". */
enum quarantine { QUARANTINE_OFF, QUARANTINE_RULES, QUARANTINE_ALL };

enum usb_passing { PASS_AUTO, PASS_FD, PASS_PATH };

struct vm_conf {
    char name[VH_NAME_MAX];
    char type[24]; /* a name of conf_vm_types[] */
    char socket[VH_SUN_PATH_MAX];
    bool supported; /* its type is */
    unsigned kinds; /* of devices that its type can take */
    unsigned given; /* those of them that it is given */
    enum vm_socket listens;
    bool retired;      /* of an earlier configuration: conf_vm() and rules do not know it */
    bool keep_monitor; /* "qmp": "keep" */
    uint32_t cid;      /* 0 if not given */
    bool uid_given;    /* only a process of this user may serve the socket */
    uint32_t uid;
    enum usb_passing passing;
    char usb_bus[VH_NAME_MAX]; /* its USB devices go to this bus, "" any */
    bool revoke;               /* what it had is revoked: its word that it has given it back is not relied on */
    uint32_t line;
};

/* A place of the host where devices are plugged in: one socket, or several that belong together. */
struct connector {
    const char *name;
    uint32_t line;
    bool is_socket;         /* its ports are the sides of one socket: no two are ports of one root hub */
    uint16_t ports, nports; /* a range in conf.connector_ports */
};

struct conf {
    bool rule_match_any; /* general.ruleMatch "any": the reading of the older daemons */
    bool persistency;
    char state_path[VH_PATH_MAX];
    char record_path[VH_PATH_MAX];
    bool closed_on_loss; /* general.onCorruptState "closed" */
    uint32_t lease_seconds;
    bool release_on_exit;
    enum quarantine quarantine;
    struct authorization authorization;
    bool protect_uplink;               /* no adapter of a default route goes to a VM */
    const char *ovmf_code, *ovmf_vars; /* "" none */
    struct api_conf api;
    uint16_t nrules, nentries, nclasses, nvms;
    uint16_t nconnectors, nconnector_ports, nplaces;
    struct connector connectors[VH_NAMED_CONNECTORS];
    const char *connector_ports[VH_CONNECTOR_PORTS]; /* stable paths */
    struct entry_place places[VH_CONNECTOR_PLACES];
    struct rule rules[VH_MAX_RULES];
    uint64_t not_of[VH_MAX_RULES]; /* by policy_index(): kinds of vendors whose devices never fit the rule */
    struct entry entries[VH_MAX_ENTRIES];
    struct iface_class classes[VH_MAX_CLASSES];
    struct vm_conf vms[VH_MAX_VMS];
    uint16_t npci_rules, npci_entries;
    struct pci_rule pci_rules[VH_MAX_PCI_RULES];
    struct pci_entry pci_entries[VH_MAX_PCI_ENTRIES];
    uint16_t nevdev_rules, nevdev_entries, nacpi_rules, nacpi_tables;
    struct evdev_rule evdev_rules[VH_MAX_EVDEV_RULES];
    struct evdev_entry evdev_entries[VH_MAX_EVDEV_ENTRIES];
    struct acpi_rule acpi_rules[VH_MAX_ACPI_RULES];
    struct acpi_table acpi_tables[VH_MAX_ACPI_TABLES];
    struct regex_pool regexes;
    uint32_t nstrings;
    char strings[VH_CONF_STRINGS];
};

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag {
    enum diag_level level;
    unsigned line, column; /* from 1; 0 if it concerns the whole file */
    const char *path;      /* "usbPassthrough[2].allow[0].vendorId" */
    const char *text;
    unsigned count; /* of problems that this stands for: more than 1 if they are not shown one by one */
};

typedef void conf_diag_fn(const struct diag *d, void *arg);

void conf_default(struct conf *c); /* no file: unix API, no VMs, no rules */
/* Parses text into *c, reporting every problem found, in the order of the file. False if any was an error; *c is then
 * not to be used. Notes are for --check: entries where the two readings of ruleMatch differ, VMs that no rule uses. Not
 * reentrant (static scratch). Neither function touches more of *c than it fills: unused table rows stay untouched
 * pages. The strings of *c point into *c: it must not be copied. */
bool conf_parse(struct conf *c, const char *text, size_t len, conf_diag_fn *report, void *arg);
/* The same at a reload: also an error is a rule that never applies and that applied in `old`, the one in force. */
bool conf_parse_again(struct conf *c, const struct conf *old, const char *text, size_t len, conf_diag_fn *report,
                      void *arg);
int conf_vm(const struct conf *c, const char *name); /* index or -1 */
int conf_rules(const struct conf *c);                /* how many rules, of all kinds of devices */
/* The arrays other than usbPassthrough with an enabled rule for this VM. */
enum { OTHER_PCI = 1 << 0, OTHER_EVDEV = 1 << 1, OTHER_ACPI = 1 << 2 };
unsigned conf_other_rules(const struct conf *c, int vm);
const char *conf_pci_field_name(int bit); /* of enum pci_field, by the number of its bit: "address" */
const char *conf_field_name(int bit);     /* of enum entry_field, by the number of its bit: "vendorId" */
/* Moves the VMs of a freshly parsed configuration to the indices that they have in `old`, the one in force. VMs of old
 * that are gone from fresh stay as retired rows if they are in `busy`. False if there are not enough rows; fresh is
 * then not to be used. Not reentrant. */
bool conf_align(struct conf *fresh, const struct conf *old, vm_set busy);
bool conf_gives_pci(const struct conf *c);                           /* is there an enabled rule of pciPassthrough? */
bool conf_same_vm(const struct vm_conf *a, const struct vm_conf *b); /* by name, type and socket */
/* Returns the static scratch memory used by conf_parse, so that the caller may give its pages back to the kernel.
 * Aligned to 4096 bytes; where pages are larger, round inward. */
void *conf_scratch(size_t *size);

#endif
