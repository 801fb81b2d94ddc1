/*
 * cli.c - the client: a command line becomes one request, the response becomes text (cli_show.c) and an exit status.
 *
 * Scripts rely on the exit status: 0 ok (an empty list too), 1 failed with the reason on stderr, 2 usage; an empty list
 * is an empty standard output. Decides nothing: names of devices and VMs go to the daemon as they were typed.
 */
#include "cli/cli.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_wire.h"
#include "codec/json.h"
#include "codec/usb_place.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

enum { REPLY_MS = 60000, TOKENS_MAX = 1 << 18 }; /* enough to explain every entry of the largest configuration */

static const char help[] =
    "Usage: vhotplugcli [OPTION]... COMMAND\n"
    "Asks a running vhotplug over its API.\n"
    "\n"
    "  usb list [--short] [--plain] [--connected|--disconnected] [--tag TAG] [--all]\n"
    "  usb attach DEVICE [--vm VM]     give it to VM; without --vm as the rules and the last choice say\n"
    "  usb detach DEVICE               take it away, until somebody attaches it again\n"
    "  usb suspend [--vm VM]           take all devices out of VM (of all VMs), but those that rules let stay\n"
    "  usb resume [--vm VM]            put back what suspend took\n"
    "  pci list|attach|detach|suspend|resume, vmm args --vm VM [--require-pci] [--timeout SECONDS]\n"
    "                                  as the older clients: no PCI device is given to VMs yet\n"
    "  state acknowledge               a corrupt state file was seen to (see general.onCorruptState)\n"
    "  listen                          print events as they come, one JSON object a line\n"
    "  status [--tag TAG]              how it stands; is everything with TAG taken away?\n"
    "  explain DEVICE|DESCRIPTION      which rule decides, which fields of the others differ, what it waits for\n"
    "  stats [--prometheus]            what was counted since the daemon started\n"
    "  version                         the daemon's version\n"
    "\n"
    "DEVICE is what lists call it: 1-2.3, 046d:c31c, /dev/bus/usb/001/004 or, but for explain, a tag; or\n"
    "--devnode /dev/bus/usb/001/004, or --bus BUS --port PORT, or --vid VID --pid PID, or --tag TAG.\n"
    "Several of the first three mean the device that fits all of them.\n"
    "DESCRIPTION, of one that is not there: --vid --pid --bus --port --serial --vendor-name --product-name "
    "--removable\n"
    "  --driver-path, --class C[/SUB[/PROTO]] for each interface, --device-class C[/SUB[/PROTO]]; 14 or 0x0e.\n"
    "\n"
    "  -t, --transport unix|tcp|vsock  (default: vsock inside a guest, else unix)\n"
    "  -u, --path PATH      unix socket (default: /var/lib/vhotplug/vhotplug.sock)\n"
    "  -s, --host HOST      address for tcp (default: 127.0.0.1)\n"
    "  -p, --net-port PORT  port for tcp and vsock (default: 2000)\n"
    "  -c, --cid CID        context ID for vsock (default: 2, the host)\n"
    "      --json           print the response as it came\n"
    "      --plain          on a terminal, too, list as into a pipe: no table, no colour\n"
    "  -d, --debug          show the lines that go out and come in on stderr; --no-debug takes it back\n"
    "      --version        this program's version\n"
    "  -h, --help           this\n"
    "\n"
    "Exit status: 0 ok (also for an empty list), 1 failed (reason on stderr), 2 usage. Of status --tag: 0 blocked,\n"
    "3 not blocked, 4 no such device now, 6 taken away, but it is not known whether anybody has it; of status 5: the\n"
    "daemon cannot be reached.\n";

/* ---- options ---- */

enum field {
    F_DEVNODE,
    F_BUS,
    F_PORT,
    F_VID,
    F_PID,
    F_TAG,
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
    F_PROMETHEUS,
    F_REQUIRE_PCI,
    F_TIMEOUT,
    F_COUNT,
    F_JSON,
    F_NO_DEBUG,
    F_VERSION
};

enum { OPT_FIELD = 256 };

