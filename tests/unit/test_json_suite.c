/*
 * test_json_suite.c - json.c against RFC 8259 in two ways. First a table of texts that must be accepted, must be
 * refused, or may be either (numbers are accepted, broken Unicode is refused), each bare and inside a request. Then all
 * short texts over small alphabets against a plain recogniser made from the RFC's grammar.
 */
#include "api/api.h"
#include "base/limits.h"
#include "codec/json.h"
#include "test.h"

#include <stdlib.h>

static jsmntok_t tok[4096];

static bool taken(const char *text, size_t len) {
    struct json j;
    struct json_error err;
    char *copy = malloc(len > 0 ? len : 1); /* reading past the end is seen */
    if (copy == NULL)
        exit(1);
    memcpy(copy, text, len);
    bool ok = json_parse(&j, copy, len, tok, sizeof tok / sizeof tok[0], &err);
    free(copy);
    return ok;
}

static bool taken_in_request(const char *text, size_t len) {
    static struct request r;
    char line[VH_LINE_MAX], error[VH_ERROR_MAX];
    static const char before[] = "{\"action\": \"version\", \"extra\": ", after[] = "}";
    size_t n = sizeof before - 1;
    if (len > sizeof line - sizeof before - sizeof after)
        return false;
    memcpy(line, before, n);
    memcpy(line + n, text, len);
    memcpy(line + n + len, after, sizeof after - 1);
    return api_parse(&r, line, n + len + sizeof after - 1, error, sizeof error);
}

/* ---- the table ---- */

#define T(s) \
    { s, sizeof(s) - 1 }

struct text {
    const char *s;
    size_t n;
};

static const struct text valid[] = {
    /* structures */
    T("[]"),
    T("{}"),
    T("[[]]"),
    T("[{}]"),
    T("{\"\":0}"),
    T("[[]   ]"),
    T("[\"\"]"),
    T("[1\n]"),
    T(" [1]"),
    T("[2] "),
    T("[ 4]"),
    T("[1,null,null,null,2]"),
    T("[null, 1, \"1\", {}]"),
    T("{\"a\":\"b\"}"),
    T("{\"a\":\"b\",\"c\":\"d\"}"),
    T("{\"a\":[]}"),
    T("{\"a\":{\"a\":{\"a\":0}}}"),
    T("{\"a\":1,\"A\":2}"),
    T("{\"foo\\u0000bar\": 42}"),
    T("{\"min\": -1.0e+28, \"max\": 1.0e+28}"),
    T("{\n\"a\": \"b\"\n}"),
    T("\t\r\n [ ] \t\r\n"),
    T("[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]"),
    /* words */
    T("true"),
    T("false"),
    T("null"),
    T("[true]"),
    T("[false]"),
    T("[null]"),
    /* numbers */
    T("0"),
    T("-0"),
    T("1"),
    T("-1"),
    T("123"),
    T("-123"),
    T("0e+1"),
    T("0e1"),
    T("0E0"),
    T("1E22"),
    T("1E-2"),
    T("1E+2"),
    T("123e45"),
    T("123.456e78"),
    T("1e-2"),
    T("1e+2"),
    T("123.456789"),
    T("0.5"),
    T("-0.0"),
    T("20e1"),
    T("[-0]"),
    T("-0.000000000000000000000000000000000000000000000000000000000000000000000000000001"),
    /* strings */
    T("\"\""),
    T("\"asd\""),
    T("\" \""),
    T("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    T("\"\\u0012\""),
    T("\"\\uFFFF\""),
    T("\"\\u0000\""),
    T("\"\\u0060\\u012a\\u12AB\""),
    T("\"\\uD801\\udc37\""),
    T("\"\\ud83d\\ude39\\ud83d\\udc8d\""),
    T("\"\\uDBFF\\uDFFF\""),
    T("\"\\\\u0000\""),
    T("\"\\\\n\""),
    T("\"a/*b*/c/*d//e\""),
    T("\"\x7f\""),
    T("\"\xc3\xa9\""),
    T("\"\xe2\x82\xac\""),
    T("\"\xef\xbf\xbf\""),
    T("\"\xef\xb7\x90\""),
    T("\"\xf0\x9f\x98\xb9\""),
    T("\"\xf4\x8f\xbf\xbf\""),
    T("\"\xe2\x80\xa8\xe2\x80\xa9\""),
    T("\"\xed\x9f\xbf\xee\x80\x80\""),
    T("\"\\u2028\\u2029\""),
    T("\"new\\u000Aline\""),
    T("\"\\uA66D\""),
};

