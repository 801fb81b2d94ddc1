/*
 * fuzz_json.c - any bytes as JSON: no crash, errors at a place that exists, what was accepted can be walked whole, and
 * printed and read again it is the same. Whether it is JSON at all is held against a second reading of RFC 8259.
 */
#include "base/str.h"
#include "codec/json.h"
#include "must.h"

#include <string.h>

static jsmntok_t tok[4096];

/* Every token is reached once from the root. */
static int walk(const struct json *j) {
    int stack[64], depth = 0, seen = 0;
    stack[depth++] = 0;
    while (depth > 0) {
        int t = stack[--depth];
        char text[256];
        bool object = json_type(j, t) == JSON_OBJECT;
        seen++;
        MUST(json_type(j, t) != JSON_NONE && json_offset(j, t) < j->len);
        (void)json_string(j, t, text, sizeof text);
        int n = 0;
        for (int c = json_first(j, t); c >= 0; c = json_next(j, c), n++) {
            int value = object ? json_value(j, c) : c;
            seen += object;
            MUST(value > t && value < j->ntok);
            enum json_type type = json_type(j, value);
            if (type == JSON_OBJECT || type == JSON_ARRAY) {
                if (depth < 64)
                    stack[depth++] = value;
                else
                    return -1;
            } else {
                seen++;
            }
        }
        MUST(n == json_size(j, t));
    }
    return seen;
}

/* ---- a second reading: the grammar of RFC 8259, section 2 to 7, by recursion ---- */

struct text {
    const unsigned char *p, *end;
};

static bool plain_value(struct text *t, int depth);

static void plain_space(struct text *t) {
    while (t->p < t->end && (*t->p == ' ' || *t->p == '\t' || *t->p == '\n' || *t->p == '\r'))
        t->p++;
}

static bool plain_is(struct text *t, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(t->end - t->p) < n || memcmp(t->p, word, n) != 0)
        return false;
    t->p += n;
    return true;
}

static int plain_hex4(struct text *t) {
    int v = 0;
    for (int i = 0; i < 4; i++, t->p++) {
        const char *digits = "0123456789abcdefABCDEF";
        const char *d = t->p < t->end && *t->p != '\0' ? strchr(digits, *t->p) : NULL;
        if (d == NULL)
            return -1;
        int n = (int)(d - digits);
        v = v * 16 + (n < 16 ? n : n - 6);
    }
    return v;
}

static bool plain_escape(struct text *t) {
    if (t->p >= t->end)
        return false;
    unsigned char c = *t->p++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    int v = plain_hex4(t);
    if (v >= 0xd800 && v <= 0xdbff) {
        if (!plain_is(t, "\\u"))
            return false;
        v = plain_hex4(t);
        return v >= 0xdc00 && v <= 0xdfff;
    }
    return v >= 0 && (v < 0xdc00 || v > 0xdfff);
}

/* The table of well-formed sequences in The Unicode Standard, 3-7. */
static bool plain_utf8(struct text *t) {
    static const unsigned char rows[][5] = {
        /* first from, to; second from, to; how many follow */
        {0x20, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 0x80, 0xbf, 1}, {0xe0, 0xe0, 0xa0, 0xbf, 2},
        {0xe1, 0xec, 0x80, 0xbf, 2}, {0xed, 0xed, 0x80, 0x9f, 2}, {0xee, 0xef, 0x80, 0xbf, 2},
        {0xf0, 0xf0, 0x90, 0xbf, 3}, {0xf1, 0xf3, 0x80, 0xbf, 3}, {0xf4, 0xf4, 0x80, 0x8f, 3}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const unsigned char *r = rows[i];
        if (*t->p < r[0] || *t->p > r[1])
            continue;
        if (t->end - t->p <= r[4])
            return false;
        for (int k = 1; k <= r[4]; k++) {
            if (t->p[k] < (k == 1 ? r[2] : 0x80) || t->p[k] > (k == 1 ? r[3] : 0xbf))
                return false;
        }
        t->p += 1 + r[4];
        return true;
    }
    return false;
}

static bool plain_string(struct text *t) {
    if (!plain_is(t, "\""))
        return false;
    while (t->p < t->end && *t->p != '"') {
        bool escape = *t->p == '\\';
        t->p += escape;
        if (!(escape ? plain_escape(t) : plain_utf8(t)))
            return false;
    }
    return plain_is(t, "\"");
}

