/*
 * test_str.c - str.c: the builder and its overflow, JSON strings that hide nothing, copies, numbers, UTF-8, distances.
 */
#include "base/str.h"
#include "test.h"

#include <stdlib.h>

static char room[256];
static struct sbuf sb;

/* ---- the builder ---- */

static void a_builder_builds(void) {
    sb_init(&sb, room, sizeof room);
    CHECK_STR(room, "");
    sb_str(&sb, "a");
    sb_char(&sb, '-');
    sb_mem(&sb, "bcd", 2);
    sb_uint(&sb, 42);
    sb_fmt(&sb, "<%s %d>", "x", -1);
    sb_str(&sb, "");
    sb_mem(&sb, "", 0);
    CHECK_STR(room, "a-bc42<x -1>");
    CHECK_INT(sb.len, strlen(room));
    CHECK(sb_ok(&sb));
}

static void numbers_at_their_limits(void) {
    sb_init(&sb, room, sizeof room);
    sb_uint(&sb, 0);
    sb_char(&sb, ' ');
    sb_uint(&sb, UINT64_MAX);
    CHECK_STR(room, "0 18446744073709551615");
    sb_init(&sb, room, sizeof room);
    sb_hex(&sb, 0xabc, 4);
    sb_hex(&sb, 0, 1);
    sb_hex(&sb, 0xfedcba98, 8);
    sb_hex(&sb, 0x12345, 4);
    CHECK_STR(room, "0abc0fedcba982345");
}

static void what_does_not_fit_is_left_out_whole(void) {
    char small[6];
    sb_init(&sb, small, sizeof small);
    sb_str(&sb, "abc");
    sb_str(&sb, "de");
    CHECK(sb_ok(&sb));
    CHECK_STR(small, "abcde");
    sb_char(&sb, 'f');
    CHECK(!sb_ok(&sb));
    CHECK_STR(small, "abcde");
    sb_init(&sb, small, sizeof small);
    sb_str(&sb, "abc");
    sb_str(&sb, "def");
    CHECK(!sb_ok(&sb));
    CHECK_STR(small, "abc");
    CHECK_INT(sb.len, 3);
    sb_init(&sb, small, sizeof small);
    sb_str(&sb, "abc");
    sb_fmt(&sb, "%d", 123);
    CHECK(!sb_ok(&sb));
    CHECK_STR(small, "abc");
    sb_init(&sb, small, sizeof small);
    sb_fmt(&sb, "%05d", 7);
    CHECK(sb_ok(&sb));
    CHECK_STR(small, "00007");
}

static void after_an_overflow_nothing_is_added(void) {
    char small[6];
    sb_init(&sb, small, sizeof small);
    sb_str(&sb, "abcdef");
    CHECK(!sb_ok(&sb));
    sb_str(&sb, "a");
    sb_char(&sb, 'a');
    sb_uint(&sb, 1);
    sb_hex(&sb, 1, 1);
    sb_fmt(&sb, "%s", "a");
    sb_json(&sb, "a");
    sb_mem(&sb, "", 0);
    CHECK_STR(small, "");
    CHECK(!sb_ok(&sb) && sb.len == 0);
}

static void one_byte_holds_the_empty_text(void) {
    char one[1] = {'x'};
    sb_init(&sb, one, 1);
    CHECK(one[0] == '\0' && sb_ok(&sb));
    sb_str(&sb, "");
    CHECK(sb_ok(&sb));
    sb_fmt(&sb, "%s", "");
    CHECK(sb_ok(&sb));
    sb_char(&sb, 'a');
    CHECK(one[0] == '\0' && !sb_ok(&sb));
}

static void lengths_near_the_end_of_memory_do_not_wrap(void) {
    char small[8];
    sb_init(&sb, small, sizeof small);
    sb_str(&sb, "abc");
    sb_mem(&sb, "x", SIZE_MAX);
    CHECK(!sb_ok(&sb));
    sb_init(&sb, small, sizeof small);
    sb_str(&sb, "abc");
    sb_mem(&sb, "x", SIZE_MAX - 2);
    CHECK(!sb_ok(&sb));
    CHECK_STR(small, "abc");
}

/* ---- JSON strings ---- */

static const char *json(const char *s) {
    sb_init(&sb, room, sizeof room);
    sb_json(&sb, s);
    CHECK(sb_ok(&sb));
    return room;
}

