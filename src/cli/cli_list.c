/*
 * cli_list.c - lists for scripts, in the words of the older clients, which scripts look for. Never changes with the
 * terminal.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_match.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

/* A string within a list as Python's repr() writes it: in single quotes, unless only double ones need no escape. */
static void print_quoted(const char *s) {
    char quote = strchr(s, '\'') != NULL && strchr(s, '"') == NULL ? '"' : '\'';
    putchar(quote);
    for (size_t i = 0, n = strlen(s), len = 0; i < n; i += len) {
        uint32_t cp = 0;
        len = utf8_len(s + i, n - i, &cp);
        len += len == 0;
        if (s[i] == '\\' || s[i] == quote)
            putchar('\\');
        if (cp == '\n' || cp == '\r' || cp == '\t')
            printf("\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
        else if (utf8_steers(cp))
            printf(cp > 0xff ? "\\u%04x" : "\\x%02x", (unsigned)cp);
        else
            fwrite(s + i, 1, len, stdout);
    }
    putchar(quote);
}

static void print_scalar(const struct json *j, int t, bool quoted) {
    char text[VH_ERROR_MAX] = {0};
    bool b = false;
    enum json_type type = json_type(j, t);
    (void)text_of(j, t, text, sizeof text);
    if (type == JSON_NULL)
        fputs("None", stdout);
    else if (type == JSON_BOOL)
        fputs(json_bool(j, t, &b) && b ? "True" : "False", stdout);
    else if (type == JSON_STRING && quoted)
        print_quoted(text);
    else
        text_print(text);
}

/* A member's value as the older client prints it, in Python's words: scripts look for "vm : None" and "['vm1']". */
static void print_python(const struct json *j, int t) {
    const char *between = "";
    if (json_type(j, t) != JSON_ARRAY) {
        print_scalar(j, t, false);
        return;
    }
    putchar('[');
    for (int e = json_first(j, t); e >= 0; e = json_next(j, e)) {
        fputs(between, stdout);
        print_scalar(j, e, true);
        between = ", ";
    }
    putchar(']');
}

/* The properties of an input device, as udevadm prints them, but in one line. */
static void print_properties(const struct json *j, int t) {
    const char *between = "";
    for (int k = json_first(j, t); k >= 0; k = json_next(j, k)) {
        fputs(between, stdout);
        print_scalar(j, k, false);
        putchar('=');
        print_scalar(j, json_value(j, k), false);
        between = " ";
    }
}

static void print_members(const struct json *j, int device) {
    for (int k = json_first(j, device); k >= 0; k = json_next(j, k)) {
        char key[VH_NAME_MAX];
        if (!json_string(j, k, key, sizeof key))
            continue;
        printf("  %-16s: ", key);
        if (json_type(j, json_value(j, k)) == JSON_OBJECT)
            print_properties(j, json_value(j, k));
        else
            print_python(j, json_value(j, k));
        putchar('\n');
    }
    putchar('\n');
}

void show_list(const struct json *j, const char *vm, bool brief) {
    int list = json_get(j, 0, "usb_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        if (!match_vm(j, d, vm))
            continue;
        text_names(j, d);
        if (!brief)
            print_members(j, d);
    }
}

void show_pci(const struct json *j, bool brief) {
    int list = json_get(j, 0, "pci_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        text_pci_names(j, d);
        if (!brief)
            print_members(j, d);
    }
}

void show_evdev(const struct json *j, bool brief) {
    int list = json_get(j, 0, "evdev_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        text_field(j, d, "device_node");
        if (json_type(j, json_get(j, d, "name")) == JSON_STRING) {
            putchar(' ');
            text_field(j, d, "name");
        }
        putchar('\n');
        if (!brief)
            print_members(j, d);
    }
}

/* Standard output is for the arguments alone. */
static void show_left_out(const struct json *j) {
    char text[VH_PATH_MAX];
    int list = json_get(j, 0, "left_out");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        fputs("vhotplugcli: left out: ", stderr);
        text_safe(stderr, text_get(j, d, "device", text, sizeof text));
        fputs(" (", stderr);
        text_safe(stderr, text_get(j, d, "reason", text, sizeof text));
        fputs(")\n", stderr);
    }
}

bool show_words(const struct json *j) {
    char text[VH_PATH_MAX];
    int list = json_get(j, 0, "vmm_args");
    const char *between = "";
    for (int a = json_first(j, list); a >= 0; a = json_next(j, a)) {
        if (!json_string(j, a, text, sizeof text) || text[0] == '\0' || strpbrk(text, " \t\n\v\f\r") != NULL)
            return false;
    }
    for (int a = json_first(j, list); a >= 0; a = json_next(j, a)) {
        fputs(between, stdout);
        text_print(text_of(j, a, text, sizeof text));
        between = " ";
    }
    show_left_out(j);
    return true;
}
