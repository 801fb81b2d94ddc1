/*
 * regex_set.c - the compiler's part for single characters: escapes, classes and sets, with their letter case. Pure.
 */
#include "base/str.h"
#include "codec/regex_internal.h"
#include "codec/unicode.h"

#include <string.h>

/* ---- characters and sets ---- */

bool regex_next_char(struct compiler *c, uint32_t *out) {
    size_t n = utf8_len(c->s + c->at, c->len - c->at, out);
    if (n == 0)
        return regex_fail(c, c->at, "not valid UTF-8");
    c->at += n;
    return true;
}

/* Exactly `digits` hexadecimal digits. */
static bool hex(struct compiler *c, size_t digits, size_t start, uint32_t *out) {
    if (c->len - c->at < digits || !str_hex(c->s + c->at, digits, out) || *out > 0x10ffff)
        return regex_fail(c, start, "incomplete or impossible escape: \\xHH, \\uHHHH or \\UHHHHHHHH");
    c->at += digits;
    return true;
}

/* \0 to \377, three digits unless it begins with 0 or stands in a set; other digits are a back reference. */
static bool octal(struct compiler *c, size_t start, uint32_t *out) {
    size_t n = 0;
    *out = 0;
    while (n < 3 && c->at + n < c->len && c->s[c->at + n] >= '0' && c->s[c->at + n] <= '7')
        *out = *out * 8 + (uint32_t)(c->s[c->at + n++] - '0');
    bool octal_digits = n == 3 || c->s[c->at] == '0' || (c->in_set && n > 0);
    if (!octal_digits)
        return regex_fail(c, start, "back references are not supported: they have no linear-time match");
    if (*out > 0377)
        return regex_fail(c, start, "octal escape above \\377");
    c->at += n;
    return true;
}

/* An escape that stands for one character; c->at is behind the backslash. */
static bool escaped_char(struct compiler *c, size_t start, uint32_t *out) {
    static const char from[] = "abfnrtv", to[] = "\a\b\f\n\r\t\v";
    char e = c->s[c->at];
    if (e >= '0' && e <= '9')
        return octal(c, start, out);
    if (e == 'x' || e == 'u' || e == 'U') {
        c->at++;
        return hex(c, e == 'x' ? 2 : e == 'u' ? 4 : 8, start, out);
    }
    const char *p = strchr(from, e);
    if (p != NULL) {
        c->at++;
        *out = (uint32_t)to[p - from];
        return true;
    }
    if ((e >= 'a' && e <= 'z') || (e >= 'A' && e <= 'Z'))
        return regex_fail(c, start, "unknown escape");
    return regex_next_char(c, out);
}

static uint8_t class_of(char e) {
    static const char letters[] = "dDwWsS";
    const char *p = e != '\0' ? strchr(letters, e) : NULL;
    return (uint8_t)(p != NULL ? 1U << (p - letters) : 0U);
}

static void set_ascii(struct regex_set *s, uint32_t ch) {
    s->ascii[ch / 32] |= 1U << ch % 32;
}

static bool set_chars(struct compiler *c, struct regex_set *s, uint32_t from, uint32_t to, size_t at) {
    for (uint32_t ch = from; ch <= to && ch < 128; ch++) {
        set_ascii(s, unicode_fold(ch));
        set_ascii(s, unicode_upper(ch));
    }
    if (to < 128)
        return true;
    if (s->nranges == sizeof s->range / sizeof s->range[0])
        return regex_fail(c, at, "too many ranges beyond ASCII in one [ ]: at most 8");
    s->range[s->nranges][0] = from < 128 ? 128 : from;
    s->range[s->nranges++][1] = to;
    return true;
}

/* A range that holds a second capital, such as the Kelvin sign, holds its small letter too; the matcher handles the
 * rest of letter case. */
