/*
 * main.c - options, the order of start, the sandbox, and the choice of the bus and the VMM types.
 *
 * Everything that can fail for good fails here, before "ready", with exit status 1 and the reason on stderr; 2 is for
 * options that were not understood. The same binary called vhotplugcli (or as `vhotplug cli ...`) is the client.
 */
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/usb/bus_usb.h"
#include "bus/usb/usb_ports.h"
#include "cli/cli.h"
#include "codec/pci_names.h"
#include "codec/usb_names.h"
#include "config/conf.h"
#include "config/conf_print.h"
#include "daemon/acpi_tables.h"
#include "daemon/check_live.h"
#include "daemon/conf_load.h"
#include "daemon/doctor.h"
#include "daemon/doctor_connectors.h"
#include "daemon/doctor_quarantine.h"
#include "daemon/loop.h"
#include "daemon/sandbox_paths.h"
#include "daemon/scratch.h"
#include "os/accounts.h"
#include "os/host_lock.h"
#include "os/logger.h"
#include "os/opener.h"
#include "os/pages.h"
#include "os/sandbox.h"
#include "os/supervisor.h"
#include "os/sysfs.h"
#include "server/listener.h"
#include "vmm/vmm_cloud.h"
#include "vmm/vmm_crosvm.h"
#include "vmm/vmm_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const struct vmm *const vmms[] = {&vmm_qemu, &vmm_crosvm, &vmm_cloud, NULL};

struct options {
    const char *conf_path; /* NULL: the default one, if it exists */
    const char *root;      /* NULL: / */
    const char *uevents;
    const char *ready_fd;
    const char *live_socket; /* of --live; NULL: that of the configuration */
    bool attach_connected, debug, check, strict, live, doctor, connectors, quarantine, no_sandbox;
};

static const struct conf *conf; /* as read at start; the loop has a later one */
static struct options given;

/* ---- texts ---- */

static const char help[] =
    "Usage: vhotplug [OPTION]...\n"
    "       vhotplug doctor [-c FILE]      is this host fit for it? plain advice for what is not\n"
    "       vhotplug doctor --connectors   the host's USB sockets, as a configuration\n"
    "       vhotplug doctor --quarantine   which ports and devices general.quarantine would touch; touches none\n"
    "       vhotplug cli ...               the client, as vhotplugcli\n"
    "Gives USB devices to virtual machines as they are plugged in, by the rules of its configuration, and serves a "
    "JSON API.\n"
    "\n"
    "  -c, --config FILE       configuration (default: " CONF_LOAD_DEFAULT
    " if it exists, else built-in: no VMs, list and events)\n"
    "  -a, --attach-connected  also give away what is plugged in already at start\n"
    "  -d, --debug             log more\n"
    "      --no-attach-connected, --no-debug   take an earlier -a or -d back\n"
    "      --check [FILE]      check the configuration, print every problem with its position, and exit\n"
    "                          (-c - or --check -: from standard input)\n"
    "      --strict            with --check: warnings are errors\n"
    "      --live[=SOCKET]     with --check: also where each device is with the daemon that runs, and where it would "
    "be\n"
    "                          (exit status 0: all stay, 1: some would change, 2: that cannot be told)\n"
    "      --limits            print every compiled-in limit with its reason, and exit\n"
    "      --ready-fd N        write a newline to descriptor N when ready, and close it (for s6, dinit, OpenRC)\n"
    "      --no-sandbox        keep every capability, path and system call (only to find out what the sandbox denies)\n"
    "      --root DIR          look for /sys, /dev, /proc and /lib/modules below DIR (for tests: one daemon a DIR)\n"
    "      --uevents PATH      take uevents from a unix datagram socket made at PATH (for tests; needs --root)\n"
    "      --version           print the version and exit\n"
    "  -h, --help              print this and exit\n"
    "\n"
    "The log goes to stderr, one line an event. SIGTERM and SIGINT end the daemon; guests keep their "
    "devices\n"
    "unless general.releaseOnExit says otherwise. SIGHUP reads the configuration again: all of it, or nothing if it "
    "has "
    "errors.\n"
    "One daemon a host: a second one ends with status 1 and names the first.\n"
    "Exit status: 0 ended as asked, 1 failed, 2 options not understood.\n"
    "\n"
    "Try it:  vhotplug -d   and in another shell   vhotplugcli usb list\n";

