/*
 * test_json.c - json.c: RFC 8259, the place of each error, duplicate keys, the bounds, the accessors.
 */
#include "base/limits.h"
#include "codec/json.h"
#include "test.h"

#include <stdlib.h>

static struct json j;
static struct json_error err;
static jsmntok_t tok[4096];
static char *held; /* the text of j */

/* From a copy without anything behind it: reading past the end is seen. */
static bool parse_bytes(const char *text, size_t len, int maxtok) {
    free(held);
    held = malloc(len > 0 ? len : 1);
    if (held == NULL)
        exit(1);
    memcpy(held, text, len);
    err = (struct json_error){.at = 999999, .why = "none"};
    return json_parse(&j, held, len, tok, maxtok, &err);
}

static bool parse(const char *text) {
    return parse_bytes(text, strlen(text), sizeof tok / sizeof tok[0]);
}

static void good(const char *text) {
    if (!parse(text)) {
        test_ok = false;
        printf("# refused at %zu, %s: %s\n", err.at, err.why, text);
    }
}

static void bad(const char *text, size_t at, const char *why) {
    if (parse(text)) {
        test_ok = false;
        printf("# taken: %s\n", text);
    } else if (err.at != at || strcmp(err.why, why) != 0) {
        test_ok = false;
        printf("# %zu \"%s\", not %zu \"%s\": %s\n", err.at, err.why, at, why, text);
    }
}

#define GOOD(list)                                                     \
    do {                                                               \
        for (size_t i_ = 0; i_ < sizeof(list) / sizeof(list)[0]; i_++) \
            good((list)[i_]);                                          \
    } while (0)

/* ---- what is JSON ---- */

static void every_kind_of_value_is_taken_at_the_top(void) {
    static const char *const texts[] = {
        "{}",
        "[]",
        "\"\"",
        "0",
        "true",
        "false",
        "null",
        "[[]]",
        "{\"a\":{}}",
        "[{},[],\"\",0,true,false,null]",
        "{\"a\":1,\"b\":[1,2],\"c\":{\"d\":null}}",
        "{\"\":0}",
    };
    GOOD(texts);
}

static void white_space_is_allowed_between_tokens(void) {
    static const char *const texts[] = {
        " 1 ", "\t\n\r 1\r\n\t ", "[ ]", "{ }", "[ 1 , 2 ]", "{ \"a\" : 1 , \"b\" : 2 }", "\n{\n\t\"a\"\r:\n1\n}\n",
    };
    GOOD(texts);
    bad("\f1", 0, "expected a value");
    bad("\v1", 0, "expected a value");
    bad("\xc2\xa0"
        "1",
        0, "expected a value");
    bad("1\f", 1, "something follows the value");
}

static void numbers(void) {
    static const char *const texts[] = {
        "0",
        "-0",
        "7",
        "-7",
        "10",
        "1234567890",
        "0.0",
        "0.5",
        "-0.5",
        "10.25",
        "1e5",
        "1E5",
        "1e+5",
        "1e-5",
        "0e0",
        "-0E-0",
        "1.5e300",
        "1e999999",
        "123456789012345678901234567890",
        "0.000000000000000000000000000000000001",
    };
    GOOD(texts);
    bad("-", 1, "expected a digit");
    bad("--1", 1, "expected a digit");
    bad("-a", 1, "expected a digit");
    bad("01", 1, "a number must not start with 0");
    bad("-01", 2, "a number must not start with 0");
    bad("00", 1, "a number must not start with 0");
    bad("1.", 2, "expected a digit");
    bad("1.e5", 2, "expected a digit");
    bad("1e", 2, "expected a digit");
    bad("1e+", 3, "expected a digit");
    bad("1e-", 3, "expected a digit");
    bad("1.5e", 4, "expected a digit");
    bad("[1e]", 3, "expected a digit");
    bad("+1", 0, "expected a value");
    bad(".5", 0, "expected a value");
    bad("1.2.3", 3, "something follows the value");
    bad("1e5.2", 3, "something follows the value");
    bad("1e5e2", 3, "something follows the value");
    bad("0x10", 1, "something follows the value");
    bad("1_000", 1, "something follows the value");
    bad("NaN", 0, "expected a value");
    bad("Infinity", 0, "expected a value");
    bad("-Infinity", 1, "expected a digit");
    bad("1 2", 2, "something follows the value");
}

