/*
 * conf_slip.c - the parser of JSON says where a text stops being JSON; here the text before that place, which is JSON,
 * and the first bytes after it tell which mistake it was. Never decides whether a text is JSON.
 */
#include "config/conf_slip.h"

#include "base/limits.h"
#include "base/str.h"

#include <string.h>

/* The valid part of a text as far as it was scanned. */
struct scan {
    const char *s;
    size_t len;
    size_t open[VH_JSON_DEPTH]; /* where the objects and arrays that are still open begin */
    int depth;
    size_t string; /* begin of a string that is still open at the end */
    bool in_string;
    size_t askew; /* where the first one begins that is closed on a line with another indentation; 0 none */
};

/* The blanks at the begin of the line of `at`; *first: nothing stands before `at` on its line. */
static size_t indentation(const struct scan *c, size_t at, bool *first) {
    size_t begin = at, n = 0;
    while (begin > 0 && c->s[begin - 1] != '\n')
        begin--;
    while (begin + n < at && (c->s[begin + n] == ' ' || c->s[begin + n] == '\t'))
        n++;
    *first = begin + n == at;
    return n;
}

static bool is_askew(const struct scan *c, size_t open, size_t close) {
    bool begins = false, closes = false;
    size_t a = indentation(c, open, &begins), b = indentation(c, close, &closes);
    return closes && a != b;
}

static size_t string_end(const struct scan *c, size_t at, size_t end) {
    for (at++; at < end && c->s[at] != '"'; at++)
        at += c->s[at] == '\\';
    return at;
}

static void scan(struct scan *c, size_t end) {
    for (size_t at = 0; at < end; at++) {
        char b = c->s[at];
        if (b == '"') {
            c->string = at;
            at = string_end(c, at, end);
            c->in_string = at >= end;
        } else if ((b == '{' || b == '[') && c->depth < VH_JSON_DEPTH) {
            c->open[c->depth++] = at;
        } else if ((b == '}' || b == ']') && c->depth > 0) {
            size_t open = c->open[--c->depth];
            if (c->askew == 0 && is_askew(c, open, at))
                c->askew = open;
        }
    }
}

static unsigned line_of(const struct scan *c, size_t at) {
    unsigned line = 1, column = 1;
    json_position(c->s, c->len, at, &line, &column);
    return line;
}

/* The same key, at this place, earlier in the innermost object; `at` if it is written in another way there. */
static size_t first_of(const struct scan *c, size_t at) {
    size_t n = string_end(c, at, c->len) + 1 - at;
    int depth = 0;
    for (size_t i = c->open[c->depth - 1] + 1; i < at; i++) {
        char b = c->s[i];
        depth += (b == '{' || b == '[') - (b == '}' || b == ']');
        if (b != '"')
            continue;
        size_t end = string_end(c, i, at), after = end + 1;
        while (after < at && strchr(" \t\r\n", c->s[after]) != NULL)
            after++;
        if (depth == 0 && c->s[after] == ':' && end + 1 - i == n && memcmp(c->s + i, c->s + at, n) == 0)
            return i;
        i = end;
    }
    return at;
}

static size_t twice(const struct scan *c, size_t at, struct sbuf *sb) {
    size_t n = string_end(c, at, c->len) + 1 - at, first = c->depth > 0 ? first_of(c, at) : at;
    if (n <= VH_NAME_MAX)
        sb_fmt(sb, "the key %.*s is in this object twice", (int)n, c->s + at);
    else
        sb_str(sb, "this key is in this object twice");
    if (first != at)
        sb_fmt(sb, ": first on line %u", line_of(c, first));
    return at;
}

/* The text ends too early. */
static size_t ends(const struct scan *c, const struct json_error *err, struct sbuf *sb) {
    if (c->in_string) {
        sb_str(sb, "this string is never closed");
        return c->string;
    }
    if (c->depth > 0) {
        size_t at = c->open[c->depth - 1];
        if (c->askew == 0) {
            sb_fmt(sb, "this '%c' is never closed: the file ends first", c->s[at]);
            return at;
        }
        sb_fmt(sb, "this '%c' is probably not closed, by the indentation; the file ends before that on line %u is",
               c->s[c->askew], line_of(c, at));
        return c->askew;
    }
    sb_str(sb, err->why);
    return err->at;
}