static void print_limits(void) {
#define X(name, value, reason) printf("%-22s %9ld  %s\n", &#name[3], (long)(value), reason);
    VH_LIMITS(X)
#undef X
#define X(name, value, reason) printf("%-22s %6ld ms  %s\n", &#name[3], (long)(value), reason);
    VH_TIMES(X)
#undef X
}

static int usage(const char *why) {
    fprintf(stderr, "vhotplug: %s\nTry 'vhotplug --help'.\n", why);
    return EXIT_USAGE;
}

static unsigned found[DIAG_NOTE + 1]; /* problems, by level */

static void print_and_count(const struct diag *d, void *source) {
    found[d->level] += d->count;
    conf_print(d, source);
}

/* Notes are for --check. */
static void print_problem(const struct diag *d, void *source) {
    if (d->level != DIAG_NOTE)
        conf_print(d, source);
}

static void print_number(const char *before, unsigned n, const char *what) {
    printf("%s%u %s%s", before, n, what, n == 1 ? "" : "s");
}

/* They are looked up at start, on the host where the daemon runs. */
static void check_owner(const char *key, const char *file, const char *name) {
    int64_t id = 0;
    if (name[0] == '\0' || accounts_id(file, name, &id))
        return;
    printf("%s: warning: %s: '%s' is not in %s here\n", conf_load_path(), key, name, file);
    found[DIAG_WARNING]++;
}

static void check_owners(void) {
    check_owner("general.api.unixSocketUser", ACCOUNTS_USERS, conf->api.unix_user);
    check_owner("general.api.unixSocketGroup", ACCOUNTS_GROUPS, conf->api.unix_group);
    for (int i = 0; i < conf->nacpi_tables; i++) {
        const struct acpi_table *t = &conf->acpi_tables[i];
        check_owner("acpiPassthrough: setUser", ACCOUNTS_USERS, t->enabled ? t->user : "");
        check_owner("acpiPassthrough: setGroup", ACCOUNTS_GROUPS, t->enabled ? t->group : "");
    }
}

/* The daemon of this host may find its controllers in another order the next time. */
static void check_buses(void) {
    unsigned n = 0, line = 0;
    for (int i = 0; i < conf->nentries; i++) {
        const struct entry *e = &conf->entries[i];
        if (!e->enabled || (e->fields & F_BUS) == 0)
            continue;
        line = n++ == 0 ? e->line : line;
    }
    int controllers = n > 0 && sysfs_root(given.root != NULL ? given.root : "/") ? usb_controllers() : 0;
    if (controllers < 2)
        return;
    printf("%s:%u: warning: 'bus' in %u entr%s: this host has %d USB controllers, whose bus numbers may change; "
           "'connector' names a place for good (vhotplug doctor --connectors)\n",
           conf_load_path(), line, n, n == 1 ? "y" : "ies", controllers);
    found[DIAG_WARNING]++;
}

