/*
 * regex.c - a pattern becomes a small program, and the program runs on the set of all its states at once.
 *
 * Owns the compiler (one pass, an explicit stack of groups) and the matcher. Lazy and greedy forms differ only in which
 * text they take, never in whether they match, so they compile alike. Pure: no system call, no heap, no recursion.
 */
#include "regex.h"

#include "chars.h"
#include "log.h"
#include "str.h"

#include <string.h>

enum {
    OP_CHAR,  /* arg: one character, folded */
    OP_ANY,   /* any character but a line feed */
    OP_SET,   /* arg: index in the pool */
    OP_SPLIT, /* go on here and at arg */
    OP_JUMP,  /* arg: target */
    OP_BEGIN,
    OP_END,      /* $: at the end, or before a line feed that ends the text */
    OP_REAL_END, /* \Z */
    OP_WORD_EDGE,
    OP_NO_WORD_EDGE,
    OP_MATCH,
};

enum { DEPTH_MAX = 64, REPEAT_MAX = VH_REGEX_PROG_MAX, PENDING = 0xffff };
enum { IN_DIGIT = 1, NO_DIGIT = 2, IN_WORD = 4, NO_WORD = 8, IN_SPACE = 16, NO_SPACE = 32 };

_Static_assert((int)VH_REGEX_PROG_MAX < (int)PENDING, "a target fits in 16 bits, and PENDING is none");

/* ---- the compiler ---- */

struct group {
    uint32_t start, branch; /* where the group and its latest alternative begin */
    size_t at;              /* of its parenthesis, for the error */
};

struct compiler {
    struct regex_pool *pool;
    struct regex_inst *prog;
    uint32_t n; /* instructions so far */
    const char *s;
    size_t len, at;
    const char *why; /* set once */
    size_t why_at;
    uint32_t atom;   /* start of what a quantifier would repeat */
    bool can_repeat; /* there is such a thing */
    bool repeated;   /* it has a quantifier already */
    bool in_set;     /* within [ ]: no back references there */
    int depth;
    struct group group[DEPTH_MAX];
};

static bool fail(struct compiler *c, size_t at, const char *why) {
    if (c->why == NULL) {
        c->why = why;
        c->why_at = at;
    }
    return false;
}

static bool more(const struct compiler *c) {
    return c->at < c->len;
}

static bool next_is(const struct compiler *c, char ch) {
    return more(c) && c->s[c->at] == ch;
}

static bool take(struct compiler *c, char ch) {
    if (!next_is(c, ch))
        return false;
    c->at++;
    return true;
}

static bool room(struct compiler *c, uint32_t wanted) {
    if (c->n + wanted > VH_REGEX_PROG_MAX)
        return fail(c, c->at, "the pattern is too large once its {m,n} are written out");
    if (c->pool->ninst + c->n + wanted > VH_REGEX_POOL)
        return fail(c, c->at, "all patterns together are too large");
    return true;
}

static bool emit(struct compiler *c, uint8_t op, uint32_t arg) {
    if (!room(c, 1))
        return false;
    c->prog[c->n++] = (struct regex_inst){.op = op, .arg = arg};
    return true;
}

static bool is_jump(const struct regex_inst *i) {
    return (i->op == OP_SPLIT || i->op == OP_JUMP) && i->arg != PENDING;
}

/* Makes room for one instruction at `where`. Jumps into what moves come from what moves: they move along. */
static bool insert(struct compiler *c, uint32_t where, uint8_t op, uint32_t arg) {
    if (!room(c, 1))
        return false;
    memmove(&c->prog[where + 1], &c->prog[where], (c->n - where) * sizeof c->prog[0]);
    c->n++;
    for (uint32_t i = where + 1; i < c->n; i++)
        if (is_jump(&c->prog[i]) && c->prog[i].arg >= where)
            c->prog[i].arg++;
    c->prog[where] = (struct regex_inst){.op = op, .arg = arg};
    return true;
}

/* Writes the block [from, to) once more at the end. */
static bool copy_block(struct compiler *c, uint32_t from, uint32_t to) {
    if (!room(c, to - from))
        return false;
    uint32_t shift = c->n - from;
    for (uint32_t i = from; i < to; i++) {
        struct regex_inst in = c->prog[i];
        if (is_jump(&in))
            in.arg += shift;
        c->prog[c->n++] = in;
    }
    return true;
}

/* ---- characters and sets ---- */

static bool next_char(struct compiler *c, uint32_t *out) {
    size_t n = utf8_len(c->s + c->at, c->len - c->at, out);
    if (n == 0)
        return fail(c, c->at, "not valid UTF-8");
    c->at += n;
    return true;
}