static void words(void) {
    bad("tru", 0, "expected a value");
    bad("True", 0, "expected a value");
    bad("nul", 0, "expected a value");
    bad("nulL", 0, "expected a value");
    bad("fals", 0, "expected a value");
    bad("FALSE", 0, "expected a value");
    bad("truex", 4, "something follows the value");
    bad("[nullnull]", 5, "expected ',' or ']' after an element");
    bad("undefined", 0, "expected a value");
    bad("abc", 0, "expected a value");
    bad("[a]", 1, "expected a value");
}

static void nothing_is_no_value(void) {
    bad("", 0, "the text ends where a value is expected");
    bad("  \n", 3, "the text ends where a value is expected");
    bad("[", 1, "the text ends where a value is expected");
    bad("[1,", 3, "the text ends where a value is expected");
    bad("{\"a\":", 5, "the text ends where a value is expected");
}

static void arrays(void) {
    bad("[1", 2, "expected ',' or ']' after an element");
    bad("[1 2]", 3, "expected ',' or ']' after an element");
    bad("[1}", 2, "expected ',' or ']' after an element");
    bad("[1:2]", 2, "expected ',' or ']' after an element");
    bad("[,]", 1, "expected a value");
    bad("[1,]", 3, "expected a value");
    bad("[1,,2]", 3, "expected a value");
    bad("[}", 1, "expected a value");
    bad("]", 0, "expected a value");
    bad("[]]", 2, "something follows the value");
    bad("[[]", 3, "expected ',' or ']' after an element");
    bad("[1;2]", 2, "expected ',' or ']' after an element");
    bad("[1] //", 4, "something follows the value");
    bad("[1,/**/2]", 3, "expected a value");
}

static void objects(void) {
    bad("{", 1, "expected a key in quotes");
    bad("{a:1}", 1, "expected a key in quotes");
    bad("{'a':1}", 1, "expected a key in quotes");
    bad("{1:1}", 1, "expected a key in quotes");
    bad("{null:1}", 1, "expected a key in quotes");
    bad("{,}", 1, "expected a key in quotes");
    bad("{]", 1, "expected a key in quotes");
    bad("{\"a\"}", 4, "expected ':' after a key");
    bad("{\"a\" 1}", 5, "expected ':' after a key");
    bad("{\"a\",1}", 4, "expected ':' after a key");
    bad("{\"a\"", 4, "expected ':' after a key");
    bad("{\"a\"::1}", 5, "expected a value");
    bad("{\"a\":}", 5, "expected a value");
    bad("{\"a\":1", 6, "expected ',' or '}' after a member");
    bad("{\"a\":1]", 6, "expected ',' or '}' after a member");
    bad("{\"a\":1 \"b\":2}", 7, "expected ',' or '}' after a member");
    bad("{\"a\":1,}", 7, "expected a key in quotes");
    bad("{\"a\":1,,}", 7, "expected a key in quotes");
    bad("{\"a\":1,\"b\"}", 10, "expected ':' after a key");
    bad("{\"a", 3, "the text ends inside a string");
    bad("}", 0, "expected a value");
    bad("{}}", 2, "something follows the value");
    bad("{}{}", 2, "something follows the value");
    bad("{} x", 3, "something follows the value");
}

/* ---- strings ---- */

static void strings(void) {
    static const char *const texts[] = {
        "\"a\"",
        "\"\\\"\"",
        "\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u0041\\u00e4\\u20AC\"",
        "\"\\ud83d\\ude00\"",
        "\"/\"",
        "\"\x7f\"",
        "\"ä€\xf0\x9f\x98\x80\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "\"\xed\x9f\xbf\xee\x80\x80\"",
        "\"\\u0000\"",
        "\"\\uDBFF\\uDFFF\"",
        "\"\xef\xbf\xbf\"",
        "\"'\"",
        "\"\\u001f\"",
    };
    GOOD(texts);
    bad("\"", 1, "the text ends inside a string");
    bad("\"abc", 4, "the text ends inside a string");
    bad("\"a\\\"", 4, "the text ends inside a string");
    bad("'a'", 0, "expected a value");
    bad("\"a\"b\"", 3, "something follows the value");
}

static void control_characters_must_be_escaped(void) {
    char text[] = "\"a?b\"";
    for (char c = 1; c < 0x20; c++) {
        text[2] = c;
        bad(text, 2, "a control character in a string must be escaped");
    }
    CHECK(!parse_bytes("\"a\0b\"", 5, 8));
    CHECK_INT(err.at, 2);
    bad("[\"a\n\"]", 3, "a control character in a string must be escaped");
    bad("{\"a\tb\":1}", 3, "a control character in a string must be escaped");
}

