/*
 * cli_commands.c - the commands: their words, the API's action, the options that they take, and the help about them.
 */
#include "base/str.h"
#include "cli/cli_call.h"
#include "cli/cli_options.h"

#include <stdio.h>
#include <string.h>

static const char about_devices[] = "\n"
                                    "DEVICE is what lists call it: 1-2.3, 046d:c31c, /dev/bus/usb/001/004, a tag or a\n"
                                    "stable path.\n"
                                    "Options name it, too; several of them mean the device that fits all.\n";

static const struct command commands[] = {
    {"usb", "list", "usb_list",
     BIT(F_SHORT) | BIT(F_PLAIN) | BIT(F_CONNECTED) | BIT(F_DISCONNECTED) | BIT(F_TAG) | BIT(F_ALL) | BIT(F_TREE) |
         BIT(F_CONNECTOR) | BIT(F_VM),
     OUT_LIST, "[OPTION]...", "list devices: a table on a terminal, else all fields", "usb list --tag camera"},
    {"usb", "attach", "usb_attach", SELECTOR | BIT(F_VM), OUT_MOVED, "DEVICE [--vm VM]",
     "give a device to VM, or to where rules and choices say", "usb attach 1-2.3 --vm desktop"},
    {"usb", "detach", "usb_detach", SELECTOR, OUT_MOVED, "DEVICE",
     "take a device away until somebody attaches it again", "usb detach 046d:c31c"},
    {"usb", "suspend", "usb_suspend", BIT(F_VM), OUT_NOTHING, "[--vm VM]",
     "take devices out of VM, or of all; see skipOnSuspend", "usb suspend --vm desktop"},
    {"usb", "resume", "usb_resume", BIT(F_VM), OUT_NOTHING, "[--vm VM]", "put back what suspend took",
     "usb resume --vm desktop"},
    {"usb", "history", "history", SELECTOR, OUT_HISTORY, "[DEVICE]", "the last events, of DEVICE or of all, with times",
     "usb history 1-2.3"},
    {"usb", "rule", "usb_list", (SELECTOR & ~BIT(F_TAG)) | BIT(F_BY) | BIT(F_VM), OUT_RULE,
     "DEVICE [--by WORD] [--vm VM]", "print a rule for a device; on stderr what else it fits",
     "usb rule 1-2.3 --by model --vm media"},
    {"pci", "list", "pci_list",
     BIT(F_SHORT) | BIT(F_PLAIN) | BIT(F_CONNECTED) | BIT(F_DISCONNECTED) | BIT(F_TAG) | BIT(F_ALL) | BIT(F_TREE),
     OUT_PCI, "[OPTION]...", "list PCI devices with a rule; none is given to VMs yet", "pci list --tree"},
    {"pci", "attach", "pci_attach", PCI_SELECTOR | BIT(F_VM), OUT_NOTHING, "OPTION...", "as older clients do; fails",
     "pci attach --address 0000:00:14.3 --vm net"},
    {"pci", "detach", "pci_detach", PCI_SELECTOR, OUT_NOTHING, "OPTION...", "likewise: fails",
     "pci detach --vid 8086 --did 2930"},
    {"pci", "suspend", "pci_suspend", BIT(F_VM), OUT_NOTHING, "[--vm VM]", "likewise: nothing to do",
     "pci suspend --vm net"},
    {"pci", "resume", "pci_resume", BIT(F_VM), OUT_NOTHING, "[--vm VM]", "likewise: nothing to do",
     "pci resume --vm net"},
    {"evdev", "list", "evdev_list", BIT(F_SHORT) | BIT(F_TAG) | BIT(F_ALL), OUT_EVDEV, "[OPTION]...",
     "list input devices but those on USB, and the VM of each", "evdev list --short"},
    {"vmm", "list", "vmm_list", 0, OUT_VMS, "", "the VMs, what they run, and their USB ports", "vmm list"},
    {"vmm", "args", "vmm_args", BIT(F_VM) | BIT(F_BUS_PREFIX) | BIT(F_BUS_INDEX) | BIT(F_REQUIRE_PCI) | BIT(F_TIMEOUT),
     OUT_ARGS, "--vm VM [OPTION]...", "the arguments that VM is to be started with", "vmm args --vm net --timeout 5"},
    {"state", "acknowledge", "state_acknowledge", 0, OUT_NOTHING, "",
     "a corrupt state file was seen to; see onCorruptState", "state acknowledge"},
    {NULL, "listen", "enable_notifications", 0, OUT_EVENTS, "", "print events: lines on a terminal, else JSON objects",
     "listen"},
    {NULL, "choose", "enable_notifications", 0, OUT_CHOOSE, "", "ask at the terminal when a device needs a VM",
     "choose"},
    {NULL, "rules", "rules", 0, OUT_RULES, "", "the rules as they are, and how often each decided", "rules"},
    {NULL, "reload", "reload", 0, OUT_RELOAD, "", "read the configuration again; on stderr what is wrong", "reload"},
    {NULL, "status", "stats", BIT(F_TAG), OUT_STATUS, "[--tag TAG]",
     "how it stands; is everything with TAG taken away?", "status --tag camera"},
    {NULL, "explain", "explain", (SELECTOR & ~BIT(F_TAG)) | BIT(F_ADDRESS) | DESCRIPTION, OUT_EXPLAIN,
     "DEVICE|OPTION...", "which rule decides, why no other does, what is awaited",
     "explain --vid 0951 --pid 1666 --class 8/6/80"},
    {NULL, "stats", "stats", BIT(F_PROMETHEUS), OUT_STATS, "[--prometheus]",
     "what was counted since the daemon started", "stats --prometheus"},
    {NULL, "version", "version", 0, OUT_VERSION, "", "the daemon's version", "version"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const char *group_of(const struct command *k) {
    return k->group != NULL ? k->group : "";
}

const struct command *command_find(int n, char *const *word) {
    for (int i = 0; i < COMMANDS; i++) {
        const struct command *k = &commands[i];
        int words = k->group != NULL ? 2 : 1;
        if (n == words && str_eq(word[words - 1], k->name) && (k->group == NULL || str_eq(word[0], k->group)))
            return k;
    }
    return NULL;
}

/* ---- mistakes ---- */

/* "usb" alone, or with a word that is no command of it */
static int wrong_in_group(const char *group, const char *word) {
    char text[VH_TEXT_MAX];
    struct sbuf sb; /* a few names fit */
    struct command_guess guess = {.word = word};
    sb_init(&sb, text, sizeof text);
    for (int i = 0; i < COMMANDS; i++) {
        if (!str_eq(group, group_of(&commands[i])))
            continue;
        command_consider(&guess, commands[i].name);
        sb_fmt(&sb, "%s%s %s", sb.len > 0 ? ", " : "", group, commands[i].name);
    }
    if (guess.best != NULL)
        return command_usage(NULL, "no such command '%s %s': did you mean '%s %s'?", group, word, group, guess.best);
    if (word[0] == '\0')
        return command_usage(NULL, "'%s' alone is no command: expected %s", group, text);
    return command_usage(NULL, "no such command '%s %s': expected %s", group, word, text);
}

int command_unknown(int n, char *const *word) {
    if (n == 0)
        return command_usage(NULL, "no command");
    struct command_guess guess = {.word = word[0]};
    const char *group = "";
    for (int i = 0; i < COMMANDS; i++) {
        if (str_eq(word[0], group_of(&commands[i])))
            return wrong_in_group(word[0], n > 1 ? word[1] : "");
        command_consider(&guess, group_of(&commands[i]));
    }
    for (int i = 0; i < COMMANDS; i++) {
        const char *before = guess.best;
        command_consider(&guess, commands[i].name);
        if (guess.best != before)
            group = group_of(&commands[i]);
    }
    if (guess.best == NULL)
        return command_usage(NULL, "no such command '%s'", word[0]);
    return command_usage(NULL, "no such command '%s': did you mean '%s%s%s'?", word[0], group,
                         group[0] != '\0' ? " " : "", guess.best);
}

/* ---- help ---- */

static void help_of_all(void) {
    fputs("Usage: " PROGRAM " [OPTION]... COMMAND\n"
          "Asks a running vhotplug over its API. '" PROGRAM " COMMAND --help' tells more.\n\n",
          stdout);
    for (int i = 0; i < COMMANDS; i++) {
        const struct command *k = &commands[i];
        char text[VH_NAME_MAX];
        (void)str_fmt(text, sizeof text, "%s%s%s %s", group_of(k), k->group != NULL ? " " : "", k->name,
                      (k->fields & BIT(F_DEVNODE)) == 0 ? ""
                      : k->output == OUT_HISTORY        ? "[DEVICE]"
                                                        : "DEVICE");
        printf("  %-20s %s\n", text, k->about);
    }
    fputs(about_devices, stdout);
    putchar('\n');
    options_help(NULL);
    fputs("\nExit status: 0 ok (an empty list, too), 1 failed (reason on stderr), 2 usage.\n"
          "Of status --tag: 0 blocked, 3 not blocked, 4 no such device now, 6 taken away,\n"
          "but it is not known whether anybody has it. Of status: 5 nobody answers.\n",
          stdout);
}

void command_help(const struct command *k) {
    if (k == NULL) {
        help_of_all();
        return;
    }
    printf("Usage: " PROGRAM " %s%s%s %s\n%c%s.\n", group_of(k), k->group != NULL ? " " : "", k->name, k->synopsis,
           k->about[0] & ~0x20, k->about + 1);
    if ((k->fields & BIT(F_DEVNODE)) != 0)
        fputs(about_devices, stdout);
    if (k->fields != 0)
        putchar('\n');
    options_help(k);
    printf("\nExample: " PROGRAM " %s\n", k->example);
}