static bool set_range(struct compiler *c, struct regex_set *s, uint32_t from, uint32_t to, size_t at) {
    uint32_t second = 0;
    if (!set_chars(c, s, from, to, at))
        return false;
    for (uint32_t n = 0; (second = unicode_second_capital(n)) != 0; n++) {
        uint32_t small = unicode_fold(second);
        bool covered = (small >= from && small <= to) || (small < 128 && (s->ascii[small / 32] >> small % 32 & 1) != 0);
        if (second >= from && second <= to && !covered && !set_chars(c, s, small, small, at))
            return false;
    }
    return true;
}

static void set_classes(struct regex_set *s, uint8_t classes) {
    s->classes |= classes;
    for (uint32_t ch = 0; ch < 128; ch++)
        if (regex_in_classes(classes, ch))
            set_ascii(s, ch);
}

/* Equal sets are stored once: rules often repeat a pattern. */
static bool emit_set(struct compiler *c, const struct regex_set *s, size_t at) {
    struct regex_pool *p = c->pool;
    for (uint32_t i = 0; i < p->nsets; i++)
        if (memcmp(&p->set[i], s, sizeof *s) == 0)
            return regex_emit(c, OP_SET, i);
    if (p->nsets == VH_REGEX_SETS)
        return regex_fail(c, at, "all patterns together have too many character sets");
    memcpy(&p->set[p->nsets], s, sizeof *s);
    return regex_emit(c, OP_SET, p->nsets++);
}

/* One member of a set: a character in *ch, or a class in *classes. */
static bool set_member(struct compiler *c, uint32_t *ch, uint8_t *classes) {
    size_t start = c->at;
    *classes = 0;
    if (!regex_take(c, '\\'))
        return regex_next_char(c, ch);
    if (!regex_more(c))
        return regex_fail(c, start, "nothing after the backslash");
    *classes = class_of(c->s[c->at]);
    if (*classes != 0) {
        c->at++;
        return true;
    }
    return escaped_char(c, start, ch);
}

static bool set_item(struct compiler *c, struct regex_set *s) {
    size_t start = c->at;
    uint32_t from = 0, to = 0;
    uint8_t classes = 0;
    if (!set_member(c, &from, &classes))
        return false;
    bool range = regex_next_is(c, '-') && c->at + 1 < c->len && c->s[c->at + 1] != ']';
    if (!range) {
        if (classes != 0)
            set_classes(s, classes);
        return classes != 0 || set_range(c, s, from, from, start);
    }
    c->at++;
    bool from_class = classes != 0;
    if (!set_member(c, &to, &classes))
        return false;
    if (from_class || classes != 0)
        return regex_fail(c, start, "a range needs a character at both ends");
    if (to < from)
        return regex_fail(c, start, "the range runs backwards");
    return set_range(c, s, from, to, start);
}

bool regex_parse_set(struct compiler *c) {
    size_t start = c->at++;
    struct regex_set s;
    memset(&s, 0, sizeof s);
    s.negated = regex_take(c, '^');
    bool first = true;
    c->in_set = true;
    while (regex_more(c) && (first || !regex_next_is(c, ']'))) {
        first = false;
        if (!set_item(c, &s))
            return false;
    }
    c->in_set = false;
    if (!regex_take(c, ']'))
        return regex_fail(c, start, "[ without ]");
    return emit_set(c, &s, start);
}

bool regex_parse_escape(struct compiler *c) {
    static const struct {
        char letter;
        uint8_t op;
    } places[] = {{'A', OP_BEGIN}, {'Z', OP_REAL_END}, {'b', OP_WORD_EDGE}, {'B', OP_NO_WORD_EDGE}};
    size_t start = c->at++;
    if (!regex_more(c))
        return regex_fail(c, start, "nothing after the backslash");
    char e = c->s[c->at];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (e == places[i].letter) {
            c->at++;
            c->can_repeat = false;
            return regex_emit(c, places[i].op, 0);
        }
    }
    uint8_t classes = class_of(e);
    if (classes != 0) {
        struct regex_set s;
        memset(&s, 0, sizeof s);
        set_classes(&s, classes);
        c->at++;
        return emit_set(c, &s, start);
    }
    uint32_t ch = 0;
    return escaped_char(c, start, &ch) && regex_emit(c, OP_CHAR, unicode_fold(ch));
}
