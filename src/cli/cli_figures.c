/*
 * cli_figures.c - what was counted, and how the daemon and its VMs are, for people.
 */
#include "base/limits.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

static void print_vm(const struct json *j, int vm) {
    char text[VH_TEXT_MAX];
    fputs("VM ", stdout);
    text_field(j, vm, "name");
    printf(": %s", text_get(j, vm, "state", text, sizeof text));
    printf(", devices %s", text_get(j, vm, "devices", text, sizeof text));
    fputs(text_true(j, vm, "connected") ? ", connected" : "", stdout);
    fputs(text_true(j, vm, "busy") ? ", monitor busy" : "", stdout);
    text_line(j, vm, ", ", "reason");
    if (text_null(j, vm, "reason"))
        putchar('\n');
}

static void print_vms(const struct json *j) {
    for (int v = json_first(j, json_get(j, 0, "vms")); v >= 0; v = json_next(j, v))
        print_vm(j, v);
}

/* "uevents: got 12, ignored 0": a line a group */
void show_stats(const struct json *j) {
    char name[VH_NAME_MAX];
    text_line(j, 0, "uptime_ms: ", "uptime_ms");
    for (int k = json_first(j, 0); k >= 0; k = json_next(j, k)) {
        int group = json_value(j, k);
        const char *between = ":";
        if (json_type(j, group) != JSON_OBJECT)
            continue;
        fputs(text_of(j, k, name, sizeof name), stdout);
        for (int m = json_first(j, group); m >= 0; m = json_next(j, m)) {
            printf("%s %s ", between, text_of(j, m, name, sizeof name));
            text_value(j, json_value(j, m));
            between = json_type(j, json_value(j, m)) == JSON_ARRAY ? ";" : ",";
        }
        putchar('\n');
    }
    print_vms(j);
}

static bool is_set(const struct json *j, int group, const char *name) {
    int64_t v = 0;
    return json_int(j, json_get(j, group, name), 1, 1, &v);
}

static void print_loss(const struct json *j) {
    int state = json_get(j, 0, "state");
    if (is_set(j, state, "corrupt"))
        printf("state file: was corrupt, and no admin has acknowledged that%s\n",
               is_set(j, state, "closed") ? ": no VM is given a device" : "");
}

static void print_revocation(const struct json *j) {
    int64_t n = 0;
    if (json_int(j, json_get(j, json_get(j, 0, "revocation"), "uncertain"), 1, INT64_MAX, &n))
        printf("uncertain:  %lld (taken away, but a VM may still use it)\n", (long long)n);
}

void show_daemon(const struct json *j) {
    int devices = json_get(j, 0, "devices");
    text_line(j, devices, "devices:    ", "present");
    text_line(j, devices, "attached:   ", "attached");
    text_line(j, devices, "taken away: ", "disconnected");
    text_line(j, 0, "last reload: failed: ", "reload_error");
    print_loss(j);
    print_revocation(j);
    print_vms(j);
}