static void unknown_escapes_are_refused(void) {
    char text[] = "\"\\?\"";
    for (int c = 1; c < 256; c++) {
        text[2] = (char)c;
        if (strchr("\"\\/bfnrtu", c) == NULL)
            bad(text, 1, "invalid escape in a string");
    }
    CHECK(!parse_bytes("\"\\\0\"", 4, 8)); /* not NUL either */
    bad("\"\\", 1, "invalid escape in a string");
    bad("\"\\u\"", 1, "invalid escape in a string");
    bad("\"\\u12\"", 1, "invalid escape in a string");
    bad("\"\\u123\"", 1, "invalid escape in a string");
    bad("\"\\u123g\"", 1, "invalid escape in a string");
    bad("\"\\u 123\"", 1, "invalid escape in a string");
    bad("\"\\u+123\"", 1, "invalid escape in a string");
    bad("\"\\U00000041\"", 1, "invalid escape in a string");
    bad("\"ab\\u12", 3, "invalid escape in a string");
    bad("\"\\x41\"", 1, "invalid escape in a string");
}

static void surrogates_come_in_pairs(void) {
    bad("\"\\ud800\"", 1, "invalid escape in a string");
    bad("\"\\udbff\"", 1, "invalid escape in a string");
    bad("\"\\udc00\"", 1, "invalid escape in a string");
    bad("\"\\udfff\"", 1, "invalid escape in a string");
    bad("\"\\ud800x\"", 1, "invalid escape in a string");
    bad("\"\\ud800\\n\"", 1, "invalid escape in a string");
    bad("\"\\ud800\\u0041\"", 1, "invalid escape in a string");
    bad("\"\\ud800\\ud800\"", 1, "invalid escape in a string");
    bad("\"\\ud800\\ue000\"", 1, "invalid escape in a string");
    bad("\"\\udc00\\ud800\"", 1, "invalid escape in a string");
    bad("\"\\ud83d\\ude0\"", 1, "invalid escape in a string");
    bad("\"\\ud83d\\ude00\\ude00\"", 13, "invalid escape in a string");
    bad("\"\\ud83d\\u", 1, "invalid escape in a string");
}

static void invalid_utf8_is_refused(void) {
    static const char *const bytes[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc3",
        "\xc3\x28",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xe2\x82",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x9f\x98",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xf8\x88\x80\x80\x80",
        "\xfe",
        "\xff",
        "\xed\xa0\xbd\xed\xb8\x80",
    };
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, "\"ä%s\"", bytes[i]);
        bad(text, 3, "invalid UTF-8 in a string");
        snprintf(text, sizeof text, "{\"%s\":1}", bytes[i]);
        bad(text, 2, "invalid UTF-8 in a string");
        snprintf(text, sizeof text, "\"%s", bytes[i]);
        bad(text, 1, "invalid UTF-8 in a string");
    }
    bad("[\xc3\xa4]", 1, "expected a value");
}

static void a_byte_order_mark_is_refused(void) {
    bad("\xef\xbb\xbf{}", 0, "expected a value");
    good("\"\xef\xbb\xbf\"");
}

static void nul_is_refused_everywhere(void) {
    CHECK(!parse_bytes("\0", 1, 8) && err.at == 0);
    CHECK(!parse_bytes("1\0", 2, 8) && err.at == 1);
    CHECK(!parse_bytes("[1,\0]", 5, 8) && err.at == 3);
    CHECK(!parse_bytes("{}\0{}", 5, 8) && err.at == 2);
    CHECK(!parse_bytes("{\"a\"\0:1}", 8, 8) && err.at == 4);
    CHECK(parse_bytes("1\0", 1, 8)); /* not part of the text */
}

/* ---- keys ---- */

static void duplicate_keys_are_refused(void) {
    bad("{\"a\":1,\"a\":2}", 7, "duplicate key");
    bad("{\"a\":1, \"b\":2, \"a\":3}", 15, "duplicate key");
    bad("{\"\":1,\"\":2}", 6, "duplicate key");
    bad("[{\"a\":1,\"a\":2}]", 8, "duplicate key");
    bad("{\"x\":{\"a\":1,\"a\":2}}", 12, "duplicate key");
    bad("{\"a\":{\"b\":{}},\"c\":[],\"a\":2}", 21, "duplicate key");
}

