/*
 * test_regex.c - regex*.c and unicode.c: what each construct matches, what is refused and where, the pool, and patterns
 * that take exponential time in other engines.
 */
#include "codec/regex.h"
#include "codec/unicode.h"
#include "test.h"

#include <stdlib.h>

static struct regex_pool pool;
static struct regex re;
static struct regex_error err;

static bool compile(const char *pattern, size_t len) {
    /* A copy without a NUL behind it: reading past the end is seen. */
    char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        exit(1);
    memcpy(copy, pattern, len);
    bool ok = regex_compile(&pool, &re, copy, len, &err);
    free(copy);
    return ok;
}

static bool matches_bytes(const char *pattern, const char *text, size_t len) {
    regex_pool_reset(&pool);
    if (!compile(pattern, strlen(pattern))) {
        test_ok = false;
        printf("# \"%s\" is refused at %zu: %s\n", pattern, err.at, err.why);
        return false;
    }
    char *copy = malloc(len > 0 ? len : 1);
    if (copy == NULL)
        exit(1);
    memcpy(copy, text, len);
    bool is = regex_match(&pool, &re, copy, len);
    free(copy);
    return is;
}

static bool matches(const char *pattern, const char *text) {
    return matches_bytes(pattern, text, strlen(text));
}

#define YES(pattern, text) CHECK(matches(pattern, text))
#define NO(pattern, text) CHECK(!matches(pattern, text))

/* ---- what matches ---- */

static void literals_match_a_prefix_and_only_from_the_start(void) {
    YES("abc", "abc");
    YES("abc", "abcdef");
    NO("abc", "xabc");
    NO("abc", "ab");
    NO("abc", "");
    YES("", "");
    YES("", "anything");
    YES(".*abc", "xx abc yy");
    YES("a c", "a cd");
    YES("]}-,:=!<>#&~@%'\"`;/_", "]}-,:=!<>#&~@%'\"`;/_");
}

static void case_is_ignored_in_ascii(void) {
    YES("logitech", "LOGITECH");
    YES("LogiTech", "lOGItECH");
    NO("@", "`");
    NO("\\[", "{");
}

static void case_is_ignored_beyond_ascii(void) {
    YES("ä", "Ä");
    YES("Ä", "ä");
    YES("я", "Я");
    YES("Я", "я");
    YES("ж[ё]", "ЖЁ");
    YES("[Ё]", "ё");
    YES("ΣΑΣ", "σας");
    YES("ÿ", "Ÿ");
    YES("Ÿ", "ÿ");
    YES("ա", "Ա");
    YES("Ａ", "ａ");
    YES("ő", "Ő");
    YES("ž", "Ž");
    YES("Ά", "ά");
    YES("ќ", "Ќ");
    NO("ä", "a");
    NO("×", "÷");
}

static void a_capital_sharp_s_is_left_alone(void) {
    YES("ẞ", "ẞ");
    YES("ß", "ß");
    NO("ß", "ẞ");
    NO("ẞ", "ß");
    NO("ß", "ss");
}

static void kelvin_sign_and_long_s_are_k_and_s(void) {
    YES("k", "\xe2\x84\xaa");
    YES("K", "\xe2\x84\xaa");
    YES("\xe2\x84\xaa", "k");
    YES("\xe2\x84\xaa", "K");
    YES("[a-z]", "\xe2\x84\xaa");
    YES("[K]", "\xe2\x84\xaa");
    NO("[^k]", "\xe2\x84\xaa");
    YES("s", "ſ");
    YES("ſ", "S");
    YES("[s]", "ſ");
    YES("uſb", "USB");
}

static void second_capitals_in_sets_are_the_letter_too(void) {
    YES("[\xe2\x84\xaa]", "k");
    YES("[\xe2\x84\xaa]", "K");
    YES("[ſ]", "s");
    YES("[\xe2\x84\xab]", "å"); /* Angstrom */
    YES("[µ]", "μ");            /* micro */
    YES("[ς]", "σ");
    YES("[ς]", "Σ");
    NO("[^ſ]", "s");
    YES("[Σ]", "ς"); /* and the other way about */
    YES("[σ]", "ς");
    NO("[^Σ]", "ς");
    YES("[\xc3\x85]", "\xe2\x84\xab");
    YES("[Μ]", "µ");
    YES("[S]", "ſ");
}

static void dot_is_any_character_but_a_line_feed(void) {
    YES(".", "a");
    YES("...$", "aä\xf0\x9f\x98\x80");
    NO("...", "aä");
    NO(".", "\n");
    NO(".", "");
    YES(".", "\r");
    YES("a.b", "a\tb");
    NO("a.b", "a\nb");
    CHECK(matches_bytes("a.b", "a\0b", 3));
    YES("[.]", ".");
    NO("[.]", "a");
}