static void json_strings_are_quoted(void) {
    CHECK_STR(json(""), "\"\"");
    CHECK_STR(json("abc"), "\"abc\"");
    CHECK_STR(json("a\"b\\c/d"), "\"a\\\"b\\\\c/d\"");
    CHECK_STR(json(" ~"), "\" ~\"");
    CHECK_STR(json("ä€\xf0\x9f\x98\x80"), "\"\\u00e4\\u20ac\\ud83d\\ude00\"");
    CHECK_STR(json("\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), "\"\\uffff\\ud800\\udc00\\udbff\\udfff\"");
    CHECK_STR(json("<&'>"), "\"<&'>\"");
}

static void control_characters_are_escaped(void) {
    CHECK_STR(json("\x01\x1f"), "\"\\u0001\\u001f\"");
    CHECK_STR(json("a\nb\tc\r"), "\"a\\u000ab\\u0009c\\u000d\"");
    CHECK_STR(json("\x1b[2J"), "\"\\u001b[2J\"");
    CHECK_STR(json("\x7f"), "\"\\u007f\"");
    CHECK_STR(json("\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f"), "\"\\u0080\\u0085\\u009b\\u009f\"");
    CHECK_STR(json("\xc2\xa0"), "\"\\u00a0\"");
}

static void characters_that_turn_or_hide_text_are_escaped(void) {
    CHECK_STR(json("\xd8\x9c"), "\"\\u061c\"");
    CHECK_STR(json("\xe2\x80\x8e\xe2\x80\x8f"), "\"\\u200e\\u200f\"");
    CHECK_STR(json("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u2028\\u2029\"");
    CHECK_STR(json("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae"),
              "\"\\u202a\\u202b\\u202c\\u202d\\u202e\"");
    CHECK_STR(json("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9"), "\"\\u2066\\u2067\\u2068\\u2069\"");
    CHECK_STR(json("\xef\xbb\xbf"), "\"\\ufeff\"");
}

static void invalid_utf8_is_replaced_byte_by_byte(void) {
    CHECK_STR(json("\xff"), "\"\\ufffd\"");
    CHECK_STR(json("a\xc3"), "\"a\\ufffd\"");
    CHECK_STR(json("\xc3z"), "\"\\ufffdz\"");
    CHECK_STR(json("\xe2\x82"), "\"\\ufffd\\ufffd\"");
    CHECK_STR(json("\xc0\xaf"), "\"\\ufffd\\ufffd\"");
    CHECK_STR(json("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
    CHECK_STR(json("\xc3\""), "\"\\ufffd\\\"\""); /* it does not swallow a quote */
}

static void a_json_string_that_does_not_fit_is_told(void) {
    char small[7];
    sb_init(&sb, small, sizeof small);
    sb_json(&sb, "abcd");
    CHECK(sb_ok(&sb));
    CHECK_STR(small, "\"abcd\"");
    sb_init(&sb, small, sizeof small);
    sb_json(&sb, "abcde");
    CHECK(!sb_ok(&sb));
    sb_init(&sb, small, sizeof small);
    sb_json(&sb, "\n");
    CHECK(!sb_ok(&sb));
}

/* ---- copies and comparisons ---- */

static void copies_say_when_they_do_not_fit(void) {
    char small[4];
    CHECK(str_copy(small, sizeof small, "abc"));
    CHECK_STR(small, "abc");
    CHECK(!str_copy(small, sizeof small, "defg"));
    CHECK_STR(small, "def");
    CHECK(str_copy(small, 1, ""));
    CHECK_STR(small, "");
    CHECK(!str_copy(small, 1, "x"));
    CHECK_STR(small, "");
    CHECK(str_copyn(small, sizeof small, "xyzzy", 3));
    CHECK_STR(small, "xyz");
    CHECK(!str_copyn(small, sizeof small, "xyzzy", 4));
    CHECK_STR(small, "xyz");
    CHECK(str_copyn(small, sizeof small, "q", 0));
    CHECK_STR(small, "");
    CHECK(str_fmt(small, sizeof small, "%d", 123));
    CHECK_STR(small, "123");
    CHECK(!str_fmt(small, sizeof small, "%d", 1234));
    CHECK_STR(small, "123");
}

static void a_copy_may_overlap(void) {
    char text[16] = "abcdef";
    CHECK(str_copy(text, sizeof text, text + 2));
    CHECK_STR(text, "cdef");
    CHECK(str_copyn(text + 1, sizeof text - 1, text, 4));
    CHECK_STR(text, "ccdef");
}

static void comparisons(void) {
    CHECK(str_eq("", "") && str_eq("a", "a") && !str_eq("a", "A") && !str_eq("a", "ab") && !str_eq("ab", "a"));
    CHECK(str_starts("abc", "ab") && str_starts("abc", "") && str_starts("", "") && str_starts("abc", "abc"));
    CHECK(!str_starts("ab", "abc") && !str_starts("abc", "b") && !str_starts("", "a"));
}

/* ---- numbers ---- */

static bool uint_is(const char *s, uint64_t max, uint64_t expected) {
    uint64_t v = 0;
    return str_uint(s, strlen(s), max, &v) && v == expected;
}

static void decimal_numbers(void) {
    CHECK(uint_is("0", 0, 0));
    CHECK(uint_is("255", 255, 255));
    CHECK(uint_is("007", 255, 7));
    CHECK(uint_is("0000000000000000000000000000000000001", 1, 1));
    CHECK(uint_is("18446744073709551615", UINT64_MAX, UINT64_MAX));
    uint64_t v = 0;
    CHECK(str_uint("123x", 3, UINT64_MAX, &v) && v == 123);
}

static void what_is_no_decimal_number(void) {
    static const char *const wrong[] = {
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "-0",
        "0x1",
        "1.0",
        "1e3",
        "a",
        "1a",
        "a1",
        "\xd9\xa1",
        "1,000",
        "18446744073709551616",
        "18446744073709551620",
        "99999999999999999999",
        "100000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint64_t v = 77;
        CHECK(!str_uint(wrong[i], strlen(wrong[i]), UINT64_MAX, &v));
        CHECK_INT(v, 77);
    }
    uint64_t v = 77;
    CHECK(!str_uint("256", 3, 255, &v) && !str_uint("1", 1, 0, &v) && !str_uint("1\0", 2, 255, &v));
    CHECK_INT(v, 77);
}

static void hexadecimal_numbers(void) {
    uint32_t v = 0;
    CHECK(str_hex("0", 1, &v) && v == 0);
    CHECK(str_hex("1aF", 3, &v) && v == 0x1af);
    CHECK(str_hex("ffffffff", 8, &v) && v == UINT32_MAX);
    CHECK(str_hex("0046d", 5, &v) && v == 0x46d);
    CHECK(str_hex("12xy", 2, &v) && v == 0x12);
    v = 77;
    CHECK(!str_hex("", 0, &v) && !str_hex("100000000", 9, &v) && !str_hex("000000000", 9, &v));
    CHECK(!str_hex("0x1", 3, &v) && !str_hex("g", 1, &v) && !str_hex("-1", 2, &v) && !str_hex(" 1", 2, &v));
    CHECK(!str_hex("1\0", 2, &v) && !str_hex("@", 1, &v) && !str_hex("`", 1, &v) && !str_hex("/", 1, &v));
    CHECK(!str_hex(":", 1, &v) && !str_hex("G", 1, &v));
    CHECK_INT(v, 77);
}

/* ---- UTF-8 ---- */

/* The reference, slow and plain: encodes c, or returns 0 for what must not be encoded. */
static size_t encode(uint32_t c, unsigned char *p) {
    if (c < 0x80) {
        p[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (unsigned char)(0xc0 | c >> 6);
        p[1] = (unsigned char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (unsigned char)(0xe0 | c >> 12);
        p[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        p[2] = (unsigned char)(0x80 | (c & 0x3f));
        return c >= 0xd800 && c <= 0xdfff ? 0 : 3;
    }
    p[0] = (unsigned char)(0xf0 | c >> 18);
    p[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
    p[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    p[3] = (unsigned char)(0x80 | (c & 0x3f));
    return c > 0x10ffff ? 0 : 4;
}

static void every_character_has_one_encoding(void) {
    unsigned long wrong = 0;
    for (uint32_t c = 0; c < 0x110800; c++) {
        unsigned char p[4] = {0};
        size_t n = encode(c, p);
        uint32_t got = 0;
        if (n == 0)
            wrong += utf8_len((char *)p, sizeof p, &got) != 0;
        else
            wrong += utf8_len((char *)p, n, &got) != n || got != c;
        for (size_t k = 0; k < n; k++) /* cut short it is none */
            wrong += utf8_len((char *)p, k, &got) != 0;
    }
    CHECK_INT(wrong, 0);
}

static void all_two_and_three_byte_texts_are_judged_rightly(void) {
    unsigned long wrong = 0;
    for (uint32_t i = 0; i < 0x1000000; i += 1 + i % 3) {
        unsigned char p[3] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i}, q[4];
        uint32_t c = 0;
        size_t n = utf8_len((char *)p, 3, &c);
        /* What is taken is what the reference writes. */
        wrong += n > 3 || (n > 0 && (encode(c, q) != n || memcmp(p, q, n) != 0));
    }
    CHECK_INT(wrong, 0);
}

static void invalid_sequences_have_no_length(void) {
    static const char *const bad[] = {
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\xc2",
        "\xe0\x80\x80",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xef\xbf",
        "\xf0\x80\x80\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xfe",
        "\xff",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t c = 77;
        CHECK_INT(utf8_len(bad[i], strlen(bad[i]), &c), 0);
        CHECK_INT(c, 77);
    }
    CHECK_INT(utf8_len("", 0, NULL), 0);
    CHECK_INT(utf8_len("\0", 1, NULL), 1);
    CHECK_INT(utf8_len("ä", 2, NULL), 2);
}

/* ---- distances ---- */

static void distances(void) {
    CHECK_INT(str_distance("", "", 2), 0);
    CHECK_INT(str_distance("abc", "abc", 2), 0);
    CHECK_INT(str_distance("abc", "ABC", 2), 0);
    CHECK_INT(str_distance("abc", "abd", 2), 1);
    CHECK_INT(str_distance("abc", "ab", 2), 1);
    CHECK_INT(str_distance("abc", "xabc", 2), 1);
    CHECK_INT(str_distance("", "ab", 2), 2);
    CHECK_INT(str_distance("ab", "", 2), 2);
    CHECK_INT(str_distance("ab", "ba", 2), 2);
    CHECK_INT(str_distance("kitten", "sitting", 5), 3);
    CHECK_INT(str_distance("kitten", "sitting", 3), 3);
    CHECK_INT(str_distance("kitten", "sitting", 2), 3);
    CHECK_INT(str_distance("kitten", "sitting", 0), 1);
    CHECK_INT(str_distance("sitting", "kitten", 5), 3);
    CHECK_INT(str_distance("targetVM", "targetVm", 0), 0);
}

static void long_strings_are_far_apart(void) {
    char a[65], b[65];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    a[63] = b[63] = '\0';
    CHECK_INT(str_distance(a, b, 3), 0);
    b[62] = 'x';
    CHECK_INT(str_distance(a, b, 3), 1);
    b[62] = '\0';
    CHECK_INT(str_distance(a, b, 3), 1);
    a[63] = 'a';
    a[64] = '\0';
    CHECK_INT(str_distance(a, b, 3), 4);
    CHECK_INT(str_distance(b, a, 3), 4);
    CHECK_INT(str_distance(a, a, 3), 4); /* too long to be compared at all */
}

static void utf16_units_are_counted(void) {
    CHECK_INT(utf16_units(""), 0);
    CHECK_INT(utf16_units("a\x7f"), 2);
    CHECK_INT(utf16_units("\xc3\xa4\xe6\xbc\xa2\xef\xbf\xbf"), 3);
    CHECK_INT(utf16_units("\xf0\x9f\x94\x91x"), 3); /* a pair, and one */
}

static void what_is_shortened_says_so(void) {
    char dst[10];
    str_shorten(dst, sizeof dst, "123456789");
    CHECK_STR(dst, "123456789");
    str_shorten(dst, sizeof dst, "1234567890");
    CHECK_STR(dst, "123456...");
    str_shorten(dst, sizeof dst, "12345\xc3\xa4 and more"); /* never within a character */
    CHECK_STR(dst, "12345...");
    str_shorten(dst, sizeof dst, "12\xff and more"); /* nor behind what is none */
    CHECK_STR(dst, "12...");
    str_shorten(dst, 4, "1234");
    CHECK_STR(dst, "...");
}

int main(void) {
    RUN(a_builder_builds);
    RUN(numbers_at_their_limits);
    RUN(what_does_not_fit_is_left_out_whole);
    RUN(after_an_overflow_nothing_is_added);
    RUN(one_byte_holds_the_empty_text);
    RUN(lengths_near_the_end_of_memory_do_not_wrap);
    RUN(json_strings_are_quoted);
    RUN(control_characters_are_escaped);
    RUN(characters_that_turn_or_hide_text_are_escaped);
    RUN(invalid_utf8_is_replaced_byte_by_byte);
    RUN(a_json_string_that_does_not_fit_is_told);
    RUN(copies_say_when_they_do_not_fit);
    RUN(a_copy_may_overlap);
    RUN(what_is_shortened_says_so);
    RUN(comparisons);
    RUN(utf16_units_are_counted);
    RUN(decimal_numbers);
    RUN(what_is_no_decimal_number);
    RUN(hexadecimal_numbers);
    RUN(every_character_has_one_encoding);
    RUN(all_two_and_three_byte_texts_are_judged_rightly);
    RUN(invalid_sequences_have_no_length);
    RUN(distances);
    RUN(long_strings_are_far_apart);
    TEST_MAIN_END;
}
