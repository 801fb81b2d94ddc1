/*
 * json.h - strict JSON for all input: API lines, QMP, configuration, state.
 *
 * jsmn finds the tokens but accepts much that is not JSON, so json.c validates the text first: RFC 8259 to the letter,
 * valid UTF-8 (no overlong forms, no lone surrogates, also in escapes), depth bounded, no duplicate keys, no NUL. Time
 * is linear in the text. Pure; the caller owns text and tokens.
 */
#ifndef VHOTPLUG_JSON_H
#define VHOTPLUG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSMN_PARENT_LINKS /* without it nested input costs quadratic time */
#define JSMN_HEADER
#include <jsmn.h>

struct json {
    const char *text;
    size_t len;
    const jsmntok_t *tok;
    int ntok;
};

struct json_error {
    size_t at;       /* byte offset */
    const char *why; /* static text, says what was found and what was expected */
};

/* Parses exactly one JSON value (surrounding white space allowed). False with *err filled otherwise. Token 0 is the
 * value. */
bool json_parse(struct json *j, const char *text, size_t len, jsmntok_t *tok, int maxtok, struct json_error *err);

/* The parser's static scratch memory: a large text touches much of it. Its pages may be given back to the kernel. */
void *json_scratch(size_t *size);

enum json_type { JSON_NONE, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL };
enum json_type json_type(const struct json *j, int t); /* JSON_NONE for t < 0 */
const char *json_type_name(enum json_type type);       /* "an object", "a string", ... for error texts */

int json_get(const struct json *j, int object, const char *key); /* the value's token, or -1 */
/* Iteration: first child (key of an object's first pair, element of an array) and next sibling, -1 at the end. */
int json_first(const struct json *j, int t);
int json_next(const struct json *j, int t);    /* from an array element to the next; from a key to the next key */
int json_value(const struct json *j, int key); /* the value of a key token */
int json_size(const struct json *j, int t);    /* members or elements */

/* Unescapes a string token into dst with NUL. False if it does not fit or contains U+0000 (then dst is empty). */
bool json_string(const struct json *j, int t, char *dst, size_t cap);
bool json_string_is(const struct json *j, int t, const char *s); /* compares unescaped */
bool json_bool(const struct json *j, int t, bool *out);
/* An integer without fraction or exponent within min..max. */
bool json_int(const struct json *j, int t, int64_t min, int64_t max, int64_t *out);
/* Line and column, from 1, of a byte offset; columns count characters. */
void json_position(const char *text, size_t len, size_t at, unsigned *line, unsigned *column);
size_t json_offset(const struct json *j, int t); /* where a token starts, its quote included */

#endif
