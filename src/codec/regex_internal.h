/*
 * regex_internal.h - what the files of the regular expressions share, and no other file: instructions, and the
 * compiler's state.
 */
#ifndef VHOTPLUG_REGEX_INTERNAL_H
#define VHOTPLUG_REGEX_INTERNAL_H

#include "codec/regex.h"

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

struct group {
    uint32_t start, branch; /* where the group and its latest alternative begin */
    size_t at;              /* of its parenthesis, for the error */
};

/* "(?P<n>)" is the shortest group with a name. */
enum { NAMES_MAX = VH_REGEX_PATTERN_MAX / 7 + 1 };

struct group_name {
    size_t at, len;
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
    bool can_repeat; /* there is an atom */
    bool repeated;   /* the atom has a quantifier already */
    bool in_set;     /* within [ ]: no back references there */
    int depth;
    struct group group[DEPTH_MAX];
    int nnames;
    struct group_name name[NAMES_MAX];
};

/* regex_build.c: false after noting the reason; the first reason stays */
bool regex_fail(struct compiler *c, size_t at, const char *why); /* always false */
bool regex_room(struct compiler *c, uint32_t wanted);
bool regex_emit(struct compiler *c, uint8_t op, uint32_t arg);
bool regex_more(const struct compiler *c);             /* is something left of the pattern? */
bool regex_next_is(const struct compiler *c, char ch); /* without taking it */
bool regex_take(struct compiler *c, char ch);          /* if it comes next */

/* regex_set.c: each reads on at c->at */
bool regex_next_char(struct compiler *c, uint32_t *out);
bool regex_parse_set(struct compiler *c);
bool regex_parse_escape(struct compiler *c);

/* regex.c */
bool regex_in_classes(uint8_t classes, uint32_t ch); /* IN_... and NO_..., any of them */
uint64_t regex_kind(uint32_t folded);                /* a character's kind, one of 64, as a bit */

#endif
