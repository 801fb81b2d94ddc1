/*
 * cli_tree.c - the devices as they are plugged in: buses, hubs, and what is behind them.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_device.h"
#include "cli/cli_match.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"
#include "codec/usb_place.h"

#include <stdio.h>
#include <string.h>

enum { INDENT = 4 };

/* Is it wanted, or is something behind it? A list has what is behind a hub after the hub. */
static bool leads(const struct json *j, int d, const char *vm) {
    char name[VH_SYSNAME_MAX], other[VH_SYSNAME_MAX];
    if (match_vm(j, d, vm))
        return true;
    size_t len = strlen(text_get(j, d, "sys_name", name, sizeof name));
    for (int e = json_next(j, d); e >= 0; e = json_next(j, e)) {
        if (str_starts(text_get(j, e, "sys_name", other, sizeof other), name) && other[len] == '.' &&
            match_vm(j, e, vm))
            return true;
    }
    return false;
}

/* "1-2  keyboard, desktop, attached: Acme Keyboard, 480M": what may be cut comes last. */
static void say(struct sbuf *sb, const struct json *j, int d) {
    char text[DEVICE_TEXT], a[VH_NAME_MAX];
    sb_fmt(sb, "%s  ", text_get(j, d, "sys_name", a, sizeof a));
    sb_str(sb, device_kind(j, d, text));
    if (!str_eq(device_vm(j, d, text), "-"))
        sb_fmt(sb, ", %s, ", text);
    if (!str_eq(text, "-"))
        sb_str(sb, device_state(j, d, text));
    sb_fmt(sb, ": %s", device_name(j, d, text));
    if (!text_null(j, d, "speed"))
        sb_fmt(sb, ", %sM", text_get(j, d, "speed", a, sizeof a));
}

static void print_branch(const struct json *j, int d, const char *path) {
    char line[3 * DEVICE_TEXT];
    struct sbuf sb; /* what does not fit is beyond any terminal's width: harmless */
    int depth = 1;
    for (; *path != '\0'; path++)
        depth += *path == '.';
    sb_init(&sb, line, sizeof line);
    say(&sb, j, d);
    printf("%*s|__ ", depth * INDENT, "");
    if (term_is(stdout))
        (void)term_print(stdout, line, term_width() - (depth + 1) * INDENT);
    else
        text_print(line);
    putchar('\n');
}

bool show_tree(const struct json *j, const char *vm) {
    unsigned shown = 0; /* bus */
    for (int d = json_first(j, json_get(j, 0, "usb_devices")); d >= 0; d = json_next(j, d)) {
        char name[VH_SYSNAME_MAX];
        const char *path = "";
        uint8_t bus = 0;
        if (!usb_name_parse(text_get(j, d, "sys_name", name, sizeof name), &bus, &path) || !leads(j, d, vm))
            continue; /* a root hub, which is the bus */
        if (bus != shown)
            printf("/:  Bus %u\n", (unsigned)bus);
        shown = bus;
        print_branch(j, d, path);
    }
    return shown != 0;
}