static void keys_are_equal_as_read_not_as_written(void) {
    bad("{\"a\":1,\"\\u0061\":2}", 7, "duplicate key");
    bad("{\"\\u00e4\":1,\"ä\":2}", 12, "duplicate key");
    bad("{\"\\n\":1,\"\\u000A\":2}", 8, "duplicate key");
    bad("{\"\\/\":1,\"/\":2}", 8, "duplicate key");
    bad("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}", 18, "duplicate key");
    bad("{\"\\u0000\":1,\"\\u0000\":2}", 12, "duplicate key");
}

static void different_keys_are_not_duplicates(void) {
    static const char *const texts[] = {
        "{\"a\":1,\"A\":2}",
        "{\"a\":1,\"aa\":2,\"\":3}",
        "{\"a\":{\"a\":{\"a\":1}}}",
        "[{\"a\":1},{\"a\":2}]",
        "{\"x\":[{\"a\":1},{\"a\":2}],\"a\":3}",
        "{\"a\":\"a\",\"b\":\"a\"}",
        "{\"ä\":1,\"a\xcc\x88\":2}", /* not normalised */
        "{\"\\\\n\":1,\"\\n\":2}",
    };
    GOOD(texts);
    good("{\"a\":1}");
    good("{\"a\":1}"); /* nothing is left of the text before */
}

static void many_keys_are_told_apart(void) {
    enum { KEYS = 32000 };
    static char text[KEYS * 20];
    static jsmntok_t many[2 * KEYS + 3];
    size_t n = 0;
    struct json big;
    for (int again = 0; again < 2; again++) {
        n = 0;
        text[n++] = '{';
        for (int i = 0; i < KEYS; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s\"k%d\":0", i > 0 ? "," : "", i);
        size_t last = n;
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"k%d\":0", again == 0 ? KEYS : KEYS / 2);
        text[n++] = '}';
        bool ok = json_parse(&big, text, n, many, 2 * KEYS + 3, &err);
        if (again == 0) {
            CHECK(ok);
            CHECK_INT(json_size(&big, 0), KEYS + 1);
        } else {
            CHECK(!ok);
            CHECK_STR(err.why, "duplicate key");
            CHECK_INT(err.at, last + 1);
        }
    }
    n = 0;
    text[n++] = '[';
    for (int i = 0; i < KEYS / 2; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{\"a\":0}", i > 0 ? "," : "");
    text[n++] = ']';
    CHECK(json_parse(&big, text, n, many, 2 * KEYS, &err));
    CHECK_INT(json_size(&big, 0), KEYS / 2);
}

/* ---- bounds ---- */

/* Where few values are expected, few keys are remembered: whoever sends more is told before any of them is lost. */
static void more_keys_than_are_remembered_are_refused(void) {
    char text[1024] = "{";
    size_t n = 1, last = 0;
    for (int i = 0; i < 65; i++) {
        last = n + (i > 0);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%d\":0", i > 0 ? "," : "", i < 64 ? 10 + i : 1);
    }
    CHECK(!parse_bytes(text, last - 1, 16));
    CHECK_STR(err.why, "expected ',' or '}' after a member"); /* 64 of them are no trouble yet */
    CHECK(!parse_bytes(text, n, 16));
    CHECK_STR(err.why, "too many keys, or keys made to collide");
    CHECK_INT(err.at, last);
}

static void each_text_has_keys_of_its_own(void) {
    good("{\"a\":1,\"b\":2}");
    good("{\"b\":1,\"a\":2}");
    bad("{\"b\":1,\"a\":2,\"b\":3}", 13, "duplicate key");
    good("{\"b\":1}");
}

static void nesting_is_bounded(void) {
    char text[2 * VH_JSON_DEPTH + 8];
    size_t n = VH_JSON_DEPTH;
    memset(text, '[', n);
    memset(text + n, ']', n);
    CHECK(parse_bytes(text, 2 * n, 64));
    memset(text, '[', n + 1);
    memset(text + n + 1, ']', n + 1);
    CHECK(!parse_bytes(text, 2 * n + 2, 64));
    CHECK_STR(err.why, "nested too deeply");
    CHECK_INT(err.at, VH_JSON_DEPTH);
    static char deep[200000];
    for (size_t i = 0; i + 5 < sizeof deep; i += 5)
        memcpy(deep + i, "{\"a\":", 5);
    CHECK(!parse_bytes(deep, sizeof deep, 64));
    CHECK_INT(err.at, 5 * VH_JSON_DEPTH);
    static char wide[4096];
    n = 1;
    wide[0] = '[';
    for (int i = 0; i < 500; i++, n += 3)
        memcpy(wide + n, i > 0 ? ",{}" : " {}", 3);
    wide[n++] = ']';
    CHECK(parse_bytes(wide, n, 4096)); /* beside each other they do not count */
}