#define BIT(f) (1U << (f))
#define SELECTOR (BIT(F_DEVNODE) | BIT(F_BUS) | BIT(F_PORT) | BIT(F_VID) | BIT(F_PID) | BIT(F_TAG))
#define PCI_SELECTOR (BIT(F_ADDRESS) | BIT(F_VID) | BIT(F_DID) | BIT(F_TAG))
#define DESCRIPTION                                                                                                    \
    (BIT(F_SERIAL) | BIT(F_VENDOR_NAME) | BIT(F_PRODUCT_NAME) | BIT(F_REMOVABLE) | BIT(F_DRIVER_PATH) | BIT(F_CLASS) | \
     BIT(F_DEVICE_CLASS))

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
    {"json", no_argument, NULL, OPT_FIELD + F_JSON},
    {"no-debug", no_argument, NULL, OPT_FIELD + F_NO_DEBUG},
    {"version", no_argument, NULL, OPT_FIELD + F_VERSION},
    {"debug", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

enum { LONG_OPTIONS = sizeof long_options / sizeof long_options[0] };

enum output { OUT_NOTHING, OUT_LIST, OUT_PCI, OUT_ARGS, OUT_VERSION, OUT_EVENTS, OUT_STATUS, OUT_EXPLAIN, OUT_STATS };

static const struct command {
    const char *group, *name, *action;
    unsigned fields; /* that it takes */
    enum output output;
} commands[] = {
    {"usb", "list", "usb_list",
     BIT(F_SHORT) | BIT(F_PLAIN) | BIT(F_CONNECTED) | BIT(F_DISCONNECTED) | BIT(F_TAG) | BIT(F_ALL), OUT_LIST},
    {"usb", "attach", "usb_attach", SELECTOR | BIT(F_VM), OUT_NOTHING},
    {"usb", "detach", "usb_detach", SELECTOR, OUT_NOTHING},
    {"usb", "suspend", "usb_suspend", BIT(F_VM), OUT_NOTHING},
    {"usb", "resume", "usb_resume", BIT(F_VM), OUT_NOTHING},
    {"pci", "list", "pci_list", BIT(F_SHORT) | BIT(F_CONNECTED) | BIT(F_DISCONNECTED) | BIT(F_TAG), OUT_PCI},
    {"pci", "attach", "pci_attach", PCI_SELECTOR | BIT(F_VM), OUT_NOTHING},
    {"pci", "detach", "pci_detach", PCI_SELECTOR, OUT_NOTHING},
    {"pci", "suspend", "pci_suspend", BIT(F_VM), OUT_NOTHING},
    {"pci", "resume", "pci_resume", BIT(F_VM), OUT_NOTHING},
    {"vmm", "args", "vmm_args", BIT(F_VM) | BIT(F_BUS_PREFIX) | BIT(F_BUS_INDEX) | BIT(F_REQUIRE_PCI) | BIT(F_TIMEOUT),
     OUT_ARGS},
    {"state", "acknowledge", "state_acknowledge", 0, OUT_NOTHING},
    {NULL, "listen", "enable_notifications", 0, OUT_EVENTS},
    {NULL, "status", "stats", BIT(F_TAG), OUT_STATUS},
    {NULL, "explain", "explain", (SELECTOR & ~BIT(F_TAG)) | DESCRIPTION, OUT_EXPLAIN},
    {NULL, "stats", "stats", BIT(F_PROMETHEUS), OUT_STATS},
    {NULL, "version", "version", 0, OUT_VERSION},
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
        if (!number(optarg, UINT16_MAX, &v) || v == 0)
            return usage("expected -p with a port from 1 to 65535", optarg);
        c->target.port = (uint16_t)v;
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

/* Without -t, the kind of address that is given chooses the transport. */
static void settle_transport(struct call *c) {
    struct cli_target *t = &c->target;
    if (t->transport == CLI_DEFAULT && t->path != NULL)
        t->transport = CLI_UNIX;
    else if (t->transport == CLI_DEFAULT && t->host != NULL)
        t->transport = CLI_TCP;
    else if (t->transport == CLI_DEFAULT && t->cid != 0)
        t->transport = CLI_VSOCK;
}

static const struct command *find_command(int argc, char *const *argv) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *k = &commands[i];
        int words = k->group != NULL ? 2 : 1;
        if (argc == words && str_eq(argv[words - 1], k->name) && (k->group == NULL || str_eq(argv[0], k->group)))
            return k;
    }
    return NULL;
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
    case OPT_FIELD + F_NO_DEBUG:
        c->debug = false;
        return CLI_OK;
    case OPT_FIELD + F_JSON:
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
            fputs(help, stdout);
            return CLI_OK;
        }
        if (opt == OPT_FIELD + F_VERSION) {
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
            c->command = find_command(n, words);
        } else if (opt != -1) {
            status = take_option(c, opt);
        }
    }
    if (status != CLI_OK)
        return status;
    if (c->command == NULL)
        return usage(n > 0 ? "no such command" : "no command", "");
    settle_transport(c);
    return -1;
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

