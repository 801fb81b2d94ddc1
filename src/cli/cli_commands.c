/*
 * cli_commands.c - the commands: their words, the API's action, the options that they take, and the help about them.
 */
#include "base/str.h"
#include "cli/cli_call.h"

#include <stdio.h>

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
    "  -t, --transport unix|tcp|vsock  (default: unix if it answers, else vsock in a guest)\n"
    "  -u, --path PATH      unix socket (default: $VHOTPLUG_SOCKET, else /var/lib/vhotplug/vhotplug.sock)\n"
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

static const struct command commands[] = {
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

const struct command *command_find(int n, char *const *word) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct command *k = &commands[i];
        int words = k->group != NULL ? 2 : 1;
        if (n == words && str_eq(word[words - 1], k->name) && (k->group == NULL || str_eq(word[0], k->group)))
            return k;
    }
    return NULL;
}

void command_help(void) {
    fputs(help, stdout);
}
