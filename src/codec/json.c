/*
 * json.c - strict JSON in front of jsmn.
 *
 * Owns the validating pass and the accessors. jsmn is given only what is valid already, so that its tolerance does not
 * matter. Every pass is linear in the text: keys of one object are compared through a hash table with bounded probing.
 */
/* jsmn.h defines its functions unless JSMN_HEADER is defined. json.h defines that, so jsmn.h comes first. */
/* clang-format off */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>
#include "codec/json.h"
/* clang-format on */

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"

#include <string.h>

/* ---- the validating pass ---- */

enum { KEY_TABLE = 2 * VH_CONF_TOKENS, KEY_PROBES = 64 };
_Static_assert((KEY_TABLE & (KEY_TABLE - 1)) == 0, "the table's size is a power of two");

/* A key seen in this text. */
struct seen_key {
    uint32_t object;  /* number of the object in the text */
    uint32_t at, end; /* 0 and 0: free */
};

static struct seen_key seen_keys[KEY_TABLE];

struct reader {
    const char *s;
    size_t n, at;
    const char *why; /* once it is set, every caller returns */
    uint32_t mask;   /* of the part of the table in use: small texts touch little memory */
    uint32_t objects;
};

static bool bad(struct reader *r, const char *why) {
    r->why = why;
    return false;
}

static int peek(const struct reader *r) {
    return r->at < r->n ? (unsigned char)r->s[r->at] : -1;
}

static void skip_space(struct reader *r) {
    while (r->at < r->n && (r->s[r->at] == ' ' || r->s[r->at] == '\t' || r->s[r->at] == '\n' || r->s[r->at] == '\r'))
        r->at++;
}

/* \uXXXX at p, with its second half if it is a surrogate. Length read, 0 if it is not one. */
static size_t read_unicode(const char *p, size_t n, uint32_t *c) {
    uint32_t low = 0;
    if (n < 6 || !str_hex(p + 2, 4, c))
        return 0;
    if (*c < 0xd800 || *c > 0xdfff)
        return 6;
    if (*c > 0xdbff || n < 12 || p[6] != '\\' || p[7] != 'u' || !str_hex(p + 8, 4, &low) || low < 0xdc00 ||
        low > 0xdfff)
        return 0;
    *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

/* One character of a string, unescaped. Length of its text, 0 if invalid. */
static size_t read_char(const char *p, size_t n, uint32_t *c) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p[0] != '\\')
        return utf8_len(p, n, c);
    if (n < 2)
        return 0;
    if (p[1] == 'u')
        return read_unicode(p, n, c);
    const char *k = p[1] != '\0' ? strchr(from, p[1]) : NULL;
    if (k == NULL)
        return 0;
    *c = (unsigned char)to[k - from];
    return 2;
}

static bool check_string(struct reader *r) {
    VH_ASSERT(peek(r) == '"'); /* the caller has seen the quote */
    r->at++;
    while (r->at < r->n && r->s[r->at] != '"') {
        uint32_t c = 0;
        unsigned char raw = (unsigned char)r->s[r->at];
        if (raw < 0x20)
            return bad(r, "a control character in a string must be escaped");
        size_t len = read_char(r->s + r->at, r->n - r->at, &c);
        if (len == 0)
            return bad(r, raw == '\\' ? "invalid escape in a string" : "invalid UTF-8 in a string");
        r->at += len;
    }
    if (r->at >= r->n)
        return bad(r, "the text ends inside a string");
    r->at++;
    return true;
}

static bool check_digits(struct reader *r) {
    if (peek(r) < '0' || peek(r) > '9')
        return bad(r, "expected a digit");
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return true;
}

static bool check_number(struct reader *r) {
    if (peek(r) == '-')
        r->at++;
    if (peek(r) == '0') {
        r->at++;
        if (peek(r) >= '0' && peek(r) <= '9')
            return bad(r, "a number must not start with 0");
    } else if (!check_digits(r)) {
        return false;
    }
    if (peek(r) == '.') {
        r->at++;
        if (!check_digits(r))
            return false;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        return check_digits(r);
    }
    return true;
}

static bool check_word(struct reader *r, const char *word) {
    size_t n = strlen(word);
    if (r->n - r->at < n || memcmp(r->s + r->at, word, n) != 0)
        return bad(r, "expected a value");
    r->at += n;
    return true;
}

static bool check_scalar(struct reader *r) {
    switch (peek(r)) {
    case -1:
        return bad(r, "the text ends where a value is expected");
    case '"':
        return check_string(r);
    case 't':
        return check_word(r, "true");
    case 'f':
        return check_word(r, "false");
    case 'n':
        return check_word(r, "null");
    case '-':
        return check_number(r);
    default:
        return peek(r) >= '0' && peek(r) <= '9' ? check_number(r) : bad(r, "expected a value");
    }
}