/* Exactly `digits` hexadecimal digits. */
static bool hex(struct compiler *c, size_t digits, size_t start, uint32_t *out) {
    if (c->len - c->at < digits || !str_hex(c->s + c->at, digits, out) || *out > 0x10ffff)
        return fail(c, start, "incomplete or impossible escape: \\xHH, \\uHHHH or \\UHHHHHHHH");
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
        return fail(c, start, "back references are not supported: they have no linear-time match");
    if (*out > 0377)
        return fail(c, start, "octal escape above \\377");
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
        return fail(c, start, "unknown escape");
    return next_char(c, out);
}

static uint8_t class_of(char e) {
    static const char letters[] = "dDwWsS";
    const char *p = e != '\0' ? strchr(letters, e) : NULL;
    return (uint8_t)(p != NULL ? 1U << (p - letters) : 0U);
}

static bool in_classes(uint8_t classes, uint32_t ch) {
    bool digit = chars_is_digit(ch), word = chars_is_word(ch), space = chars_is_space(ch);
    return ((classes & IN_DIGIT) && digit) || ((classes & NO_DIGIT) && !digit) || ((classes & IN_WORD) && word) ||
           ((classes & NO_WORD) && !word) || ((classes & IN_SPACE) && space) || ((classes & NO_SPACE) && !space);
}

static void set_ascii(struct regex_set *s, uint32_t ch) {
    s->ascii[ch / 32] |= 1U << ch % 32;
}

static bool set_chars(struct compiler *c, struct regex_set *s, uint32_t from, uint32_t to, size_t at) {
    for (uint32_t ch = from; ch <= to && ch < 128; ch++) {
        set_ascii(s, chars_fold(ch));
        set_ascii(s, chars_upper(ch));
    }
    if (to < 128)
        return true;
    if (s->nranges == sizeof s->range / sizeof s->range[0])
        return fail(c, at, "too many ranges beyond ASCII in one [ ]: at most 8");
    s->range[s->nranges][0] = from < 128 ? 128 : from;
    s->range[s->nranges++][1] = to;
    return true;
}

/* A range that holds a second capital, such as the Kelvin sign, holds its small letter too; the matcher sees to the
 * rest of letter case. */
static bool set_range(struct compiler *c, struct regex_set *s, uint32_t from, uint32_t to, size_t at) {
    uint32_t second = 0;
    if (!set_chars(c, s, from, to, at))
        return false;
    for (uint32_t n = 0; (second = chars_second_capital(n)) != 0; n++) {
        uint32_t small = chars_fold(second);
        bool covered = (small >= from && small <= to) || (small < 128 && (s->ascii[small / 32] >> small % 32 & 1) != 0);
        if (second >= from && second <= to && !covered && !set_chars(c, s, small, small, at))
            return false;
    }
    return true;
}

static void set_classes(struct regex_set *s, uint8_t classes) {
    s->classes |= classes;
    for (uint32_t ch = 0; ch < 128; ch++)
        if (in_classes(classes, ch))
            set_ascii(s, ch);
}

/* Equal sets are stored once: rules tend to repeat themselves. */
static bool emit_set(struct compiler *c, const struct regex_set *s, size_t at) {
    struct regex_pool *p = c->pool;
    for (uint32_t i = 0; i < p->nsets; i++)
        if (memcmp(&p->set[i], s, sizeof *s) == 0)
            return emit(c, OP_SET, i);
    if (p->nsets == VH_REGEX_SETS)
        return fail(c, at, "all patterns together have too many character sets");
    memcpy(&p->set[p->nsets], s, sizeof *s);
    return emit(c, OP_SET, p->nsets++);
}

/* One member of a set: a character in *ch, or a class in *classes. */
static bool set_member(struct compiler *c, uint32_t *ch, uint8_t *classes) {
    size_t start = c->at;
    *classes = 0;
    if (!take(c, '\\'))
        return next_char(c, ch);
    if (!more(c))
        return fail(c, start, "nothing after the backslash");
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
    bool range = next_is(c, '-') && c->at + 1 < c->len && c->s[c->at + 1] != ']';
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
        return fail(c, start, "a range needs a character at both ends");
    if (to < from)
        return fail(c, start, "the range runs backwards");
    return set_range(c, s, from, to, start);
}

static bool parse_set(struct compiler *c) {
    size_t start = c->at++;
    struct regex_set s;
    memset(&s, 0, sizeof s);
    s.negated = take(c, '^');
    bool first = true;
    c->in_set = true;
    while (more(c) && (first || !next_is(c, ']'))) {
        first = false;
        if (!set_item(c, &s))
            return false;
    }
    c->in_set = false;
    if (!take(c, ']'))
        return fail(c, start, "[ without ]");
    return emit_set(c, &s, start);
}