static void sets(void) {
    YES("[abc]", "b");
    NO("[abc]", "d");
    YES("[a-c]", "B");
    YES("[A-C]", "b");
    NO("[a-c]", "d");
    YES("[a-c-e]", "-");
    YES("[a-c-e]", "e");
    NO("[a-c-e]", "d");
    YES("[-a]", "-");
    YES("[a-]", "-");
    YES("[+--]", ",");
    YES("[]a]", "]");
    YES("[]]", "]");
    YES("[a\\]b]", "]");
    YES("[a^]", "^");
    YES("[(|)*+?{}$]", "|");
    YES("[[]", "[");
    YES("[\\[-\\]]", "\\");
    YES("[ä-ö]", "Ö");
    YES("[Ä-Ö]", "ö");
    NO("[ä-ö]", "ÿ");
    YES("[а-я]", "Ж");
    YES("[a-я]", "\xc2\x80");
    YES("[a-я]", "é");
    YES("[\xf0\x9f\x98\x80-\xf0\x9f\x98\x8f]", "\xf0\x9f\x98\x85");
    NO("[\xf0\x9f\x98\x80-\xf0\x9f\x98\x8f]", "\xf0\x9f\x98\x90");
    NO("[a]", "");
}

static void negated_sets(void) {
    NO("[^abc]", "b");
    NO("[^abc]", "B");
    YES("[^abc]", "d");
    YES("[^abc]", "\n");
    YES("[^abc]", "ä");
    NO("[^ä]", "Ä");
    YES("[^ä]", "a");
    NO("[^]]", "]");
    YES("[^]]", "a");
    NO("[^a-z]", "Q");
    YES("[^^]", "a");
    NO("[^^]", "^");
    NO("[^a]", "");
}

static void case_goes_with_every_character_of_a_range(void) {
    YES("[Y-b]", "y");
    YES("[Y-b]", "A");
    NO("[Y-b]", "c");
    NO("[[-`]", "a");
    YES("[@-Z]", "z");
    NO("[^@-Z]", "z");
}

static void digits_words_and_spaces(void) {
    YES("\\d\\d\\d", "059");
    NO("\\d", "a");
    YES("\\d", "٣"); /* Arabic-Indic */
    YES("\\d", "９");
    NO("\\d", "²");
    NO("\\D", "5");
    NO("\\D", "٣");
    YES("\\D", "a");
    YES("\\w\\w\\w\\w", "aZ0_");
    NO("\\w", "-");
    YES("\\w", "ä");
    YES("\\w", "Ж");
    YES("\\w", "漢");
    NO("\\w", "×");
    NO("\\w", "–");
    NO("\\W", "ä");
    YES("\\W", "-");
    YES("\\W", "\xe2\x80\x93");
    YES("\\s\\s\\s\\s\\s\\s", " \t\n\r\f\v");
    YES("\\s", "\xc2\xa0");
    YES("\\s", "\xe3\x80\x80");
    NO("\\s", "\xe2\x80\x8b"); /* zero width */
    NO("\\S", " ");
    NO("\\S", "\xc2\xa0");
    YES("\\S", "x");
    NO("\\d", "");
    NO("\\D", "");
}

static void classes_inside_sets(void) {
    YES("[\\d]", "7");
    YES("[\\da-f]", "C");
    YES("[\\d-]", "-");
    YES("[x\\s]", "\t");
    YES("[x\\s]", "\xc2\xa0");
    NO("[^\\d]", "7");
    NO("[^\\d]", "٣");
    YES("[^\\d]", "x");
    YES("[\\D]", "x");
    NO("[\\D]", "7");
    YES("[\\D7]", "7");
    YES("[\\w\\W]", "\n");
    NO("[^\\w\\W]", "\n");
    YES("[\\W\\d]", "5");
    YES("[\\W\\d]", "–");
    NO("[\\W\\d]", "ä");
    NO("[^\\W]", "–");
    YES("[^\\W]", "ä");
    YES("[^\\W\\d_]", "я");
    NO("[^\\W\\d_]", "_");
}

static void word_edges(void) {
    YES("\\busb\\b", "usb hub");
    YES("usb\\b", "usb");
    YES("usb\\b", "usb-3");
    NO("usb\\b", "usb3");
    NO("usb\\b", "usb_");
    NO("usb\\b", "usbä");
    YES("ä\\b", "ä–");
    YES("usb\\B", "usb3");
    NO("usb\\B", "usb");
    YES("-\\b", "-a");
    NO("-\\b", "--");
    YES("-\\B", "--");
    YES("\\B-", "-");
    NO("\\b", "");
    NO("\\B", ""); /* as in Python before 3.14 */
    NO("\\b", " a");
    YES("\\B", " a");
    YES(".*\\bmouse\\b", "optical mouse, 3 buttons");
    NO(".*\\bmouse\\b", "dormouses");
}

