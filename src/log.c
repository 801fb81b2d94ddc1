/*
 * log.c - one write(2) a line to stderr. Owns the level and the form of a line; never waits for a reader, never
 * allocates.
 */
#include "log.h"

#include "limits.h"
#include "str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048

static const char *program = "vhotplug";
static enum log_level most = LOG_INFO;
static bool terminal;

void log_open(const char *name, enum log_level highest) {
    program = name;
    most = highest;
    terminal = isatty(STDERR_FILENO) == 1;
}

bool log_enabled(enum log_level level) {
    return level <= most;
}

/* What a device or a client calls itself must not look like a line of its own. */
static void defuse(char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f)
            s[i] = '?';
    }
}

void log_line(enum log_level level, const char *fmt, ...) {
    static char line[LINE_MAX_BYTES];
    int saved = errno;
    if (!log_enabled(level))
        return;
    struct sbuf sb;
    sb_init(&sb, line, sizeof line - 1); /* room for the newline */
    if (terminal)
        sb_fmt(&sb, "%s: %s", program, level == LOG_ERROR ? "error: " : level == LOG_WARN ? "warning: " : "");
    else
        sb_fmt(&sb, "<%d>%s: ", (int)level, program);
    va_list ap;
    va_start(ap, fmt);
    size_t before = sb.len;
    sb_vfmt(&sb, fmt, ap);
    va_end(ap);
    if (!sb_ok(&sb)) { /* say so, rather than half of it */
        sb.full = false;
        sb_fmt(&sb, "(a line of over %d bytes was left out: %.64s)", LINE_MAX_BYTES, fmt);
    }
    defuse(line + before, sb.len - before);
    line[sb.len] = '\n';
    ssize_t n = write(STDERR_FILENO, line, sb.len + 1);
    (void)n; /* a log that cannot be written is lost; the daemon goes on */
    errno = saved;
}

_Noreturn void vh_assert_failed(const char *expr, const char *file, int line) {
    log_line(LOG_ERROR, "assertion failed: %s:%d: %s", file, line, expr);
    abort();
}
