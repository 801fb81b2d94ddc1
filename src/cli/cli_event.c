/*
 * cli_event.c - events in words: when, where, what, which device. What does not fit the terminal's width is cut.
 */
#include "cli/cli_event.h"

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_device.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <time.h>

enum { PLACE_WIDTH = 8, WHAT_WIDTH = 24, GAP = 2 };

static const struct kind {
    const char *event, *text, *style;
    bool device; /* it is about one */
} kinds[] = {
    {"usb_connected", "plugged in", "36", true},
    {"usb_disconnected", "unplugged", "2", true},
    {"usb_attached", "attached", "32", true},
    {"usb_detached", "detached", "35", true},
    {"usb_select_vm", "needs a VM", "33", true},
    {"pci_connected", "plugged in", "36", true},
    {"pci_disconnected", "unplugged", "2", true},
    {"pci_attached", "attached", "32", true},
    {"pci_detached", "detached", "35", true},
    {"state_corrupt", "the state file was corrupt", "31", false},
    {"state_acknowledged", "the corrupt state file was acknowledged", "0", false},
    {"notifications_lost", "events were lost, list afresh", "31", false},
};

static struct kind kind_named(const char *name) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (str_eq(name, kinds[i].event))
            return kinds[i];
    }
    return (struct kind){name, name, "0", false};
}

static int print_time(int64_t seconds, bool dated) {
    char text[32];
    time_t t = (time_t)seconds;
    struct tm tm = {0};
    (void)localtime_r(&t, &tm); /* a year beyond int is shown as 1900 */
    size_t n = strftime(text, sizeof text, dated ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
    text[n] = '\0';
    return printf("%s  ", text);
}

/* "attached to vm1", "needs a VM: vm1, vm2", "events were lost, list afresh (3)" */
static void say_what(struct sbuf *sb, const struct json *j, int e, const struct kind *k) {
    char text[VH_ERROR_MAX];
    const char *between = ": ";
    sb_str(sb, k->text);
    if (!text_null(j, e, "vm"))
        sb_fmt(sb, " %s %s", str_eq(k->text, "detached") ? "from" : "to", text_get(j, e, "vm", text, sizeof text));
    for (int a = json_first(j, json_get(j, e, "allowed_vms")); a >= 0; a = json_next(j, a)) {
        sb_fmt(sb, "%s%s", between, text_of(j, a, text, sizeof text));
        between = ", ";
    }
    if (!text_null(j, e, "count"))
        sb_fmt(sb, " (%s)", text_get(j, e, "count", text, sizeof text));
    if (!text_null(j, e, "error"))
        sb_fmt(sb, ": %s", text_get(j, e, "error", text, sizeof text));
    if (text_true(j, e, "closed"))
        sb_str(sb, "; no VM is given a device");
}

/* Prints a text in at least min columns. */
static int print_padded(const char *text, int min, int room) {
    int used = term_is(stdout) ? term_print(stdout, text, room) : term_columns(text);
    if (!term_is(stdout))
        text_print(text);
    if (used >= min)
        return used;
    return used + printf("%*s", min - used, "");
}

void event_show(const struct json *j, int event, int64_t seconds, bool dated) {
    char name[VH_TEXT_MAX], text[VH_ERROR_MAX + DEVICE_TEXT];
    struct sbuf sb; /* what does not fit is beyond any terminal's width: harmless */
    struct kind k = kind_named(text_get(j, event, "event", name, sizeof name));
    int device = json_get(j, event, "usb_device"), room = term_width() - print_time(seconds, dated);
    if (device < 0)
        device = json_get(j, event, "pci_device");
    if (device < 0)
        device = event;
    if (k.device) {
        const char *key = text_null(j, device, "address") ? "sys_name" : "address";
        room -= print_padded(text_get(j, device, key, text, sizeof text), PLACE_WIDTH, room) + GAP;
        printf("%*s", GAP, "");
    }
    sb_init(&sb, text, sizeof text);
    say_what(&sb, j, event, &k);
    term_style(k.style);
    room -= print_padded(text, k.device ? WHAT_WIDTH : 0, room);
    term_style("0");
    if (k.device && room > GAP) {
        char reason[DEVICE_TEXT];
        printf("%*s", GAP, "");
        sb_init(&sb, text, sizeof text);
        sb_str(&sb, device_name(j, device, (char[DEVICE_TEXT]){0}));
        if (device_connector(j, device, reason)[0] != '\0')
            sb_fmt(&sb, " at %s", reason);
        if (text_get(j, event, "reason", reason, sizeof reason)[0] != '\0')
            sb_fmt(&sb, "  (%s)", reason);
        (void)print_padded(text, 0, room - GAP);
    }
    putchar('\n');
}
