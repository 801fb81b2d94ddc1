/*
 * cli_show.h - the client's output: the daemon's replies as text for people, for scripts, for Prometheus.
 */
#ifndef VHOTPLUG_CLI_SHOW_H
#define VHOTPLUG_CLI_SHOW_H

#include "codec/json.h"

#include <stdbool.h>

enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOT_BLOCKED = 3,
    CLI_NO_DEVICE = 4,
    CLI_UNREACHABLE = 5,
    CLI_UNKNOWN = 6
};

/* cli_list.c: the list for scripts: "vid:pid vendor product" and, unless brief, one line for each field and an empty
 * line. Of lists of USB devices: those that vm has or may have; NULL: all. */
void show_list(const struct json *j, const char *vm, bool brief);
void show_pci(const struct json *j, bool brief);   /* the same of PCI devices: "address vid:did vendor device" */
void show_evdev(const struct json *j, bool brief); /* of input devices: "/dev/input/event4 name" */
/* The arguments of a VMM on one line, without a newline, and on standard error what was left out. False, with nothing
 * printed, if one is no single word. */
bool show_words(const struct json *j);

/* cli_table.c, cli_tree.c: the same for a terminal. False if there is no device. */
bool show_table(const struct json *j, const char *vm);
bool show_tree(const struct json *j, const char *vm);

/* cli_pci.c: likewise of PCI devices. */
bool show_pci_table(const struct json *j);
bool show_pci_tree(const struct json *j);

/* cli_lines.c: on a terminal for people, elsewhere an object a line. */
void show_history(const struct json *j);
void show_rules(const struct json *j);
/* Problems go to standard error. True if the error of a reload that failed is among them. */
bool show_reload(const struct json *j);

/* cli_vms.c: VMs and their ports */
void show_vms(const struct json *j);

/* cli_explain.c */
void show_explanation(const struct json *j);

/* cli_figures.c, cli_prometheus.c */
void show_stats(const struct json *j);
void show_daemon(const struct json *j); /* stats in a few lines */
void show_prometheus(const struct json *j);

/* cli_tag.c: false, after saying so, if no rule has the tag that this usb_list asked for. */
bool show_tag_known(const struct json *j, const char *tag);
/* Shows whether every device with this tag is blocked, from a usb_list of these devices. Returns the exit status. */
int show_tag(const struct json *j, const char *tag, bool quiet);

#endif
