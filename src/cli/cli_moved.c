/*
 * cli_moved.c - tells somebody at a terminal where a device is after `usb attach` and `usb detach`, and why just there.
 * Asks the daemon for a list once more: the answer to a move says ok alone.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_ask.h"
#include "cli/cli_device.h"
#include "cli/cli_match.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>

/* Without --vm and with several VMs to go to: the one that was chosen before, else the first. */
static void say_choice(const struct json *j, int d, const char *vm) {
    int allowed = json_get(j, d, "allowed_vms");
    if (json_size(j, allowed) < 2)
        return;
    bool first = json_string_is(j, json_first(j, allowed), vm);
    fputs(first ? "  the first that its rule allows (" : "  chosen before among those that its rule allows (", stdout);
    text_value(j, allowed);
    puts(first ? "); no other was chosen before" : ")");
}

static void say_place(const struct call *c, const struct json *j, int d) {
    char text[DEVICE_TEXT], vm[VH_NAME_MAX];
    text_field(j, d, "sys_name");
    putchar(' ');
    text_print(device_name(j, d, text));
    if (text_get(j, d, "vm", vm, sizeof vm)[0] != '\0') {
        text_line(j, d, ": attached to ", "vm");
        if ((c->given & (BIT(F_VM) | BIT(F_TAG))) == 0)
            say_choice(j, d, vm);
    } else if (text_true(j, d, "disconnected")) {
        puts(": taken away, until somebody attaches it again");
    } else {
        fputs(": in no VM", stdout);
        text_line(j, d, ": ", "reason");
        if (text_null(j, d, "reason"))
            putchar('\n');
    }
}

void show_moved(const struct call *c) {
    char why[VH_ERROR_MAX], line[VH_LINE_MAX];
    struct json j;
    struct sbuf sb; /* the move with the same connector did fit */
    sb_init(&sb, line, sizeof line);
    request_list(c, &sb);
    if (ask_daemon(line, NULL, &j, why) != CLI_OK)
        return; /* the move itself was answered */
    int d = match_first(c, &j);
    if (d < 0)
        puts(c->given & BIT(F_TAG) ? "no device with this tag is there now" : "the device is gone");
    for (bool more = (c->given & BIT(F_TAG)) != 0; d >= 0; d = more ? match_next(c, &j, json_next(&j, d)) : -1)
        say_place(c, &j, d);
}