static void anchors(void) {
    YES("^abc", "abc");
    NO("a^b", "ab");
    YES("(^a|b)c", "ac");
    NO("a\\Ab", "ab");
    YES("\\Aab", "ab");
    YES("abc$", "abc");
    YES("abc$", "abc\n");
    NO("abc$", "abc\n\n");
    NO("abc$", "abc\nd");
    NO("abc$", "abcd");
    YES("abc\\Z", "abc");
    NO("abc\\Z", "abc\n");
    YES("abc\n\\Z", "abc\n");
    YES("abc$\n", "abc\n");
    NO("abc\n^", "abc\n");
    YES("$", "");
    YES("$", "\n");
    YES("^$", "");
    YES("^^a", "a");
    NO("$a", "a");
    YES("\\Z", "");
    NO("\\Z", "\n");
    NO("a$b", "ab");
}

static void repetition(void) {
    YES("ab*c", "ac");
    YES("ab*c", "abbbc");
    NO("ab+c", "ac");
    YES("ab+c", "abc");
    YES("ab+c", "abbc");
    YES("ab?c", "ac");
    YES("ab?c", "abc");
    NO("ab?c", "abbc");
    YES("a*a*a*$", "aaaa");
    YES("(ab)*c", "ababc");
    NO("(ab)*c", "abac");
    YES("(ab)+$", "abab");
    NO("(ab)+$", "aba");
    YES("[ab]*$", "abba");
    YES("\\d+-\\d+$", "12-345");
    YES("(a|bc)*d", "abcabcd");
    YES("(?:a+b)+c", "aabaaabc");
    YES("(a*)*$", "aaa");
    YES("(a*)+b", "b");
    YES("()*a", "a");
    YES("()+a", "a");
    YES("(|a)+b", "aab");
    YES("(a?)?b", "b");
}

static void counted_repetition(void) {
    YES("a{3}$", "aaa");
    NO("a{3}$", "aa");
    NO("a{3}$", "aaaa");
    YES("a{2,}$", "aa");
    YES("a{2,}$", "aaaaa");
    NO("a{2,}$", "a");
    YES("a{1,}$", "a");
    YES("a{0,}$", "");
    YES("a{,2}$", "");
    YES("a{,2}$", "aa");
    NO("a{,2}$", "aaa");
    YES("a{2,4}$", "aa");
    YES("a{2,4}$", "aaaa");
    NO("a{2,4}$", "a");
    NO("a{2,4}$", "aaaaa");
    YES("a{,}$", "aaa");
    YES("a{0}b", "b");
    NO("a{0}b", "ab");
    YES("a{0,0}b", "b");
    YES("a{1}b", "ab");
    YES("a{0,1}b", "b");
    YES("(a|b){2}c", "bac");
    NO("(a|b){2}c", "bc");
    YES("(ab|c){2,3}$", "cabc");
    NO("(ab|c){2,3}$", "cabcab");
    YES("(a{2}){2}$", "aaaa");
    NO("(a{2}){2}$", "aaa");
    YES("(a{1,2}){2,3}$", "aaaaaa");
    NO("(a{1,2}){2,3}$", "aaaaaaa");
    YES("(?:a*b){2}c", "aabbc");
    YES("(?:a|b{0}|c){3}$", "ca");
    YES("x{003}$", "xxx");
    YES("(x{0}|y)z", "yz");
    YES("(x|y{0})z", "z");
    YES("\\bx{0}a", "a");
}

static void lazy_forms_match_the_same_texts(void) {
    static const char *const both[][2] = {
        {"a*b", "a*?b"},       {"a+b", "a+?b"},       {"a?b", "a??b"},         {"a{2}b", "a{2}?b"},
        {"a{1,}b", "a{1,}?b"}, {"a{,2}b", "a{,2}?b"}, {"a{1,2}b", "a{1,2}?b"}, {"(a|b)*b", "(a|b)*?b"},
    };
    static const char *const texts[] = {"", "b", "ab", "aab", "aaab", "a", "ba", "bb"};
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++)
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            CHECK_INT(matches(both[i][1], texts[k]), matches(both[i][0], texts[k]));
}

