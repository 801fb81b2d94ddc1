/*
 * cli.c - the client: a command line becomes one request, the response becomes text and an exit status.
 *
 * What scripts rely on: 0 ok (an empty list too), 1 failed with the reason on stderr, 2 usage; `usb list` prints
 * "vid:pid vendor product" for each device and, unless --short, its fields and a blank line. Decides nothing: names of
 * devices and VMs go to the daemon as they were typed.
 */
#include "cli.h"

#include "cli_wire.h"
#include "json.h"
#include "limits.h"
#include "str.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };
enum { REPLY_MS = 60000, TOKENS_MAX = VH_MAX_DEVICES * 128 };

static const char help[] =
    "Usage: vhotplugcli [OPTION]... COMMAND\n"
    "Asks a running vhotplug over its API.\n"
    "\n"
    "  usb list [--short] [--connected|--disconnected] [--tag TAG] [--all]\n"
    "  usb attach DEVICE [--vm VM]     give it to VM; without --vm as the rules and the last choice say\n"
    "  usb detach DEVICE               take it away, until somebody attaches it again\n"
    "  usb suspend [--vm VM]           take all devices out of VM (of all VMs), but those that rules let stay\n"
    "  usb resume [--vm VM]            put back what suspend took\n"
    "  listen                          print events as they come, one JSON object a line\n"
    "  version                         the daemon's version\n"
    "\n"
    "DEVICE is --devnode /dev/bus/usb/001/004, or --bus BUS --port PORT, or --vid VID --pid PID, or --tag TAG.\n"
    "\n"
    "  -t unix|tcp|vsock    transport (default: vsock inside a guest, else unix)\n"
    "  -u PATH              unix socket (default: /var/lib/vhotplug/vhotplug.sock)\n"
    "  -s HOST              address for tcp (default: 127.0.0.1)\n"
    "  -p PORT              port for tcp and vsock (default: 2000)\n"
    "  -c CID               context ID for vsock (default: 2, the host)\n"
    "      --json           print the response as it came\n"
    "  -d, --debug          show the lines that go out and come in on stderr\n"
    "      --version        this program's version\n"
    "  -h, --help           this\n"
    "\n"
    "Exit status: 0 ok (also for an empty list), 1 failed (reason on stderr), 2 usage.\n";

/* ---- options ---- */

enum field {
    F_DEVNODE,
    F_BUS,
    F_PORT,
    F_VID,
    F_PID,
    F_TAG,
    F_VM,
    F_SHORT,
    F_CONNECTED,
    F_DISCONNECTED,
    F_ALL,
    F_COUNT,
    F_JSON,
    F_VERSION
};

enum { OPT_FIELD = 256 };

#define BIT(f) (1U << (f))
#define SELECTOR (BIT(F_DEVNODE) | BIT(F_BUS) | BIT(F_PORT) | BIT(F_VID) | BIT(F_PID) | BIT(F_TAG))

