/*
 * conf_read.h - the reader that the files of the conf family share, and no other: values out of JSON tokens, with their
 * type and range checked.
 */
#ifndef VHOTPLUG_CONF_READ_H
#define VHOTPLUG_CONF_READ_H

#include "codec/json.h"
#include "config/conf.h"
#include "config/conf_keys.h"
#include "config/conf_report.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Static memory that only conf_parse() needs, while it runs. */
struct conf_scratch {
    _Alignas(4096) jsmntok_t tok[VH_CONF_TOKENS];
    struct problems problems;
    int vm_tok[VH_MAX_VMS], rule_tok[VH_MAX_RULES], entry_tok[VH_MAX_ENTRIES]; /* where each row was read */
    int pci_rule_tok[VH_MAX_PCI_RULES], pci_entry_tok[VH_MAX_PCI_ENTRIES];
    int evdev_rule_tok[VH_MAX_EVDEV_RULES], evdev_entry_tok[VH_MAX_EVDEV_ENTRIES];
};

struct reader {
    struct conf *c;
    struct json j;
    struct report report;
    struct conf_scratch *scratch;
    uint32_t said_later_only[OBJ_COUNT];
    bool misspelt; /* the object read last has a key that is an error: what is missing there may be that key's */
    bool foreign;  /* a key or a VM type that only the older daemons act on, or ruleMatch: two readings may matter */
    bool connectors_unread; /* a connector has an error in its name: entries may name that one */
    bool vms_unread;        /* a VM has an error in its name: rules may name that one */
    int api_object;         /* general.api, -1 none */
    size_t line_at;         /* the line counter's place */
    uint32_t line;
};

#define rd_error(r, tok, ...) report_say(&(r)->report, DIAG_ERROR, tok, __VA_ARGS__)
#define rd_warn(r, tok, ...) report_say(&(r)->report, DIAG_WARNING, tok, __VA_ARGS__)
#define rd_note(r, tok, ...) report_say(&(r)->report, DIAG_NOTE, tok, __VA_ARGS__)
#define rd_expected(r, tok, what) report_expected(&(r)->report, tok, what)

uint32_t rd_line(struct reader *r, int tok);

/* Checks that tok is an object and fills v[]: for each key of o its value's token, -1 if absent or null. Unknown and
 * not yet supported keys are reported. */
bool rd_object(struct reader *r, int tok, enum conf_object o, int *v);
bool rd_array(struct reader *r, int tok, const char *what); /* false after an error if it is none */

/* Each reads one value. False after an error; for tok -1 the target stays as it is and the result is true. */
bool rd_bool(struct reader *r, int tok, bool *out);
/* A number, or the same in decimal digits as a string. */
bool rd_uint(struct reader *r, int tok, uint64_t min, uint64_t max, const char *what, uint64_t *out);
bool rd_copy(struct reader *r, int tok, char *dst, size_t cap, const char *what);
bool rd_path(struct reader *r, int tok, char *dst, size_t cap); /* an absolute path */
bool rd_choice(struct reader *r, int tok, const char *const *names, int n, const char *what, int *out);
/* Into the configuration's string store; NULL after an error. */
const char *rd_keep(struct reader *r, int tok);
/* "disable" and "enable"; disable wins, as in rules of the older daemons. */
bool rd_enabled(struct reader *r, int enable, int disable);

/* What rules of every kind have. */
const char *rd_raw(const struct reader *r, int tok, size_t *n);     /* a string without unescaping: for plain ASCII */
const char *rd_raw_hex(const struct reader *r, int tok, size_t *n); /* the same without a 0x */
bool rd_id(struct reader *r, int tok, uint16_t *out);               /* a string of 4 hex digits */
bool rd_empty(const struct reader *r, int tok);                     /* absent, "" or [] */
const char *rd_description(struct reader *r, int tok);              /* "" if absent */
void rd_tag(struct reader *r, int tok, const char **out);
/* The VM of this name. False, after a warning with a suggestion, if there is none: one configuration often serves
 * several hosts. */
bool rd_vm(struct reader *r, int tok, int *out);
/* The only VM of a rule. Without a name the rule never decides, as in the older daemons; with that of a VM that is not
 * there it does, and its devices stay: `nowhere` says so (NULL: nothing does). */
void rd_target(struct reader *r, int object, int tok, const char *nowhere, bool *enabled, int8_t *vm);
#define GOES_NOWHERE "the rule goes nowhere: a device that it decides for stays with the host"
bool rd_pattern(struct reader *r, int tok, struct regex *out);

/* ---- the other files: one for each part of the configuration ---- */
void conf_read_connectors(struct reader *r, int array); /* -1: there are none; before the rules, which name them */
bool conf_read_places(struct reader *r, struct entry *e, int tok); /* `connector` of an entry */
void conf_read_rules(struct reader *r, int array);
/* Entries of rules, or of what has entries like them; *n of them from *first on. */
void conf_read_entries(struct reader *r, int array, bool denies, uint16_t *first, uint16_t *n);
void conf_read_authorization(struct reader *r, int object); /* conf_authorization.c; after the rules */
void conf_read_pci(struct reader *r, int array);            /* conf_pci.c; after the VMs */
void conf_read_evdev(struct reader *r, int tok);            /* conf_evdev.c; after the VMs */
void conf_read_acpi(struct reader *r, int array);           /* conf_acpi.c; after the VMs */
void conf_read_api(struct reader *r, int object);
void conf_read_limits(struct reader *r, int object);
void conf_read_clients(struct reader *r, int api_object); /* after the VMs; -1: there is no general.api */
void conf_lint(struct reader *r);
void conf_lint_pci(struct reader *r);                     /* conf_pci_lint.c */
void conf_lint_evdev(struct reader *r);                   /* conf_evdev_lint.c */
void conf_lost(struct reader *r, const struct conf *old); /* conf_lost.c; when nothing else is wrong */

#endif