static const struct text invalid[] = {
    /* nothing, or not all */
    T(""),
    T(" "),
    T("["),
    T("{"),
    T("[\""),
    T("[\"a"),
    T("[\"a\""),
    T("[\"a\","),
    T("[1,"),
    T("[1"),
    T("[{"),
    T("{\""),
    T("{\"a"),
    T("{\"a\""),
    T("{\"a\":"),
    T("{\"a\":1"),
    T("{\"a\":1,"),
    T("{\"a\":1,\"b"),
    T("tru"),
    T("fals"),
    T("nul"),
    T("-"),
    T("\""),
    T("\"\\"),
    T("\"\\u"),
    T("\"\\u00"),
    T("\"\\uD800\\"),
    T("\"\\uD800\\u"),
    /* too much */
    T("[]]"),
    T("{}}"),
    T("[][]"),
    T("{}{}"),
    T("1 2"),
    T("[] x"),
    T("\"\"x"),
    T("true false"),
    T("[1],"),
    T("{\"a\":\"b\"}#"),
    T("{\"a\":\"b\"}/**/"),
    T("{\"a\":\"b\"}//"),
    T("[1]\x00"),
    /* commas and colons */
    T("[,]"),
    T("[1,]"),
    T("[,1]"),
    T("[1,,2]"),
    T("[1 2]"),
    T("[\"a\" 1]"),
    T("[1:2]"),
    T("{,}"),
    T("{\"a\":1,}"),
    T("{,\"a\":1}"),
    T("{\"a\":1,,\"b\":2}"),
    T("{\"a\" 1}"),
    T("{\"a\",1}"),
    T("{\"a\"::1}"),
    T("{\"a\":1 \"b\":2}"),
    T("{\"a\"}"),
    T("{\"a\":}"),
    T("{:1}"),
    T("{1:1}"),
    T("{a:1}"),
    T("{'a':1}"),
    T("{null:1}"),
    T("{[]:1}"),
    T("{{}:1}"),
    T("{\"a\":1:2}"),
    T("[}"),
    T("{]"),
    T("[{]}"),
    T("]"),
    T("}"),
    T(","),
    T(":"),
    T("[*]"),
    T("<.>"),
    T("[<null>]"),
    T("{*}"),
    T("[1;2]"),
    T("(1)"),
    /* keys twice: at any depth, however they are written */
    T("{\"a\":1,\"a\":1}"),
    T("{\"a\":1,\"b\":2,\"a\":3}"),
    T("{\"\":1,\"\":2}"),
    T("{\"a\":1,\"\\u0061\":2}"),
    T("{\"/\":1,\"\\/\":2}"),
    T("{\"\xc3\xa9\":1,\"\\u00e9\":2}"),
    T("{\"\xf0\x9f\x98\xb9\":1,\"\\ud83d\\ude39\":2}"),
    T("[{\"a\":1,\"a\":1}]"),
    T("{\"x\":{\"a\":1,\"\\u0061\":1}}"),
    T("{\"a\\u0000b\":1,\"\\u0061\\u0000\\u0062\":1}"),
    /* words */
    T("True"),
    T("TRUE"),
    T("nulL"),
    T("NaN"),
    T("-NaN"),
    T("Infinity"),
    T("-Infinity"),
    T("undefined"),
    T("truefalse"),
    T("nullx"),
    T("[nul]"),
    T("a"),
    T("\xe5"),
    /* numbers */
    T("+1"),
    T("++1"),
    T("01"),
    T("-01"),
    T("00"),
    T("-00"),
    T("012"),
    T(".5"),
    T("-.5"),
    T("1."),
    T("-1."),
    T("1.e1"),
    T("0.e1"),
    T("1e"),
    T("1e+"),
    T("1E-"),
    T("1eE2"),
    T("1e1.5"),
    T("0e"),
    T("0e+-1"),
    T("1.2.3"),
    T("1.-2"),
    T("--1"),
    T("- 1"),
    T("-a"),
    T("-1x"),
    T("1a"),
    T("0x1"),
    T("0x"),
    T("1_000"),
    T("1 000"),
    T("1,000"),
    T("1/2"),
    T("1+2"),
    T("1ea"),
    T("$1"),
    T("\xef\xbc\x91"),
    T("[1\xe5]"),
    T("[-1.]"),
    /* strings */
    T("'a'"),
    T("\"a"),
    T("a\""),
    T("\"\\x00\""),
    T("\"\\a\""),
    T("\"\\v\""),
    T("\"\\0\""),
    T("\"\\'\""),
    T("\"\\ \""),
    T("\"\\\x00\""),
    T("\"\\\xe5\""),
    T("\"\\u\""),
    T("\"\\u1\""),
    T("\"\\u12\""),
    T("\"\\u123\""),
    T("\"\\uqqqq\""),
    T("\"\\U0061\""),
    T("\"\\u-123\""),
    T("\"\\u 123\""),
    T("\"\\u00A\""),
    T("\"\t\""),
    T("\"\n\""),
    T("\"\r\""),
    T("\"\x00\""),
    T("\"\x01\""),
    T("\"\x1f\""),
    T("\"a\x00z\""),
    T("[\"new\nline\"]"),
    T("\"\"\"\""),
    T("`a`"),
    T("\xe2\x80\x9c"
      "a\xe2\x80\x9d"),
    /* white space that is none */
    T("\x0c[]"),
    T("[\x0b]"),
    T("[\x0c]"),
    T("\xc2\xa0[]"),
    T("[\xe2\x81\xa0]"),
    T("\xe2\x80\xa8[]"),
    T("\xef\xbb\xbf[]"),
    T("\xef\xbb\xbf"),
    T("[]\x1a"),
    /* comments */
    T("/**/[]"),
    T("[/**/]"),
    T("[1 // one\n]"),
    T("#\n[]"),
};

