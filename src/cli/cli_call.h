/*
 * cli_call.h - a command line as it was understood: the command, its fields, and where the daemon is.
 */
#ifndef VHOTPLUG_CLI_CALL_H
#define VHOTPLUG_CLI_CALL_H

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_wire.h"

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM "vhotplugcli"

/* What options of a command say. */
enum field {
    F_DEVNODE,
    F_BUS,
    F_PORT,
    F_VID,
    F_PID,
    F_TAG,
    F_CONNECTOR,
    F_VM,
    F_SERIAL,
    F_VENDOR_NAME,
    F_PRODUCT_NAME,
    F_REMOVABLE,
    F_DRIVER_PATH,
    F_ADDRESS,
    F_DID,
    F_BUS_PREFIX,
    F_BUS_INDEX, /* up to here: text under a key of the request */
    F_CLASS,
    F_DEVICE_CLASS,
    F_SHORT,
    F_CONNECTED,
    F_DISCONNECTED,
    F_ALL,
    F_PLAIN,
    F_TREE,
    F_PROMETHEUS,
    F_REQUIRE_PCI,
    F_TIMEOUT,
    F_BY,
    F_COUNT
};

#define BIT(f) (1U << (f))
#define SELECTOR (BIT(F_DEVNODE) | BIT(F_BUS) | BIT(F_PORT) | BIT(F_VID) | BIT(F_PID) | BIT(F_TAG) | BIT(F_CONNECTOR))
#define PCI_SELECTOR (BIT(F_ADDRESS) | BIT(F_VID) | BIT(F_DID) | BIT(F_TAG))
#define DESCRIPTION                                                                                                    \
    (BIT(F_SERIAL) | BIT(F_VENDOR_NAME) | BIT(F_PRODUCT_NAME) | BIT(F_REMOVABLE) | BIT(F_DRIVER_PATH) | BIT(F_CLASS) | \
     BIT(F_DEVICE_CLASS))

enum output {
    OUT_NOTHING,
    OUT_LIST,
    OUT_MOVED,
    OUT_PCI,
    OUT_EVDEV,
    OUT_ARGS,
    OUT_VMS,
    OUT_VERSION,
    OUT_EVENTS,
    OUT_CHOOSE,
    OUT_STATUS,
    OUT_EXPLAIN,
    OUT_STATS,
    OUT_RULE,
    OUT_RELOAD,
    OUT_HISTORY,
    OUT_RULES
};

struct command {
    const char *group, *name, *action;
    unsigned fields; /* that it takes */
    enum output output;
    const char *synopsis, *about, *example; /* in the help; `about` begins in lower case and has no full stop */
};

struct call {
    struct cli_target target;
    const struct command *command;
    unsigned given; /* fields */
    const char *value[F_COUNT];
    bool json, debug;
    char interfaces[VH_MAX_IFACES * 7 + 2]; /* ":030101:", as the API has them */
    unsigned device_class[3];
    uint64_t timeout;              /* seconds until a connection is given up */
    const char *device;            /* as the word that names it stands on the command line; NULL none */
    char part[2][VH_PORTPATH_MAX]; /* of that word: bus and port, or vid and pid */
};

/* cli_commands.c: the command of these words, or NULL */
const struct command *command_find(int n, char *const *word);
void command_help(const struct command *k); /* about all of them if it is NULL */
/* Says which words are no command. Returns the exit status. */
int command_unknown(int n, char *const *word);

/* cli_usage.c: says what is wrong with a command line and where the help is. Returns the exit status. */
int command_usage(const struct command *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The name that somebody may have meant by a word: the nearest of those considered. */
struct command_guess {
    const char *word, *best; /* NULL: none is near */
    int distance;
};
void command_consider(struct command_guess *g, const char *name);

/* cli_args.c: reads a command line. Returns the exit status, or -1 to go on. */
int args_read(struct call *c, int argc, char **argv);

/* cli_request.c: the request, with its newline; a list of all devices, or of those at the connector that is named. */
void request_build(const struct call *c, struct sbuf *sb);
void request_list(const struct call *c, struct sbuf *sb);

/* Commands that are more than a request and its reply. Each returns the exit status. */
int listen_for_ever(const struct call *c, const char *request); /* cli_listen.c */
int choose_vm(const struct call *c, const char *request);       /* cli_choose.c */
int rule_for(const struct call *c);                             /* cli_rule.c */
void show_moved(const struct call *c);                          /* cli_moved.c: where devices are after a move */

#endif
