/*
 * conf_read.c - reading values out of the configuration's JSON: type and range checked, every problem kept with its
 * place and path until all are known, then told in the order of the file. Knows no key and no meaning.
 */
#include "config/conf_read.h"

#include "base/log.h"
#include "base/str.h"

#include <string.h>

struct conf_scratch conf_scratch_area;

/* ---- problems ---- */

bool rd_kept(const struct reader *r, enum diag_level level) {
    return r->count[level] < CONF_MAX_PROBLEMS;
}

/* The token that holds t: the object for a key or a pair's value, else the array; -1 for the root. */
static int holder(const struct json *j, int t) {
    int up = j->tok[t].parent;
    if (json_type(j, up) == JSON_STRING) /* a value hangs under its key */
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
    if (!sb_ok(&sb)) /* an unknown key of absurd length: the place says the rest */
        (void)str_copy(dst, cap, "(a very long path)");
}

static struct problem *new_problem(struct reader *r, enum diag_level level) {
    bool kept = rd_kept(r, level);
    r->count[level]++;
    if (!kept)
        return NULL;
    VH_ASSERT(r->stored < sizeof conf_scratch_area.problems / sizeof *conf_scratch_area.problems);
    struct problem *p = &conf_scratch_area.problems[r->stored];
    p->level = (uint8_t)level;
    p->seq = r->stored++;
    return p;
}

__attribute__((format(printf, 5, 0))) static void say(struct reader *r, enum diag_level level, int tok, size_t within,
                                                      const char *fmt, va_list ap) {
    struct problem *p = new_problem(r, level);
    struct sbuf sb;
    if (!p)
        return;
    p->at = (uint32_t)(json_offset(&r->j, tok) + within);
    path_of(&r->j, tok, p->path, sizeof p->path);
    sb_init(&sb, p->text, sizeof p->text);
    sb_vfmt(&sb, fmt, ap);
    VH_ASSERT(sb_ok(&sb)); /* whatever is quoted was shortened before */
}

void rd_say(struct reader *r, enum diag_level level, int tok, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    say(r, level, tok, 0, fmt, ap);
    va_end(ap);
}

void rd_say_within(struct reader *r, enum diag_level level, int tok, size_t within, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    say(r, level, tok, within, fmt, ap);
    va_end(ap);
}

