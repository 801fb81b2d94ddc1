/*
 * cli_table.c - the list of devices as a table for people, fitted to the terminal's width: columns that say less are
 * left out first, long texts are cut, and a reason that does not fit goes on lines of its own.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_cell.h"
#include "cli/cli_device.h"
#include "cli/cli_match.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

enum column { PORT, ID, KIND, VM, STATE, TAG, CONNECTOR, COLUMNS };
enum { DEVICE_MAX = 24, INDENT = 4 };

static const char *const headings[COLUMNS] = {"PORT", "ID", "KIND", "VM", "STATE", "TAG", "CONNECTOR"};

/* What gives way on a narrow terminal, in this order: a column gets narrower down to this, or goes. */
static const struct cell_yield yields[] = {{CONNECTOR, 0}, {TAG, 0}, {ID, 0}, {VM, 12}, {KIND, 9}, {KIND, 0}, {VM, 0}};

/* A cell's text. The device's name, which comes last, is no cell. */
static const char *cell(const struct json *j, int d, enum column column, char dst[DEVICE_TEXT]) {
    char a[VH_NAME_MAX], b[VH_NAME_MAX];
    switch (column) {
    case PORT:
        return text_get(j, d, "sys_name", dst, DEVICE_TEXT);
    case ID:
        (void)str_fmt(dst, DEVICE_TEXT, "%s:%s", text_get(j, d, "vid", a, sizeof a),
                      text_get(j, d, "pid", b, sizeof b));
        return dst;
    case KIND:
        return device_kind(j, d, dst);
    case VM:
        return device_vm(j, d, dst);
    case STATE:
        return device_state(j, d, dst);
    case CONNECTOR:
        return device_connector(j, d, dst);
    case TAG:
    case COLUMNS:
        break;
    }
    return text_get(j, d, "tag", dst, DEVICE_TEXT);
}

/* The columns' widths; 0: left out, since it is empty or the terminal is narrow. Returns what is left for the name. */
static int fit(const struct json *j, const char *vm, int width[COLUMNS]) {
    char text[DEVICE_TEXT];
    int most = term_width() / 4, left = term_width(), wanted = 0; /* for the name */
    for (int d = json_first(j, json_get(j, 0, "usb_devices")); d >= 0; d = json_next(j, d)) {
        if (!match_vm(j, d, vm))
            continue;
        int name = term_columns(device_name(j, d, text));
        wanted = name < wanted ? wanted : name < DEVICE_MAX ? name : DEVICE_MAX;
        for (int c = 0; c < COLUMNS; c++) {
            int w = term_columns(cell(j, d, (enum column)c, text));
            if (w > 0 && width[c] == 0)
                width[c] = (int)strlen(headings[c]);
            if (w > width[c])
                width[c] = w < most ? w : most;
        }
    }
    for (int c = 0; c < COLUMNS; c++)
        left -= width[c] > 0 ? width[c] + CELL_GAP : 0;
    return cell_narrow(width, yields, sizeof yields / sizeof *yields, left, wanted);
}

static void print_row(const struct json *j, int d, const int width[COLUMNS], int left) {
    char text[DEVICE_TEXT], reason[VH_ERROR_MAX];
    for (int c = 0; c < COLUMNS; c++) {
        const char *s = cell(j, d, (enum column)c, text);
        if (width[c] > 0)
            cell_print(s, width[c], c == STATE ? device_colour(s) : "0");
    }
    left -= term_print(stdout, device_name(j, d, text), left);
    if (text_get(j, d, "reason", reason, sizeof reason)[0] != '\0') {
        term_style("2");
        if (term_columns(reason) + CELL_GAP + 2 <= left) {
            fputs("  (", stdout);
            text_print(reason);
            putchar(')');
        } else {
            cell_wrap(reason, INDENT);
        }
        term_style("0");
    }
    putchar('\n');
}

bool show_table(const struct json *j, const char *vm) {
    int width[COLUMNS] = {0}, left = fit(j, vm, width);
    bool any = false;
    for (int d = json_first(j, json_get(j, 0, "usb_devices")); d >= 0; d = json_next(j, d)) {
        if (!match_vm(j, d, vm))
            continue;
        for (int c = 0; c < COLUMNS && !any; c++) {
            if (width[c] > 0)
                cell_print(headings[c], width[c], "1");
        }
        if (!any) {
            term_style("1");
            fputs("DEVICE", stdout);
            term_style("0");
            putchar('\n');
        }
        any = true;
        print_row(j, d, width, left);
    }
    return any;
}