static void braces_that_are_no_repetition_stand_for_themselves(void) {
    YES("a{", "a{");
    YES("a{}", "a{}");
    YES("a{x}", "a{x}");
    NO("a{x}", "a");
    YES("{2", "{2");
    YES("a{2", "a{2");
    YES("a{2,", "a{2,");
    YES("a{2,3", "a{2,3");
    YES("a{2;3}", "a{2;3}");
    YES("a{ 2}", "a{ 2}");
    YES("a{-1}", "a{-1}");
    YES("a{1,2,3}", "a{1,2,3}");
    YES("{", "{");
    YES("}", "}");
    YES("{}", "{}");
    YES("{x}*$", "{x}}}");
    YES("a{{2}$", "a{{");
    YES("a*{$", "aa{");
    YES("a+{,x}", "aa{,x}");
    YES("(|{)a", "{a");
}

static void alternatives(void) {
    YES("a|b", "a");
    YES("a|b", "b");
    NO("a|b", "c");
    YES("ab|cd|ef", "ef");
    YES("ab|cd|ef", "cd");
    NO("ab|cd|ef", "ad");
    YES("a|", "x");
    YES("|a", "x");
    YES("|", "");
    YES("||", "");
    YES("a(|b)c", "ac");
    YES("a(b|)c", "abc");
    YES("a(|b|)c", "abc");
    NO("a(|b)c", "abbc");
    YES("a()c", "ac");
    YES("^a|b", "b");
    YES("a$|b", "bc");
    NO("a$|b", "ac");
    YES("x(a|b|c|d)+y", "xdcbay");
    YES("a*|b", "");
    YES("(a|ab)(c|bcd)$", "abcd");
}

static void groups(void) {
    YES("(a)(b)(c)", "abc");
    YES("(?:ab)c", "abc");
    YES("(?P<name>ab)+c", "ababc");
    YES("(?P<n>a)|(?P<m>b)", "b");
    YES("((a|b)c)+$", "acbc");
    YES("(((((a)))))", "a");
    YES("((a|(b|c))|d)e", "ce");
    YES("(?:(?:a|b)|(?:c))d", "cd");
    YES("(?:a(?:b(?:c|d)){2}|e)f", "abcbdf");
    YES("(?i)ab", "AB");
    YES("(?i)", "");
    YES("(?i)^a", "A");
}

static void escapes(void) {
    YES("\\.", ".");
    NO("\\.", "a");
    YES("\\\\\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\^\\$\\/\\-\\ \\_", "\\*+?()[]{}|^$/- _");
    YES("\\x41", "a");
    YES("\\x6A", "J");
    YES("\\xe4", "Ä");
    YES("\\u00e4", "ä");
    YES("\\u20AC", "€");
    YES("\\U0001f600", "\xf0\x9f\x98\x80");
    YES("\\n\\t\\r\\a\\f\\v", "\n\t\r\a\f\v");
    YES("[\\b]", "\b");
    NO("[\\b]", "b");
    YES("[\\x41-\\x43]", "b");
    YES("[\\n]", "\n");
    YES("\\101", "a");
    YES("\\0101", "\b1");
    CHECK(matches_bytes("\\0", "", 1));
    CHECK(matches_bytes("\\08",
                        "\0"
                        "8",
                        2));
    CHECK(matches_bytes("[\\0]", "", 1));
    YES("\\377", "ÿ");
    YES("\\ä", "Ä");
    CHECK(!matches("\\ud800", "a")); /* accepted, but no text holds it */
}

static void a_pattern_may_hold_nul_bytes(void) {
    regex_pool_reset(&pool);
    CHECK(compile("a\0b", 3));
    CHECK(regex_match(&pool, &re, "a\0b", 3));
    CHECK(!regex_match(&pool, &re, "ab", 2));
    CHECK(compile("\\\0", 2));
    CHECK(regex_match(&pool, &re, "", 1));
}

static void bytes_that_are_not_utf8_match_dot_and_negated_sets_only(void) {
    static const char *const bad[] = {"\xff", "\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        YES(".", bad[i]);
        YES("[^a]", bad[i]);
        YES("[^\\d]", bad[i]);
        YES("[^ä-ü]", bad[i]);
        NO("a", bad[i]);
        NO("\\w", bad[i]);
        NO("\\d", bad[i]);
        NO("\\s", bad[i]);
        NO("[\\x01-\\U0010ffff]", bad[i]);
        NO("\xef\xbf\xbd", bad[i]);
    }
    YES("a..b$", "a\xff\xfe"
                 "b");
    NO("a.b", "a\xff\xfe"
              "b");
    YES("..$", "\xe2\x82"); /* each byte of a sequence cut short */
    YES("..a$", "\xe2\x82"
                "a");
    YES("a\\b", "a\xff");
    NO("\\b.", "\xff");
}

static void a_class_is_negated_alike_in_both_spellings(void) {
    CHECK_INT(matches("\\D", "\xff"), matches("[^\\d]", "\xff"));
    CHECK_INT(matches("\\W", "\xff"), matches("[^\\w]", "\xff"));
    CHECK_INT(matches("\\S", "\xff"), matches("[^\\s]", "\xff"));
}