static void tokens_are_bounded(void) {
    CHECK(parse_bytes("[1,2,3]", 7, 4));
    CHECK(!parse_bytes("[1,2,3]", 7, 3));
    CHECK_STR(err.why, "too many values");
    CHECK(err.at <= 7);
    CHECK(parse_bytes("{\"a\":1}", 7, 3));
    CHECK(!parse_bytes("{\"a\":1}", 7, 2));
    CHECK(parse_bytes("1", 1, 1));
    CHECK(!parse_bytes("[]", 2, 0));
    CHECK(!parse_bytes("[1,2,", 5, 1)); /* malformed comes first */
    CHECK_STR(err.why, "the text ends where a value is expected");
}

static void length_is_bounded(void) {
    char *text = malloc(VH_JSON_MAX + 1);
    if (text == NULL)
        exit(1);
    memset(text, ' ', VH_JSON_MAX + 1);
    text[0] = '1';
    CHECK(json_parse(&j, text, VH_JSON_MAX, tok, 1, &err));
    CHECK(!json_parse(&j, text, VH_JSON_MAX + 1, tok, 1, &err));
    CHECK_STR(err.why, "the text is too long");
    free(text);
}

/* ---- accessors ---- */

static void types_have_names(void) {
    good("[{},[],\"s\",-1,true,false,null]");
    static const enum json_type types[] = {JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER,
                                           JSON_BOOL,   JSON_BOOL,  JSON_NULL};
    static const char *const names[] = {"an object", "an array",  "a string", "a number",
                                        "a boolean", "a boolean", "null"};
    int i = 0;
    for (int t = json_first(&j, 0); t >= 0; t = json_next(&j, t), i++) {
        CHECK(json_type(&j, t) == types[i]);
        CHECK_STR(json_type_name(json_type(&j, t)), names[i]);
    }
    CHECK_INT(i, 7);
    CHECK(json_type(&j, -1) == JSON_NONE);
    CHECK_STR(json_type_name(JSON_NONE), "nothing");
}

static void objects_are_looked_up_by_key(void) {
    int64_t v = 0;
    good("{\"a\":{\"x\":1,\"b\":2},\"b\":3,\"\\u00e4\":4,\"\":5,\"c\":\"b\"}");
    CHECK(json_int(&j, json_get(&j, 0, "b"), 0, 9, &v) && v == 3); /* not the inner one */
    CHECK(json_int(&j, json_get(&j, json_get(&j, 0, "a"), "b"), 0, 9, &v) && v == 2);
    CHECK(json_int(&j, json_get(&j, 0, "ä"), 0, 9, &v) && v == 4);
    CHECK(json_int(&j, json_get(&j, 0, ""), 0, 9, &v) && v == 5);
    CHECK_INT(json_get(&j, 0, "x"), -1);
    CHECK_INT(json_get(&j, 0, "B"), -1);
    CHECK_INT(json_get(&j, -1, "b"), -1);
    CHECK_INT(json_get(&j, json_get(&j, 0, "b"), "b"), -1); /* of a number */
    CHECK_INT(json_get(&j, json_get(&j, 0, "c"), "b"), -1);
    good("[\"a\",1]");
    CHECK_INT(json_get(&j, 0, "a"), -1); /* of an array */
    good("{}");
    CHECK_INT(json_get(&j, 0, "a"), -1);
}

