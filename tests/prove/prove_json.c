/*
 * prove_json.c - the pass that validates JSON: characters, numbers, strings, structure. Each against a definition of
 * its own, from RFC 8259 and from the table of well-formed UTF-8 in Unicode (3-7).
 */
#include "base/str.c"
#include "codec/json.c"
#include "prove.h"

enum { NUMBER = 6, STRING = 6, TEXT = 4 };

static struct reader reader(const char *s, size_t n) {
    return (struct reader){.s = s, .n = n};
}

/* ---- characters ---- */

static bool is(uint8_t b, uint8_t from, uint8_t to) {
    return from <= b && b <= to;
}

/* The table's rows. */
static size_t well_formed(const uint8_t *b, size_t n) {
    if (n >= 1 && b[0] <= 0x7f)
        return 1;
    if (n >= 2 && is(b[0], 0xc2, 0xdf) && is(b[1], 0x80, 0xbf))
        return 2;
    if (n >= 3 && is(b[2], 0x80, 0xbf) &&
        ((b[0] == 0xe0 && is(b[1], 0xa0, 0xbf)) || (is(b[0], 0xe1, 0xec) && is(b[1], 0x80, 0xbf)) ||
         (b[0] == 0xed && is(b[1], 0x80, 0x9f)) || (is(b[0], 0xee, 0xef) && is(b[1], 0x80, 0xbf))))
        return 3;
    if (n >= 4 && is(b[2], 0x80, 0xbf) && is(b[3], 0x80, 0xbf) &&
        ((b[0] == 0xf0 && is(b[1], 0x90, 0xbf)) || (is(b[0], 0xf1, 0xf3) && is(b[1], 0x80, 0xbf)) ||
         (b[0] == 0xf4 && is(b[1], 0x80, 0x8f))))
        return 4;
    return 0;
}

PROOF(utf8) {
    static uint8_t room[4];
    __CPROVER_havoc_object(room);
    size_t n = nondet_size();
    uint32_t c = 0;
    ASSUME(n <= 4);
    const uint8_t *b = room + 4 - n;
    size_t len = utf8_len((const char *)b, n, &c);
    CLAIM(len == well_formed(b, n));
    CLAIM(len == 0 || (c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)));
    CLAIM(len != 1 || c == b[0]);
    CLAIM(len != 2 || c == (uint32_t)((b[0] & 0x1f) << 6 | (b[1] & 0x3f)));
    CLAIM(len != 3 || c == (uint32_t)((b[0] & 0x0f) << 12 | (b[1] & 0x3f) << 6 | (b[2] & 0x3f)));
}

PROOF(char) {
    static char room[12];
    __CPROVER_havoc_object(room);
    size_t n = nondet_size();
    uint32_t c = 0;
    ASSUME(n >= 1 && n <= 12);
    const char *p = room + 12 - n;
    size_t len = read_char(p, n, &c);
    CLAIM(len <= n);
    CLAIM(len == 0 || (c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)));
    CLAIM(len == 0 || p[0] != '\\' || len == (p[1] != 'u' ? 2 : c > 0xffff ? 12 : 6));
}

/* ---- numbers ---- */

/* The states of RFC 8259's number, one character at a time. */
enum state { BEGIN, MINUS, ZERO, DIGITS, DOT, FRACTION, E, SIGN, EXPONENT, STOP };

static enum state next_state(enum state s, char c) {
    bool digit = c >= '0' && c <= '9';
    switch (s) {
    case BEGIN:
    case MINUS:
        return c == '-' && s == BEGIN ? MINUS : c == '0' ? ZERO : digit ? DIGITS : STOP;
    case ZERO:
    case DIGITS:
        return digit && s == DIGITS ? DIGITS : c == '.' ? DOT : c == 'e' || c == 'E' ? E : STOP;
    case DOT:
    case FRACTION:
        return digit ? FRACTION : s == FRACTION && (c == 'e' || c == 'E') ? E : STOP;
    case E:
        return c == '+' || c == '-' ? SIGN : digit ? EXPONENT : STOP;
    default:
        return digit ? EXPONENT : STOP;
    }
}

PROOF(number) {
    static char room[NUMBER];
    __CPROVER_havoc_object(room);
    size_t n = nondet_size(), at = 0;
    ASSUME(n <= NUMBER);
    struct reader r = reader(room + NUMBER - n, n);
    bool taken = check_number(&r);
    enum state s = BEGIN, then = STOP;
    while (at < n && (then = next_state(s, r.s[at])) != STOP) {
        s = then;
        at++;
    }
    bool whole = s == ZERO || s == DIGITS || s == FRACTION || s == EXPONENT;
    bool zeros = s == ZERO && at < n && r.s[at] >= '0' && r.s[at] <= '9'; /* is told of by name */
    CLAIM(taken == (whole && !zeros));
    CLAIM(!taken || r.at == at);
    CLAIM(r.at <= n && taken == (r.why == NULL));
}

/* ---- structure ---- */

/* In their places: any length, which is not 0, or a refusal. */
static bool some_length(struct reader *r) {
    size_t len = nondet_size();
    if (r->at >= r->n || nondet_bool())
        return bad(r, "refused");
    ASSUME(len >= 1 && len <= r->n - r->at);
    r->at += len;
    return true;
}
bool some_scalar(struct reader *r);
bool some_scalar(struct reader *r) {
    return some_length(r);
}
bool some_member(struct reader *r, const struct frame *f);
bool some_member(struct reader *r, const struct frame *f) {
    CLAIM(f->object);
    return some_length(r);
}

PROOF(text) {
    static char room[TEXT];
    __CPROVER_havoc_object(room);
    size_t n = nondet_size();
    ASSUME(n <= TEXT);
    struct reader r = reader(room + TEXT - n, n);
    bool taken = check_text(&r);
    CLAIM(taken == (r.why == NULL) && r.at <= n && (!taken || r.at == n));
}

PROOF(string) {
    static char room[STRING];
    __CPROVER_havoc_object(room);
    size_t n = nondet_size(), any = nondet_size();
    ASSUME(n >= 1 && n <= STRING && any < n);
    struct reader r = reader(room + STRING - n, n);
    ASSUME(r.s[0] == '"');
    if (!check_string(&r)) {
        CLAIM(r.why != NULL);
        return;
    }
    CLAIM(r.why == NULL && r.at >= 2 && r.at <= n && r.s[r.at - 1] == '"');
    CLAIM(any >= r.at || (uint8_t)r.s[any] >= 0x20);
    CLAIM(any == 0 || any >= r.at - 1 || r.s[any] != '"' || r.s[any - 1] == '\\');
}