/* ---- what is refused, and where ---- */

static void refused_bytes(const char *pattern, size_t len, size_t at, const char *why) {
    err = (struct regex_error){.at = 9999, .why = ""};
    if (compile(pattern, len)) {
        test_ok = false;
        printf("# \"%s\" is accepted\n", pattern);
        return;
    }
    if (err.at != at || strstr(err.why, why) == NULL) {
        test_ok = false;
        printf("# \"%s\": %zu \"%s\", not %zu \"%s\"\n", pattern, err.at, err.why, at, why);
    }
}

static void refused(const char *pattern, size_t at, const char *why) {
    refused_bytes(pattern, strlen(pattern), at, why);
}

static void what_linear_time_cannot_do_is_refused(void) {
    refused("(?=a)", 0, "look-around is not supported");
    refused("ab(?!a)", 2, "look-around is not supported");
    refused("(a)(?<=a)", 3, "look-around is not supported");
    refused("ä(?<!a)", 2, "look-around is not supported");
    refused("(a)\\1", 3, "back references are not supported");
    refused("(a)\\9", 3, "back references are not supported");
    refused("(a)\\12", 3, "back references are not supported");
    refused("\\8", 0, "back references are not supported");
    refused("(?P=n)", 0, "this kind of (?...) is not supported");
    refused("a*+", 1, "possessive quantifiers are not supported");
    refused("xa++", 2, "possessive quantifiers are not supported");
    refused("a?+", 1, "possessive quantifiers are not supported");
    refused("a{2}+", 1, "possessive quantifiers are not supported");
    refused("(?>a)", 0, "this kind of (?...) is not supported");
}

static void other_flags_and_extensions_are_refused(void) {
    refused("(?m)a", 0, "this kind of (?...) is not supported");
    refused("(?x)a", 0, "this kind of (?...) is not supported");
    refused("(?s).", 0, "this kind of (?...) is not supported");
    refused("(?im)a", 0, "this kind of (?...) is not supported");
    refused("(?-i:a)", 0, "this kind of (?...) is not supported");
    refused("(?i:a)", 0, "this kind of (?...) is not supported");
    refused("a(?i)", 1, "this kind of (?...) is not supported");
    refused("(?:(?i)a)", 3, "this kind of (?...) is not supported");
    refused("(?#x)", 0, "this kind of (?...) is not supported");
    refused("(?(1)a|b)", 0, "this kind of (?...) is not supported");
    refused("a(?", 1, "this kind of (?...) is not supported");
    refused("(?P", 0, "this kind of (?...) is not supported");
    refused("(?i", 0, "this kind of (?...) is not supported");
    refused("(?P<a", 0, "without a name or its >");
    refused("(?P<>a)", 0, "without a name or its >");
    refused("b(?P<n)", 1, "without a name or its >");
    refused("b(?P<n)>a)", 6, "in the name of a group");
    refused("(?P<1x>a)", 4, "in the name of a group");
    refused("(?P<x-y>a)", 5, "in the name of a group");
    refused("(?P<a b>a)", 5, "in the name of a group");
    refused("(?P<n>a)(?P<m>b)(?P<n>c)", 20, "another group has this name");
}

static void misplaced_quantifiers_are_refused(void) {
    refused("*", 0, "nothing to repeat");
    refused("+a", 0, "nothing to repeat");
    refused("?", 0, "nothing to repeat");
    refused("{2}", 0, "nothing to repeat");
    refused("{,}", 0, "nothing to repeat");
    refused("a|*", 2, "nothing to repeat");
    refused("(*a)", 1, "nothing to repeat");
    refused("(?:+a)", 3, "nothing to repeat");
    refused("(?P<n>?)", 6, "nothing to repeat");
    refused("(?i)*", 4, "nothing to repeat");
    refused("^*", 1, "nothing to repeat");
    refused("a$+", 2, "nothing to repeat");
    refused("\\b*", 2, "nothing to repeat");
    refused("\\B?", 2, "nothing to repeat");
    refused("\\A{2}", 2, "nothing to repeat");
    refused("\\Z*", 2, "nothing to repeat");
    refused("a**", 2, "a second quantifier");
    refused("a*{2}", 2, "a second quantifier");
    refused("a{2}{3}", 4, "a second quantifier");
    refused("a{2}*", 4, "a second quantifier");
    refused("a*?*", 3, "a second quantifier");
    refused("a???", 3, "a second quantifier");
    refused("(a)+?+", 5, "a second quantifier");
    refused("a{3,2}", 1, "the least number is above the greatest");
    refused("ab{1,0}", 2, "the least number is above the greatest");
}