/* ---- duplicate keys ---- */

static uint32_t key_hash(const char *p, size_t n, uint32_t object) {
    uint32_t h = 2166136261u ^ object * 0x9e3779b9u;
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        i += read_char(p + i, n - i, &c); /* valid: never 0 */
        h = (h ^ c) * 16777619u;
    }
    return h ^ h >> 15;
}

static bool same_key(const char *a, size_t na, const char *b, size_t nb) {
    size_t i = 0, k = 0;
    while (i < na && k < nb) {
        uint32_t ca = 0, cb = 0;
        i += read_char(a + i, na - i, &ca);
        k += read_char(b + k, nb - k, &cb);
        if (ca != cb)
            return false;
    }
    return i == na && k == nb;
}

/* Remembers the key between the quotes at..end. */
static bool check_key(struct reader *r, uint32_t object, size_t at, size_t end) {
    uint32_t h = key_hash(r->s + at, end - at, object);
    for (uint32_t probe = 0; probe < KEY_PROBES; probe++) {
        struct seen_key *k = &seen_keys[(h + probe) & r->mask];
        if (k->end == 0) {
            *k = (struct seen_key){object, (uint32_t)at, (uint32_t)end};
            return true;
        }
        if (k->object == object && same_key(r->s + k->at, k->end - k->at, r->s + at, end - at)) {
            r->at = at - 1;
            return bad(r, "duplicate key");
        }
    }
    r->at = at - 1;
    return bad(r, "too many keys, or keys made to collide");
}

/* ---- structure ---- */

struct frame {
    bool object;
    uint32_t number;
};

/* "key": of a member; the value comes next. */
static bool check_member(struct reader *r, const struct frame *f) {
    size_t at = r->at + 1;
    if (peek(r) != '"')
        return bad(r, "expected a key in quotes");
    if (!check_string(r) || !check_key(r, f->number, at, r->at - 1))
        return false;
    skip_space(r);
    if (peek(r) != ':')
        return bad(r, "expected ':' after a key");
    r->at++;
    skip_space(r);
    return true;
}

/* After a value: closes what is complete, steps over a comma. *depth is 0 when the outermost value is complete. */
static bool check_after(struct reader *r, const struct frame *stack, int *depth) {
    while (*depth > 0) {
        const struct frame *f = &stack[*depth - 1];
        skip_space(r);
        if (peek(r) == ',') {
            r->at++;
            skip_space(r);
            return !f->object || check_member(r, f);
        }
        if (peek(r) != (f->object ? '}' : ']'))
            return bad(r, f->object ? "expected ',' or '}' after a member" : "expected ',' or ']' after an element");
        r->at++;
        --*depth;
    }
    return true;
}

static bool check_text(struct reader *r) {
    struct frame stack[VH_JSON_DEPTH];
    int depth = 0;
    skip_space(r);
    for (;;) {
        int c = peek(r);
        if (c == '{' || c == '[') {
            if (depth == VH_JSON_DEPTH)
                return bad(r, "nested too deeply");
            struct frame *f = &stack[depth++];
            f->object = c == '{';
            f->number = r->objects++;
            r->at++;
            skip_space(r);
            if (peek(r) == (f->object ? '}' : ']')) {
                r->at++;
                depth--;
            } else if (f->object && !check_member(r, f)) {
                return false;
            } else {
                continue;
            }
        } else if (!check_scalar(r)) {
            return false;
        }
        if (!check_after(r, stack, &depth))
            return false;
        if (depth == 0)
            break;
    }
    skip_space(r);
    if (r->at != r->n)
        return bad(r, "something follows the value");
    return true;
}

/* A key with its value takes five bytes or more: a short text uses, and touches, little of the table. */
static uint32_t table_mask(size_t len, int maxtok) {
    uint32_t size = 64;
    while (size < KEY_TABLE && size < 2 * (uint32_t)maxtok && size < len / 2)
        size *= 2;
    return size - 1;
}

void *json_scratch(size_t *size) {
    *size = sizeof seen_keys;
    return seen_keys;
}

bool json_parse(struct json *j, const char *text, size_t len, jsmntok_t *tok, int maxtok, struct json_error *err) {
    struct reader r = {.s = text, .n = len, .mask = table_mask(len, maxtok)};
    err->at = 0;
    err->why = "";
    if (len > VH_JSON_MAX) {
        err->why = "the text is too long";
        return false;
    }
    memset(seen_keys, 0, (r.mask + 1) * sizeof seen_keys[0]); /* a small part of it for a short text */
    if (!check_text(&r)) {
        err->at = r.at;
        err->why = r.why;
        return false;
    }
    jsmn_parser parser;
    jsmn_init(&parser);
    int n = jsmn_parse(&parser, text, len, tok, (unsigned)maxtok);
    if (n < 0) {
        VH_ASSERT(n == JSMN_ERROR_NOMEM); /* it was valid */
        err->at = parser.pos;
        err->why = "too many values";
        return false;
    }
    *j = (struct json){.text = text, .len = len, .tok = tok, .ntok = n};
    return true;
}

