/*
 * regex.h - the regular expressions of rules: Python's re.match with re.IGNORECASE, in linear time.
 *
 * Compiled at start-up into fixed tables (a Thompson automaton), run by state sets: no recursion, no heap,
 * time proportional to pattern times text whatever the pattern. Anchored at the start only, like re.match.
 * Syntax: . * + ? {m} {m,} {,n} {m,n} and their lazy forms, | () (?:) (?P<name>) [] [^] with ranges and classes,
 * \d \D \w \W \s \S \b \B ^ $ \A \Z, \xHH \uHHHH \UHHHHHHHH, octal, \n \t \r \a \f \v and escaped punctuation; (?i) at
 * the start changes nothing. What it cannot run (back references, look-around, other flags, possessive forms) is a
 * compile error, never a silent non-match. Text is UTF-8; '.' is one character.
 */
#ifndef VHOTPLUG_REGEX_H
#define VHOTPLUG_REGEX_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct regex_inst {
    uint8_t op;
    uint32_t arg; /* a character, a set's index in the pool, or a target within the pattern */
};

struct regex_set {
    uint32_t ascii[4];    /* one bit for each of the first 128 characters */
    uint32_t range[8][2]; /* ranges of characters above, both ends included */
    uint16_t nranges;
    uint8_t classes; /* \d \D \w \W \s \S for characters above */
    uint8_t negated; /* no bool, no padding: sets are compared as bytes */
};

/* Storage for all patterns of one configuration. */
struct regex_pool {
    uint32_t ninst, nsets;
    struct regex_inst inst[VH_REGEX_POOL];
    struct regex_set set[VH_REGEX_SETS];
};

struct regex {
    uint32_t first; /* index into the pool */
    uint32_t count;
    uint64_t needs; /* kinds of characters that every matching text contains; 0: none known */
};

struct regex_error {
    size_t at;       /* byte offset in the pattern */
    const char *why; /* static text */
};

void regex_pool_reset(struct regex_pool *pool);
/* Compiles a UTF-8 pattern. False with *err filled; the pool is then as before. */
bool regex_compile(struct regex_pool *pool, struct regex *re, const char *pattern, size_t len, struct regex_error *err);
/* Are both patterns compiled to the same? */
bool regex_same(const struct regex_pool *pool_a, const struct regex *a, const struct regex_pool *pool_b,
                const struct regex *b);
/* Does the pattern match a prefix of text (UTF-8, invalid bytes count as one character that matches only . and negated
 * classes)? */
bool regex_match(const struct regex_pool *pool, const struct regex *re, const char *text, size_t len);

#endif