/* ---- the request ---- */

static void key(struct sbuf *sb, const char *name) {
    sb_fmt(sb, "%s\"%s\": ", sb->p[sb->len - 1] == '{' ? "" : ", ", name);
}

static void add_classes(const struct call *c, struct sbuf *sb) {
    static const char keys[][16] = {"device_class", "device_subclass", "device_protocol"};
    for (int i = 0; i < 3 && (c->given & BIT(F_DEVICE_CLASS)) != 0; i++) {
        key(sb, keys[i]);
        sb_uint(sb, c->device_class[i]);
    }
    if (c->given & BIT(F_CLASS)) {
        key(sb, "interfaces");
        sb_json(sb, c->interfaces);
    }
}

static void build_request(const struct call *c, struct sbuf *sb) {
    static const char keys[][21] = {"device_node",
                                    "bus",
                                    "port",
                                    "vid",
                                    "pid",
                                    "tag",
                                    "vm",
                                    "serial",
                                    "vendor_name",
                                    "product_name",
                                    "removable",
                                    "driver_path",
                                    "address",
                                    "did",
                                    "qemu_bus_prefix",
                                    "qemu_bus_start_index"};
    bool tagged = c->command->output == OUT_STATUS && (c->given & BIT(F_TAG)) != 0;
    bool described = c->command->output == OUT_EXPLAIN && (c->given & DESCRIPTION) != 0;
    sb_fmt(sb, "{\"action\": \"%s\"", tagged ? "usb_list" : c->command->action);
    if (described)
        sb_str(sb, ", \"device\": {");
    for (unsigned f = F_DEVNODE; f <= F_BUS_INDEX; f++) {
        if (!(c->given & BIT(f)))
            continue;
        key(sb, keys[f]);
        sb_json(sb, c->value[f]);
    }
    add_classes(c, sb);
    if (described)
        sb_char(sb, '}');
    if (c->given & BIT(F_DISCONNECTED))
        sb_str(sb, ", \"disconnected\": true");
    if (c->given & BIT(F_CONNECTED))
        sb_str(sb, ", \"disconnected\": false");
    if (c->given & BIT(F_REQUIRE_PCI))
        sb_str(sb, ", \"require_pci\": true");
    if ((c->given & BIT(F_ALL)) || tagged)
        sb_str(sb, ", \"all\": true");
    if (tagged)
        sb_str(sb, ", \"verify\": true");
    sb_str(sb, "}\n");
}

/* ---- the response ---- */

static int failed(const char *why) {
    fputs("vhotplugcli: ", stderr);
    show_text(stderr, why);
    fputc('\n', stderr);
    return CLI_FAILED;
}

static bool has_colour(void) {
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    return (no == NULL || no[0] == '\0') && term != NULL && !str_eq(term, "dumb");
}

static void show(const struct call *c, const struct json *j) {
    switch (c->command->output) {
    case OUT_LIST:
        if ((c->given & (BIT(F_PLAIN) | BIT(F_SHORT))) == 0 && isatty(STDOUT_FILENO))
            show_table(j, has_colour());
        else
            show_list(j, c->given & BIT(F_SHORT));
        break;
    case OUT_PCI:
        show_pci(j, c->given & BIT(F_SHORT));
        break;
    case OUT_VERSION:
        show_field(j, 0, "version");
        putchar('\n');
        break;
    case OUT_STATUS:
        show_daemon(j);
        break;
    case OUT_EXPLAIN:
        show_explanation(j);
        break;
    case OUT_STATS:
        if (c->given & BIT(F_PROMETHEUS))
            show_prometheus(j);
        else
            show_stats(j);
        break;
    case OUT_NOTHING:
    case OUT_ARGS: /* shown by show_reply(), because it may fail */
    case OUT_EVENTS:
        break;
    }
}

