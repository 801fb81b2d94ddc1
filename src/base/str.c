/*
 * str.c - bounded text. Writes only into the caller's buffers; never cuts text silently.
 */
#include "base/str.h"

#include "base/assert.h"

#include <stdio.h>
#include <string.h>

/* ---- the builder ---- */

void sb_init(struct sbuf *sb, char *p, size_t cap) {
    VH_ASSERT(cap >= 1);
    sb->p = p;
    sb->cap = cap;
    sb->len = 0;
    sb->full = false;
    p[0] = '\0';
}

void sb_mem(struct sbuf *sb, const char *s, size_t n) {
    if (sb->full || n > sb->cap - sb->len - 1) {
        sb->full = true;
        return;
    }
    memcpy(sb->p + sb->len, s, n);
    sb->len += n;
    sb->p[sb->len] = '\0';
}

void sb_str(struct sbuf *sb, const char *s) {
    sb_mem(sb, s, strlen(s));
}

void sb_char(struct sbuf *sb, char c) {
    sb_mem(sb, &c, 1);
}

void sb_uint(struct sbuf *sb, uint64_t v) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    sb_mem(sb, digits + at, sizeof digits - at);
}

void sb_hex(struct sbuf *sb, uint32_t v, int digits) {
    VH_ASSERT(digits >= 1 && digits <= 8);
    for (int i = digits - 1; i >= 0; i--)
        sb_char(sb, "0123456789abcdef"[v >> (4 * i) & 15]);
}

void sb_vfmt(struct sbuf *sb, const char *fmt, va_list ap) {
    if (sb->full)
        return;
    size_t room = sb->cap - sb->len;
    int n = vsnprintf(sb->p + sb->len, room, fmt, ap);
    if (n < 0 || (size_t)n >= room) {
        sb->p[sb->len] = '\0';
        sb->full = true;
        return;
    }
    sb->len += (size_t)n;
}

void sb_fmt(struct sbuf *sb, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    sb_vfmt(sb, fmt, ap);
    va_end(ap);
}

bool utf8_steers(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200e && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

static void sb_utf16(struct sbuf *sb, uint32_t unit) {
    sb_str(sb, "\\u");
    sb_hex(sb, unit, 4);
}

/* Writes the first character of s: as it is if it is printable ASCII, else escaped. Returns its length. */
static size_t sb_character(struct sbuf *sb, const char *s) {
    uint32_t c = 0;
    size_t n = utf8_len(s, strnlen(s, 4), &c);
    if (n == 0)
        c = 0xfffd;
    if (c > 0xffff) {
        sb_utf16(sb, 0xd800 + ((c - 0x10000) >> 10));
        sb_utf16(sb, 0xdc00 + ((c - 0x10000) & 0x3ff));
    } else if (c < 0x20 || c > 0x7e) {
        sb_utf16(sb, c);
    } else {
        sb_char(sb, (char)c);
    }
    return n > 0 ? n : 1;
}

void sb_json(struct sbuf *sb, const char *s) {
    sb_char(sb, '"');
    while (*s != '\0') {
        if (*s == '"' || *s == '\\')
            sb_char(sb, '\\');
        s += sb_character(sb, s);
    }
    sb_char(sb, '"');
}

void sb_ascii(struct sbuf *sb, const char *json) {
    while (*json != '\0')
        json += sb_character(sb, json);
}

bool sb_ok(const struct sbuf *sb) {
    return !sb->full;
}

/* ---- copies and comparisons ---- */

bool str_copyn(char *dst, size_t cap, const char *s, size_t n) {
    VH_ASSERT(cap >= 1);
    bool fits = n < cap;
    if (!fits)
        n = cap - 1;
    memmove(dst, s, n);
    dst[n] = '\0';
    return fits;
}

bool str_copy(char *dst, size_t cap, const char *s) {
    return str_copyn(dst, cap, s, strlen(s));
}

void str_shorten(char *dst, size_t cap, const char *s) {
    size_t len = strlen(s), n = 0, step = 0;
    VH_ASSERT(cap >= sizeof "...");
    if (str_copy(dst, cap, s))
        return;
    while ((step = utf8_len(s + n, len - n, NULL)) > 0 && n + step < cap - 3)
        n += step;
    memcpy(dst + n, "...", 4);
}

bool str_fmt(char *dst, size_t cap, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(dst, cap, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < cap;
}

bool str_eq(const char *a, const char *b) {
    return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix) {
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* ---- numbers ---- */

bool str_uint(const char *s, size_t n, uint64_t max, uint64_t *out) {
    uint64_t v = 0;
    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s[i] - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    if (v > max)
        return false;
    *out = v;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool str_hex(const char *s, size_t n, uint32_t *out) {
    uint32_t v = 0;
    if (n == 0 || n > 8)
        return false;
    for (size_t i = 0; i < n; i++) {
        int d = hex_digit(s[i]);
        if (d < 0)
            return false;
        v = v << 4 | (uint32_t)d;
    }
    *out = v;
    return true;
}

/* ---- UTF-8 (RFC 3629) ---- */

size_t utf8_len(const char *s, size_t n, uint32_t *codepoint) {
    if (n == 0)
        return 0;
    unsigned char lead = (unsigned char)s[0];
    size_t len = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    uint32_t c = len == 1 ? lead : lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        unsigned char b = (unsigned char)s[i];
        if ((b & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (b & 0x3fu);
    }
    if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    if (codepoint != NULL)
        *codepoint = c;
    return len;
}

bool utf8_valid(const char *s) {
    size_t len = strlen(s), at = 0, step = 1;
    while (at < len && (step = utf8_len(s + at, len - at, NULL)) > 0)
        at += step;
    return step > 0;
}

size_t utf16_units(const char *s) {
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) == 0x80 ? 0 : (unsigned char)*s < 0xf0 ? 1 : 2;
    return n;
}

/* ---- did you mean ---- */

static int lower(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

int str_distance(const char *a, const char *b, int max) {
    enum { LONGEST = 63 };
    size_t na = strlen(a), nb = strlen(b);
    int row[LONGEST + 1];
    if (na > LONGEST || nb > LONGEST)
        return max + 1;
    for (size_t k = 0; k <= nb; k++)
        row[k] = (int)k;
    for (size_t i = 1; i <= na; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t k = 1; k <= nb; k++) {
            int change = diagonal + (lower(a[i - 1]) != lower(b[k - 1]));
            int shorter = (row[k - 1] < row[k] ? row[k - 1] : row[k]) + 1;
            diagonal = row[k];
            row[k] = change < shorter ? change : shorter;
        }
    }
    return row[nb] <= max ? row[nb] : max + 1;
}