static void brackets_without_their_partner_are_refused(void) {
    refused("(", 0, "( without )");
    refused("a(b", 1, "( without )");
    refused("((a)", 0, "( without )");
    refused("(a)(b(c)", 3, "( without )");
    refused("(a|", 0, "( without )");
    refused("(?:", 0, "( without )");
    refused(")", 0, ") without (");
    refused("(a))", 3, ") without (");
    refused("a|b)", 3, ") without (");
    refused("[", 0, "[ without ]");
    refused("a[b", 1, "[ without ]");
    refused("[]", 0, "[ without ]");
    refused("[^]", 0, "[ without ]");
    refused("[^", 0, "[ without ]");
    refused("ab[]-", 2, "[ without ]");
    refused("[a-", 0, "[ without ]");
    refused("[a\\]", 0, "[ without ]");
    refused("([)]", 0, "( without )");
}

static void bad_escapes_are_refused(void) {
    refused("\\", 0, "nothing after the backslash");
    refused("ab\\", 2, "nothing after the backslash");
    refused("[\\", 1, "nothing after the backslash");
    refused("[a-\\", 3, "nothing after the backslash");
    refused("\\q", 0, "unknown escape");
    refused("a\\z", 1, "unknown escape");
    refused("\\G", 0, "unknown escape");
    refused("\\N{DASH}", 0, "unknown escape");
    refused("[\\A]", 1, "unknown escape");
    refused("[\\B]", 1, "unknown escape");
    refused("[\\Z]", 1, "unknown escape");
    refused("[a\\q]", 2, "unknown escape");
    refused("\\x", 0, "incomplete or impossible escape");
    refused("a\\x4", 1, "incomplete or impossible escape");
    refused("\\xg0", 0, "incomplete or impossible escape");
    refused("\\x 1", 0, "incomplete or impossible escape");
    refused("\\u00e", 0, "incomplete or impossible escape");
    refused("\\U0010fff", 0, "incomplete or impossible escape");
    refused("\\U00110000", 0, "incomplete or impossible escape");
    refused("[\\x4]", 1, "incomplete or impossible escape");
    refused("a\\400", 1, "octal escape above \\377");
    refused("[\\777]", 1, "octal escape above \\377");
}

static void bad_ranges_are_refused(void) {
    refused("[b-a]", 1, "the range runs backwards");
    refused("x[aö-ä]", 3, "the range runs backwards");
    refused("[\\x42-\\x41]", 1, "the range runs backwards");
    refused("[\\d-z]", 1, "a range needs a character at both ends");
    refused("[a-\\d]", 1, "a range needs a character at both ends");
    refused("[xa-\\W]", 2, "a range needs a character at both ends");
    refused("[äöüßéèêëñ]", 17, "too many ranges beyond ASCII");
    YES("[äöüßéèêë]", "ë");
}

static void invalid_utf8_is_refused(void) {
    refused("\xff", 0, "not valid UTF-8");
    refused("ab\xc3", 2, "not valid UTF-8");
    refused("\xc0\x80", 0, "not valid UTF-8");
    refused("a\xed\xa0\x80", 1, "not valid UTF-8");
    refused("[\x80]", 1, "not valid UTF-8");
    refused("[a-\xc3]", 3, "not valid UTF-8");
    refused("\\\xe2\x82", 1, "not valid UTF-8");
    refused_bytes("\xc3\xa4", 1, 0, "not valid UTF-8");
}

static void patterns_too_large_are_refused(void) {
    static char text[VH_REGEX_PROG_MAX];
    static const char too_large[] = "the pattern is too large once its {m,n} are written out";
    refused("a{1025}", 1, too_large);
    refused("a{1,1025}", 1, too_large);
    refused("a{99999999999999999999999999}", 1, too_large);
    refused("a{4294967297}", 1, too_large);
    refused("a{,4294967295}", 1, too_large);
    refused("((a{1000}){1000})", 16, too_large);
    refused("((((a{10}){10}){10}){10}){10}", 24, too_large);
    refused("a{1024}", 7, too_large);
    memset(text, 'a', VH_REGEX_PATTERN_MAX + 1);
    refused_bytes(text, VH_REGEX_PATTERN_MAX + 1, 0, "the pattern is too long");
    regex_pool_reset(&pool);
    CHECK(compile(text, VH_REGEX_PATTERN_MAX));
    CHECK(regex_match(&pool, &re, text, VH_REGEX_PATTERN_MAX));
    CHECK(!regex_match(&pool, &re, text, VH_REGEX_PATTERN_MAX - 1));
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    YES("a{1023}", text); /* one instruction is left for the end */
    text[sizeof text - 2] = '\0';
    NO("a{1023}", text);
}

