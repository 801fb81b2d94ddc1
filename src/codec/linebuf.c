/*
 * linebuf.c - splits a byte stream into lines, in the caller's buffer. Never reads, never grows.
 */
#include "codec/linebuf.h"

#include "base/assert.h"

#include <string.h>

void linebuf_init(struct linebuf *lb, char *buf, size_t cap) {
    VH_ASSERT(cap >= 2);
    *lb = (struct linebuf){.buf = buf, .cap = cap};
}

char *linebuf_space(struct linebuf *lb, size_t *room) {
    if (lb->start == lb->end) {
        lb->start = lb->end = lb->scanned = 0;
    } else if (lb->end == lb->cap) {
        memmove(lb->buf, lb->buf + lb->start, lb->end - lb->start);
        lb->end -= lb->start;
        lb->scanned -= lb->start;
        lb->start = 0;
    }
    *room = lb->cap - lb->end;
    return lb->buf + lb->end;
}

void linebuf_added(struct linebuf *lb, size_t n) {
    VH_ASSERT(n <= lb->cap - lb->end);
    lb->end += n;
}

static void drop_all(struct linebuf *lb) {
    lb->start = lb->end = lb->scanned = 0;
}

enum line_result linebuf_next(struct linebuf *lb, char **line, size_t *len) {
    for (;;) {
        char *from = lb->buf + lb->scanned;
        char *newline = memchr(from, '\n', lb->end - lb->scanned);
        if (newline == NULL)
            break;
        char *first = lb->buf + lb->start;
        lb->start = lb->scanned = (size_t)(newline - lb->buf) + 1;
        if (lb->skipping) {
            lb->skipping = false; /* the end of the overlong line, which was reported before */
            continue;
        }
        *line = first;
        *len = (size_t)(newline - first);
        if (*len > 0 && first[*len - 1] == '\r')
            --*len;
        return LINE_OK;
    }
    lb->scanned = lb->end;
    if (lb->skipping) {
        drop_all(lb);
        return LINE_NONE;
    }
    if (lb->end - lb->start < lb->cap)
        return LINE_NONE;
    lb->skipping = true;
    drop_all(lb);
    return LINE_TOO_LONG;
}

void linebuf_finish(struct linebuf *lb) {
    size_t room = 0;
    if (linebuf_empty(lb))
        return;
    char *space = linebuf_space(lb, &room);
    if (room > 0) { /* else linebuf_next() finds a newline or reports the line as too long */
        *space = '\n';
        linebuf_added(lb, 1);
    }
}

bool linebuf_empty(const struct linebuf *lb) {
    return lb->start == lb->end && !lb->skipping;
}

void linebuf_move(struct linebuf *lb, char *buf) {
    memcpy(buf, lb->buf + lb->start, lb->end - lb->start);
    lb->end -= lb->start;
    lb->scanned -= lb->scanned < lb->start ? lb->scanned : lb->start;
    lb->start = 0;
    lb->buf = buf;
}
