/*
 * regex_compile.c - a pattern becomes a small program: one pass, an explicit stack of groups. Lazy and greedy forms
 * differ only in which text they take, never in whether they match, so they compile alike. Pure, without recursion.
 */
#include "base/assert.h"
#include "base/str.h"
#include "codec/regex_internal.h"
#include "codec/unicode.h"

#include <string.h>

/* ---- instructions ---- */

static bool is_jump(const struct regex_inst *i) {
    return (i->op == OP_SPLIT || i->op == OP_JUMP) && i->arg != PENDING;
}

/* Inserts one instruction at `where`. All jumps into the moved part come from the moved part, so their targets move as
 * well. */
static bool insert(struct compiler *c, uint32_t where, uint8_t op, uint32_t arg) {
    if (!regex_room(c, 1))
        return false;
    memmove(&c->prog[where + 1], &c->prog[where], (c->n - where) * sizeof c->prog[0]);
    c->n++;
    for (uint32_t i = where + 1; i < c->n; i++)
        if (is_jump(&c->prog[i]) && c->prog[i].arg >= where)
            c->prog[i].arg++;
    c->prog[where] = (struct regex_inst){.op = op, .arg = arg};
    return true;
}

/* Appends a copy of the block [from, to). */
static bool copy_block(struct compiler *c, uint32_t from, uint32_t to) {
    if (!regex_room(c, to - from))
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

/* {m}, {m,}, {,n}, {m,n} at a brace. Python reads any other brace as a plain character; *is says whether this is a
 * repetition. */
static bool parse_braces(struct compiler *c, uint32_t *min, uint32_t *max, bool *is) {
    size_t start = c->at++;
    *is = false;
    *min = 0;
    *max = UINT32_MAX;
    if (!regex_next_is(c, '}')) {
        bool low = number(c, min);
        if (regex_take(c, ','))
            (void)number(c, max);
        else if (low)
            *max = *min;
        else
            c->at = c->len; /* no number at all: not a repetition */
        *is = regex_take(c, '}');
    }
    if (!*is) {
        c->at = start;
        return true;
    }
    if (*min > REPEAT_MAX || (*max > REPEAT_MAX && *max != UINT32_MAX))
        return regex_fail(c, start, "the pattern is too large once its {m,n} are written out");
    return *max >= *min || regex_fail(c, start, "the least number is above the greatest");
}

/* Repeats the block [atom, n) min to max times; max UINT32_MAX: no upper bound. */
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
        return insert(c, from, OP_SPLIT, c->n + 2) && regex_emit(c, OP_JUMP, from);
    if (max == UINT32_MAX)
        return regex_emit(c, OP_SPLIT, c->n - (to - from));
    uint32_t block = to - from;
    if (min == 0) {
        if (!insert(c, from, OP_SPLIT, PENDING))
            return false;
        from++, to++, min = 1;
    }
    for (uint32_t i = min; i < max; i++)
        if (!regex_emit(c, OP_SPLIT, PENDING) || !copy_block(c, from, from + block))
            return false;
    for (uint32_t i = c->atom; i < c->n; i++) /* all of them jump to the end */
        if (c->prog[i].op == OP_SPLIT && c->prog[i].arg == PENDING)
            c->prog[i].arg = c->n;
    return true;
}

static bool parse_quantifier(struct compiler *c, bool *was) {
    size_t start = c->at;
    uint32_t min = 0, max = UINT32_MAX;
    *was = true;
    if (regex_take(c, '*')) {
    } else if (regex_take(c, '+')) {
        min = 1;
    } else if (regex_take(c, '?')) {
        max = 1;
    } else if (!regex_next_is(c, '{') || !parse_braces(c, &min, &max, was) || !*was) {
        *was = false;
        return c->why == NULL;
    }
    if (c->repeated)
        return regex_fail(c, start, "a second quantifier: put the first into (?:...)");
    if (!c->can_repeat)
        return regex_fail(c, start, "nothing to repeat");
    if (regex_next_is(c, '+'))
        return regex_fail(c, start, "possessive quantifiers are not supported");
    (void)regex_take(c, '?'); /* lazy: matches the same texts */
    c->repeated = true;
    return repeat(c, min, max);
}

/* ---- groups ---- */

/* A name that Python takes: letters, digits and _, no digit first. */
static bool is_name(struct compiler *c, const struct group_name *name) {
    for (size_t i = 0, n = 0; i < name->len; i += n) {
        uint32_t ch = 0;
        n = utf8_len(c->s + name->at + i, name->len - i, &ch);
        if (n == 0 || !unicode_is_word(ch) || (i == 0 && unicode_is_digit(ch)))
            return regex_fail(c, name->at + i, "this character cannot be here in the name of a group");
    }
    return true;
}

