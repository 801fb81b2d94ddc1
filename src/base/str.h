/*
 * str.h - bounded text: a builder that remembers an overflow, and copies that report text that does not fit. Pure:
 * never allocates, never cuts text silently.
 */
#ifndef VHOTPLUG_STR_H
#define VHOTPLUG_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text under construction. After an overflow further appends do nothing and sb_ok() is false. */
struct sbuf {
    char *p;    /* owned by the caller */
    size_t cap; /* bytes at p, the final NUL included */
    size_t len; /* bytes used, NUL not counted; p[len] is always NUL */
    bool full;  /* something did not fit */
};

void sb_init(struct sbuf *sb, char *p, size_t cap); /* cap >= 1 */
void sb_mem(struct sbuf *sb, const char *s, size_t n);
void sb_str(struct sbuf *sb, const char *s);
void sb_char(struct sbuf *sb, char c);
void sb_uint(struct sbuf *sb, uint64_t v);
void sb_hex(struct sbuf *sb, uint32_t v, int digits); /* lower case, exactly `digits` digits, 1..8 */
void sb_fmt(struct sbuf *sb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sb_vfmt(struct sbuf *sb, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* A JSON string with its quotes, in ASCII: all other characters are escaped. Invalid UTF-8 becomes U+FFFD. */
void sb_json(struct sbuf *sb, const char *s);
/* JSON text as it is, but in ASCII: what is above 0x7e, which only strings may hold, is escaped. */
void sb_ascii(struct sbuf *sb, const char *json);
bool sb_ok(const struct sbuf *sb);

/* Copies s with its NUL into dst. False if s is too long; dst then holds the beginning. */
bool str_copy(char *dst, size_t cap, const char *s);
bool str_copyn(char *dst, size_t cap, const char *s, size_t n);
/* Copies s for people: what does not fit is cut between two characters, at what is no UTF-8 at the latest, and "..."
 * says so. cap >= 4. */
void str_shorten(char *dst, size_t cap, const char *s);
/* printf into dst; false if it was cut. */
bool str_fmt(char *dst, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool str_eq(const char *a, const char *b);
bool str_starts(const char *s, const char *prefix);
/* Decimal digits only; false for an empty text, any other character, or a number above max. */
bool str_uint(const char *s, size_t n, uint64_t max, uint64_t *out);
/* Hexadecimal digits only (no 0x), 1..8 of them. */
bool str_hex(const char *s, size_t n, uint32_t *out);
/* Length of the valid UTF-8 sequence at s (1..4), 0 if invalid or n is 0. Overlong forms and surrogates are invalid. */
size_t utf8_len(const char *s, size_t n, uint32_t *codepoint);
bool utf8_valid(const char *s); /* is the whole text UTF-8? */
/* Length of a valid UTF-8 text in UTF-16 units, as USB counts. */
size_t utf16_units(const char *s);
/* Can this character end a line, control a terminal, hide text or reverse the direction of text? */
bool utf8_steers(uint32_t codepoint);
/* Edit distance for "did you mean", at most `max`; returns max + 1 if larger. Case ignored. Strings up to 63 bytes. */
int str_distance(const char *a, const char *b, int max);

#endif
