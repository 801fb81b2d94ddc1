/*
 * cli_vms.c - the VMs and their USB ports: a line about each VM, and one about each of its buses. For people and
 * scripts alike.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>

enum { SPEEDS = 4 };
static const char *const speeds[SPEEDS] = {"low", "full", "high", "super"}; /* ascending */

/* The fastest speed that the port takes; -1: none is known by its name. */
static int fastest(const struct json *j, int port) {
    int list = json_get(j, port, "speeds"), best = -1;
    for (int t = json_first(j, list); t >= 0; t = json_next(j, t)) {
        for (int n = best + 1; n < SPEEDS; n++)
            best = json_string_is(j, t, speeds[n]) ? n : best;
    }
    return best;
}

/* " 1 2": ports that are used, or free ones whose fastest speed is this. Returns their number. */
static int print_ports(const struct json *j, int bus, bool used, int speed, const char *before) {
    int list = json_get(j, bus, "ports"), n = 0;
    for (int t = json_first(j, list); t >= 0; t = json_next(j, t)) {
        if (text_true(j, t, "used") != used || (!used && fastest(j, t) != speed))
            continue;
        fputs(n == 0 ? before : " ", stdout);
        text_field(j, t, "port");
        n++;
    }
    return n;
}

static void print_bus(const struct json *j, int bus) {
    fputs("  ", stdout);
    text_field(j, bus, "name");
    bool any = print_ports(j, bus, true, 0, ": in use ") > 0;
    for (int n = SPEEDS - 1; n >= 0; n--) {
        if (print_ports(j, bus, false, n, any ? "; free " : ": free ") == 0)
            continue;
        printf(" (%s)", speeds[n]);
        any = true;
    }
    putchar('\n');
}

static void print_vm(const struct json *j, int vm) {
    char text[VH_ERROR_MAX];
    bool up = json_string_is(j, json_get(j, vm, "state"), "up");
    int buses = json_get(j, vm, "usb_buses");
    text_field(j, vm, "name");
    fputs(": ", stdout);
    text_field(j, vm, "type");
    if (text_get(j, vm, "version", text, sizeof text)[0] != '\0') {
        putchar(' ');
        text_print(text);
    }
    fputs(", ", stdout);
    text_field(j, vm, "state");
    if (up) {
        text_print(text_get(j, vm, "devices", text, sizeof text)[0] != '\0' ? ", devices: " : "");
        text_print(text);
    }
    if (text_get(j, vm, "reason", text, sizeof text)[0] != '\0') {
        fputs(": ", stdout);
        text_print(text);
    }
    putchar('\n');
    for (int b = json_first(j, buses); b >= 0; b = json_next(j, b))
        print_bus(j, b);
    if (up && json_type(j, buses) != JSON_ARRAY)
        fputs("  its USB ports are not known\n", stdout);
}

void show_vms(const struct json *j) {
    int list = json_get(j, 0, "vms");
    for (int v = json_first(j, list); v >= 0; v = json_next(j, v))
        print_vm(j, v);
}