/* ---- accessors ---- */

enum json_type json_type(const struct json *j, int t) {
    if (t < 0)
        return JSON_NONE;
    switch (j->tok[t].type) {
    case JSMN_OBJECT:
        return JSON_OBJECT;
    case JSMN_ARRAY:
        return JSON_ARRAY;
    case JSMN_STRING:
        return JSON_STRING;
    default:
        break;
    }
    char c = j->text[j->tok[t].start];
    return c == 't' || c == 'f' ? JSON_BOOL : c == 'n' ? JSON_NULL : JSON_NUMBER;
}

const char *json_type_name(enum json_type type) {
    static const char names[][10] = {
        [JSON_NONE] = "nothing",    [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_NUMBER] = "a number", [JSON_BOOL] = "a boolean",   [JSON_NULL] = "null",
    };
    return names[type];
}

/* The first token that starts after t ends. */
static int after(const struct json *j, int t) {
    int end = j->tok[t].end, next = t + 1;
    while (next < j->ntok && j->tok[next].start < end)
        next++;
    return next;
}

int json_first(const struct json *j, int t) {
    if (t < 0 || (j->tok[t].type != JSMN_OBJECT && j->tok[t].type != JSMN_ARRAY) || j->tok[t].size == 0)
        return -1;
    return t + 1;
}

int json_value(const struct json *j, int key) {
    (void)j;
    return key + 1;
}

int json_next(const struct json *j, int t) {
    int parent = j->tok[t].parent;
    if (parent < 0)
        return -1;
    int next = after(j, j->tok[parent].type == JSMN_OBJECT ? t + 1 : t);
    return next < j->ntok && j->tok[next].parent == parent ? next : -1;
}

int json_get(const struct json *j, int object, const char *key) {
    if (json_type(j, object) != JSON_OBJECT)
        return -1;
    for (int k = json_first(j, object); k >= 0; k = json_next(j, k)) {
        if (json_string_is(j, k, key))
            return json_value(j, k);
    }
    return -1;
}

int json_size(const struct json *j, int t) {
    return t < 0 ? 0 : j->tok[t].size;
}

static size_t put_utf8(uint32_t c, char out[4]) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(0xf00u >> n | c);
    return n;
}

bool json_string(const struct json *j, int t, char *dst, size_t cap) {
    dst[0] = '\0';
    if (t < 0 || j->tok[t].type != JSMN_STRING)
        return false;
    const char *p = j->text + j->tok[t].start;
    size_t n = (size_t)(j->tok[t].end - j->tok[t].start), len = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c = 0;
        char utf8[4];
        i += read_char(p + i, n - i, &c);
        size_t m = put_utf8(c, utf8);
        if (c == 0 || len + m >= cap) {
            dst[0] = '\0';
            return false;
        }
        memcpy(dst + len, utf8, m);
        len += m;
    }
    dst[len] = '\0';
    return true;
}

bool json_string_is(const struct json *j, int t, const char *s) {
    if (t < 0 || j->tok[t].type != JSMN_STRING)
        return false;
    const char *p = j->text + j->tok[t].start;
    size_t n = (size_t)(j->tok[t].end - j->tok[t].start);
    for (size_t i = 0; i < n;) {
        uint32_t c = 0, want = 0;
        size_t m = utf8_len(s, strlen(s), &want);
        i += read_char(p + i, n - i, &c);
        if (m == 0 || c != want)
            return false;
        s += m;
    }
    return *s == '\0';
}

bool json_bool(const struct json *j, int t, bool *out) {
    if (json_type(j, t) != JSON_BOOL)
        return false;
    *out = j->text[j->tok[t].start] == 't';
    return true;
}

bool json_int(const struct json *j, int t, int64_t min, int64_t max, int64_t *out) {
    if (json_type(j, t) != JSON_NUMBER)
        return false;
    const char *p = j->text + j->tok[t].start;
    size_t n = (size_t)(j->tok[t].end - j->tok[t].start);
    bool negative = p[0] == '-';
    uint64_t v = 0;
    if (!str_uint(p + negative, n - negative, (uint64_t)INT64_MAX + negative, &v))
        return false;
    int64_t value = negative ? -1 - (int64_t)(v - 1) : (int64_t)v; /* INT64_MIN too; v - 1 of 0 wraps to -1 */
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

size_t json_offset(const struct json *j, int t) {
    size_t at = (size_t)j->tok[t].start;
    return j->tok[t].type == JSMN_STRING ? at - 1 : at;
}

void json_position(const char *text, size_t len, size_t at, unsigned *line, unsigned *column) {
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < at && i < len; i++) {
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}