static void arrays_and_objects_are_walked(void) {
    static const char text[] = "[\"\",[\"\",[1,2]],{\"a\":[3],\"b\":{\"c\":4}},{},[],5]";
    size_t starts[] = {1, 4, 15, 37, 40, 43};
    int i = 0;
    good(text);
    CHECK_INT(json_size(&j, 0), 6);
    for (int t = json_first(&j, 0); t >= 0 && i < 6; t = json_next(&j, t))
        CHECK_INT(json_offset(&j, t), starts[i++]);
    CHECK_INT(i, 6);
    int object = json_next(&j, json_next(&j, json_first(&j, 0)));
    CHECK_INT(json_size(&j, object), 2);
    int a = json_first(&j, object), b = json_next(&j, a);
    CHECK(json_string_is(&j, a, "a") && json_string_is(&j, b, "b"));
    CHECK(json_type(&j, json_value(&j, a)) == JSON_ARRAY && json_type(&j, json_value(&j, b)) == JSON_OBJECT);
    CHECK_INT(json_next(&j, b), -1);
    CHECK_INT(json_next(&j, json_first(&j, json_value(&j, a))), -1); /* 3 has no sibling, though tokens follow */
    int empty = json_next(&j, object);
    CHECK(json_size(&j, empty) == 0 && json_first(&j, empty) == -1);
    CHECK(json_first(&j, json_first(&j, 0)) == -1); /* of a string */
    CHECK(json_first(&j, -1) == -1 && json_size(&j, -1) == 0);
    CHECK_INT(json_next(&j, 0), -1);
}

static void strings_are_unescaped(void) {
    char text[64];
    good("[\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\\u0041\\u00E4\\u20ac\\ud83d\\ude00\",\"\",\"ä\",1]");
    int t = json_first(&j, 0);
    CHECK(json_string(&j, t, text, sizeof text));
    CHECK_STR(text, "a\"\\/\b\f\n\r\t");
    CHECK(json_string_is(&j, t, "a\"\\/\b\f\n\r\t"));
    t = json_next(&j, t);
    CHECK(json_string(&j, t, text, sizeof text));
    CHECK_STR(text, "Aä€\xf0\x9f\x98\x80");
    CHECK(json_string_is(&j, t, "Aä€\xf0\x9f\x98\x80"));
    CHECK(!json_string_is(&j, t, "Aä€\xf0\x9f\x98\x81") && !json_string_is(&j, t, "Aä€"));
    t = json_next(&j, t);
    CHECK(json_string(&j, t, text, 1));
    CHECK_STR(text, "");
    CHECK(json_string_is(&j, t, "") && !json_string_is(&j, t, "a"));
    t = json_next(&j, t);
    CHECK(json_string(&j, t, text, 3));
    CHECK_STR(text, "ä");
    CHECK(!json_string(&j, t, text, 2));
    CHECK_STR(text, ""); /* never half of it */
    CHECK(!json_string_is(&j, t, "\xc3") && !json_string_is(&j, t, "\xff"));
    t = json_next(&j, t);
    memset(text, 'x', sizeof text);
    CHECK(!json_string(&j, t, text, sizeof text) && text[0] == '\0');
    CHECK(!json_string_is(&j, t, "1"));
    CHECK(!json_string(&j, -1, text, sizeof text) && !json_string_is(&j, -1, ""));
}

static void a_string_with_nul_is_never_given_out(void) {
    char text[8] = "x";
    good("\"a\\u0000b\"");
    CHECK(!json_string(&j, 0, text, sizeof text));
    CHECK_STR(text, "");
    CHECK(!json_string_is(&j, 0, "a") && !json_string_is(&j, 0, ""));
}

static void booleans(void) {
    bool b = false;
    good("[true,false,null,1,\"true\"]");
    int t = json_first(&j, 0);
    CHECK(json_bool(&j, t, &b) && b);
    t = json_next(&j, t);
    CHECK(json_bool(&j, t, &b) && !b);
    b = true;
    while ((t = json_next(&j, t)) >= 0)
        CHECK(!json_bool(&j, t, &b) && b);
    CHECK(!json_bool(&j, -1, &b) && !json_bool(&j, 0, &b));
}

static bool integer(const char *text, int64_t min, int64_t max, int64_t *v) {
    good(text);
    return json_int(&j, 0, min, max, v);
}

