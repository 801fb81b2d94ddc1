/*
 * cli_args.c - reads a command line into a call. Decides nothing: names of devices and VMs go to the daemon as they
 * were typed.
 */
#include "base/assert.h"
#include "cli/cli_call.h"
#include "cli/cli_show.h"
#include "codec/usb_place.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

/* Values of long options: those of a command's own are its fields, from OPT_FIELD on. */
enum { OPT_FIELD = 256, OPT_JSON = OPT_FIELD + F_COUNT, OPT_NO_DEBUG, OPT_VERSION };

static const struct option long_options[] = {
    {"devnode", required_argument, NULL, OPT_FIELD + F_DEVNODE},
    {"bus", required_argument, NULL, OPT_FIELD + F_BUS},
    {"port", required_argument, NULL, OPT_FIELD + F_PORT},
    {"vid", required_argument, NULL, OPT_FIELD + F_VID},
    {"pid", required_argument, NULL, OPT_FIELD + F_PID},
    {"tag", required_argument, NULL, OPT_FIELD + F_TAG},
    {"vm", required_argument, NULL, OPT_FIELD + F_VM},
    {"serial", required_argument, NULL, OPT_FIELD + F_SERIAL},
    {"vendor-name", required_argument, NULL, OPT_FIELD + F_VENDOR_NAME},
    {"product-name", required_argument, NULL, OPT_FIELD + F_PRODUCT_NAME},
    {"removable", required_argument, NULL, OPT_FIELD + F_REMOVABLE},
    {"driver-path", required_argument, NULL, OPT_FIELD + F_DRIVER_PATH},
    {"address", required_argument, NULL, OPT_FIELD + F_ADDRESS},
    {"did", required_argument, NULL, OPT_FIELD + F_DID},
    {"qemu-bus-prefix", required_argument, NULL, OPT_FIELD + F_BUS_PREFIX},
    {"qemu-bus-start-index", required_argument, NULL, OPT_FIELD + F_BUS_INDEX},
    {"class", required_argument, NULL, OPT_FIELD + F_CLASS},
    {"device-class", required_argument, NULL, OPT_FIELD + F_DEVICE_CLASS},
    {"short", no_argument, NULL, OPT_FIELD + F_SHORT},
    {"connected", no_argument, NULL, OPT_FIELD + F_CONNECTED},
    {"disconnected", no_argument, NULL, OPT_FIELD + F_DISCONNECTED},
    {"all", no_argument, NULL, OPT_FIELD + F_ALL},
    {"plain", no_argument, NULL, OPT_FIELD + F_PLAIN},
    {"prometheus", no_argument, NULL, OPT_FIELD + F_PROMETHEUS},
    {"require-pci", no_argument, NULL, OPT_FIELD + F_REQUIRE_PCI},
    {"timeout", required_argument, NULL, OPT_FIELD + F_TIMEOUT},
    {"transport", required_argument, NULL, 't'},
    {"path", required_argument, NULL, 'u'},
    {"host", required_argument, NULL, 's'},
    {"net-port", required_argument, NULL, 'p'},
    {"cid", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, OPT_JSON},
    {"no-debug", no_argument, NULL, OPT_NO_DEBUG},
    {"version", no_argument, NULL, OPT_VERSION},
    {"debug", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

enum { LONG_OPTIONS = sizeof long_options / sizeof long_options[0] };

static int usage(const char *why, const char *what) {
    fprintf(stderr, "vhotplugcli: %s%s%s\nTry 'vhotplugcli --help'.\n", why, what[0] != '\0' ? ": " : "", what);
    return CLI_USAGE;
}

static bool number(const char *s, uint64_t max, uint64_t *out) {
    return str_uint(s, strlen(s), max, out);
}

static int take_target(struct call *c, int opt) {
    static const char *const names[] = {NULL, "unix", "tcp", "vsock"};
    uint64_t v = 0;
    switch (opt) {
    case 't':
        for (int i = CLI_UNIX; i <= CLI_VSOCK; i++)
            if (str_eq(optarg, names[i]))
                c->target.transport = (enum cli_transport)i;
        return c->target.transport != CLI_DEFAULT ? CLI_OK : usage("expected -t unix, tcp or vsock", optarg);
    case 'u':
        c->target.path = optarg;
        return CLI_OK;
    case 's':
        c->target.host = optarg;
        return CLI_OK;
    case 'p':
        if (!number(optarg, UINT32_MAX, &v) || v == 0)
            return usage("expected -p with a port from 1 to 65535, of vsock to 4294967295", optarg);
        c->target.port = (uint32_t)v;
        return CLI_OK;
    default:
        if (!number(optarg, UINT32_MAX, &v) || v == 0)
            return usage("expected -c with a context ID", optarg);
        c->target.cid = (uint32_t)v;
        return CLI_OK;
    }
}

/* "14", "0x0e/1/0": class, subclass, protocol. */
static bool take_class(const char *s, unsigned triple[3]) {
    for (int i = 0; i < 3; i++) {
        size_t n = strcspn(s, "/");
        uint32_t v = 0;
        uint64_t decimal = 0;
        bool hex = n > 2 && s[0] == '0' && (s[1] | 0x20) == 'x';
        if (hex ? !str_hex(s + 2, n - 2, &v) : !str_uint(s, n, 255, &decimal))
            return false;
        triple[i] = hex ? v : (unsigned)decimal;
        if (triple[i] > 255 || s[n] == '\0')
            return triple[i] <= 255;
        s += n + 1;
    }
    return false;
}

static int take_field(struct call *c, int field) {
    unsigned triple[3] = {0};
    size_t at = strlen(c->interfaces);
    c->given |= BIT(field);
    c->value[field] = optarg;
    if (field == F_TIMEOUT && !number(optarg, 86400, &c->timeout))
        return usage("expected --timeout with seconds from 0 to 86400", optarg);
    if (field == F_DEVICE_CLASS && !take_class(optarg, c->device_class))
        return usage("expected --device-class as 239 or 0xef/2/1", optarg);
    if (field != F_CLASS)
        return CLI_OK;
    if (!take_class(optarg, triple))
        return usage("expected --class as 14 or 0x0e/1/0", optarg);
    if (!str_fmt(c->interfaces + at, sizeof c->interfaces - at, "%s%02x%02x%02x:", at == 0 ? ":" : "", triple[0],
                 triple[1], triple[2]))
        return usage("too many interfaces", optarg);
    return CLI_OK;
}

/* Without -t, the kind of address that is given chooses the transport; without any, VHOTPLUG_SOCKET does. */
static int settle_transport(struct call *c) {
    struct cli_target *t = &c->target;
    const char *path = getenv("VHOTPLUG_SOCKET");
    bool elsewhere = t->transport == CLI_TCP || t->transport == CLI_VSOCK || t->host != NULL || t->cid != 0;
    if (t->path == NULL && !elsewhere && path != NULL && path[0] != '\0')
        t->path = path;
    if (t->transport == CLI_DEFAULT && t->path != NULL)
        t->transport = CLI_UNIX;
    else if (t->transport == CLI_DEFAULT && t->host != NULL)
        t->transport = CLI_TCP;
    else if (t->transport == CLI_DEFAULT && t->cid != 0)
        t->transport = CLI_VSOCK;
    if (t->port > UINT16_MAX && (t->transport == CLI_TCP || t->transport == CLI_UNIX))
        return usage("only vsock has ports above 65535", "");
    return CLI_OK;
}

/* Does the option stand where the older clients take it: one of the connection before the command, one of the command's
 * own after it? */
static bool belongs_here(const struct option *o, const struct command *command) {
    bool field = o->val >= OPT_FIELD && o->val < OPT_FIELD + F_COUNT;
    if (command == NULL)
        return !field;
    return field && (command->fields & BIT(o->val - OPT_FIELD)) != 0;
}

/* The options to look up this argument in. The beginning of an option's name stands for the option if no other one
 * begins so: of those that belong here, as in the older clients, else of all. */
static const struct option *options_for(const char *argument, const struct command *command) {
    static struct option here[LONG_OPTIONS];
    int n = 0, begins = 0;
    if (argument == NULL || !str_starts(argument, "--"))
        return long_options;
    size_t len = strcspn(argument + 2, "=");
    for (const struct option *o = long_options; o->name != NULL; o++) {
        if (!belongs_here(o, command))
            continue;
        here[n++] = *o;
        begins += strlen(o->name) >= len && strncmp(o->name, argument + 2, len) == 0;
    }
    here[n] = long_options[LONG_OPTIONS - 1];
    return len > 0 && begins == 1 ? here : long_options;
}

/* Returns CLI_OK or CLI_USAGE. */
static int take_option(struct call *c, int opt) {
    switch (opt) {
    case '?':
        return usage("options not understood", "");
    case 'd':
        c->debug = true;
        return CLI_OK;
    case OPT_NO_DEBUG:
        c->debug = false;
        return CLI_OK;
    case OPT_JSON:
        c->json = true;
        return CLI_OK;
    default:
        return opt >= OPT_FIELD ? take_field(c, opt - OPT_FIELD) : take_target(c, opt);
    }
}

static void take_parts(struct call *c, enum field first, enum field second, size_t len) {
    c->given |= BIT(first) | BIT(second);
    c->value[first] = c->part[0];
    c->value[second] = c->part[1];
    VH_ASSERT(str_copyn(c->part[0], sizeof c->part[0], c->device, len)); /* a few digits */
    VH_ASSERT(str_copy(c->part[1], sizeof c->part[1], c->device + len + 1));
}

/* "046d:c31c" */
static bool is_ids(const char *s) {
    uint32_t v = 0;
    return strlen(s) == 9 && s[4] == ':' && str_hex(s, 4, &v) && str_hex(s + 5, 4, &v);
}

/* A device by one word: what it is called in lists, its ids, its node or its tag. */
static int take_device(struct call *c, const char *word) {
    enum field f = word[0] == '/' ? F_DEVNODE : F_TAG;
    const char *port = "";
    uint8_t bus = 0;
    if ((c->command->fields & BIT(F_DEVNODE)) == 0 || c->device != NULL)
        return usage("unexpected word", word);
    c->device = word;
    if (is_ids(word)) {
        take_parts(c, F_VID, F_PID, 4);
    } else if (usb_name_parse(word, &bus, &port)) {
        take_parts(c, F_BUS, F_PORT, (size_t)(port - word) - 1);
    } else if ((c->command->fields & BIT(f)) != 0) {
        c->given |= BIT(f);
        c->value[f] = word;
    } else {
        return usage("expected a device as 1-2.3, 046d:c31c or /dev/bus/usb/001/004", word);
    }
    return CLI_OK;
}

/* Reads options and words in their order, since the words decide which option the beginning of a name stands for.
 * Returns the exit status, or -1 to go on. */
static int take_line(struct call *c, int argc, char **argv) {
    char *words[2] = {NULL};
    int n = 0, opt = 0, status = CLI_OK;
    while (opt != -1 && status == CLI_OK) {
        const char *next = optind > 0 && optind < argc ? argv[optind] : NULL;
        opt = getopt_long(argc, argv, "-t:u:s:p:c:dh", options_for(next, c->command), NULL);
        if (opt == 'h') {
            command_help();
            return CLI_OK;
        }
        if (opt == OPT_VERSION) {
            printf("vhotplugcli %s\n", VH_VERSION);
            return CLI_OK;
        }
        if (opt == 1 || (opt == -1 && optind < argc)) { /* a word; after "--" all are words */
            char *word = opt == 1 ? optarg : argv[optind++];
            opt = 0;
            if (c->command != NULL) {
                status = take_device(c, word);
                continue;
            }
            if (n == 2)
                return usage("no such command", "");
            words[n++] = word;
            c->command = command_find(n, words);
        } else if (opt != -1) {
            status = take_option(c, opt);
        }
    }
    if (status != CLI_OK)
        return status;
    if (c->command == NULL)
        return usage(n > 0 ? "no such command" : "no command", "");
    status = settle_transport(c);
    return status == CLI_OK ? -1 : status;
}

/* All of these fields are given, or none. */
static bool is_whole(unsigned given, unsigned fields) {
    return (given & fields) == 0 || (given & fields) == fields;
}

static int check_pci_selector(unsigned selector) {
    if (selector == BIT(F_ADDRESS) || selector == BIT(F_TAG) || selector == (BIT(F_VID) | BIT(F_DID)))
        return CLI_OK;
    return usage("name the device by --address, --vid and --did, or --tag", "");
}

static int check_fields(const struct call *c) {
    unsigned selector = c->given & SELECTOR;
    unsigned foreign = c->given & ~c->command->fields;
    for (size_t i = 0; foreign != 0 && long_options[i].name != NULL; i++)
        if (long_options[i].val - OPT_FIELD < F_COUNT && long_options[i].val >= OPT_FIELD &&
            foreign & BIT(long_options[i].val - OPT_FIELD))
            return usage("this command does not take", long_options[i].name);
    if ((c->given & (BIT(F_CONNECTED) | BIT(F_DISCONNECTED))) == (BIT(F_CONNECTED) | BIT(F_DISCONNECTED)))
        return usage("either --connected or --disconnected", "");
    if (c->command->output == OUT_ARGS && (c->given & BIT(F_VM)) == 0)
        return usage("name the VM by --vm", "");
    if ((c->command->fields & BIT(F_ADDRESS)) != 0)
        return check_pci_selector(c->given & PCI_SELECTOR);
    if ((c->command->fields & BIT(F_DEVNODE)) == 0 || ((c->given & DESCRIPTION) != 0 && !(c->given & BIT(F_DEVNODE))))
        return CLI_OK;
    bool of_device = selector != 0 && (selector & BIT(F_TAG)) == 0;
    if (selector == BIT(F_TAG) ||
        (of_device && is_whole(selector, BIT(F_BUS) | BIT(F_PORT)) && is_whole(selector, BIT(F_VID) | BIT(F_PID))))
        return CLI_OK;
    return usage("name the device by --devnode, --bus and --port, --vid and --pid, or by --tag alone, or describe it",
                 "");
}

int args_read(struct call *c, int argc, char **argv) {
    int status = take_line(c, argc, argv);
    if (status >= 0)
        return status;
    status = check_fields(c);
    return status == CLI_OK ? -1 : status;
}
