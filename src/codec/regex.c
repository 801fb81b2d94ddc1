/*
 * regex.c - the matcher: a pattern's program runs on the set of all its states at once, one character after the other.
 * Pure: no system call, no heap, no recursion.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/regex_internal.h"
#include "codec/unicode.h"

#include <string.h>

struct states {
    uint32_t n;
    uint16_t pc[VH_REGEX_PROG_MAX]; /* each at most once */
};

struct place {
    bool first, last, before_final_newline;
    uint32_t before, here; /* the characters on both sides, CHARS_INVALID at the ends */
};

bool regex_in_classes(uint8_t classes, uint32_t ch) {
    bool digit = unicode_is_digit(ch), word = unicode_is_word(ch), space = unicode_is_space(ch);
    return ((classes & IN_DIGIT) && digit) || ((classes & NO_DIGIT) && !digit) || ((classes & IN_WORD) && word) ||
           ((classes & NO_WORD) && !word) || ((classes & IN_SPACE) && space) || ((classes & NO_SPACE) && !space);
}

static bool in_set(const struct regex_set *s, uint32_t ch) {
    bool in = false;
    if (ch < 128) {
        in = s->ascii[ch / 32] >> ch % 32 & 1;
    } else {
        uint32_t form[3] = {ch, unicode_fold(ch), unicode_upper(unicode_fold(ch))};
        for (int f = 0; f < 3 && !in; f++) {
            if (form[f] < 128)
                in = s->ascii[form[f] / 32] >> form[f] % 32 & 1;
            for (int i = 0; i < s->nranges && !in; i++)
                in = form[f] >= s->range[i][0] && form[f] <= s->range[i][1];
        }
        in = in || regex_in_classes(s->classes, ch);
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
    bool edge = unicode_is_word(p->before) != unicode_is_word(p->here);
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

uint64_t regex_kind(uint32_t folded) {
    return (uint64_t)1 << (folded * UINT32_C(0x9e3779b1) >> 26);
}

/* Most patterns of a long list fail because a character is missing. This check finds that without running the
 * pattern. */
static bool has_what_it_needs(const struct regex *re, const char *text, size_t len) {
    uint64_t missing = re->needs;
    for (size_t at = 0, n = 0; at < len && missing != 0; at += n)
        missing &= ~regex_kind(unicode_fold(char_at(text, len, at, &n)));
    return missing == 0;
}

bool regex_same(const struct regex_pool *pool_a, const struct regex *a, const struct regex_pool *pool_b,
                const struct regex *b) {
    bool same = a->count == b->count;
    for (uint32_t i = 0; i < a->count && same; i++) {
        const struct regex_inst *x = &pool_a->inst[a->first + i], *y = &pool_b->inst[b->first + i];
        same = x->op == y->op &&
               (x->op == OP_SET ? memcmp(&pool_a->set[x->arg], &pool_b->set[y->arg], sizeof *pool_a->set) == 0
                                : x->arg == y->arg);
    }
    return same;
}

bool regex_match(const struct regex_pool *pool, const struct regex *re, const char *text, size_t len) {
    const struct regex_inst *prog = &pool->inst[re->first];
    struct states a, b, *now = &a, *next = &b;
    uint8_t seen[VH_REGEX_PROG_MAX / 8 + 1];
    size_t at = 0, n = 0, nseen = re->count / 8 + 1; /* bytes of it that this pattern needs */
    struct place p = {.first = true, .before = CHARS_INVALID};
    VH_ASSERT(re->count > 0 && re->count <= VH_REGEX_PROG_MAX && re->first + re->count <= pool->ninst);
    if (!has_what_it_needs(re, text, len))
        return false;
    p.here = char_at(text, len, 0, &n);
    p.last = n == 0;
    p.before_final_newline = p.here == '\n' && n == len;
    now->n = 0;
    memset(seen, 0, nseen);
    if (follow(prog, 0, &p, now, seen))
        return true;
    while (now->n > 0 && at < len) {
        uint32_t ch = p.here, folded = unicode_fold(ch);
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
