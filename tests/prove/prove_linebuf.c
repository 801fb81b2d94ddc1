/*
 * prove_linebuf.c - lines of a stream, one call at a time from any state of a buffer. No byte is lost or
 * doubled: what is in the buffer stays, in its order, until it is in a line that is given out, ends one, or is in a
 * line that was reported as too long.
 */
#include "codec/linebuf.c"
#include "prove.h"

enum { CAP = 8 };

/* The buffer is at the end of its room, so that any byte behind the buffer is out of bounds. */
static char room_for[CAP], moved_to[CAP];
static struct linebuf lb, old;
static size_t at;   /* a byte of the buffer */
static char before; /* its value */

static bool sound(void) {
    return lb.cap >= 2 && lb.start <= lb.scanned && lb.scanned <= lb.end && lb.end <= lb.cap &&
           (at < lb.start || at >= lb.scanned || lb.buf[at] != '\n');
}

/* A buffer of any size up to CAP and any content, in any sound state; any byte of it is watched. */
static void any_state(void) {
    lb.cap = nondet_size();
    ASSUME(lb.cap >= 2 && lb.cap <= CAP);
    __CPROVER_havoc_object(room_for);
    lb.buf = room_for + CAP - lb.cap;
    lb.start = nondet_size();
    lb.scanned = nondet_size();
    lb.end = nondet_size();
    lb.skipping = nondet_bool();
    at = nondet_size();
    ASSUME(at < lb.cap && sound());
    before = lb.buf[at];
    old = lb;
}

PROOF(next) {
    char *line = NULL;
    size_t len = 0, room = 0;
    any_state();
    enum line_result r = linebuf_next(&lb, &line, &len);
    bool kept = at >= old.start && at < old.end; /* the watched byte was in the buffer */
    CLAIM(sound());
    CLAIM(lb.buf == old.buf && lb.cap == old.cap && lb.buf[at] == before);
    if (r == LINE_OK) {
        size_t from = (size_t)(line - lb.buf), newline = lb.start - 1;
        CLAIM(old.start <= from && from + len <= newline && newline < old.end && lb.end == old.end);
        CLAIM(lb.buf[newline] == '\n' && !lb.skipping);
        CLAIM(from + len == newline || (from + len + 1 == newline && lb.buf[from + len] == '\r'));
        CLAIM(!kept || at < from || at >= newline || before != '\n');
        if (!old.skipping)
            CLAIM(from == old.start);
        else
            CLAIM(from > old.start && lb.buf[from - 1] == '\n' && (!kept || at >= from - 1 || before != '\n'));
    } else if (r == LINE_TOO_LONG) {
        CLAIM(!old.skipping && old.start == 0 && old.end == old.cap && before != '\n');
        CLAIM(lb.skipping && lb.start == lb.end);
    } else {
        CLAIM(r == LINE_NONE);
        if (old.skipping && lb.skipping)
            CLAIM(lb.start == lb.end && (!kept || before != '\n'));
        else if (old.skipping)
            CLAIM(lb.end == old.end && lb.buf[lb.start - 1] == '\n' && (!kept || at == lb.start - 1 || before != '\n'));
        else
            CLAIM(lb.start == old.start && lb.end == old.end && !lb.skipping && (!kept || before != '\n'));
        linebuf_space(&lb, &room);
        CLAIM(room > 0);
    }
}

PROOF(space) {
    size_t room = 0;
    any_state();
    ASSUME(at >= lb.start && at < lb.end);
    char *p = linebuf_space(&lb, &room);
    CLAIM(lb.end - lb.start == old.end - old.start && lb.buf[at - old.start + lb.start] == before);
    CLAIM(p == lb.buf + lb.end && room == lb.cap - lb.end && lb.skipping == old.skipping);
    at = at - old.start + lb.start; /* where it is now */
    CLAIM(sound() && (lb.scanned - lb.start == old.scanned - old.start));
}

PROOF(added) {
    any_state();
    size_t n = nondet_size();
    ASSUME(n <= lb.cap - lb.end);
    linebuf_added(&lb, n);
    CLAIM(sound() && lb.start == old.start && lb.end == old.end + n && lb.buf[at] == before);
}

/* The end of the input: all that is kept is still there, and ends in a newline if there is room for one. */
PROOF(finish) {
    any_state();
    ASSUME(at >= lb.start && at < lb.end);
    linebuf_finish(&lb);
    size_t had = old.end - old.start, has = lb.end - lb.start;
    CLAIM(lb.buf[at - old.start + lb.start] == before);
    CLAIM((has == had && had == lb.cap) || (has == had + 1 && lb.buf[lb.end - 1] == '\n'));
}

PROOF(move) {
    any_state();
    char *to = moved_to + CAP - old.cap;
    ASSUME(at >= lb.start && at < lb.end);
    linebuf_move(&lb, to);
    at -= old.start;
    CLAIM(lb.buf == to && lb.end == old.end - old.start && lb.buf[at] == before && sound());
    CLAIM(lb.skipping == old.skipping);
}
