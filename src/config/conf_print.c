/*
 * conf_print.c - prints a problem with its source line. A long line, as generators write it, is cut to the part around
 * the place. On a terminal the level and the caret are coloured, unless NO_COLOR is set. Writes to standard error only.
 */
#include "config/conf_print.h"

#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHOLE = 160, BEFORE = 60, AFTER = 40 }; /* bytes of a line shown whole; characters around the place */

/* The line's first byte and its length. */
static const char *find_line(const struct source *s, unsigned line, size_t *n) {
    const char *p = s->text, *end = s->text + s->len;
    if (s->len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
        p += 3; /* a byte order mark is no part of the first line */
    for (unsigned i = 1; i < line; i++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (newline == NULL)
            break;
        p = newline + 1;
    }
    const char *newline = memchr(p, '\n', (size_t)(end - p));
    *n = (size_t)((newline != NULL ? newline : end) - p);
    return p;
}

/* Prints one character without steering the terminal, or the blank for it in the line with the caret. Returns its
 * length in bytes. */
static size_t print_char(const char *p, size_t n, bool blank) {
    uint32_t cp = 0;
    size_t len = utf8_len(p, n, &cp);
    if (*p == '\t')
        fputc('\t', stderr);
    else if (blank)
        fputc(' ', stderr);
    else if (len == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
        fputc('?', stderr);
    else
        fwrite(p, 1, len, stderr);
    return len > 0 ? len : 1;
}

static void print_row(const char *p, size_t n, unsigned from, unsigned to, bool blank) {
    unsigned column = 1;
    for (size_t at = 0; at < n && column < to; column++) {
        uint32_t cp = 0;
        size_t len = utf8_len(p + at, n - at, &cp);
        if (column >= from)
            (void)print_char(p + at, n - at, blank);
        at += len > 0 ? len : 1;
    }
}

enum colour { PLAIN, BOLD, RED, MAGENTA, CYAN, GREEN };

static void colour(enum colour c) {
    static const char *const codes[] = {
        [PLAIN] = "0", [BOLD] = "1", [RED] = "1;31", [MAGENTA] = "1;35", [CYAN] = "1;36", [GREEN] = "1;32"};
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    bool plain = (no != NULL && no[0] != '\0') || term == NULL || str_eq(term, "dumb") || isatty(STDERR_FILENO) != 1;
    if (!plain)
        fprintf(stderr, "\033[%sm", codes[c]);
}

static void print_source(const struct source *s, unsigned line, unsigned column) {
    size_t n = 0;
    const char *p = find_line(s, line, &n);
    bool whole = n <= WHOLE;
    unsigned from = !whole && column > BEFORE ? column - BEFORE : 1;
    fprintf(stderr, "%5u | %s", line, from > 1 ? "..." : "");
    print_row(p, n, from, whole ? WHOLE + 1 : column + AFTER, false);
    fprintf(stderr, "\n      | %s", from > 1 ? "   " : "");
    print_row(p, n, from, column, true);
    colour(GREEN);
    fputc('^', stderr);
    colour(PLAIN);
    fputc('\n', stderr);
}

void conf_print(const struct diag *d, void *source) {
    static const char levels[][8] = {"error", "warning", "note"};
    static const enum colour colours[] = {RED, MAGENTA, CYAN};
    const struct source *s = source;
    colour(BOLD);
    if (d->line > 0)
        fprintf(stderr, "%s:%u:%u: ", s->path, d->line, d->column);
    else
        fprintf(stderr, "%s: ", s->path);
    colour(colours[d->level]);
    fprintf(stderr, "%s: ", levels[d->level]);
    colour(PLAIN);
    fprintf(stderr, "%s%s%s\n", d->path, d->path[0] != '\0' ? ": " : "", d->text);
    if (d->line > 0)
        print_source(s, d->line, d->column);
}