/* What the RFC leaves to the reader, and how this one decides. */
static const struct {
    struct text t;
    bool taken;
} open_to_choice[] = {
    {T("123123e100000"), true},
    {T("-123123e100000"), true},
    {T("0.4e00669999999999999999999999999999999999999999999999999999999999999999999999999999"), true},
    {T("123e-10000000"), true},
    {T("-123123123123123123123123123123"), true},
    {T("100000000000000000000"), true},
    {T("-237462374673276894279832749832423479823246327846"), true},
    {T("1.5e+9999"), true},
    {T("1.00000000000000000000000000000000000000001"), true},
    {T("\"\\uD800\""), false},
    {T("\"\\uDC00\""), false},
    {T("\"\\uD800\\uD800\""), false},
    {T("\"\\uDd1e\\uD834\""), false},
    {T("\"\\uD834\\u0041\""), false},
    {T("\"\\uD834x\""), false},
    {T("\"\\uD834\\\\uDd1e\""), false},
    {T("{\"\\uDFAA\":0}"), false},
    {T("\"\xff\""), false},
    {T("\"\x80\""), false},
    {T("\"\xbf\""), false},
    {T("\"\xc0\xaf\""), false},
    {T("\"\xc1\xbf\""), false},
    {T("\"\xc3\""), false},
    {T("\"\xc3\x28\""), false},
    {T("\"\xe0\x80\xaf\""), false},
    {T("\"\xe0\x9f\xbf\""), false},
    {T("\"\xe2\x82\""), false},
    {T("\"\xed\xa0\x80\""), false},
    {T("\"\xed\xbf\xbf\""), false},
    {T("\"\xf0\x80\x80\xaf\""), false},
    {T("\"\xf0\x8f\xbf\xbf\""), false},
    {T("\"\xf0\x9f\x98\""), false},
    {T("\"\xf4\x90\x80\x80\""), false},
    {T("\"\xf5\x80\x80\x80\""), false},
    {T("\"\xf8\x88\x80\x80\x80\""), false},
    {T("\"\xfc\x84\x80\x80\x80\x80\""), false},
    {T("\"\xfe\""), false},
    {T("[\"\x81\"]"), false},
    {T("\xff\xfe[\x00]\x00"), false}, /* UTF-16 */
    {T("\x00[\x00]"), false},
};

static void must(const struct text *t, bool expected, const char *where, bool got) {
    if (got == expected)
        return;
    test_ok = false;
    printf("# %s %s: %s\n", got ? "taken" : "refused", where, t->s);
}

static void check_text(const struct text *t, bool expected) {
    must(t, expected, "bare", taken(t->s, t->n));
    must(t, expected, "in a request", taken_in_request(t->s, t->n));
}

