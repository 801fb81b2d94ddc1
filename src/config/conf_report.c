/*
 * conf_report.c - problems of a configuration: each kept with its place and path until all are known, then reported in
 * the order of the file. Owns the wording of "expected this, found that"; knows no key and no meaning.
 */
#include "config/conf_report.h"

#include "base/log.h"
#include "base/str.h"

#include <stdarg.h>
#include <string.h>

/* ---- collecting ---- */

bool report_has_room(const struct report *r, enum diag_level level) {
    return r->count[level] < CONF_MAX_PROBLEMS;
}

/* The token that holds t: the object for a key or a pair's value, else the array; -1 for the root. */
static int holder(const struct json *j, int t) {
    int up = j->tok[t].parent;
    if (json_type(j, up) == JSON_STRING) /* the parent of a value is its key */
        up = j->tok[up].parent;
    return up;
}

static int key_of(const struct json *j, int t) {
    int up = j->tok[t].parent;
    if (json_type(j, up) == JSON_STRING)
        return up;
    return json_type(j, up) == JSON_OBJECT ? t : -1;
}

static void path_step(const struct json *j, int t, struct sbuf *sb) {
    int key = key_of(j, t);
    if (key >= 0) {
        size_t at = (size_t)j->tok[key].start, n = (size_t)(j->tok[key].end - j->tok[key].start);
        if (sb->len > 0)
            sb_char(sb, '.');
        sb_mem(sb, j->text + at, n);
        return;
    }
    int index = 0;
    for (int e = json_first(j, holder(j, t)); e >= 0 && e != t; e = json_next(j, e))
        index++;
    sb_fmt(sb, "[%d]", index);
}

static void path_of(const struct json *j, int t, char *dst, size_t cap) {
    int chain[VH_JSON_DEPTH + 1], n = 0;
    struct sbuf sb;
    for (; t > 0 && n <= VH_JSON_DEPTH; t = holder(j, t))
        chain[n++] = t;
    sb_init(&sb, dst, cap);
    while (n-- > 0)
        path_step(j, chain[n], &sb);
    if (!sb_ok(&sb)) /* an unknown key of absurd length; line and column still say where */
        (void)str_copy(dst, cap, "(a very long path)");
}

static struct problem *new_problem(struct report *r, enum diag_level level) {
    bool kept = report_has_room(r, level);
    r->count[level]++;
    if (!kept)
        return NULL;
    VH_ASSERT(r->stored < CONF_PROBLEMS);
    struct problem *p = &r->problems->p[r->stored];
    p->level = (uint8_t)level;
    p->seq = r->stored++;
    return p;
}

__attribute__((format(printf, 5, 0))) static void say(struct report *r, enum diag_level level, int tok, size_t within,
                                                      const char *fmt, va_list ap) {
    struct problem *p = new_problem(r, level);
    struct sbuf sb;
    if (!p)
        return;
    p->at = (uint32_t)(json_offset(r->j, tok) + within);
    path_of(r->j, tok, p->path, sizeof p->path);
    sb_init(&sb, p->text, sizeof p->text);
    sb_vfmt(&sb, fmt, ap);
    VH_ASSERT(sb_ok(&sb)); /* quoted texts are shortened */
}

void report_say(struct report *r, enum diag_level level, int tok, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    say(r, level, tok, 0, fmt, ap);
    va_end(ap);
}

void report_say_within(struct report *r, enum diag_level level, int tok, size_t within, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    say(r, level, tok, within, fmt, ap);
    va_end(ap);
}

/* ---- quoting ---- */

/* Never cuts within a character. */
void report_quote(const struct json *j, int t, char *dst, size_t cap) {
    const char *s = j->text + j->tok[t].start;
    size_t n = (size_t)(j->tok[t].end - j->tok[t].start);
    size_t room = cap - 4;
    if (n <= room) {
        (void)str_copyn(dst, cap, s, n);
        return;
    }
    while (room > 0 && ((unsigned char)s[room] & 0xc0) == 0x80)
        room--;
    (void)str_copyn(dst, cap, s, room);
    memcpy(dst + room, "...", 4);
}

void report_expected(struct report *r, int tok, const char *what) {
    char text[48];
    enum json_type type = json_type(r->j, tok);
    report_quote(r->j, tok, text, sizeof text);
    if (type == JSON_STRING)
        report_say(r, DIAG_ERROR, tok, "expected %s, found the string \"%s\"", what, text);
    else if (type == JSON_NUMBER)
        report_say(r, DIAG_ERROR, tok, "expected %s, found the number %s", what, text);
    else if (type == JSON_BOOL)
        report_say(r, DIAG_ERROR, tok, "expected %s, found %s", what, text);
    else
        report_say(r, DIAG_ERROR, tok, "expected %s, found %s", what, json_type_name(type));
}

/* ---- in the order of the file ---- */

/* Sorts by place in the file, then by order of discovery. Shell's method: in place, no recursion. */
static void sort_problems(struct problems *problems, unsigned n) {
    const struct problem *p = problems->p;
    uint16_t *order = problems->order;
    for (unsigned i = 0; i < n; i++)
        order[i] = (uint16_t)i;
    for (unsigned gap = n / 2; gap > 0; gap /= 2) {
        for (unsigned i = gap; i < n; i++) {
            uint16_t x = order[i];
            unsigned k = i;
            for (; k >= gap; k -= gap) {
                uint16_t y = order[k - gap];
                if (p[y].at < p[x].at || (p[y].at == p[x].at && p[y].seq < p[x].seq))
                    break;
                order[k] = y;
            }
            order[k] = x;
        }
    }
}

void report_emit(struct report *r, conf_diag_fn *report, void *arg) {
    static const char *const plural[3] = {"errors", "warnings", "notes"};
    struct diag d = {.line = 1, .column = 1, .count = 1};
    size_t from = 0;
    if (!report)
        return;
    sort_problems(r->problems, r->stored);
    for (unsigned i = 0; i < r->stored; i++) {
        const struct problem *p = &r->problems->p[r->problems->order[i]];
        unsigned line, column;
        /* Counts on from the last place, so that the file is read once in all. */
        json_position(r->j->text + from, r->j->len - from, p->at - from, &line, &column);
        d.column = line == 1 ? d.column + column - 1 : column;
        d.line += line - 1;
        from = p->at;
        d.level = (enum diag_level)p->level;
        d.path = p->path;
        d.text = p->text;
        report(&d, arg);
    }
    for (int level = DIAG_ERROR; level <= DIAG_NOTE; level++) {
        char text[64];
        if (r->count[level] <= CONF_MAX_PROBLEMS)
            continue;
        VH_ASSERT(
            str_fmt(text, sizeof text, "%u more %s, not shown", r->count[level] - CONF_MAX_PROBLEMS, plural[level]));
        d = (struct diag){
            .level = (enum diag_level)level, .path = "", .text = text, .count = r->count[level] - CONF_MAX_PROBLEMS};
        report(&d, arg);
    }
}
