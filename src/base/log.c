/*
 * log.c - one write(2) for each line on stderr. Owns the level, the form of a line, and the count of lines that were
 * dropped. Never allocates.
 */
#include "base/log.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(VH_LOG_LINE <= PIPE_BUF, "a pipe takes a line as a whole or not at all");

static const char *program = "vhotplug";
static enum log_level most = LOG_INFO;
static bool terminal;
static bool stamped;               /* lines begin with the time */
static unsigned long long dropped; /* lines of this process since the last that was written */
static uint64_t dropped_ever;      /* and since the start */
static bool full;                  /* the last write failed because a reader is slow: it can succeed later */
static int64_t retry_at;

static void say_assertion(const char *expr, const char *file, int line) {
    log_line(LOG_ERROR, "assertion failed: %s:%d: %s", file, line, expr);
}

void log_open(const char *name, enum log_level highest) {
    vh_assert_say(say_assertion);
    program = name;
    most = highest;
    terminal = isatty(STDERR_FILENO) == 1;
    stamped = false;
}

void log_stamp(void) {
    struct stat st;
    stamped = fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode);
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

/* ---- writing ---- */

/* The line with the time before it, in one piece. */
static const char *stamp(const char *line, size_t *len) {
    static char text[sizeof "2026-11-29T18:04:23Z " + VH_LOG_READ];
    struct timespec ts;
    struct tm tm;
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0 || gmtime_r(&ts.tv_sec, &tm) == NULL)
        return line;
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ ", &tm);
    VH_ASSERT(n > 0 && *len <= sizeof text - n);
    memcpy(text + n, line, *len);
    *len += n;
    return text;
}

/* All of it, or false. A pipe takes a line as a whole; a file or a terminal may take it in parts. */
static bool put(const char *line, size_t len) {
    size_t done = 0;
    line = stamped ? stamp(line, &len) : line;
    ssize_t n = 1;
    while (done < len && n > 0) {
        n = write(STDERR_FILENO, line + done, len - done);
        done += n > 0 ? (size_t)n : 0;
    }
    full = n < 0 && errno == EAGAIN;
    return done == len;
}

static void begin(struct sbuf *sb, enum log_level level) {
    if (terminal)
        sb_fmt(sb, "%s: %s", program, level == LOG_ERROR ? "error: " : level == LOG_WARN ? "warning: " : "");
    else
        sb_fmt(sb, "<%d>%s: ", (int)level, program);
}

/* True if no line is missing any more that the log does not tell of. */
static bool tell_dropped(void) {
    char line[128];
    struct sbuf sb;
    if (dropped == 0)
        return true;
    sb_init(&sb, line, sizeof line);
    begin(&sb, LOG_WARN);
    sb_fmt(&sb, "log lines were dropped: %llu\n", dropped);
    VH_ASSERT(sb_ok(&sb));
    if (!put(line, sb.len))
        return false;
    dropped = 0;
    return true;
}

void log_copy(const char *line, size_t len) {
    if (tell_dropped() && put(line, len))
        return;
    dropped++;
    dropped_ever++;
}

uint64_t log_dropped(void) {
    return dropped_ever;
}

int64_t log_dropped_deadline(void) {
    return dropped > 0 && full ? retry_at : VH_NEVER;
}

void log_dropped_tick(int64_t now) {
    if (log_dropped_deadline() > now)
        return;
    (void)tell_dropped();
    retry_at = now + ms_to_ns(VH_T_LOG_RETRY);
}

void log_line(enum log_level level, const char *fmt, ...) {
    static char line[VH_LOG_LINE];
    int saved = errno;
    if (level > most)
        return;
    struct sbuf sb;
    sb_init(&sb, line, sizeof line - 1); /* the last byte is for the newline */
    begin(&sb, level);
    va_list ap;
    va_start(ap, fmt);
    size_t before = sb.len;
    sb_vfmt(&sb, fmt, ap);
    va_end(ap);
    if (!sb_ok(&sb)) { /* a note instead of a part of the line */
        sb.full = false;
        sb_fmt(&sb, "(a line of over %d bytes was left out: %.64s)", VH_LOG_LINE, fmt);
    }
    size_t len = before + defuse(line + before, sb.len - before);
    line[len] = '\n';
    log_copy(line, len + 1);
    errno = saved;
}