static bool is_taken(const struct compiler *c, const struct group_name *name) {
    for (int i = 0; i < c->nnames; i++) {
        if (c->name[i].len == name->len && memcmp(c->s + c->name[i].at, c->s + name->at, name->len) == 0)
            return true;
    }
    return false;
}

static bool parse_name(struct compiler *c, size_t start) {
    const char *end = memchr(c->s + c->at, '>', c->len - c->at);
    if (end == NULL || end == c->s + c->at)
        return regex_fail(c, start, "(?P<name> without a name or its >");
    struct group_name name = {.at = c->at, .len = (size_t)(end - (c->s + c->at))};
    if (!is_name(c, &name))
        return false;
    if (is_taken(c, &name))
        return regex_fail(c, name.at, "another group has this name");
    VH_ASSERT(c->nnames < NAMES_MAX);
    c->name[c->nnames++] = name;
    c->at += name.len + 1;
    return true;
}

static bool open_group(struct compiler *c) {
    size_t start = c->at++;
    if (regex_take(c, '?')) {
        if (regex_take(c, ':')) {
        } else if (c->len - c->at > 2 && memcmp(c->s + c->at, "P<", 2) == 0) {
            c->at += 2;
            if (!parse_name(c, start))
                return false;
        } else if (start == 0 && c->len - c->at >= 2 && memcmp(c->s + c->at, "i)", 2) == 0) {
            c->at += 2; /* case is ignored anyway */
            return true;
        } else {
            return regex_fail(c, start,
                              regex_next_is(c, '=') || regex_next_is(c, '!') || regex_next_is(c, '<')
                                  ? "look-around is not supported"
                                  : "this kind of (?...) is not supported");
        }
    }
    if (c->depth == DEPTH_MAX)
        return regex_fail(c, start, "too many groups within groups: at most 63");
    c->group[c->depth++] = (struct group){.start = c->n, .branch = c->n, .at = start};
    return true;
}

/* Sets the jumps that end all alternatives but the last: the end of the group is known only now. */
static void close_alternatives(struct compiler *c, const struct group *g) {
    for (uint32_t i = g->start; i < c->n; i++)
        if (c->prog[i].op == OP_JUMP && c->prog[i].arg == PENDING)
            c->prog[i].arg = c->n;
}

static bool close_group(struct compiler *c) {
    if (c->depth == 1)
        return regex_fail(c, c->at, ") without (");
    c->at++;
    const struct group *g = &c->group[--c->depth];
    close_alternatives(c, g);
    c->atom = g->start;
    return true;
}

static bool alternative(struct compiler *c) {
    c->at++;
    struct group *g = &c->group[c->depth - 1];
    if (!insert(c, g->branch, OP_SPLIT, 0) || !regex_emit(c, OP_JUMP, PENDING))
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
        return regex_parse_set(c);
    case '\\':
        return regex_parse_escape(c);
    case '.':
        c->at++;
        return regex_emit(c, OP_ANY, 0);
    case '^':
    case '$':
        c->can_repeat = false;
        return regex_emit(c, c->s[c->at++] == '^' ? OP_BEGIN : OP_END, 0);
    default:
        return regex_next_char(c, &ch) && regex_emit(c, OP_CHAR, unicode_fold(ch));
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

/* The kinds of characters that every match must contain: those outside any alternative or optional part. */
static uint64_t needs_of(const struct regex_inst *prog, uint32_t n) {
    uint64_t needs = 0;
    uint32_t past = 0; /* furthest target of a branch: a match may leave out what is before it */
    for (uint32_t pc = 0; pc < n; pc++) {
        const struct regex_inst *i = &prog[pc];
        if (i->op == OP_CHAR && pc >= past)
            needs |= regex_kind(i->arg);
        if ((i->op == OP_SPLIT || i->op == OP_JUMP) && i->arg > past)
            past = i->arg;
    }
    return needs;
}

bool regex_compile(struct regex_pool *pool, struct regex *re, const char *pattern, size_t len,
                   struct regex_error *err) {
    struct compiler c = {.pool = pool, .prog = &pool->inst[pool->ninst], .s = pattern, .len = len, .depth = 1};
    uint32_t nsets = pool->nsets;
    if (len > VH_REGEX_PATTERN_MAX)
        (void)regex_fail(&c, 0, "the pattern is too long");
    while (c.why == NULL && regex_more(&c))
        (void)parse_next(&c);
    if (c.why == NULL && c.depth > 1)
        (void)regex_fail(&c, c.group[c.depth - 1].at, "( without )");
    if (c.why == NULL) {
        close_alternatives(&c, &c.group[0]);
        (void)regex_emit(&c, OP_MATCH, 0);
    }
    if (c.why != NULL) {
        *err = (struct regex_error){.at = c.why_at, .why = c.why};
        pool->nsets = nsets;
        return false;
    }
    *re = (struct regex){.first = pool->ninst, .count = c.n, .needs = needs_of(c.prog, c.n)};
    pool->ninst += c.n;
    return true;
}
