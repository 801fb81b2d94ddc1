/*
 * cli_lines.c - replies that are a list of things: on a terminal in words, elsewhere the daemon's own objects, one a
 * line. And the reply to a reload.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_event.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

/* A reply is one line, and so is each object of it. */
static void print_object(const struct json *j, int t) {
    (void)fwrite(j->text + j->tok[t].start, 1, (size_t)(j->tok[t].end - j->tok[t].start), stdout);
    putchar('\n');
}

/* ---- history ---- */

/* The seconds of "1764457000.123"; the reply is not trusted to have any. */
static int64_t seconds_of(const struct json *j, int event) {
    char text[32];
    uint64_t seconds = 0;
    size_t n = strcspn(text_get(j, event, "time", text, sizeof text), ".");
    return str_uint(text, n, INT64_MAX, &seconds) ? (int64_t)seconds : 0;
}

void show_history(const struct json *j) {
    int list = json_get(j, 0, "events");
    for (int e = json_first(j, list); e >= 0; e = json_next(j, e)) {
        if (term_is(stdout))
            event_show(j, e, seconds_of(j, e), true);
        else
            print_object(j, e);
    }
    if (json_size(j, list) == 0 && term_is(stdout) && term_is(stderr))
        fputs("no events\n", stderr);
}

/* ---- rules ---- */

enum column { INDEX, BUS, TARGET, HITS, DEVICES, COLUMNS };
enum { GAP = 2, CELL = 1024 };

static const char *const headings[COLUMNS] = {"RULE", "BUS", "VM", "HITS", "DEVICES"};

static const char *join(const struct json *j, int list, char dst[CELL]) {
    char text[VH_NAME_MAX];
    struct sbuf sb; /* what does not fit is beyond any terminal's width: harmless */
    sb_init(&sb, dst, CELL);
    for (int a = json_first(j, list); a >= 0; a = json_next(j, a))
        sb_fmt(&sb, "%s%s", sb.len > 0 ? ", " : "", text_of(j, a, text, sizeof text));
    return dst;
}

static const char *cell(const struct json *j, int rule, enum column column, char dst[CELL]) {
    static const char keys[][10] = {"index", "bus", "target_vm", "hits"};
    if (column == DEVICES)
        return join(j, json_get(j, rule, "devices"), dst);
    if (column == TARGET && text_null(j, rule, "target_vm"))
        return join(j, json_get(j, rule, "allowed_vms"), dst);
    return text_get(j, rule, keys[column], dst, CELL);
}

static void print_row(const struct json *j, int rule, const int width[COLUMNS]) {
    char text[CELL];
    int left = term_width();
    for (int c = 0; c < COLUMNS; c++) {
        const char *s = rule >= 0 ? cell(j, rule, (enum column)c, text) : headings[c];
        left -= width[c] + GAP;
        term_style(rule < 0 ? "1" : "0");
        int used = term_print(stdout, s, width[c]);
        term_style("0");
        printf("%*s", width[c] - used + GAP, "");
    }
    term_style(rule < 0 ? "1" : "0");
    if (rule >= 0 && str_eq(text_get(j, rule, "enabled", text, sizeof text), "false"))
        left -= printf("(disabled) ");
    (void)term_print(stdout, rule >= 0 ? text_get(j, rule, "description", text, sizeof text) : "DESCRIPTION", left);
    term_style("0");
    putchar('\n');
}

void show_rules(const struct json *j) {
    char text[CELL];
    int list = json_get(j, 0, "rules"), width[COLUMNS] = {0}, most = term_width() / 4;
    for (int r = json_first(j, list); r >= 0; r = json_next(j, r)) {
        if (!term_is(stdout))
            print_object(j, r);
        for (int c = 0; c < COLUMNS; c++) {
            int w = term_columns(cell(j, r, (enum column)c, text)), title = (int)strlen(headings[c]);
            w = w < title ? title : w > most ? most : w;
            width[c] = w > width[c] ? w : width[c];
        }
    }
    if (!term_is(stdout))
        return;
    if (json_size(j, list) > 0)
        print_row(j, -1, width);
    else if (term_is(stderr))
        fputs("no rules\n", stderr);
    for (int r = json_first(j, list); r >= 0; r = json_next(j, r))
        print_row(j, r, width);
}

/* ---- reload ---- */

static void print_count(const struct json *j, const char *key, const char *between, const char *one) {
    int64_t n = 0;
    (void)json_int(j, json_get(j, 0, key), 0, INT64_MAX, &n);
    printf("%s%lld %s%s", between, (long long)n, one, n == 1 ? "" : "s");
}

bool show_reload(const struct json *j) {
    char text[VH_PATH_MAX], error[VH_ERROR_MAX];
    bool ok = json_string_is(j, json_get(j, 0, "result"), "ok"), told = false;
    (void)text_get(j, 0, "error", error, sizeof error);
    for (int p = json_first(j, json_get(j, 0, "problems")); p >= 0; p = json_next(j, p)) {
        text_safe(stderr, text_get(j, p, "severity", text, sizeof text));
        fputs(": ", stderr);
        text_safe(stderr, text_get(j, p, "text", text, sizeof text));
        fputc('\n', stderr);
        told = told || str_eq(text, error);
    }
    if (!text_null(j, 0, "more_problems"))
        fprintf(stderr, "and %s more\n", text_get(j, 0, "more_problems", text, sizeof text));
    if (!ok)
        return told;
    print_count(j, "rules", "ok: ", "rule");
    print_count(j, "vms", ", ", "VM");
    print_count(j, "warnings", ", ", "warning");
    putchar('\n');
    return true;
}