static void groups_nest_63_deep_and_no_deeper(void) {
    char text[130];
    regex_pool_reset(&pool);
    memset(text, '(', 63);
    text[63] = 'a';
    memset(text + 64, ')', 63);
    CHECK(compile(text, 127));
    CHECK(regex_match(&pool, &re, "A", 1));
    CHECK(!regex_match(&pool, &re, "b", 1));
    memset(text, '(', 64);
    text[64] = 'a';
    memset(text + 65, ')', 64);
    refused_bytes(text, 129, 63, "too many groups within groups");
    refused_bytes(text, 64, 63, "too many groups within groups");
}

/* ---- the pool ---- */

static void an_error_leaves_the_pool_as_it_was(void) {
    static const char *const bad[] = {"[a-z][0-9](", "(a[x]|[y]", "[q]**",   "[r]{2000}",
                                      "[s]\\1",      "[t][u",     "[v]\xff", "[w])"};
    regex_pool_reset(&pool);
    CHECK(compile("ab[c-d]", 7));
    struct regex first = re;
    uint32_t ninst = pool.ninst, nsets = pool.nsets;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        re = (struct regex){.first = 77, .count = 88};
        CHECK(!compile(bad[i], strlen(bad[i])));
        CHECK(pool.ninst == ninst && pool.nsets == nsets);
        CHECK(re.first == 77 && re.count == 88);
        CHECK(regex_match(&pool, &first, "abd", 3) && !regex_match(&pool, &first, "abe", 3));
    }
    CHECK(compile("[e-f]", 5));
    CHECK(re.first == ninst && pool.nsets == nsets + 1);
    CHECK(regex_match(&pool, &re, "e", 1) && !regex_match(&pool, &re, "d", 1));
    CHECK(regex_match(&pool, &first, "abc", 3));
}

static void equal_sets_are_shared(void) {
    regex_pool_reset(&pool);
    CHECK(compile("[abc][abc]", 10));
    CHECK_INT(pool.nsets, 1);
    CHECK(compile("[cba]", 5) && pool.nsets == 1);
    CHECK(compile("[A-C]x[a-c]", 11) && pool.nsets == 1);
    CHECK(compile("\\d[\\d]", 6) && pool.nsets == 2);
    CHECK(compile("[^abc]", 6) && pool.nsets == 3);
    CHECK(compile("[abc]{100}", 10) && pool.nsets == 3);
    CHECK(compile("[ä]", 4) && pool.nsets == 4);
    CHECK(compile("[ä-ä]", 7) && pool.nsets == 4);
}

static void many_patterns_live_side_by_side(void) {
    static struct regex many[200];
    regex_pool_reset(&pool);
    for (int i = 0; i < 200; i++) {
        char pattern[32];
        snprintf(pattern, sizeof pattern, "(x|n)%d(y|[z])?$", i);
        CHECK(compile(pattern, strlen(pattern)));
        many[i] = re;
    }
    for (int i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "N%dZ", i);
        for (int k = 0; k < 200; k++)
            CHECK(regex_match(&pool, &many[k], text, strlen(text)) == (i == k));
    }
}

static void a_full_pool_refuses_and_keeps_what_it_has(void) {
    int n = 0;
    regex_pool_reset(&pool);
    CHECK(compile("first", 5));
    struct regex first = re;
    while (compile("a{1000}b", 8))
        n++;
    CHECK_INT(n, (VH_REGEX_POOL - 6) / 1002);
    CHECK(strstr(err.why, "all patterns together are too large") != NULL);
    while (compile("c", 1)) /* to the last instruction */
        n++;
    CHECK_INT(pool.ninst, VH_REGEX_POOL);
    refused("c", 1, "all patterns together are too large");
    refused("", 0, "all patterns together are too large");
    refused("(", 0, "( without )");
    refused("[c]", 3, "all patterns together are too large");
    CHECK(pool.ninst == VH_REGEX_POOL && pool.nsets == 0);
    CHECK(regex_match(&pool, &first, "first", 5) && regex_match(&pool, &re, "c", 1));
}

static void sets_run_out_too(void) {
    char pattern[32];
    regex_pool_reset(&pool);
    for (unsigned i = 0; i < VH_REGEX_SETS; i++) {
        snprintf(pattern, sizeof pattern, "[\\U%08x]", 0x4e00 + i);
        CHECK(compile(pattern, strlen(pattern)));
    }
    CHECK_INT(pool.nsets, VH_REGEX_SETS);
    uint32_t ninst = pool.ninst;
    refused("a[b]", 1, "all patterns together have too many character sets");
    CHECK(pool.ninst == ninst && pool.nsets == VH_REGEX_SETS);
    CHECK(compile("[\\u4e00]", 8)); /* one that is there */
    CHECK(regex_match(&pool, &re, "一", 3) && !regex_match(&pool, &re, "丁", 3));
}