static void what_must_be_taken(void) {
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++)
        check_text(&valid[i], true);
    printf("# %zu texts\n", sizeof valid / sizeof *valid);
}

static void what_must_be_refused(void) {
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        check_text(&invalid[i], false);
    printf("# %zu texts\n", sizeof invalid / sizeof *invalid);
}

static void what_is_left_to_the_reader(void) {
    for (size_t i = 0; i < sizeof open_to_choice / sizeof *open_to_choice; i++)
        check_text(&open_to_choice[i].t, open_to_choice[i].taken);
    printf("# %zu texts\n", sizeof open_to_choice / sizeof *open_to_choice);
}

/* ---- a recogniser from the grammar ---- */

static const char *at, *end;

static void ws(void) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
}

static bool lit(const char *word) {
    size_t n = strlen(word);
    if ((size_t)(end - at) < n || memcmp(at, word, n) != 0)
        return false;
    at += n;
    return true;
}

static bool digits(void) {
    const char *from = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at > from;
}

static bool number(void) {
    (void)lit("-");
    if (!lit("0") && !(at < end && *at != '0' && digits()))
        return false;
    if (lit(".") && !digits())
        return false;
    if (lit("e") || lit("E")) {
        if (!lit("+"))
            (void)lit("-");
        return digits();
    }
    return true;
}

static int hex4(void) {
    int v = 0;
    for (int i = 0; i < 4; i++, at++) {
        const char *d = at < end && *at != '\0' ? strchr("0123456789abcdef0123456789ABCDEF", *at) : NULL;
        if (d == NULL)
            return -1;
        v = v * 16 + (int)(d - "0123456789abcdef0123456789ABCDEF") % 16;
    }
    return v;
}

/* The table of well-formed byte sequences of the Unicode Standard, as it stands there. */
static bool utf8(void) {
    static const unsigned char rows[][8] = {
        {0x20, 0x7f},
        {0xc2, 0xdf, 0x80, 0xbf},
        {0xe0, 0xe0, 0xa0, 0xbf, 0x80, 0xbf},
        {0xe1, 0xec, 0x80, 0xbf, 0x80, 0xbf},
        {0xed, 0xed, 0x80, 0x9f, 0x80, 0xbf},
        {0xee, 0xef, 0x80, 0xbf, 0x80, 0xbf},
        {0xf0, 0xf0, 0x90, 0xbf, 0x80, 0xbf, 0x80, 0xbf},
        {0xf1, 0xf3, 0x80, 0xbf, 0x80, 0xbf, 0x80, 0xbf},
        {0xf4, 0xf4, 0x80, 0x8f, 0x80, 0xbf, 0x80, 0xbf},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        int n = 0;
        while (n < 4 && rows[r][2 * n] != 0 && end - at > n && (unsigned char)at[n] >= rows[r][2 * n] &&
               (unsigned char)at[n] <= rows[r][2 * n + 1])
            n++;
        if (n == 4 || (n > 0 && rows[r][2 * n] == 0)) {
            at += n;
            return true;
        }
    }
    return false;
}

static bool string(void) {
    if (!lit("\""))
        return false;
    while (at < end && *at != '"') {
        if (*at != '\\') {
            if (!utf8())
                return false;
            continue;
        }
        at++;
        if (at >= end)
            return false;
        if (*at != 'u') {
            if (*at == '\0' || strchr("\"\\/bfnrt", *at) == NULL)
                return false;
            at++;
            continue;
        }
        at++;
        int c = hex4();
        if (c < 0 || (c >= 0xdc00 && c <= 0xdfff))
            return false;
        if (c >= 0xd800 && c <= 0xdbff) {
            if (!lit("\\u"))
                return false;
            c = hex4();
            if (c < 0xdc00 || c > 0xdfff)
                return false;
        }
    }
    return lit("\"");
}

static bool value(void);

/* The alphabets below have keys of one letter without escapes: equal as written is equal as read. */
static bool members(void) {
    char keys[16];
    int n = 0;
    ws();
    if (lit("}"))
        return true;
    do {
        ws();
        const char *from = at;
        if (!string() || at - from != 3 || memchr(keys, from[1], (size_t)n) != NULL)
            return false;
        keys[n++] = from[1];
        ws();
        if (!lit(":") || !value())
            return false;
    } while (lit(","));
    return lit("}");
}

