/*
 * conf.h - the configuration file as a struct: parsed, checked, every problem reported with its position.
 * Pure: the caller reads the file. The schema is that of docs/config.md.
 */
#ifndef VHOTPLUG_CONF_H
#define VHOTPLUG_CONF_H

#include "base/limits.h"
#include "base/model.h"
#include "codec/regex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum entry_field {
    F_VID = 1 << 0,
    F_PID = 1 << 1,
    F_VENDOR_NAME = 1 << 2,
    F_PRODUCT_NAME = 1 << 3,
    F_SERIAL = 1 << 4,
    F_BUS = 1 << 5,
    F_PORT = 1 << 6,
    F_DEV_CLASS = 1 << 7,
    F_DEV_SUBCLASS = 1 << 8,
    F_DEV_PROTOCOL = 1 << 9,
    F_IF_CLASS = 1 << 10,
    F_IF_SUBCLASS = 1 << 11,
    F_IF_PROTOCOL = 1 << 12,
    F_REMOVABLE = 1 << 13,
    F_DRIVER_PATH = 1 << 14,
};

/* One allow or deny entry. */
struct entry {
    uint16_t fields; /* which of the below are given */
    uint16_t vid, pid;
    uint8_t bus;
    uint8_t dev_class, dev_sub, dev_proto, if_class, if_sub, if_proto;
    uint8_t removable; /* bit 1 << enum removable for each accepted value */
    bool enabled;
    uint32_t line;           /* in the file, from 1 */
    const char *port;        /* "2", or a path behind hubs such as "2.3"; see policy.h */
    const char *serial;      /* compared in full, case matters */
    const char *description; /* "" if none */
    struct regex vendor_name, product_name, driver_path;
};

struct rule {
    const char *description, *tag; /* "" if none */
    bool enabled, skip_on_suspend, reset_on_release;
    bool single;             /* targetVm, or only one allowed: no choice, no question */
    uint8_t nvms;            /* 0: matches but goes nowhere (all its VMs unknown) */
    uint8_t vms[VH_MAX_VMS]; /* allowed VMs, in the order written */
    vm_set vm_mask;
    uint16_t allow, nallow, deny, ndeny; /* ranges in conf.entries */
    uint32_t line;
};

enum usb_passing { PASS_AUTO, PASS_FD, PASS_PATH };

struct vm_conf {
    char name[VH_NAME_MAX];
    char type[24]; /* "qemu"; others are known but not acted on yet */
    char socket[VH_SUN_PATH_MAX];
    bool supported;
    bool retired;      /* of an earlier configuration: conf_vm() and rules do not know it */
    bool keep_monitor; /* "qmp": "keep" */
    uint32_t cid;      /* 0 if not given */
    bool uid_given;    /* only a process of this user may serve the socket */
    uint32_t uid;
    enum usb_passing passing;
    uint32_t line;
};

enum access_kind { ACCESS_CID, ACCESS_UID, ACCESS_GID, ACCESS_NET };

/* One entry of general.api.clients: who, and as what. */
struct access_conf {
    enum access_kind kind;
    enum role role;
    int vm;          /* ROLE_GUEST: of this VM; else -1 */
    uint32_t id;     /* CID, uid or gid */
    uint8_t net[16]; /* ACCESS_NET: IPv6, or IPv4 mapped into it */
    uint8_t bits;    /* of it that count */
};

enum cid_policy { CIDS_NOBODY, CIDS_LISTED, CIDS_ANY };

struct api_conf {
    bool enable, unix_on, tcp_on, vsock_on;
    char host[64]; /* numeric IPv4 or IPv6 address, or "localhost" */
    uint16_t tcp_port;
    uint32_t vsock_port;
    char unix_path[VH_SUN_PATH_MAX];
    char unix_user[VH_NAME_MAX], unix_group[VH_NAME_MAX]; /* "" if not given */
    uint16_t unix_mode;
    enum cid_policy cid_policy;
    uint32_t cids[VH_MAX_CIDS];
    uint16_t ncids;
    bool only_clients; /* general.api.clients is given: who is in no entry of it has no access */
    uint16_t naccess;
    struct access_conf access[VH_MAX_ACCESS]; /* of `clients`, else of the VMs with a "cid"; the first match decides */
    uint16_t peer_clients;                    /* connections of one peer */
    uint32_t peer_rate;                       /* requests per second of one peer that is no admin */
    uint16_t line_seconds;                    /* for a line to be finished */
};

struct conf {
    bool rule_match_any; /* general.ruleMatch "any": the peers' reading */
    bool persistency;
    char state_path[VH_PATH_MAX];
    uint32_t lease_seconds;
    bool release_on_exit;
    struct api_conf api;
    uint16_t nrules, nentries, nvms;
    struct rule rules[VH_MAX_RULES];
    uint64_t not_of[VH_MAX_RULES]; /* by policy_index(): kinds of vendors of which no device fits the rule */
    struct entry entries[VH_MAX_ENTRIES];
    struct vm_conf vms[VH_MAX_VMS];
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
};

typedef void conf_diag_fn(const struct diag *d, void *arg);

void conf_default(struct conf *c); /* no file: unix API, no VMs, no rules */
/* Parses text into *c, reporting every problem found, in the order of the file. False if any was an error; *c is then
 * not to be used. Notes are for --check: entries where the two readings of ruleMatch differ, VMs that no rule uses. Not
 * reentrant (static scratch). Neither function touches more of *c than it fills: unused table rows stay untouched
 * pages. The strings of *c point into *c: it must not be copied. */
bool conf_parse(struct conf *c, const char *text, size_t len, conf_diag_fn *report, void *arg);
int conf_vm(const struct conf *c, const char *name); /* index or -1 */
const char *conf_field_name(int bit);                /* of enum entry_field, by the number of its bit: "vendorId" */
/* Moves the VMs of a freshly parsed configuration to the indices that they have in `old`, the one in force. VMs of old
 * that are gone from fresh stay as retired rows if they are in `busy`. False if there are not enough rows; fresh is
 * then not to be used. Not reentrant. */
bool conf_align(struct conf *fresh, const struct conf *old, vm_set busy);
bool conf_same_vm(const struct vm_conf *a, const struct vm_conf *b); /* by name, type and socket */
/* Returns the static scratch memory used by conf_parse, so that the caller may give its pages back to the kernel.
 * Aligned to 4096 bytes; where pages are larger, round inward. */
void *conf_scratch(size_t *size);

#endif
