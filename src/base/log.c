/*
 * log.c - one write(2) for each line on stderr. Owns the level and the form of a line. Never waits for a reader, never
 * allocates.
 */
#include "base/log.h"

#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const char *program = "vhotplug";
static enum log_level most = LOG_INFO;
static bool terminal;

static void say_assertion(const char *expr, const char *file, int line) {
    log_line(LOG_ERROR, "assertion failed: %s:%d: %s", file, line, expr);
}

void log_open(const char *name, enum log_level highest) {
    vh_assert_say(say_assertion);
    program = name;
    most = highest;
    terminal = isatty(STDERR_FILENO) == 1;
}

/* A question mark replaces each character that can end a line or control a terminal, and each byte that is not UTF-8:
 * the strings of devices and clients must not forge lines. Returns the new length. */
static size_t defuse(char *s, size_t n) {
    size_t to = 0;
    for (size_t from = 0; from < n;) {
        uint32_t c = 0;
        size_t len = utf8_len(s + from, n - from, &c);
        if (len == 0 || utf8_steers(c)) {
            s[to++] = '?';
            from += len > 0 ? len : 1;
            continue;
        }
        memmove(s + to, s + from, len);
        to += len;
        from += len;
    }
    return to;
}

void log_line(enum log_level level, const char *fmt, ...) {
    static char line[LINE_MAX_BYTES];
    int saved = errno;
    if (level > most)
        return;
    struct sbuf sb;
    sb_init(&sb, line, sizeof line - 1); /* the last byte is for the newline */
    if (terminal)
        sb_fmt(&sb, "%s: %s", program, level == LOG_ERROR ? "error: " : level == LOG_WARN ? "warning: " : "");
    else
        sb_fmt(&sb, "<%d>%s: ", (int)level, program);
    va_list ap;
    va_start(ap, fmt);
    size_t before = sb.len;
    sb_vfmt(&sb, fmt, ap);
    va_end(ap);
    if (!sb_ok(&sb)) { /* a note instead of a part of the line */
        sb.full = false;
        sb_fmt(&sb, "(a line of over %d bytes was left out: %.64s)", LINE_MAX_BYTES, fmt);
    }
    size_t len = before + defuse(line + before, sb.len - before);
    line[len] = '\n';
    ssize_t n = write(STDERR_FILENO, line, len + 1);
    (void)n; /* the line is lost */
    errno = saved;
}
