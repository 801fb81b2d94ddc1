/*
 * cli_args.c - reads a command line into a call. Decides nothing: names of devices and VMs go to the daemon as they
 * were typed.
 */
#include "base/assert.h"
#include "cli/cli_call.h"
#include "cli/cli_options.h"
#include "cli/cli_show.h"
#include "codec/pci_address.h"
#include "codec/stable_path.h"
#include "codec/usb_place.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

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
        return c->target.transport != CLI_DEFAULT
                   ? CLI_OK
                   : command_usage(c->command, "expected -t unix, tcp or vsock: %s", optarg);
    case 'u':
        c->target.path = optarg;
        return CLI_OK;
    case 's':
        c->target.host = optarg;
        return CLI_OK;
    case 'p':
        if (!number(optarg, UINT32_MAX, &v) || v == 0)
            return command_usage(c->command, "expected -p with a port from 1 to 65535, of vsock to 4294967295: %s",
                                 optarg);
        c->target.port = (uint32_t)v;
        return CLI_OK;
    default:
        if (!number(optarg, UINT32_MAX, &v) || v == 0)
            return command_usage(c->command, "expected -c with a context ID: %s", optarg);
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
        return command_usage(c->command, "expected --timeout with seconds from 0 to 86400: %s", optarg);
    if (field == F_DEVICE_CLASS && !take_class(optarg, c->device_class))
        return command_usage(c->command, "expected --device-class as 239 or 0xef/2/1: %s", optarg);
    if (field != F_CLASS)
        return CLI_OK;
    if (!take_class(optarg, triple))
        return command_usage(c->command, "expected --class as 14 or 0x0e/1/0: %s", optarg);
    if (!str_fmt(c->interfaces + at, sizeof c->interfaces - at, "%s%02x%02x%02x:", at == 0 ? ":" : "", triple[0],
                 triple[1], triple[2]))
        return command_usage(c->command, "too many interfaces: %s", optarg);
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
        return command_usage(c->command, "only vsock has ports above 65535");
    return CLI_OK;
}

/* Returns CLI_OK or CLI_USAGE. */
static int take_option(struct call *c, int opt) {
    switch (opt) {
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

/* The first part is there already. */
static void take_parts(struct call *c, enum field first, enum field second, const char *rest) {
    c->given |= BIT(first) | BIT(second);
    c->value[first] = c->part[0];
    c->value[second] = c->part[1];
    VH_ASSERT(str_copy(c->part[1], sizeof c->part[1], rest)); /* a path that is one, or four digits */
}

/* "046d:c31c" */
static bool is_ids(const char *s) {
    uint32_t v = 0;
    return strlen(s) == 9 && s[4] == ':' && str_hex(s, 4, &v) && str_hex(s + 5, 4, &v);
}

/* A device by one word: what it is called in lists, its ids, its node or its tag. */
static int take_device(struct call *c, const char *word) {
    enum field f = word[0] == '/' ? F_DEVNODE : stable_path_valid(word) ? F_CONNECTOR : F_TAG;
    const char *port = "";
    uint8_t bus = 0;
    struct pci_address address;
    if ((c->command->fields & BIT(F_DEVNODE)) == 0 || c->device != NULL)
        return command_usage(c->command, "unexpected word: %s", word);
    c->device = word;
    if (is_ids(word)) {
        VH_ASSERT(str_copyn(c->part[0], sizeof c->part[0], word, 4));
        take_parts(c, F_VID, F_PID, word + 5);
    } else if (usb_name_parse(word, &bus, &port)) {
        VH_ASSERT(str_fmt(c->part[0], sizeof c->part[0], "%u", (unsigned)bus)); /* as typed it may have zeros */
        take_parts(c, F_BUS, F_PORT, port);
    } else if ((c->command->fields & BIT(F_ADDRESS)) != 0 && pci_address_parse(word, &address)) {
        c->given |= BIT(F_ADDRESS);
        c->value[F_ADDRESS] = word;
    } else if ((c->command->fields & BIT(f)) != 0) {
        c->given |= BIT(f);
        c->value[f] = word;
    } else {
        return command_usage(c->command, "expected a device as 1-2.3, 046d:c31c or /dev/bus/usb/001/004: %s", word);
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
        opt = getopt_long(argc, argv, OPTIONS_SHORT, options_for(next, c->command), NULL);
        if (opt == '?' || opt == ':')
            return options_wrong(c->command, opt, next != NULL ? next : "");
        if (opt == 'h') {
            command_help(c->command);
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
                return command_unknown(n, words);
            words[n++] = word;
            c->command = command_find(n, words);
        } else if (opt != -1) {
            status = take_option(c, opt);
        }
    }
    if (status != CLI_OK)
        return status;
    if (c->command == NULL)
        return command_unknown(n, words);
    status = settle_transport(c);
    return status == CLI_OK ? -1 : status;
}

/* All of these fields are given, or none. */
static bool is_whole(unsigned given, unsigned fields) {
    return (given & fields) == 0 || (given & fields) == fields;
}

static int check_pci_selector(const struct call *c) {
    unsigned selector = c->given & PCI_SELECTOR;
    if (selector == BIT(F_ADDRESS) || selector == BIT(F_TAG) || selector == (BIT(F_VID) | BIT(F_DID)))
        return CLI_OK;
    return command_usage(c->command, "name the device by --address, --vid and --did, or --tag");
}

static int check_fields(const struct call *c) {
    unsigned selector = c->given & SELECTOR;
    unsigned foreign = c->given & ~c->command->fields;
    if (foreign != 0)
        return command_usage(c->command, "this command does not take --%s", options_name(foreign));
    if ((c->given & (BIT(F_CONNECTED) | BIT(F_DISCONNECTED))) == (BIT(F_CONNECTED) | BIT(F_DISCONNECTED)))
        return command_usage(c->command, "either --connected or --disconnected");
    if (c->command->output == OUT_ARGS && (c->given & BIT(F_VM)) == 0)
        return command_usage(c->command, "name the VM by --vm");
    if (c->command->output == OUT_EXPLAIN && c->given == BIT(F_ADDRESS))
        return CLI_OK;
    if (c->command->output == OUT_EXPLAIN && (c->given & BIT(F_ADDRESS)) != 0)
        return command_usage(c->command, "a PCI device is named by its address alone");
    if (c->command->output != OUT_EXPLAIN && (c->command->fields & BIT(F_ADDRESS)) != 0)
        return check_pci_selector(c);
    if ((c->command->fields & BIT(F_DEVNODE)) == 0 || ((c->given & DESCRIPTION) != 0 && !(c->given & BIT(F_DEVNODE))))
        return CLI_OK;
    bool of_device = selector != 0 && (selector & BIT(F_TAG)) == 0;
    if (selector == BIT(F_TAG) || (selector == 0 && c->command->output == OUT_HISTORY) ||
        (of_device && is_whole(selector, BIT(F_BUS) | BIT(F_PORT)) && is_whole(selector, BIT(F_VID) | BIT(F_PID))))
        return CLI_OK;
    return command_usage(c->command,
                         "name the device by --devnode, --connector, --bus and --port, --vid and --pid, or by --tag "
                         "alone, or describe it");
}

int args_read(struct call *c, int argc, char **argv) {
    int status = take_line(c, argc, argv);
    if (status >= 0)
        return status;
    status = check_fields(c);
    return status == CLI_OK ? -1 : status;
}