/* Is this word at s, and no longer one? */
static bool is_word(const char *s, size_t n, const char *word) {
    size_t len = strlen(word);
    if (n < len || memcmp(s, word, len) != 0)
        return false;
    char next = n > len ? s[len] : ' ';
    return !((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') ||
             next == '_');
}

static bool other_languages_word(const char *s, size_t n, struct sbuf *sb) {
    static const char *const words[][2] = {{"True", "true"},   {"TRUE", "true"},      {"False", "false"},
                                           {"FALSE", "false"}, {"None", "null"},      {"Null", "null"},
                                           {"NULL", "null"},   {"undefined", "null"}, {"yes", "true"},
                                           {"no", "false"},    {"on", "true"},        {"off", "false"}};
    static const char *const numbers[] = {"NaN", "nan", "Infinity", "inf"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (!is_word(s, n, words[i][0]))
            continue;
        sb_fmt(sb, "'%s' is no word of JSON: write %s", words[i][0], words[i][1]);
        return true;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!is_word(s, n, numbers[i]))
            continue;
        sb_fmt(sb, "JSON has no number '%s'", numbers[i]);
        return true;
    }
    return false;
}

static bool is_typographic_quote(const char *s, size_t n) {
    uint32_t c = 0;
    return utf8_len(s, n, &c) > 0 &&
           ((c >= 0x2018 && c <= 0x201f) || c == 0xab || c == 0xbb || c == 0x2039 || c == 0x203a);
}

/* What is at the place where JSON ends? False if nothing known. */
static bool names_what_is_there(const char *text, size_t at, size_t len, struct sbuf *sb) {
    const char *s = text + at;
    size_t n = len - at;
    if (s[0] == '#' || (n > 1 && s[0] == '/' && (s[1] == '/' || s[1] == '*')))
        sb_str(sb, "JSON has no comments: write what is to be remarked into a \"description\"");
    else if ((s[0] | 0x20) == 'x' && at > 0 && s[-1] == '0')
        sb_str(sb, "JSON has no hexadecimal numbers: write the digits as a string");
    else if (s[0] == '\'')
        sb_str(sb, "keys and strings are written in double quotes (\"), not in single ones");
    else if (is_typographic_quote(s, n))
        sb_str(sb, "keys and strings are written in plain double quotes (\"), not in typographic ones");
    else
        return other_languages_word(s, n, sb);
    return true;
}

/* A closing bracket where none is expected. False if it is none. */
static bool closes(const struct scan *c, size_t *at, struct sbuf *sb) {
    char b = c->s[*at];
    size_t before = *at;
    if (b != '}' && b != ']')
        return false;
    while (before > 0 && strchr(" \t\r\n", c->s[before - 1]) != NULL)
        before--;
    size_t open = c->depth > 0 ? c->open[c->depth - 1] : 0;
    if (c->depth == 0)
        sb_fmt(sb, "one '%c' too many", b);
    else if ((c->s[open] == '{') != (b == '}'))
        sb_fmt(sb, "the '%c' on line %u is not closed before this '%c'", c->s[open], line_of(c, open), b);
    else if (before > 0 && c->s[before - 1] == ',') {
        sb_fmt(sb, "no comma before '%c': nothing follows it", b);
        *at = before - 1;
    } else
        return false;
    return true;
}

size_t conf_slip(const char *text, size_t len, const struct json_error *err, char *dst, size_t cap) {
    struct scan c = {.s = text, .len = len};
    struct sbuf sb;
    size_t at = err->at < len ? err->at : len;
    sb_init(&sb, dst, cap);
    scan(&c, at);
    if (str_eq(err->why, "duplicate key"))
        return twice(&c, at, &sb);
    if (at == len)
        return ends(&c, err, &sb);
    if (c.in_string && text[at] == '\n') {
        sb_str(&sb, "this string does not end on its line: its closing quote (\") is missing, or is no plain one");
        return c.string;
    }
    bool misplaced = strncmp(err->why, "expected", 8) == 0; /* not: nested too deeply */
    if ((text[at] == '{' || text[at] == '[') && misplaced && c.depth > 0 && !c.in_string)
        sb_fmt(&sb, "%s: is the '%c' on line %u closed?", err->why, text[c.open[c.depth - 1]],
               line_of(&c, c.open[c.depth - 1]));
    else if (c.in_string || (!closes(&c, &at, &sb) && !names_what_is_there(text, at, len, &sb)))
        sb_str(&sb, err->why);
    return at;
}
