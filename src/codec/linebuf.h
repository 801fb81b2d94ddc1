/*
 * linebuf.h - newline-delimited input in a fixed buffer. An overlong line is reported once and skipped to its newline;
 * the lines after it are not affected. Pure: the caller reads into the free space.
 */
#ifndef VHOTPLUG_LINEBUF_H
#define VHOTPLUG_LINEBUF_H

#include <stdbool.h>
#include <stddef.h>

struct linebuf {
    char *buf;      /* owned by the caller */
    size_t cap;     /* the longest line, newline included */
    size_t start;   /* first byte not yet consumed */
    size_t end;     /* end of the bytes read */
    size_t scanned; /* no newline before here */
    bool skipping;  /* in the rest of an overlong line */
};

enum line_result { LINE_NONE, LINE_OK, LINE_TOO_LONG };

void linebuf_init(struct linebuf *lb, char *buf, size_t cap);
/* Free space for the next read; moves kept bytes to the front if needed. Never 0 after LINE_NONE. */
char *linebuf_space(struct linebuf *lb, size_t *room);
void linebuf_added(struct linebuf *lb, size_t n);
/* The next line without its newline (and without a CR before it). Valid until the next linebuf_space(). */
enum line_result linebuf_next(struct linebuf *lb, char **line, size_t *len);
/* The input has ended: the remaining bytes are the last line, even without a newline. */
void linebuf_finish(struct linebuf *lb);
/* Continues in another buffer, which must have the same size or at least hold the bytes kept. */
void linebuf_move(struct linebuf *lb, char *buf);
bool linebuf_empty(const struct linebuf *lb); /* no unfinished line pending */

#endif