/* A stable order by place in the file: Shell's method, in place, no recursion. */
static void sort_problems(unsigned n) {
    const struct problem *p = conf_scratch_area.problems;
    uint16_t *order = conf_scratch_area.order;
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

void rd_report(struct reader *r, conf_diag_fn *report, void *arg) {
    static const char *const plural[3] = {"errors", "warnings", "notes"};
    struct diag d = {.line = 1, .column = 1};
    size_t from = 0;
    if (!report)
        return;
    sort_problems(r->stored);
    for (unsigned i = 0; i < r->stored; i++) {
        const struct problem *p = &conf_scratch_area.problems[conf_scratch_area.order[i]];
        unsigned line, column;
        /* Counting on from the last place: in all, the file is gone through once. */
        json_position(r->j.text + from, r->j.len - from, p->at - from, &line, &column);
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
        d = (struct diag){.level = (enum diag_level)level, .path = "", .text = text};
        report(&d, arg);
    }
}

/* The line of a token. Tokens are asked for in nearly ascending order, so counting on from the last place keeps the
 * whole file's cost linear. */
uint32_t rd_line(struct reader *r, int tok) {
    size_t at = json_offset(&r->j, tok);
    for (; r->line_at < at; r->line_at++)
        r->line += r->j.text[r->line_at] == '\n';
    for (; r->line_at > at; r->line_at--)
        r->line -= r->j.text[r->line_at - 1] == '\n';
    return r->line;
}

/* ---- values ---- */

/* The raw text of a token for an error, shortened at a character. */
static void quote(const struct json *j, int t, char *dst, size_t cap) {
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

void rd_expected(struct reader *r, int tok, const char *what) {
    char text[48];
    enum json_type type = json_type(&r->j, tok);
    quote(&r->j, tok, text, sizeof text);
    if (type == JSON_STRING)
        rd_error(r, tok, "expected %s, found the string \"%s\"", what, text);
    else if (type == JSON_NUMBER)
        rd_error(r, tok, "expected %s, found the number %s", what, text);
    else if (type == JSON_BOOL)
        rd_error(r, tok, "expected %s, found %s", what, text);
    else
        rd_error(r, tok, "expected %s, found %s", what, json_type_name(type));
}

static bool is_idle(const struct json *j, int t) {
    bool b;
    if (json_type(j, t) == JSON_BOOL)
        return json_bool(j, t, &b) && !b;
    if (json_type(j, t) == JSON_ARRAY || json_type(j, t) == JSON_OBJECT) {
        if (json_size(j, t) == 0)
            return true;
        if (json_type(j, t) == JSON_OBJECT) {
            int disable = json_get(j, t, "disable"), enable = json_get(j, t, "enable");
            return (json_bool(j, disable, &b) && b) || (disable < 0 && json_bool(j, enable, &b) && !b);
        }
    }
    return false;
}

/* A key that is not acted on: not known at all, or known for later. */
static void foreign_key(struct reader *r, enum conf_object o, int key, int value) {
    uint32_t bit = 0;
    char name[64], hint[96];
    const char *what = keys_later_only(&r->j, o, key, &bit);
    quote(&r->j, key, name, sizeof name);
    if (what) {
        if (is_idle(&r->j, value) || (r->said_later_only[o] & bit))
            return;
        r->said_later_only[o] |= bit;
        rd_warn(r, key, "'%s' is accepted but not acted on: %s", name, what);
        return;
    }
    if (!rd_kept(r, DIAG_WARNING)) {
        r->count[DIAG_WARNING]++; /* a hint costs time; a file of garbage gets none beyond what is shown */
        return;
    }
    keys_hint(o, name, hint, sizeof hint);
    rd_warn(r, key, "unknown key '%s'%s", name, hint);
}

bool rd_object(struct reader *r, int tok, enum conf_object o, int *v) {
    for (int i = 0; i < CONF_KEYS_MAX; i++)
        v[i] = -1;
    if (json_type(&r->j, tok) != JSON_OBJECT) {
        rd_expected(r, tok, "an object");
        return false;
    }
    for (int key = json_first(&r->j, tok); key >= 0; key = json_next(&r->j, key)) {
        int value = json_value(&r->j, key);
        int i = keys_find(&r->j, o, key);
        if (json_type(&r->j, value) == JSON_NULL && (i >= 0 || keys_later_only(&r->j, o, key, &(uint32_t){0})))
            continue; /* configuration generators write null for "not set" */
        if (i < 0) {
            foreign_key(r, o, key, value);
            continue;
        }
        VH_ASSERT(i < CONF_KEYS_MAX);
        v[i] = value;
    }
    return true;
}

bool rd_array(struct reader *r, int tok, const char *what) {
    if (json_type(&r->j, tok) == JSON_ARRAY)
        return true;
    rd_expected(r, tok, what);
    return false;
}

bool rd_bool(struct reader *r, int tok, bool *out) {
    if (tok < 0 || json_bool(&r->j, tok, out))
        return true;
    rd_expected(r, tok, "true or false");
    return false;
}

bool rd_uint(struct reader *r, int tok, uint64_t min, uint64_t max, const char *what, uint64_t *out) {
    int64_t n;
    uint64_t u;
    VH_ASSERT(max <= INT64_MAX);
    if (tok < 0)
        return true;
    if (json_type(&r->j, tok) == JSON_NUMBER && json_int(&r->j, tok, (int64_t)min, (int64_t)max, &n)) {
        *out = (uint64_t)n;
        return true;
    }
    if (json_type(&r->j, tok) == JSON_STRING &&
        str_uint(r->j.text + r->j.tok[tok].start, (size_t)(r->j.tok[tok].end - r->j.tok[tok].start), max, &u) &&
        u >= min) {
        *out = u;
        return true;
    }
    rd_expected(r, tok, what);
    return false;
}

/* Room is known to suffice, so the only thing that can be wrong with a string is U+0000 in it. */
static bool unescape(struct reader *r, int tok, char *dst, size_t cap) {
    if (json_string(&r->j, tok, dst, cap))
        return true;
    rd_error(r, tok, "U+0000 cannot be part of a value");
    return false;
}

const char *rd_keep(struct reader *r, int tok) {
    size_t raw = (size_t)(r->j.tok[tok].end - r->j.tok[tok].start);
    size_t room = sizeof r->c->strings - r->c->nstrings;
    char *dst = r->c->strings + r->c->nstrings;
    if (json_type(&r->j, tok) != JSON_STRING) {
        rd_expected(r, tok, "a string");
        return NULL;
    }
    if (raw == 0)
        return "";
    if (raw + 1 > room) {
        rd_error(r, tok, "no room for this string: all strings together may have %d bytes (VH_CONF_STRINGS)",
                 VH_CONF_STRINGS);
        return NULL;
    }
    if (!unescape(r, tok, dst, room))
        return NULL;
    r->c->nstrings += (uint32_t)(strlen(dst) + 1);
    return dst;
}

bool rd_copy(struct reader *r, int tok, char *dst, size_t cap, const char *what) {
    uint32_t mark = r->c->nstrings;
    if (tok < 0)
        return true;
    if (json_type(&r->j, tok) != JSON_STRING) {
        rd_expected(r, tok, what);
        return false;
    }
    const char *s = rd_keep(r, tok);
    r->c->nstrings = mark; /* only borrowed */
    if (!s)
        return false;
    if (*s == '\0') {
        rd_expected(r, tok, what);
        return false;
    }
    for (size_t at = 0, n = 0, len = strlen(s); at < len; at += n) {
        uint32_t c = 0;
        n = utf8_len(s + at, len - at, &c);
        VH_ASSERT(n > 0); /* the reader lets no other text pass */
        if (utf8_steers(c)) {
            rd_error(r, tok, "control characters cannot be part of this value");
            return false;
        }
    }
    if (!str_copy(dst, cap, s)) {
        rd_error(r, tok, "%zu bytes are too many here: at most %zu", strlen(s), cap - 1);
        dst[0] = '\0';
        return false;
    }
    return true;
}

bool rd_path(struct reader *r, int tok, char *dst, size_t cap) {
    if (!rd_copy(r, tok, dst, cap, "an absolute path"))
        return false;
    if (tok >= 0 && dst[0] != '/') {
        rd_expected(r, tok, "an absolute path");
        return false;
    }
    return true;
}

bool rd_choice(struct reader *r, int tok, const char *const *names, int n, const char *what, int *out) {
    if (tok < 0)
        return true;
    for (int i = 0; i < n; i++) {
        if (json_string_is(&r->j, tok, names[i])) {
            *out = i;
            return true;
        }
    }
    rd_expected(r, tok, what);
    return false;
}

bool rd_enabled(struct reader *r, int enable, int disable) {
    bool on = true, off = false;
    bool sound_on = rd_bool(r, enable, &on), sound_off = rd_bool(r, disable, &off); /* both, to report both */
    if (sound_on && sound_off && enable >= 0 && disable >= 0 && on == off)
        rd_warn(r, disable, "'enable' and 'disable' contradict each other: 'disable' decides");
    return disable >= 0 ? !off : on;
}
