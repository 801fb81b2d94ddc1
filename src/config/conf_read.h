/*
 * conf_read.h - inside the conf family only: the reader that conf*.c share. Values out of JSON tokens with their type
 * and range checked, keys against tables, problems collected with token, path and text.
 */
#ifndef VHOTPLUG_CONF_READ_H
#define VHOTPLUG_CONF_READ_H

#include "codec/json.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The objects of the schema; each has a table of its keys. */
enum conf_object { OBJ_ROOT, OBJ_GENERAL, OBJ_API, OBJ_VM, OBJ_RULE, OBJ_ENTRY, OBJ_CLIENT, OBJ_LIMITS, OBJ_COUNT };

enum root_key { ROOT_USB, ROOT_VMS, ROOT_GENERAL, ROOT_DESCRIPTION, ROOT_SCHEMA, ROOT_KEYS };
enum general_key {
    GEN_API,
    GEN_RULE_MATCH,
    GEN_PERSISTENCY,
    GEN_STATE_PATH,
    GEN_LEASE,
    GEN_RELEASE,
    GEN_DESCRIPTION,
    GENERAL_KEYS
};
enum api_key {
    API_ENABLE,
    API_DISABLE,
    API_TRANSPORTS,
    API_HOST,
    API_PORT,
    API_TCP_PORT,
    API_VSOCK_PORT,
    API_ALLOWED_CIDS,
    API_UNIX_SOCKET,
    API_UNIX_USER,
    API_UNIX_GROUP,
    API_UNIX_MODE,
    API_CLIENTS,
    API_LIMITS,
    API_DESCRIPTION,
    API_KEYS
};
enum vm_key { VMK_NAME, VMK_TYPE, VMK_SOCKET, VMK_CID, VMK_UID, VMK_QMP, VMK_PASSING, VMK_DESCRIPTION, VM_KEYS };
enum client_key { CLI_CID, CLI_UID, CLI_GID, CLI_TCP, CLI_ROLE, CLI_VM, CLI_DESCRIPTION, CLIENT_KEYS };
enum limit_key { LIM_CLIENTS, LIM_RATE, LIM_LINE, LIM_DESCRIPTION, LIMIT_KEYS };
enum rule_key {
    RULE_DESCRIPTION,
    RULE_TARGET,
    RULE_ALLOWED,
    RULE_ALLOW,
    RULE_DENY,
    RULE_TAG,
    RULE_SKIP,
    RULE_RESET,
    RULE_ENABLE,
    RULE_DISABLE,
    RULE_KEYS
};
enum entry_key {
    ENT_VENDOR_ID,
    ENT_PRODUCT_ID,
    ENT_VENDOR_NAME,
    ENT_PRODUCT_NAME,
    ENT_SERIAL,
    ENT_BUS,
    ENT_PORT,
    ENT_DEV_CLASS,
    ENT_DEV_SUBCLASS,
    ENT_DEV_PROTOCOL,
    ENT_IF_CLASS,
    ENT_IF_SUBCLASS,
    ENT_IF_PROTOCOL,
    ENT_REMOVABLE,
    ENT_DRIVER_PATH, /* up to here in the order of enum entry_field's bits */
    ENT_DESCRIPTION,
    ENT_ENABLE,
    ENT_DISABLE,
    ENTRY_KEYS
};
#define CONF_KEYS_MAX 20

/* conf_keys.c: what may stand where. */
int keys_find(const struct json *j, enum conf_object o, int key_token); /* index, or -1 if not a key that we act on */
const char *keys_name(enum conf_object o, int index);
/* A key that exists but that this version does not read at all: what it would do ("PCI devices"), else NULL. */
const char *keys_later_only(const struct json *j, enum conf_object o, int key_token, uint32_t *bit);
/* What to say of an unknown key: "did you mean 'x'?", "it belongs in general.api", or "". */
void keys_hint(enum conf_object o, const char *key, char *dst, size_t cap);

#define CONF_MAX_PROBLEMS 128 /* of each level; the rest is counted */

struct problem {
    uint32_t at, seq;
    uint8_t level;
    char path[160];
    char text[416];
};

struct reader {
    struct conf *c;
    struct json j;
    unsigned stored, count[3]; /* problems kept; found of each level */
    uint32_t said_later_only[OBJ_COUNT];
    int api_object; /* general.api, -1 none */
    size_t line_at; /* the line counter's place */
    uint32_t line;
};

/* Static scratch: what only conf_parse needs while it runs. */
struct conf_scratch {
    _Alignas(4096) jsmntok_t tok[VH_CONF_TOKENS];
    struct problem problems[3 * CONF_MAX_PROBLEMS];
    uint16_t order[3 * CONF_MAX_PROBLEMS];
    int vm_tok[VH_MAX_VMS], rule_tok[VH_MAX_RULES], entry_tok[VH_MAX_ENTRIES];
};
extern struct conf_scratch conf_scratch_area;

/* ---- conf_read.c ---- */

/* Records a problem at a token (path and place are the token's). */
void rd_say(struct reader *r, enum diag_level level, int tok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, `within` bytes into the token. */
void rd_say_within(struct reader *r, enum diag_level level, int tok, size_t within, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
#define rd_error(r, tok, ...) rd_say(r, DIAG_ERROR, tok, __VA_ARGS__)
#define rd_warn(r, tok, ...) rd_say(r, DIAG_WARNING, tok, __VA_ARGS__)
#define rd_note(r, tok, ...) rd_say(r, DIAG_NOTE, tok, __VA_ARGS__)
void rd_expected(struct reader *r, int tok, const char *what); /* error: expected `what`, found this */
void rd_report(struct reader *r, conf_diag_fn *report, void *arg);
bool rd_kept(const struct reader *r, enum diag_level level); /* would a further problem of this level be kept? */

uint32_t rd_line(struct reader *r, int tok);

/* Checks that tok is an object and fills v[]: for each key of o its value's token, -1 if absent or null. Unknown and
 * not yet supported keys are reported. */
bool rd_object(struct reader *r, int tok, enum conf_object o, int *v);
bool rd_array(struct reader *r, int tok, const char *what); /* is it one? else an error */

/* Each reads one value. False after an error; for tok -1 the target stays as it is and the result is true. */
bool rd_bool(struct reader *r, int tok, bool *out);
/* A number, or the same in decimal digits as a string. */
bool rd_uint(struct reader *r, int tok, uint64_t min, uint64_t max, const char *what, uint64_t *out);
bool rd_copy(struct reader *r, int tok, char *dst, size_t cap, const char *what);
bool rd_path(struct reader *r, int tok, char *dst, size_t cap); /* an absolute path */
bool rd_choice(struct reader *r, int tok, const char *const *names, int n, const char *what, int *out);
/* Into the configuration's string store; NULL after an error. */
const char *rd_keep(struct reader *r, int tok);
/* "disable" and "enable"; disable wins, as the peers have it for rules. */
bool rd_enabled(struct reader *r, int enable, int disable);

/* ---- conf_rule.c, conf_lint.c, conf_api.c, conf_clients.c ---- */
void conf_read_rules(struct reader *r, int array);
void conf_read_api(struct reader *r, int object);
void conf_read_limits(struct reader *r, int object);
void conf_read_clients(struct reader *r, int api_object); /* after the VMs; -1: there is no general.api */
void conf_lint(struct reader *r);

#endif
