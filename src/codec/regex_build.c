/*
 * regex_build.c - what the two parts of the pattern compiler share: the place in the pattern, and the program so far.
 * Pure.
 */
#include "codec/regex_internal.h"

bool regex_fail(struct compiler *c, size_t at, const char *why) {
    if (c->why == NULL) {
        c->why = why;
        c->why_at = at;
    }
    return false;
}

bool regex_more(const struct compiler *c) {
    return c->at < c->len;
}

bool regex_next_is(const struct compiler *c, char ch) {
    return regex_more(c) && c->s[c->at] == ch;
}

bool regex_take(struct compiler *c, char ch) {
    if (!regex_next_is(c, ch))
        return false;
    c->at++;
    return true;
}

bool regex_room(struct compiler *c, uint32_t wanted) {
    if (c->n + wanted > VH_REGEX_PROG_MAX)
        return regex_fail(c, c->at, "the pattern is too large once its {m,n} are written out");
    if (c->pool->ninst + c->n + wanted > VH_REGEX_POOL)
        return regex_fail(c, c->at, "all patterns together are too large");
    return true;
}

bool regex_emit(struct compiler *c, uint8_t op, uint32_t arg) {
    if (!regex_room(c, 1))
        return false;
    c->prog[c->n++] = (struct regex_inst){.op = op, .arg = arg};
    return true;
}