static void integers_are_exact_and_in_range(void) {
    int64_t v = 17;
    CHECK(integer("0", 0, 0, &v) && v == 0);
    CHECK(integer("-0", 0, 0, &v) && v == 0);
    CHECK(integer("-5", -5, 5, &v) && v == -5);
    CHECK(integer("9223372036854775807", 0, INT64_MAX, &v) && v == INT64_MAX);
    CHECK(integer("-9223372036854775807", INT64_MIN, 0, &v) && v == -INT64_MAX);
    v = 17;
    CHECK(!integer("6", -5, 5, &v));
    CHECK(!integer("-6", -5, 5, &v));
    CHECK(!integer("9223372036854775808", INT64_MIN, INT64_MAX, &v));
    CHECK(!integer("18446744073709551617", INT64_MIN, INT64_MAX, &v));
    CHECK(!integer("-9223372036854775809", INT64_MIN, INT64_MAX, &v));
    CHECK(!integer("1.0", 0, 5, &v));
    CHECK(!integer("1e0", 0, 5, &v));
    CHECK(!integer("0.5", 0, 5, &v));
    CHECK(!integer("\"1\"", 0, 5, &v));
    CHECK(!integer("true", 0, 5, &v));
    CHECK(!integer("[1]", 0, 5, &v));
    CHECK(!json_int(&j, -1, 0, 5, &v));
    CHECK_INT(v, 17);
}

static void the_least_integer_is_one_too(void) {
    int64_t v = 0;
    CHECK(integer("-9223372036854775808", INT64_MIN, INT64_MAX, &v) && v == INT64_MIN);
}

static void offsets_include_the_quote(void) {
    good(" { \"ab\" : [ \"c\" , 12 ] }");
    CHECK_INT(json_offset(&j, 0), 1);
    CHECK_INT(json_offset(&j, json_first(&j, 0)), 3);
    int array = json_get(&j, 0, "ab");
    CHECK_INT(json_offset(&j, array), 10);
    CHECK_INT(json_offset(&j, json_first(&j, array)), 12);
    CHECK_INT(json_offset(&j, json_next(&j, json_first(&j, array))), 18);
}

static void position(const char *text, size_t at, unsigned line, unsigned column) {
    unsigned l = 0, c = 0;
    json_position(text, strlen(text), at, &l, &c);
    CHECK_INT(l, line);
    CHECK_INT(c, column);
}

static void positions_count_lines_and_characters(void) {
    position("", 0, 1, 1);
    position("abc", 0, 1, 1);
    position("abc", 2, 1, 3);
    position("abc", 3, 1, 4);
    position("abc", 99, 1, 4); /* behind the end is the end */
    position("a\nb", 1, 1, 2);
    position("a\nb", 2, 2, 1);
    position("a\n\n\nb", 4, 4, 1);
    position("ä€x", 0, 1, 1);
    position("ä€x", 2, 1, 2);
    position("ä€x", 5, 1, 3);
    position("\xf0\x9f\x98\x80\nä ", 7, 2, 2);
    position("a\r\nb", 3, 2, 1);
}

static void scratch_may_be_forgotten(void) {
    size_t size = 0;
    good("{\"a\":1,\"b\":2}");
    void *scratch = json_scratch(&size);
    CHECK(scratch != NULL && size > 0);
    memset(scratch, 0, size);
    good("{\"a\":1,\"b\":2}");
    bad("{\"a\":1,\"a\":2}", 7, "duplicate key");
}

int main(void) {
    RUN(every_kind_of_value_is_taken_at_the_top);
    RUN(white_space_is_allowed_between_tokens);
    RUN(numbers);
    RUN(words);
    RUN(nothing_is_no_value);
    RUN(arrays);
    RUN(objects);
    RUN(strings);
    RUN(control_characters_must_be_escaped);
    RUN(unknown_escapes_are_refused);
    RUN(surrogates_come_in_pairs);
    RUN(invalid_utf8_is_refused);
    RUN(a_byte_order_mark_is_refused);
    RUN(nul_is_refused_everywhere);
    RUN(duplicate_keys_are_refused);
    RUN(keys_are_equal_as_read_not_as_written);
    RUN(different_keys_are_not_duplicates);
    RUN(many_keys_are_told_apart);
    RUN(more_keys_than_are_remembered_are_refused);
    RUN(each_text_has_keys_of_its_own);
    RUN(nesting_is_bounded);
    RUN(tokens_are_bounded);
    RUN(length_is_bounded);
    RUN(types_have_names);
    RUN(objects_are_looked_up_by_key);
    RUN(arrays_and_objects_are_walked);
    RUN(strings_are_unescaped);
    RUN(a_string_with_nul_is_never_given_out);
    RUN(booleans);
    RUN(integers_are_exact_and_in_range);
    RUN(the_least_integer_is_one_too);
    RUN(offsets_include_the_quote);
    RUN(positions_count_lines_and_characters);
    RUN(scratch_may_be_forgotten);
    free(held);
    TEST_MAIN_END;
}