/* The last line of --check: "FILE: ok: 4 rules, 3 VMs, 2 warnings". */
static int check(bool strict) {
    bool loaded = conf_load_first(&conf, print_and_count);
    if (loaded) {
        check_owners();
        check_buses();
    }
    bool ok = loaded && (!strict || found[DIAG_WARNING] == 0);
    printf("%s: %s", conf_load_path(), ok ? "ok" : loaded ? "not usable with --strict" : "not usable");
    if (loaded) {
        print_number(": ", (unsigned)conf_rules(conf), "rule");
        print_number(", ", conf->nvms, "VM");
    } else if (found[DIAG_ERROR] > 0) {
        print_number(": ", found[DIAG_ERROR], "error");
    }
    if (loaded || found[DIAG_ERROR] > 0)
        print_number(", ", found[DIAG_WARNING], "warning");
    putchar('\n');
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* After a check that went well. */
static int check_devices(void) {
    const char *path = given.live_socket != NULL ? given.live_socket : conf->api.unix_path;
    if (!sysfs_root(given.root != NULL ? given.root : "/")) {
        log_error("cannot open the root directory %s: %s", given.root != NULL ? given.root : "/", strerror(errno));
        return EXIT_USAGE;
    }
    int changed = check_live(conf, &bus_usb, path);
    return changed == 0 ? EXIT_OK : changed > 0 ? EXIT_FAILED : EXIT_USAGE;
}

static bool is_of(const struct vmm *vmm, const struct vm_type *type) {
    bool same = str_eq(vmm->type, type->name);
    static const enum vm_socket sockets[] = {[VMM_LINES] = VM_STREAM, [VMM_PACKETS] = VM_PACKETS, [VMM_HTTP] = VM_API};
    VH_ASSERT(!same || (sockets[vmm->talk] == type->listens && (vmm->kinds & ~type->kinds) == 0));
    return same;
}

/* Holds vmms[] to the list of VM types: one implementation for each supported type, and no other. */
static void check_types(void) {
    int n = 0, known = 0;
    while (vmms[n] != NULL)
        n++;
    for (int t = 0; t < CONF_VM_TYPES; t++) {
        int same = 0;
        for (int i = 0; vmms[i] != NULL; i++)
            same += is_of(vmms[i], &conf_vm_types[t]);
        VH_ASSERT(same == (conf_vm_types[t].supported && conf_vm_types[t].listens != VM_EITHER ? 1 : 0));
        known += same;
    }
    VH_ASSERT(known == n);
}

/* ---- the sandbox ---- */

/* The logger enters its sandbox first of all processes. */
static bool start_logger(void) {
    if (given.no_sandbox) {
        log_warn("NO SANDBOX (--no-sandbox): every capability, path and system call stays open to this process");
        sandbox_disable();
    }
    return logger_start();
}

/* Before the sandbox: the opener does later what the sandbox forbids this process. */
static bool start_opener(void) {
    struct opener_places places = sandbox_paths_opener(conf_load_path(), conf, given.uevents);
    struct opener_listeners listeners;
    places.read_conf = conf_load_copy;
    listener_places(&conf->api, &listeners);
    return opener_start(&places, &listeners);
}

/* Called when everything is open. From here on the kernel allows only what this process needs while it runs. */
static bool seal(void) {
    scratch_give_back();
    opener_seal();
    if (given.no_sandbox)
        return true;
    const struct sandbox box = {.role = SANDBOX_DAEMON, .testing = given.uevents != NULL}; /* no path at all */
    return sandbox_enter(&box);
}

/* ---- options ---- */

enum {
    OPT_ROOT = 256,
    OPT_NO_ATTACH,
    OPT_NO_DEBUG,
    OPT_UEVENTS,
    OPT_NO_SANDBOX,
    OPT_READY_FD,
    OPT_CHECK,
    OPT_STRICT,
    OPT_LIVE,
    OPT_LIMITS,
    OPT_CONNECTORS,
    OPT_QUARANTINE,
    OPT_VERSION
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"attach-connected", no_argument, NULL, 'a'},
    {"no-attach-connected", no_argument, NULL, OPT_NO_ATTACH},
    {"debug", no_argument, NULL, 'd'},
    {"no-debug", no_argument, NULL, OPT_NO_DEBUG},
    {"root", required_argument, NULL, OPT_ROOT},
    {"uevents", required_argument, NULL, OPT_UEVENTS},
    {"no-sandbox", no_argument, NULL, OPT_NO_SANDBOX},
    {"ready-fd", required_argument, NULL, OPT_READY_FD},
    {"check", no_argument, NULL, OPT_CHECK},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"live", optional_argument, NULL, OPT_LIVE},
    {"connectors", no_argument, NULL, OPT_CONNECTORS},
    {"limits", no_argument, NULL, OPT_LIMITS},
    {"quarantine", no_argument, NULL, OPT_QUARANTINE},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