static bool plain_digits(struct text *t) {
    const unsigned char *from = t->p;
    while (t->p < t->end && *t->p >= '0' && *t->p <= '9')
        t->p++;
    return t->p > from;
}

static bool plain_number(struct text *t) {
    (void)plain_is(t, "-");
    if (!plain_is(t, "0") && !plain_digits(t))
        return false;
    if (plain_is(t, ".") && !plain_digits(t))
        return false;
    if (plain_is(t, "e") || plain_is(t, "E")) {
        (void)(plain_is(t, "+") || plain_is(t, "-"));
        return plain_digits(t);
    }
    return true;
}

static bool plain_members(struct text *t, bool object, int depth) {
    plain_space(t);
    if (plain_is(t, object ? "}" : "]"))
        return true;
    for (;;) {
        plain_space(t);
        if (object && !plain_string(t))
            return false;
        plain_space(t);
        if (object && !plain_is(t, ":"))
            return false;
        if (!plain_value(t, depth + 1))
            return false;
        if (plain_is(t, object ? "}" : "]"))
            return true;
        if (!plain_is(t, ","))
            return false;
    }
}

static bool plain_value(struct text *t, int depth) {
    plain_space(t);
    bool ok = false;
    if (depth > 1000 || t->p >= t->end)
        return false;
    if (plain_is(t, "{"))
        ok = plain_members(t, true, depth);
    else if (plain_is(t, "["))
        ok = plain_members(t, false, depth);
    else if (*t->p == '"')
        ok = plain_string(t);
    else
        ok = plain_is(t, "true") || plain_is(t, "false") || plain_is(t, "null") || plain_number(t);
    plain_space(t);
    return ok;
}

static bool is_json(const char *text, size_t size) {
    struct text t = {(const unsigned char *)text, (const unsigned char *)text + size};
    return plain_value(&t, 0) && t.p == t.end;
}

/* ---- printed and read again ---- */

static void print(const struct json *j, int t, struct sbuf *sb) {
    char s[1024];
    bool object = json_type(j, t) == JSON_OBJECT;
    if (json_type(j, t) == JSON_STRING) {
        if (json_string(j, t, s, sizeof s))
            sb_json(sb, s);
        else
            sb_str(sb, "null"); /* too long for this, or it holds a NUL */
    } else if (!object && json_type(j, t) != JSON_ARRAY) {
        sb_mem(sb, j->text + j->tok[t].start, (size_t)(j->tok[t].end - j->tok[t].start));
    } else {
        sb_char(sb, object ? '{' : '[');
        int n = 0;
        for (int c = json_first(j, t); c >= 0; c = json_next(j, c), n++) {
            if (n > 0)
                sb_char(sb, ',');
            if (object && !json_string(j, c, s, sizeof s)) {
                sb->full = true;
                return;
            }
            if (object) {
                sb_json(sb, s);
                sb_char(sb, ':');
            }
            print(j, object ? json_value(j, c) : c, sb);
        }
        sb_char(sb, object ? '}' : ']');
    }
}

static void print_and_read_again(const struct json *j) {
    static char first[1 << 16], second[1 << 16];
    static jsmntok_t again[4096];
    struct json k;
    struct json_error err;
    struct sbuf a, b;
    sb_init(&a, first, sizeof first);
    print(j, 0, &a);
    if (!sb_ok(&a))
        return;
    MUST(json_parse(&k, a.p, a.len, again, sizeof again / sizeof again[0], &err) && k.ntok == j->ntok);
    sb_init(&b, second, sizeof second);
    print(&k, 0, &b);
    MUST(sb_ok(&b) && a.len == b.len && memcmp(a.p, b.p, a.len) == 0);
}

/* Stricter than the grammar, and meant so. */
static bool is_bound(const char *why) {
    return strstr(why, "duplicate") || strstr(why, "too ");
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct json j;
    struct json_error err = {.why = NULL};
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    if (json_parse(&j, text, size, tok, sizeof tok / sizeof tok[0], &err)) {
        int seen = walk(&j);
        MUST(seen < 0 || seen == j.ntok);
        MUST(is_json(text, size));
        print_and_read_again(&j);
    } else {
        unsigned line = 0, column = 0;
        MUST(err.at <= size && err.why != NULL && err.why[0] != '\0');
        json_position(text, size, err.at, &line, &column);
        MUST(line >= 1 && column >= 1);
        MUST(is_bound(err.why) || !is_json(text, size));
    }
    free(text);
    return 0;
}
