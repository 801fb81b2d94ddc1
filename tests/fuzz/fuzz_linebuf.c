/*
 * fuzz_linebuf.c - a stream in pieces of any size gives the same lines as a plain reading of it, whatever the pieces.
 * No line that may be one of the API is taken for one of the web.
 */
#include "codec/linebuf.h"
#include "codec/web_line.h"
#include "must.h"

#include <string.h>

enum { CAP = 16 };

/* The plain reading: each line of at most CAP - 1 bytes is told, each longer one once as too long. */
struct plain {
    const unsigned char *p;
    size_t n, at;
};

static enum line_result plain_next(struct plain *s, const unsigned char **line, size_t *len) {
    const unsigned char *from = s->p + s->at, *newline = memchr(from, '\n', s->n - s->at);
    size_t room = newline != NULL ? (size_t)(newline - from) : s->n - s->at;
    s->at += room + (newline != NULL);
    if (room >= CAP)
        return LINE_TOO_LONG;
    if (newline == NULL)
        return LINE_NONE;
    *line = from;
    *len = room > 0 && from[room - 1] == '\r' ? room - 1 : room;
    return LINE_OK;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    if (size < 1)
        return 0;
    char buf[CAP], other[CAP];
    struct linebuf lb;
    struct plain plain = {.p = data + 1, .n = size - 1};
    size_t step = data[0] % CAP + 1, at = 1;
    linebuf_init(&lb, buf, sizeof buf);
    while (at < size) {
        size_t room = 0, len = 0, expected = 0;
        char *line = NULL, *space = linebuf_space(&lb, &room);
        const unsigned char *from = NULL;
        enum line_result r;
        MUST(room > 0);
        size_t n = step < room ? step : room;
        n = n < size - at ? n : size - at;
        memcpy(space, data + at, n);
        at += n;
        linebuf_added(&lb, n);
        while ((r = linebuf_next(&lb, &line, &len)) != LINE_NONE) {
            MUST(plain_next(&plain, &from, &expected) == r);
            MUST(r != LINE_OK || (len == expected && memcmp(line, from, len) == 0));
            MUST(r != LINE_OK || !web_line(line, len) || (len > 0 && strchr("{ \t\r\n", line[0]) == NULL));
        }
        linebuf_move(&lb, lb.buf == buf ? other : buf);
    }
    return 0;
}