static const struct option long_options[] = {
    {"devnode", required_argument, NULL, OPT_FIELD + F_DEVNODE},
    {"bus", required_argument, NULL, OPT_FIELD + F_BUS},
    {"port", required_argument, NULL, OPT_FIELD + F_PORT},
    {"vid", required_argument, NULL, OPT_FIELD + F_VID},
    {"pid", required_argument, NULL, OPT_FIELD + F_PID},
    {"tag", required_argument, NULL, OPT_FIELD + F_TAG},
    {"vm", required_argument, NULL, OPT_FIELD + F_VM},
    {"short", no_argument, NULL, OPT_FIELD + F_SHORT},
    {"connected", no_argument, NULL, OPT_FIELD + F_CONNECTED},
    {"disconnected", no_argument, NULL, OPT_FIELD + F_DISCONNECTED},
    {"all", no_argument, NULL, OPT_FIELD + F_ALL},
    {"json", no_argument, NULL, OPT_FIELD + F_JSON},
    {"version", no_argument, NULL, OPT_FIELD + F_VERSION},
    {"debug", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

enum output { OUT_NOTHING, OUT_LIST, OUT_VERSION, OUT_EVENTS };

static const struct command {
    const char *group, *name, *action;
    unsigned fields; /* that it takes */
    enum output output;
} commands[] = {
    {"usb", "list", "usb_list", BIT(F_SHORT) | BIT(F_CONNECTED) | BIT(F_DISCONNECTED) | BIT(F_TAG) | BIT(F_ALL),
     OUT_LIST},
    {"usb", "attach", "usb_attach", SELECTOR | BIT(F_VM), OUT_NOTHING},
    {"usb", "detach", "usb_detach", SELECTOR, OUT_NOTHING},
    {"usb", "suspend", "usb_suspend", BIT(F_VM), OUT_NOTHING},
    {"usb", "resume", "usb_resume", BIT(F_VM), OUT_NOTHING},
    {NULL, "listen", "enable_notifications", 0, OUT_EVENTS},
    {NULL, "version", "version", 0, OUT_VERSION},
};

struct call {
    struct cli_target target;
    const struct command *command;
    unsigned given; /* fields */
    const char *value[F_COUNT];
    bool json, debug;
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

/* What decides the transport if -t does not. */
static void settle_transport(struct call *c) {
    struct cli_target *t = &c->target;
    if (t->transport == CLI_DEFAULT && t->path != NULL)
        t->transport = CLI_UNIX;
    else if (t->transport == CLI_DEFAULT && t->host != NULL)
        t->transport = CLI_TCP;
    else if (t->transport == CLI_DEFAULT && t->cid != 0)
        t->transport = CLI_VSOCK;
}

/* -1: go on; else the exit status. */
static int take_options(struct call *c, int argc, char **argv) {
    int opt;
    while ((opt = getopt_long(argc, argv, "t:u:s:p:c:dh", long_options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(help, stdout);
            return CLI_OK;
        }
        if (opt == '?')
            return usage("options not understood", "");
        if (opt == OPT_FIELD + F_VERSION) {
            printf("vhotplugcli %s\n", VH_VERSION);
            return CLI_OK;
        }
        if (opt == 'd')
            c->debug = true;
        else if (opt == OPT_FIELD + F_JSON)
            c->json = true;
        else if (opt >= OPT_FIELD) {
            c->given |= BIT(opt - OPT_FIELD);
            c->value[opt - OPT_FIELD] = optarg;
        } else {
            int status = take_target(c, opt);
            if (status != CLI_OK)
                return status;
        }
    }
    settle_transport(c);
    return -1;
}

static const struct command *find_command(int argc, char **argv) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *k = &commands[i];
        int words = k->group != NULL ? 2 : 1;
        if (argc == words && str_eq(argv[words - 1], k->name) && (k->group == NULL || str_eq(argv[0], k->group)))
            return k;
    }
    return NULL;
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
    if ((c->command->fields & SELECTOR) != SELECTOR)
        return CLI_OK;
    if (selector == BIT(F_DEVNODE) || selector == (BIT(F_BUS) | BIT(F_PORT)) || selector == (BIT(F_VID) | BIT(F_PID)) ||
        selector == BIT(F_TAG))
        return CLI_OK;
    return usage("name the device by one of --devnode, --bus and --port, --vid and --pid, --tag", "");
}

/* ---- the request ---- */

static void build_request(const struct call *c, struct sbuf *sb) {
    static const char *const keys[] = {"device_node", "bus", "port", "vid", "pid", "tag", "vm"};
    sb_fmt(sb, "{\"action\": \"%s\"", c->command->action);
    for (unsigned f = F_DEVNODE; f <= F_VM; f++) {
        if (!(c->given & BIT(f)))
            continue;
        sb_fmt(sb, ", \"%s\": ", keys[f]);
        sb_json(sb, c->value[f]);
    }
    if (c->given & BIT(F_DISCONNECTED))
        sb_str(sb, ", \"disconnected\": true");
    if (c->given & BIT(F_CONNECTED))
        sb_str(sb, ", \"disconnected\": false");
    if (c->given & BIT(F_ALL))
        sb_str(sb, ", \"all\": true");
    sb_str(sb, "}\n");
}

/* ---- output ---- */

/* A device's strings may hold anything: no control character of theirs reaches a terminal. */
static void print_text(const char *s) {
    for (size_t i = 0, n = strlen(s); i < n;) {
        uint32_t cp = 0;
        size_t len = utf8_len(s + i, n - i, &cp);
        if (len == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            putchar('?');
        else
            fwrite(s + i, 1, len, stdout);
        i += len != 0 ? len : 1;
    }
}

static void print_value(const struct json *j, int t) {
    char text[VH_ERROR_MAX];
    if (json_type(j, t) == JSON_STRING) {
        print_text(json_string(j, t, text, sizeof text) ? text : "(too long)");
    } else if (json_type(j, t) == JSON_ARRAY) {
        const char *between = "";
        for (int e = json_first(j, t); e >= 0; e = json_next(j, e)) {
            fputs(between, stdout);
            print_text(json_string(j, e, text, sizeof text) ? text : "?");
            between = ", ";
        }
    } else {
        printf("%.*s", j->tok[t].end - j->tok[t].start, j->text + j->tok[t].start);
    }
}

static void print_field(const struct json *j, int device, const char *key) {
    int t = json_get(j, device, key);
    if (t >= 0 && json_type(j, t) != JSON_NULL)
        print_value(j, t);
}

static void print_device(const struct json *j, int device, bool brief) {
    print_field(j, device, "vid");
    putchar(':');
    print_field(j, device, "pid");
    putchar(' ');
    print_field(j, device, "vendor_name");
    putchar(' ');
    print_field(j, device, "product_name");
    putchar('\n');
    if (brief)
        return;
    for (int k = json_first(j, device); k >= 0; k = json_next(j, k)) {
        char key[VH_NAME_MAX];
        if (json_type(j, json_value(j, k)) == JSON_NULL || !json_string(j, k, key, sizeof key))
            continue;
        printf("  %-16s: ", key);
        print_value(j, json_value(j, k));
        putchar('\n');
    }
    putchar('\n');
}

static int failed(const char *why) {
    fputs("vhotplugcli: ", stderr);
    fputs(why, stderr);
    fputc('\n', stderr);
    return CLI_FAILED;
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
    if (c->json)
        return CLI_OK;
    if (c->command->output == OUT_VERSION) {
        print_field(&j, 0, "version");
        putchar('\n');
    }
    int list = c->command->output == OUT_LIST ? json_get(&j, 0, "usb_devices") : -1;
    for (int d = list >= 0 ? json_first(&j, list) : -1; d >= 0; d = json_next(&j, d))
        print_device(&j, d, c->given & BIT(F_SHORT));
    return CLI_OK;
}

/* ---- conversation ---- */

static int ask(const struct call *c, const char *request, size_t n) {
    char why[VH_ERROR_MAX];
    const char *line = NULL;
    size_t len = 0;
    if (c->debug)
        fprintf(stderr, "> %s", request);
    if (!cli_connect(&c->target, why, sizeof why) || !cli_send(request, n, why, sizeof why) ||
        !cli_receive(&line, &len, REPLY_MS, why, sizeof why))
        return failed(why);
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
            return failed("cannot write to standard output");
        if (on)
            fprintf(stderr, "vhotplugcli: %s; trying again\n", why);
        const struct timespec second = {.tv_sec = 1};
        (void)nanosleep(&second, NULL);
    }
}

int cli_main(int argc, char **argv) {
    struct call c = {0};
    char request[VH_LINE_MAX];
    struct sbuf sb;
    int status = take_options(&c, argc, argv);
    if (status >= 0)
        return status;
    c.command = find_command(argc - optind, argv + optind);
    if (c.command == NULL)
        return usage(optind < argc ? "no such command" : "no command", "");
    status = check_fields(&c);
    if (status != CLI_OK)
        return status;
    sb_init(&sb, request, sizeof request);
    build_request(&c, &sb);
    if (!sb_ok(&sb))
        return failed("the request is longer than a line may be");
    status = c.command->output == OUT_EVENTS ? listen_for_ever(&c, request, sb.len) : ask(&c, request, sb.len);
    cli_close();
    return fflush(stdout) == 0 ? status : failed("cannot write to standard output");
}
