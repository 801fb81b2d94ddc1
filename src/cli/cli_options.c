/*
 * cli_options.c - the table of options, and what is made of it: the tables for getopt_long(), help, and the word that
 * somebody may have meant. Never takes a value.
 */
#include "cli/cli_options.h"

#include "base/str.h"
#include "cli/cli_show.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int value;
    const char *meta; /* the value in the help; NULL: it takes none */
    const char *about;
} table[] = {
    {"devnode", OPT_FIELD + F_DEVNODE, "NODE", "its node: /dev/bus/usb/001/004"},
    {"bus", OPT_FIELD + F_BUS, "BUS", "with --port: its place"},
    {"port", OPT_FIELD + F_PORT, "PORT", "2, or behind hubs 2.3"},
    {"vid", OPT_FIELD + F_VID, "VID", "with --pid: its ids, as 046d"},
    {"pid", OPT_FIELD + F_PID, "PID", "as c31c"},
    {"tag", OPT_FIELD + F_TAG, "TAG", "all devices of the rules with this tag"},
    {"connector", OPT_FIELD + F_CONNECTOR, "NAME", "at this connector: its name or stable path"},
    {"vm", OPT_FIELD + F_VM, "VM", "the VM; of a list: what it has or may have"},
    {"serial", OPT_FIELD + F_SERIAL, "TEXT", "of a device that is not there"},
    {"vendor-name", OPT_FIELD + F_VENDOR_NAME, "TEXT", "its manufacturer"},
    {"product-name", OPT_FIELD + F_PRODUCT_NAME, "TEXT", "its name"},
    {"removable", OPT_FIELD + F_REMOVABLE, "WORD", "fixed, removable or unknown"},
    {"driver-path", OPT_FIELD + F_DRIVER_PATH, "PATH", "of the kernel module that would drive it"},
    {"address", OPT_FIELD + F_ADDRESS, "ADDRESS", "its address: 0000:00:14.3"},
    {"did", OPT_FIELD + F_DID, "DID", "with --vid: its ids"},
    {"qemu-bus-prefix", OPT_FIELD + F_BUS_PREFIX, "TEXT", "the VM's PCI ports, without numbers"},
    {"qemu-bus-start-index", OPT_FIELD + F_BUS_INDEX, "NUMBER", "the first port's number"},
    {"class", OPT_FIELD + F_CLASS, "C[/S[/P]]", "of each interface; 14 or 0x0e"},
    {"device-class", OPT_FIELD + F_DEVICE_CLASS, "C[/S[/P]]", "of the device"},
    {"short", OPT_FIELD + F_SHORT, NULL, "one line a device: ids and names"},
    {"connected", OPT_FIELD + F_CONNECTED, NULL, "not those that somebody took away"},
    {"disconnected", OPT_FIELD + F_DISCONNECTED, NULL, "only those that somebody took away"},
    {"all", OPT_FIELD + F_ALL, NULL, "all there are, also those without a rule"},
    {"plain", OPT_FIELD + F_PLAIN, NULL, "on a terminal, too, as into a pipe"},
    {"tree", OPT_FIELD + F_TREE, NULL, "as connected, hubs and bridges included"},
    {"prometheus", OPT_FIELD + F_PROMETHEUS, NULL, "in the text format that Prometheus collects"},
    {"require-pci", OPT_FIELD + F_REQUIRE_PCI, NULL, "fail if no PCI rule is for the VM"},
    {"timeout", OPT_FIELD + F_TIMEOUT, "SECONDS", "how long to try to reach the daemon (30)"},
    {"by", OPT_FIELD + F_BY, "WORD", "serial, model, class or connector"},
    {"transport", 't', "unix|tcp|vsock", "default: unix, else vsock in a guest"},
    {"path", 'u', "PATH", "unix socket; see also VHOTPLUG_SOCKET"},
    {"host", 's', "HOST", "numeric address for tcp: 127.0.0.1"},
    {"net-port", 'p', "PORT", "port for tcp and vsock: 2000"},
    {"cid", 'c', "CID", "context ID for vsock: 2, the host"},
    {"json", OPT_JSON, NULL, "print the response as it came"},
    {"no-debug", OPT_NO_DEBUG, NULL, "takes --debug back"},
    {"version", OPT_VERSION, NULL, "this program's version"},
    {"debug", 'd', NULL, "show on stderr what goes out and comes in"},
    {"help", 'h', NULL, "this; after a command, about the command"},
};