static bool parse_escape(struct compiler *c) {
    static const struct {
        char letter;
        uint8_t op;
    } places[] = {{'A', OP_BEGIN}, {'Z', OP_REAL_END}, {'b', OP_WORD_EDGE}, {'B', OP_NO_WORD_EDGE}};
    size_t start = c->at++;
    if (!more(c))
        return fail(c, start, "nothing after the backslash");
    char e = c->s[c->at];
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (e == places[i].letter) {
            c->at++;
            c->can_repeat = false;
            return emit(c, places[i].op, 0);
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
    return escaped_char(c, start, &ch) && emit(c, OP_CHAR, chars_fold(ch));
}

/* ---- quantifiers ---- */

static bool number(struct compiler *c, uint32_t *out) {
    size_t n = 0;
    uint64_t v = 0;
    while (c->at + n < c->len && c->s[c->at + n] >= '0' && c->s[c->at + n] <= '9')
        n++;
    if (n == 0)
        return false;
    *out = str_uint(c->s + c->at, n, REPEAT_MAX, &v) ? (uint32_t)v : REPEAT_MAX + 1;
    c->at += n;
    return true;
}

/* {m}, {m,}, {,n}, {m,n} at a brace. Python takes any other brace for itself; *is says which it was. */
static bool parse_braces(struct compiler *c, uint32_t *min, uint32_t *max, bool *is) {
    size_t start = c->at++;
    *is = false;
    *min = 0;
    *max = UINT32_MAX;
    if (!next_is(c, '}')) {
        bool low = number(c, min);
        if (take(c, ','))
            (void)number(c, max);
        else if (low)
            *max = *min;
        else
            c->at = c->len; /* no number at all: not a repetition */
        *is = take(c, '}');
    }
    if (!*is) {
        c->at = start;
        return true;
    }
    if (*min > REPEAT_MAX || (*max > REPEAT_MAX && *max != UINT32_MAX))
        return fail(c, start, "the pattern is too large once its {m,n} are written out");
    return *max >= *min || fail(c, start, "the least number is above the greatest");
}

/* Repeats the block [atom, n) min to max times; max UINT32_MAX: without end. */
static bool repeat(struct compiler *c, uint32_t min, uint32_t max) {
    uint32_t from = c->atom, to = c->n;
    if (max == 0) {
        c->n = from;
        return true;
    }
    for (uint32_t i = 1; i < min; i++)
        if (!copy_block(c, from, to))
            return false;
    if (max == UINT32_MAX && min == 0)
        return insert(c, from, OP_SPLIT, c->n + 2) && emit(c, OP_JUMP, from);
    if (max == UINT32_MAX)
        return emit(c, OP_SPLIT, c->n - (to - from));
    uint32_t block = to - from;
    if (min == 0) {
        if (!insert(c, from, OP_SPLIT, PENDING))
            return false;
        from++, to++, min = 1;
    }
    for (uint32_t i = min; i < max; i++)
        if (!emit(c, OP_SPLIT, PENDING) || !copy_block(c, from, from + block))
            return false;
    for (uint32_t i = c->atom; i < c->n; i++) /* all of them leave for the end */
        if (c->prog[i].op == OP_SPLIT && c->prog[i].arg == PENDING)
            c->prog[i].arg = c->n;
    return true;
}

static bool parse_quantifier(struct compiler *c, bool *was) {
    size_t start = c->at;
    uint32_t min = 0, max = UINT32_MAX;
    *was = true;
    if (take(c, '*')) {
    } else if (take(c, '+')) {
        min = 1;
    } else if (take(c, '?')) {
        max = 1;
    } else if (!next_is(c, '{') || !parse_braces(c, &min, &max, was) || !*was) {
        *was = false;
        return c->why == NULL;
    }
    if (c->repeated)
        return fail(c, start, "a second quantifier: put the first into (?:...)");
    if (!c->can_repeat)
        return fail(c, start, "nothing to repeat");
    if (next_is(c, '+'))
        return fail(c, start, "possessive quantifiers are not supported");
    (void)take(c, '?'); /* lazy: matches the same texts */
    c->repeated = true;
    return repeat(c, min, max);
}

/* ---- groups ---- */

static bool skip_name(struct compiler *c, size_t start) {
    size_t n = 0;
    while (more(c) && !next_is(c, '>')) {
        c->at++;
        n++;
    }
    return (take(c, '>') && n > 0) || fail(c, start, "(?P<name> without a name or its >");
}

static bool open_group(struct compiler *c) {
    size_t start = c->at++;
    if (take(c, '?')) {
        if (take(c, ':')) {
        } else if (c->len - c->at > 2 && memcmp(c->s + c->at, "P<", 2) == 0) {
            c->at += 2;
            if (!skip_name(c, start))
                return false;
        } else if (start == 0 && c->len - c->at >= 2 && memcmp(c->s + c->at, "i)", 2) == 0) {
            c->at += 2; /* case is ignored anyway */
            return true;
        } else {
            return fail(c, start,
                        next_is(c, '=') || next_is(c, '!') || next_is(c, '<') ? "look-around is not supported"
                                                                              : "this kind of (?...) is not supported");
        }
    }
    if (c->depth == DEPTH_MAX)
        return fail(c, start, "too many groups within groups: at most 63");
    c->group[c->depth++] = (struct group){.start = c->n, .branch = c->n, .at = start};
    return true;
}

/* The ends of all alternatives but the last were left open until the group's end is known. */
static void close_alternatives(struct compiler *c, const struct group *g) {
    for (uint32_t i = g->start; i < c->n; i++)
        if (c->prog[i].op == OP_JUMP && c->prog[i].arg == PENDING)
            c->prog[i].arg = c->n;
}

static bool close_group(struct compiler *c) {
    if (c->depth == 1)
        return fail(c, c->at, ") without (");
    c->at++;
    const struct group *g = &c->group[--c->depth];
    close_alternatives(c, g);
    c->atom = g->start;
    return true;
}

static bool alternative(struct compiler *c) {
    c->at++;
    struct group *g = &c->group[c->depth - 1];
    if (!insert(c, g->branch, OP_SPLIT, 0) || !emit(c, OP_JUMP, PENDING))
        return false;
    c->prog[g->branch].arg = c->n;
    g->branch = c->n;
    c->can_repeat = false;
    return true;
}

/* ---- the whole ---- */

static bool parse_atom(struct compiler *c) {
    uint32_t ch = 0;
    c->atom = c->n;
    c->can_repeat = true;
    switch (c->s[c->at]) {
    case '[':
        return parse_set(c);
    case '\\':
        return parse_escape(c);
    case '.':
        c->at++;
        return emit(c, OP_ANY, 0);
    case '^':
    case '$':
        c->can_repeat = false;
        return emit(c, c->s[c->at++] == '^' ? OP_BEGIN : OP_END, 0);
    default:
        return next_char(c, &ch) && emit(c, OP_CHAR, chars_fold(ch));
    }
}

static bool parse_next(struct compiler *c) {
    bool quantifier = false;
    if (!parse_quantifier(c, &quantifier))
        return false;
    if (quantifier)
        return true;
    c->repeated = false;
    switch (c->s[c->at]) {
    case '(':
        c->can_repeat = false;
        return open_group(c);
    case ')':
        c->can_repeat = true;
        return close_group(c);
    case '|':
        return alternative(c);
    default:
        return parse_atom(c);
    }
}

void regex_pool_reset(struct regex_pool *pool) {
    pool->ninst = pool->nsets = 0;
}

bool regex_compile(struct regex_pool *pool, struct regex *re, const char *pattern, size_t len,
                   struct regex_error *err) {
    struct compiler c = {.pool = pool, .prog = &pool->inst[pool->ninst], .s = pattern, .len = len, .depth = 1};
    uint32_t nsets = pool->nsets;
    if (len > VH_REGEX_PATTERN_MAX)
        (void)fail(&c, 0, "the pattern is too long");
    while (c.why == NULL && more(&c))
        (void)parse_next(&c);
    if (c.why == NULL && c.depth > 1)
        (void)fail(&c, c.group[c.depth - 1].at, "( without )");
    if (c.why == NULL) {
        close_alternatives(&c, &c.group[0]);
        (void)emit(&c, OP_MATCH, 0);
    }
    if (c.why != NULL) {
        *err = (struct regex_error){.at = c.why_at, .why = c.why};
        pool->nsets = nsets;
        return false;
    }
    *re = (struct regex){.first = pool->ninst, .count = c.n};
    pool->ninst += c.n;
    return true;
}

/* ---- the matcher ---- */

struct states {
    uint32_t n;
    uint16_t pc[VH_REGEX_PROG_MAX]; /* each at most once */
};

struct place {
    bool first, last, before_final_newline;
    uint32_t before, here; /* the characters on both sides, CHARS_INVALID at the ends */
};

static bool in_set(const struct regex_set *s, uint32_t ch) {
    bool in = false;
    if (ch < 128) {
        in = s->ascii[ch / 32] >> ch % 32 & 1;
    } else {
        uint32_t form[3] = {ch, chars_fold(ch), chars_upper(chars_fold(ch))};
        for (int f = 0; f < 3 && !in; f++) {
            if (form[f] < 128)
                in = s->ascii[form[f] / 32] >> form[f] % 32 & 1;
            for (int i = 0; i < s->nranges && !in; i++)
                in = form[f] >= s->range[i][0] && form[f] <= s->range[i][1];
        }
        in = in || in_classes(s->classes, ch);
    }
    return in != s->negated;
}

static bool takes(const struct regex_pool *pool, const struct regex_inst *i, uint32_t ch, uint32_t folded) {
    switch (i->op) {
    case OP_CHAR:
        return folded == i->arg;
    case OP_ANY:
        return ch != '\n';
    case OP_SET:
        return in_set(&pool->set[i->arg], ch);
    default:
        return false;
    }
}

static bool holds(uint8_t op, const struct place *p) {
    bool edge = chars_is_word(p->before) != chars_is_word(p->here);
    switch (op) {
    case OP_BEGIN:
        return p->first;
    case OP_END:
        return p->last || p->before_final_newline;
    case OP_REAL_END:
        return p->last;
    case OP_WORD_EDGE:
        return edge;
    default: /* OP_NO_WORD_EDGE: never in an empty text, as in Python */
        return !edge && !(p->first && p->last);
    }
}

/* Adds pc and everything reachable from it without taking a character. True if that is the end of the pattern. */
static bool follow(const struct regex_inst *prog, uint32_t pc, const struct place *p, struct states *to,
                   uint8_t *seen) {
    uint16_t stack[VH_REGEX_PROG_MAX + 1];
    uint32_t n = 0;
    stack[n++] = (uint16_t)pc;
    while (n > 0) {
        pc = stack[--n];
        if (seen[pc / 8] >> pc % 8 & 1)
            continue;
        seen[pc / 8] = (uint8_t)(seen[pc / 8] | 1U << pc % 8);
        const struct regex_inst *i = &prog[pc];
        switch (i->op) {
        case OP_MATCH:
            return true;
        case OP_CHAR:
        case OP_ANY:
        case OP_SET:
            to->pc[to->n++] = (uint16_t)pc;
            break;
        case OP_JUMP:
            stack[n++] = (uint16_t)i->arg;
            break;
        case OP_SPLIT: /* pushes two for the one taken: at most one more for each instruction seen */
            stack[n++] = (uint16_t)i->arg;
            stack[n++] = (uint16_t)(pc + 1);
            break;
        default:
            if (holds(i->op, p))
                stack[n++] = (uint16_t)(pc + 1);
        }
        VH_ASSERT(n <= VH_REGEX_PROG_MAX);
    }
    return false;
}

static uint32_t char_at(const char *text, size_t len, size_t at, size_t *n) {
    uint32_t ch = 0;
    if (at == len) {
        *n = 0;
        return CHARS_INVALID;
    }
    *n = utf8_len(text + at, len - at, &ch);
    if (*n != 0)
        return ch;
    *n = 1;
    return CHARS_INVALID;
}

bool regex_match(const struct regex_pool *pool, const struct regex *re, const char *text, size_t len) {
    const struct regex_inst *prog = &pool->inst[re->first];
    struct states a, b, *now = &a, *next = &b;
    uint8_t seen[VH_REGEX_PROG_MAX / 8 + 1];
    size_t at = 0, n = 0, nseen = re->count / 8 + 1; /* bytes of it that this pattern needs */
    struct place p = {.first = true, .before = CHARS_INVALID};
    VH_ASSERT(re->count > 0 && re->count <= VH_REGEX_PROG_MAX && re->first + re->count <= pool->ninst);
    p.here = char_at(text, len, 0, &n);
    p.last = n == 0;
    p.before_final_newline = p.here == '\n' && n == len;
    now->n = 0;
    memset(seen, 0, nseen);
    if (follow(prog, 0, &p, now, seen))
        return true;
    while (now->n > 0 && at < len) {
        uint32_t ch = p.here, folded = chars_fold(ch);
        at += n;
        p = (struct place){.before = ch, .here = char_at(text, len, at, &n)};
        p.last = n == 0;
        p.before_final_newline = p.here == '\n' && at + n == len;
        next->n = 0;
        memset(seen, 0, nseen);
        for (uint32_t i = 0; i < now->n; i++)
            if (takes(pool, &prog[now->pc[i]], ch, folded) && follow(prog, now->pc[i] + 1U, &p, next, seen))
                return true;
        struct states *t = now;
        now = next;
        next = t;
    }
    return false;
}