static bool elements(void) {
    ws();
    if (lit("]"))
        return true;
    do {
        if (!value())
            return false;
    } while (lit(","));
    return lit("]");
}

static bool value(void) {
    ws();
    bool ok = lit("{")                     ? members()
              : lit("[")                   ? elements()
              : at < end && *at == '"'     ? string()
              : lit("true") || lit("null") ? true
              : at < end && *at != '\0'    ? number()
                                           : false;
    ws();
    return ok;
}

static bool by_grammar(const char *text, size_t len) {
    at = text;
    end = text + len;
    return value() && at == end;
}

/* All texts of up to `most` words of the alphabet, compared. */
static size_t all_texts(const struct text *alphabet, size_t n, int most, const char *before, const char *after) {
    size_t count = 0, good = 0;
    int pick[8] = {0};
    for (int words = 0; words <= most; words++) {
        memset(pick, 0, sizeof pick);
        for (;;) {
            char text[64];
            size_t len = strlen(before);
            memcpy(text, before, len);
            for (int i = 0; i < words; i++) {
                memcpy(text + len, alphabet[pick[i]].s, alphabet[pick[i]].n);
                len += alphabet[pick[i]].n;
            }
            memcpy(text + len, after, strlen(after));
            len += strlen(after);
            bool expected = by_grammar(text, len);
            if (taken(text, len) != expected) {
                test_ok = false;
                printf("# %s: %.*s\n", expected ? "refused" : "taken", (int)len, text);
            }
            count++;
            good += expected;
            int i = words - 1;
            while (i >= 0 && ++pick[i] == (int)n)
                pick[i--] = 0;
            if (i < 0)
                break;
        }
    }
    printf("# %zu texts, of which %zu are JSON\n", count, good);
    return good;
}

static void every_short_text(void) {
    static const struct text words[] = {T("["),     T("]"),     T("{"), T("}"), T(":"),   T(","),
                                        T("\"a\""), T("\"b\""), T("1"), T(" "), T("null")};
    CHECK(all_texts(words, sizeof words / sizeof *words, 5, "", "") > 100);
}

static void every_object_of_a_few_words(void) {
    static const struct text words[] = {T("\"a\""), T("\"b\""), T(":"), T(","), T("0"), T("{"), T("}")};
    CHECK(all_texts(words, sizeof words / sizeof *words, 7, "{", "}") > 10);
}

static void every_short_number(void) {
    static const struct text words[] = {T("0"), T("1"), T("-"), T("+"), T("."), T("e"), T("E"), T("x"), T(" ")};
    CHECK(all_texts(words, sizeof words / sizeof *words, 6, "", "") > 100);
}

static void every_short_string_of_bytes(void) {
    static const struct text bytes[] = {
        T("\x00"), T("\x1f"), T(" "),    T("\""),   T("\\"),   T("a"),    T("\x7f"), T("\x80"), T("\x8f"), T("\x90"),
        T("\x9f"), T("\xa0"), T("\xbf"), T("\xc0"), T("\xc1"), T("\xc2"), T("\xdf"), T("\xe0"), T("\xe1"), T("\xec"),
        T("\xed"), T("\xee"), T("\xef"), T("\xf0"), T("\xf1"), T("\xf3"), T("\xf4"), T("\xf5"), T("\xff")};
    CHECK(all_texts(bytes, sizeof bytes / sizeof *bytes, 4, "\"", "\"") > 100);
}

static void every_short_string_of_escapes(void) {
    static const struct text parts[] = {T("\\"),      T("\""),      T("u"),       T("\\u0041"),
                                        T("\\ud800"), T("\\uDBFF"), T("\\udc00"), T("\\uDFFF"),
                                        T("\\uD7FF"), T("\\ue000"), T("\\n"),     T("x")};
    CHECK(all_texts(parts, sizeof parts / sizeof *parts, 5, "\"", "\"") > 100);
}

int main(void) {
    RUN(what_must_be_taken);
    RUN(what_must_be_refused);
    RUN(what_is_left_to_the_reader);
    RUN(every_short_text);
    RUN(every_object_of_a_few_words);
    RUN(every_short_number);
    RUN(every_short_string_of_bytes);
    RUN(every_short_string_of_escapes);
    TEST_MAIN_END;
}