static int show_reply(const struct call *c, const char *line, size_t len) {
    struct json j;
    struct json_error err;
    char text[VH_ERROR_MAX + 64] = "the daemon's answer is not understood";
    size_t size = sizeof(jsmntok_t) * (size_t)TOKENS_MAX;
    jsmntok_t *tok = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tok == MAP_FAILED)
        return failed("no memory");
    if (!json_parse(&j, line, len, tok, TOKENS_MAX, &err))
        return failed(text);
    bool ok = json_string_is(&j, json_get(&j, 0, "result"), "ok");
    if (c->json)
        printf("%s\n", line);
    if (!ok) {
        char error[VH_ERROR_MAX];
        if (json_string(&j, json_get(&j, 0, "error"), error, sizeof error))
            (void)str_copy(text, sizeof text, error);
        return failed(text);
    }
    if (c->command->output == OUT_STATUS && (c->given & BIT(F_TAG)) != 0)
        return show_tag(&j, c->value[F_TAG], c->json);
    if (c->command->output == OUT_LIST && (c->given & BIT(F_TAG)) != 0 && !show_tag_known(&j, c->value[F_TAG]))
        return CLI_FAILED;
    if (!c->json && c->command->output == OUT_ARGS && !show_words(&j))
        return failed("an argument is empty or holds white space: who reads these would take it for several");
    if (!c->json)
        show(c, &j);
    return CLI_OK;
}

/* ---- conversation ---- */

/* A VM may be started before the daemon: `vmm args` tries for a while. Others try once. */
static bool reach(const struct call *c, char *why, size_t cap) {
    const struct timespec second = {.tv_sec = 1};
    for (uint64_t left = c->command->output == OUT_ARGS ? c->timeout : 0; !cli_connect(&c->target, why, cap); left--) {
        if (left == 0)
            return false;
        (void)nanosleep(&second, NULL);
    }
    return true;
}

static int ask(const struct call *c, const char *request, size_t n) {
    char why[VH_ERROR_MAX];
    const char *line = NULL;
    size_t len = 0;
    if (c->debug)
        fprintf(stderr, "> %s", request);
    if (!reach(c, why, sizeof why) || !cli_send(request, n, why, sizeof why) ||
        !cli_receive(&line, &len, REPLY_MS, why, sizeof why)) {
        int status = failed(why);
        return c->command->output == OUT_STATUS ? CLI_UNREACHABLE : status;
    }
    if (c->debug)
        fprintf(stderr, "< %s\n", line);
    return show_reply(c, line, len);
}

/* Prints events until the connection ends. False if standard output is gone. */
static bool print_events(char *why, size_t cap) {
    const char *line = NULL;
    size_t len = 0;
    while (cli_receive(&line, &len, -1, why, cap))
        if (puts(line) == EOF || fflush(stdout) != 0)
            return false;
    return true;
}

/* The first connection must succeed; later ones are tried once a second. */
static int listen_for_ever(const struct call *c, const char *request, size_t n) {
    char why[VH_ERROR_MAX];
    for (bool first = true;; first = false) {
        const char *line = NULL;
        size_t len = 0;
        bool on = cli_connect(&c->target, why, sizeof why) && cli_send(request, n, why, sizeof why) &&
                  cli_receive(&line, &len, REPLY_MS, why, sizeof why);
        if (on && strstr(line, "\"ok\"") == NULL)
            return failed(line);
        if (!on && first)
            return failed(why);
        if (on && !print_events(why, sizeof why))
            return CLI_FAILED; /* main() reports it */
        if (on)
            fprintf(stderr, "vhotplugcli: %s; trying again\n", why);
        const struct timespec second = {.tv_sec = 1};
        (void)nanosleep(&second, NULL);
    }
}

int cli_main(int argc, char **argv) {
    struct call c = {.timeout = 30};
    char request[VH_LINE_MAX];
    struct sbuf sb;
    int status = take_line(&c, argc, argv);
    if (status >= 0)
        return status;
    status = check_fields(&c);
    if (status != CLI_OK)
        return status;
    sb_init(&sb, request, sizeof request);
    build_request(&c, &sb);
    if (!sb_ok(&sb))
        return failed("the request is longer than a line may be");
    status = c.command->output == OUT_EVENTS ? listen_for_ever(&c, request, sb.len) : ask(&c, request, sb.len);
    cli_close();
    return status;
}
