/*
 * cli_term.c - what the client knows of its terminal. Asks the kernel and the environment, each once. Never calls
 * setlocale(): the widths are those of the C library, and musl's do not depend on the locale.
 */
#include "cli/cli_term.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

enum { WIDTH_USUAL = 80, WIDTH_MIN = 20, WIDTH_MAX = 1000 };

bool term_is(FILE *stream) {
    static int known[2]; /* 0: not asked yet; 1: no; 2: yes */
    int *k = &known[stream == stderr];
    if (*k == 0)
        *k = isatty(fileno(stream)) ? 2 : 1;
    return *k == 2;
}

bool term_colour(void) {
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    return term_is(stdout) && (no == NULL || no[0] == '\0') && term != NULL && term[0] != '\0' && !str_eq(term, "dumb");
}

int term_width(void) {
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    uint64_t width = 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        width = size.ws_col;
    else if (columns == NULL || !str_uint(columns, strlen(columns), WIDTH_MAX, &width) || width == 0)
        width = WIDTH_USUAL;
    return width < WIDTH_MIN ? WIDTH_MIN : width > WIDTH_MAX ? WIDTH_MAX : (int)width;
}

/* By the first of these variables that is set. */
static bool is_utf8(void) {
    static const char names[][9] = {"LC_ALL", "LC_CTYPE", "LANG"};
    const char *locale = NULL;
    for (size_t i = 0; i < sizeof names / sizeof *names && (locale == NULL || locale[0] == '\0'); i++)
        locale = getenv(names[i]);
    const char *dot = locale != NULL ? strchr(locale, '.') : NULL;
    return dot != NULL && (strncasecmp(dot, ".utf-8", 6) == 0 || strncasecmp(dot, ".utf8", 5) == 0);
}

static bool utf8(void) {
    static int known; /* as in term_is() */
    if (known == 0)
        known = is_utf8() ? 2 : 1;
    return known == 2;
}

const char *term_more(void) {
    return utf8() ? "…" : "...";
}

int term_next(const char **s, char out[TERM_CHAR]) {
    uint32_t cp = 0;
    const char *from = *s;
    size_t len = utf8_len(from, strnlen(from, 4), &cp);
    *s += len != 0 ? len : 1;
    if (len == 0 || utf8_steers(cp)) {
        (void)str_copy(out, TERM_CHAR, "?"); /* one byte, as the others a few */
        return 1;
    }
    if (cp >= 0x80 && !utf8()) {
        (void)str_fmt(out, TERM_CHAR, cp > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)cp);
        return (int)strlen(out);
    }
    (void)str_copyn(out, TERM_CHAR, from, len);
    int width = cp < 0x80 ? 1 : wcwidth((wchar_t)cp);
    return width < 0 ? 1 : width; /* unknown to the C library */
}

int term_columns(const char *s) {
    char out[TERM_CHAR];
    int columns = 0;
    while (*s != '\0')
        columns += term_next(&s, out);
    return columns;
}

int term_print(FILE *to, const char *s, int columns) {
    char out[TERM_CHAR];
    bool cut = term_columns(s) > columns;
    int used = 0, room = cut ? columns - term_columns(term_more()) : columns;
    if (cut && room < 0) /* not even that */
        return columns > 0 ? fprintf(to, "%.*s", columns, "..") : 0;
    for (int width = 0; *s != '\0'; used += width) {
        width = term_next(&s, out);
        if (used + width > room)
            break;
        fputs(out, to);
    }
    if (!cut)
        return used;
    fputs(term_more(), to);
    return used + term_columns(term_more());
}

void term_style(const char *sgr) {
    if (term_colour())
        printf("\033[%sm", sgr);
}