/* ---- time ---- */

/* Where a matcher tries one way after the other these do not end. */
static void patterns_that_explode_elsewhere_end(void) {
    static const char *const patterns[] = {
        "(a*)*b",
        "(a|a)*b",
        "(a+)+b",
        "(a|aa)+b",
        "(.*a){50}b",
        "(a?){300}a{300}b",
        "((a{1,6}){1,6}){1,6}b",
        "(a*?)*?b",
        "(|a)*b",
        "(.*)*.*.*.*b",
        "([aA]|.|\\w|[^b])+b",
    };
    static char text[10002];
    memset(text, 'a', 10000);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        text[10000] = '\0';
        NO(patterns[i], text);
        text[10000] = 'b';
        bool bounded = strchr(patterns[i], '{') != NULL && patterns[i][1] != '.';
        CHECK_INT(matches(patterns[i], text), !bounded);
    }
    text[600] = '\0';
    YES("(a?){300}a{300}$", text);
    text[300] = '\0';
    YES("(a?){300}a{300}$", text);
    text[299] = '\0';
    NO("(a?){300}a{300}$", text);
}

/* ---- the table of characters ---- */

static void folding_is_stable(void) {
    for (uint32_t c = 0; c <= 0x110000; c++) {
        uint32_t small = unicode_fold(c), capital = unicode_upper(c);
        if (unicode_fold(small) != small || unicode_upper(capital) != capital || unicode_fold(capital) != small) {
            test_ok = false;
            printf("# U+%04x: small %04x, capital %04x\n", (unsigned)c, (unsigned)small, (unsigned)capital);
        }
    }
    CHECK(unicode_fold(CHARS_INVALID) == CHARS_INVALID && unicode_upper(CHARS_INVALID) == CHARS_INVALID);
}

static void classes_do_not_contradict_each_other(void) {
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        bool cased = unicode_fold(c) != c || unicode_upper(c) != c;
        bool word = unicode_is_word(c), digit = unicode_is_digit(c), space = unicode_is_space(c);
        if ((cased && (!word || digit)) || (digit && !word) || (space && word)) {
            test_ok = false;
            printf("# U+%04x: case %d, word %d, digit %d, space %d\n", (unsigned)c, cased, word, digit, space);
        }
    }
    CHECK(!unicode_is_word(CHARS_INVALID) && !unicode_is_digit(CHARS_INVALID) && !unicode_is_space(CHARS_INVALID));
}

int main(void) {
    RUN(literals_match_a_prefix_and_only_from_the_start);
    RUN(case_is_ignored_in_ascii);
    RUN(case_is_ignored_beyond_ascii);
    RUN(a_capital_sharp_s_is_left_alone);
    RUN(kelvin_sign_and_long_s_are_k_and_s);
    RUN(second_capitals_in_sets_are_the_letter_too);
    RUN(dot_is_any_character_but_a_line_feed);
    RUN(sets);
    RUN(negated_sets);
    RUN(case_goes_with_every_character_of_a_range);
    RUN(digits_words_and_spaces);
    RUN(classes_inside_sets);
    RUN(word_edges);
    RUN(anchors);
    RUN(repetition);
    RUN(counted_repetition);
    RUN(lazy_forms_match_the_same_texts);
    RUN(braces_that_are_no_repetition_stand_for_themselves);
    RUN(alternatives);
    RUN(groups);
    RUN(escapes);
    RUN(a_pattern_may_hold_nul_bytes);
    RUN(bytes_that_are_not_utf8_match_dot_and_negated_sets_only);
    RUN(a_class_is_negated_alike_in_both_spellings);
    RUN(what_linear_time_cannot_do_is_refused);
    RUN(other_flags_and_extensions_are_refused);
    RUN(misplaced_quantifiers_are_refused);
    RUN(brackets_without_their_partner_are_refused);
    RUN(bad_escapes_are_refused);
    RUN(bad_ranges_are_refused);
    RUN(invalid_utf8_is_refused);
    RUN(patterns_too_large_are_refused);
    RUN(groups_nest_63_deep_and_no_deeper);
    RUN(an_error_leaves_the_pool_as_it_was);
    RUN(equal_sets_are_shared);
    RUN(many_patterns_live_side_by_side);
    RUN(a_full_pool_refuses_and_keeps_what_it_has);
    RUN(sets_run_out_too);
    RUN(patterns_that_explode_elsewhere_end);
    RUN(folding_is_stable);
    RUN(classes_do_not_contradict_each_other);
    TEST_MAIN_END;
}