enum { OPTIONS = sizeof table / sizeof *table };

static bool is_field(int value) {
    return value >= OPT_FIELD && value < OPT_FIELD + F_COUNT;
}

/* Does the option stand where the older clients take it: one of the connection before the command, one of the command's
 * own after it? */
static bool belongs_here(int value, const struct command *k) {
    if (k == NULL)
        return !is_field(value);
    return is_field(value) && (k->fields & BIT(value - OPT_FIELD)) != 0;
}

/* Does the option's name begin as the argument, as far as that goes? */
static bool begins(const char *name, const char *argument) {
    size_t len = strcspn(argument + 2, "=");
    return strncmp(name, argument + 2, len) == 0;
}

/* An option that the older clients do not have makes no beginning ambiguous that is enough for them. */
static bool gives_way(int value, const char *argument, const struct command *k) {
    bool lists = k != NULL && (k->fields & BIT(F_CONNECTED)) != 0;
    return (value == OPT_FIELD + F_TREE && begins("tag", argument)) ||
           (value == OPT_FIELD + F_CONNECTOR && lists && begins("connected", argument));
}

static void add(struct option *o, int i) {
    *o = (struct option){table[i].name, table[i].meta != NULL ? required_argument : no_argument, NULL, table[i].value};
}

/* The beginning of an option's name stands for the option if no other one begins so: of those that belong here, as in
 * the older clients, else of all. */
const struct option *options_for(const char *argument, const struct command *k) {
    static struct option all[OPTIONS + 1], here[OPTIONS + 1];
    int n = 0, fits = 0;
    bool some = argument != NULL && str_starts(argument, "--") && argument[2] != '\0' && argument[2] != '=';
    for (int i = 0; i < OPTIONS; i++) {
        add(&all[i], i);
        if (some && belongs_here(table[i].value, k) && !gives_way(table[i].value, argument, k)) {
            add(&here[n++], i);
            fits += begins(table[i].name, argument);
        }
    }
    here[n] = (struct option){0};
    return fits == 1 ? here : all;
}

const char *options_name(unsigned fields) {
    for (int i = 0; i < OPTIONS; i++) {
        if (is_field(table[i].value) && (fields & BIT(table[i].value - OPT_FIELD)) != 0)
            return table[i].name;
    }
    return "";
}

/* ---- mistakes ---- */

static int wrong_name(const struct command *k, const char *argument) {
    char name[VH_NAME_MAX], found[VH_TEXT_MAX];
    struct sbuf sb; /* what does not fit is the end of a list, or of a name that is none: harmless */
    struct command_guess guess = {.word = name};
    int fits = 0;
    sb_init(&sb, found, sizeof found);
    (void)str_copyn(name, sizeof name, argument + 2, strcspn(argument + 2, "="));
    for (int i = 0; i < OPTIONS; i++) {
        bool here = belongs_here(table[i].value, k) || k == NULL;
        if (str_eq(table[i].name, name))
            return command_usage(k, "--%s takes no value", name);
        if (here && name[0] != '\0' && begins(table[i].name, argument))
            sb_fmt(&sb, "%s--%s", fits++ > 0 ? ", " : "", table[i].name);
        if (here || !is_field(table[i].value))
            command_consider(&guess, table[i].name);
    }
    if (fits > 1)
        return command_usage(k, "--%s stands for several options: %s", name, found);
    if (guess.best != NULL)
        return command_usage(k, "no such option '--%s': did you mean '--%s'?", name, guess.best);
    return command_usage(k, "no such option '--%s'", name);
}

int options_wrong(const struct command *k, int opt, const char *argument) {
    if (opt == ':')
        return command_usage(k, "%s needs a value", argument);
    if (str_starts(argument, "--"))
        return wrong_name(k, argument);
    return command_usage(k, "no such option '-%c'", optopt);
}

/* ---- help ---- */

void options_help(const struct command *k) {
    for (int i = 0; i < OPTIONS; i++) {
        char text[64];
        if (!belongs_here(table[i].value, k))
            continue;
        bool letter = table[i].value < OPT_FIELD;
        (void)str_fmt(text, sizeof text, "%c%c%c --%s %s", letter ? '-' : ' ', letter ? table[i].value : ' ',
                      letter ? ',' : ' ', table[i].name, table[i].meta != NULL ? table[i].meta : "");
        printf("  %-32s %s\n", text, table[i].about);
    }
}
