/*
 * cli_table.c - the list of devices as a table for people.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 5 };

static const char *const headings[COLUMNS] = {"PORT", "ID", "STATE", "VM", "TAG"};

/* A cell's text. The device's name, which comes last, is no cell. */
static const char *cell(const struct json *j, int d, int column, char *dst, size_t cap) {
    char a[VH_NAME_MAX], b[VH_NAME_MAX];
    switch (column) {
    case 0:
        return text_get(j, d, "sys_name", dst, cap);
    case 1:
        (void)str_fmt(dst, cap, "%s:%s", text_get(j, d, "vid", a, sizeof a), text_get(j, d, "pid", b, sizeof b));
        return dst;
    case 2:
        (void)text_get(j, d, "state", dst, cap);
        return text_true(j, d, "disconnected") && str_eq(dst, "idle") ? "taken away" : dst;
    default:
        return text_get(j, d, column == 3 ? "vm" : "tag", dst, cap);
    }
}

static int width_of(const char *s) {
    int n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static const char *colour_of(const char *state) {
    static const char *const colours[][2] = {{"attached", "32"}, {"waiting", "33"},    {"pending", "36"},
                                             {"failed", "31"},   {"taken away", "35"}, {"idle", "2"}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
        if (str_eq(state, colours[i][0]))
            return colours[i][1];
    }
    return "0";
}

static void print_cell(const char *text, int width, const char *colour) {
    if (colour != NULL)
        printf("\033[%sm", colour);
    text_print(text);
    fputs(colour != NULL ? "\033[0m" : "", stdout);
    printf("%*s", width - width_of(text) + 2, "");
}

static void print_row(const struct json *j, int d, const int *width, bool colour) {
    char text[VH_STRING_MAX];
    for (int c = 0; c < COLUMNS; c++) {
        const char *s = cell(j, d, c, text, sizeof text);
        if (width[c] > 0)
            print_cell(s, width[c], colour && c == 2 ? colour_of(s) : NULL);
    }
    text_field(j, d, "vendor_name");
    putchar(' ');
    text_field(j, d, "product_name");
    if (!text_null(j, d, "reason")) {
        fputs(colour ? "  \033[2m(" : "  (", stdout);
        text_field(j, d, "reason");
        fputs(colour ? ")\033[0m" : ")", stdout);
    }
    putchar('\n');
}

/* Leaves out empty columns; prints nothing if there is no device. */
void show_table(const struct json *j, bool colour) {
    char text[VH_STRING_MAX];
    int width[COLUMNS] = {0}, list = json_get(j, 0, "usb_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        for (int c = 0; c < COLUMNS; c++) {
            int w = width_of(cell(j, d, c, text, sizeof text));
            if (w > 0 && width[c] == 0)
                width[c] = width_of(headings[c]);
            if (w > width[c])
                width[c] = w;
        }
    }
    if (json_first(j, list) < 0)
        return;
    for (int c = 0; c < COLUMNS; c++) {
        if (width[c] > 0)
            print_cell(headings[c], width[c], colour ? "1" : NULL);
    }
    puts(colour ? "\033[1mDEVICE\033[0m" : "DEVICE");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d))
        print_row(j, d, width, colour);
}
