/*
 * cli_tag.c - is everything with a tag taken away? Decides the exit status of status --tag from a list of its devices.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

enum blocked { BLOCKED, NOT_BLOCKED, NOT_KNOWN };

/* Blocked: a decision keeps it away, no VM lists it, and no program has an interface of it. A daemon that does not say
 * so, or not to this client, leaves it open whether that is true. */
static enum blocked blocked(const struct json *j, int d) {
    char state[VH_NAME_MAX];
    if (!text_true(j, d, "disconnected") || !text_null(j, d, "vm") || text_true(j, d, "claimed") ||
        !str_eq(text_get(j, d, "state", state, sizeof state), "idle"))
        return NOT_BLOCKED;
    return text_null(j, d, "uncertain") && json_get(j, d, "claimed") >= 0 ? BLOCKED : NOT_KNOWN;
}

/* One line about a device that is not certainly blocked. */
static void show_unblocked(const struct json *j, int d) {
    char text[VH_ERROR_MAX];
    printf("  %s ", text_get(j, d, "device_node", text, sizeof text));
    printf("%s ", text_get(j, d, "state", text, sizeof text));
    text_field(j, d, "vm");
    if (text_true(j, d, "claimed"))
        printf(", a program of this host has it");
    if (blocked(j, d) == NOT_KNOWN && json_get(j, d, "claimed") < 0)
        printf(", this client is not told whether anybody has it");
    if (text_get(j, d, "uncertain", text, sizeof text)[0] != '\0') {
        printf(", ");
        text_print(text);
    }
    putchar('\n');
}

bool show_tag_known(const struct json *j, const char *tag) {
    int t = json_get(j, 0, "tag_disconnected"); /* older daemons do not say */
    if (t < 0 || json_type(j, t) != JSON_NULL)
        return true;
    fputs("vhotplugcli: no rule has the tag '", stderr);
    text_safe(stderr, tag);
    fputs("'\n", stderr);
    return false;
}

int show_tag(const struct json *j, const char *tag, bool quiet) {
    int list = json_get(j, 0, "usb_devices"), n = json_size(j, list), count[] = {0, 0, 0};
    bool later = text_true(j, 0, "tag_disconnected");
    if (!show_tag_known(j, tag))
        return CLI_FAILED;
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d))
        count[blocked(j, d)]++;
    int status = n == 0                   ? CLI_NO_DEVICE
                 : count[NOT_BLOCKED] > 0 ? CLI_NOT_BLOCKED
                 : count[NOT_KNOWN] > 0   ? CLI_UNKNOWN
                                          : CLI_OK;
    if (quiet)
        return status;
    text_print(tag);
    if (n == 0)
        printf(": no such device now");
    else if (count[NOT_BLOCKED] > 0)
        printf(": not blocked, %d of %d", count[NOT_BLOCKED], n);
    else if (count[NOT_KNOWN] > 0)
        printf(": taken away, but it is not known whether anybody has it, %d of %d", count[NOT_KNOWN], n);
    else
        printf(": blocked, %d", n);
    printf("; one that is plugged in later %s blocked\n", later ? "is" : "is not");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        if (blocked(j, d) != BLOCKED)
            show_unblocked(j, d);
    }
    return status;
}