/* True if the program ends with *status: an option has printed its text, or the options were not understood. */
static bool parse_options(int argc, char **argv, struct options *o, int *status) {
    int opt;
    *status = EXIT_OK;
    while ((opt = getopt_long(argc, argv, "c:adh", long_options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            o->conf_path = optarg;
            break;
        case 'a':
        case OPT_NO_ATTACH:
            o->attach_connected = opt == 'a';
            break;
        case 'd':
        case OPT_NO_DEBUG:
            o->debug = opt == 'd';
            break;
        case OPT_ROOT:
            o->root = optarg;
            break;
        case OPT_UEVENTS:
            o->uevents = optarg;
            break;
        case OPT_NO_SANDBOX:
            o->no_sandbox = true;
            break;
        case OPT_READY_FD:
            o->ready_fd = optarg;
            break;
        case OPT_CHECK:
            o->check = true;
            break;
        case OPT_STRICT:
            o->strict = true;
            break;
        case OPT_LIVE:
            o->live = true;
            o->live_socket = optarg;
            break;
        case OPT_CONNECTORS:
            o->connectors = true;
            break;
        case OPT_QUARANTINE:
            o->quarantine = true;
            break;
        case OPT_LIMITS:
            print_limits();
            return true;
        case OPT_VERSION:
            printf("vhotplug %s (USB names: %s, PCI names: %s)\n", VH_VERSION, usb_names_version(),
                   pci_names_version());
            return true;
        case 'h':
            fputs(help, stdout);
            return true;
        default:
            fputs("Try 'vhotplug --help'.\n", stderr);
            *status = EXIT_USAGE;
            return true;
        }
    }
    bool has_file = o->check && o->conf_path == NULL && optind + 1 == argc; /* --check FILE */
    if (has_file)
        o->conf_path = argv[optind++];
    if (optind < argc)
        *status = usage("unexpected argument");
    else if (o->conf_path != NULL && str_eq(o->conf_path, CONF_LOAD_STDIN) && !o->check)
        *status = usage("a configuration from standard input goes with --check");
    else if (o->strict && !o->check)
        *status = usage("--strict goes with --check");
    else if (o->connectors && !o->doctor)
        *status = usage("--connectors goes with doctor");
    else if (o->quarantine && !o->doctor)
        *status = usage("--quarantine goes with doctor");
    else if (o->connectors && o->quarantine)
        *status = usage("--connectors and --quarantine are two questions");
    else if (o->live && !o->check)
        *status = usage("--live goes with --check");
    else if (o->uevents != NULL && o->root == NULL)
        *status = usage("--uevents is for tests and needs --root");
    return *status != EXIT_OK;
}

static bool called_as_client(int argc, char **argv) {
    if (argc < 1 || argv[0] == NULL)
        return false;
    const char *slash = strrchr(argv[0], '/');
    return str_eq(slash != NULL ? slash + 1 : argv[0], "vhotplugcli");
}

static int serve(int argc, char **argv) {
    int status = EXIT_OK;
    given.doctor = argc > 1 && str_eq(argv[1], "doctor");
    if (parse_options(argc - given.doctor, argv + given.doctor, &given, &status))
        return status;
    log_open("vhotplug", given.debug ? LOG_DEBUG : given.doctor ? LOG_ERROR : LOG_INFO);
    log_stamp();
    pages_keep_small();
    check_types();
    if (given.ready_fd != NULL && !supervisor_ready_fd(given.ready_fd))
        return usage("--ready-fd needs the number of an open descriptor, 3 or higher");
    conf_load_choose(given.conf_path);
    if (given.check) {
        status = check(given.strict);
        return !given.live ? status : status == EXIT_OK ? check_devices() : EXIT_USAGE;
    }
    if (!given.doctor && (!start_logger() || !logger_use())) /* before the first line that may meet a full pipe */
        return EXIT_FAILED;
    if (!conf_load_first(&conf, given.doctor ? print_problem : NULL))
        return EXIT_FAILED;
    if (!sysfs_root(given.root != NULL ? given.root : "/")) {
        log_error("cannot open the root directory %s: %s", given.root != NULL ? given.root : "/", strerror(errno));
        return EXIT_FAILED;
    }
    if (given.connectors)
        return doctor_connectors(conf) == 0 ? EXIT_OK : EXIT_FAILED;
    if (given.quarantine)
        return doctor_quarantine(conf, &bus_usb) ? EXIT_OK : EXIT_FAILED;
    if (given.doctor)
        return doctor(conf, &bus_usb) == 0 ? EXIT_OK : EXIT_FAILED;
    if (!host_lock_take()) /* before anything is opened, made or begun that is the other one's */
        return EXIT_FAILED;
    acpi_tables_start(conf);
    (void)umask(0); /* files and sockets get exactly the mode that they are made with */
    supervisor_open();
    if (!start_opener())
        return EXIT_FAILED;
    struct loop_options lo = {
        .conf = conf,
        .reload = conf_load_again,
        .bus = &bus_usb,
        .vmms = vmms,
        .attach_connected = given.attach_connected,
        .started = seal,
    };
    return loop_run(&lo) ? EXIT_OK : EXIT_FAILED;
}

/* Fills closed standard descriptors with /dev/null, so that no file opened later becomes standard output or error. It
 * is opened for reading only: writing fails as it would on a closed one. */
static void keep_standard_files(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

int main(int argc, char **argv) {
    keep_standard_files();
    bool named = called_as_client(argc, argv), client = named || (argc > 1 && str_eq(argv[1], "cli"));
    int skip = client && !named;
    int status = client ? cli_main(argc - skip, argv + skip) : serve(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "%s: cannot write to standard output\n", client ? "vhotplugcli" : "vhotplug");
    return EXIT_FAILED;
}
