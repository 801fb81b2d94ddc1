/*
 * test_linebuf.c - linebuf.c: lines whole and in pieces, the longest line, overlong lines reported once and skipped,
 * and random pieces against a plain reading of the same bytes.
 */
#include "codec/linebuf.h"
#include "test.h"

#include <stdint.h>
#include <stdlib.h>

static struct linebuf lb;
static char *storage; /* of exactly the capacity: a byte too many is seen */

static void fresh(size_t cap) {
    free(storage);
    storage = malloc(cap);
    if (storage == NULL)
        exit(1);
    memset(storage, '?', cap);
    linebuf_init(&lb, storage, cap);
}

/* Gives bytes as far as there is room; how many. */
static size_t give_bytes(const char *s, size_t n) {
    size_t room = 0;
    char *p = linebuf_space(&lb, &room);
    if (n > room)
        n = room;
    memcpy(p, s, n);
    linebuf_added(&lb, n);
    return n;
}

static void give(const char *s) {
    CHECK_INT(give_bytes(s, strlen(s)), strlen(s));
}

static bool next_is(const char *expected) {
    char *line = NULL;
    size_t len = 0;
    return linebuf_next(&lb, &line, &len) == LINE_OK && len == strlen(expected) && memcmp(line, expected, len) == 0;
}

static enum line_result next(void) {
    char *line = NULL;
    size_t len = 0;
    return linebuf_next(&lb, &line, &len);
}

static void lines_of_one_chunk(void) {
    fresh(64);
    CHECK(linebuf_empty(&lb) && next() == LINE_NONE);
    give("one\ntwo\nthree\n");
    CHECK(!linebuf_empty(&lb));
    CHECK(next_is("one") && next_is("two") && next_is("three"));
    CHECK(next() == LINE_NONE && linebuf_empty(&lb));
    CHECK(next() == LINE_NONE);
}

static void a_line_in_pieces(void) {
    fresh(64);
    give("on");
    CHECK(next() == LINE_NONE && !linebuf_empty(&lb));
    give("e");
    CHECK(next() == LINE_NONE);
    give("\ntw");
    CHECK(next_is("one") && next() == LINE_NONE);
    give("o");
    give("\n");
    CHECK(next_is("two") && next() == LINE_NONE && linebuf_empty(&lb));
}

/* Else a long line that comes byte by byte costs its square. */
static void no_byte_is_looked_at_twice(void) {
    fresh(64);
    give("abc");
    CHECK(next() == LINE_NONE);
    storage[1] = '\n';
    CHECK(next() == LINE_NONE);
    give("d\n");
    CHECK(next_is("a\ncd") && next() == LINE_NONE);
}

static void empty_lines(void) {
    fresh(8);
    give("\n\na\n\n");
    CHECK(next_is("") && next_is("") && next_is("a") && next_is("") && next() == LINE_NONE);
}

static void one_carriage_return_before_the_newline_goes(void) {
    fresh(64);
    give("a\r\n\r\nb\r\r\nc\rd\n\re\n");
    CHECK(next_is("a") && next_is("") && next_is("b\r") && next_is("c\rd") && next_is("\re"));
    CHECK(next() == LINE_NONE);
    give("x\r");
    CHECK(next() == LINE_NONE);
    give("\n");
    CHECK(next_is("x"));
}

static void bytes_are_taken_as_they_are(void) {
    char *line = NULL;
    size_t len = 0;
    fresh(64);
    CHECK_INT(give_bytes("a\0b\xff\n", 5), 5);
    CHECK(linebuf_next(&lb, &line, &len) == LINE_OK && len == 4 && memcmp(line, "a\0b\xff", 4) == 0);
}

static void the_longest_line_fits(void) {
    fresh(8);
    give("1234567\n");
    CHECK(next_is("1234567") && next() == LINE_NONE);
    give("123456\r\n");
    CHECK(next_is("123456"));
    give("1234567");
    CHECK(next() == LINE_NONE);
    give("\n");
    CHECK(next_is("1234567") && linebuf_empty(&lb));
    fresh(2);
    give("a\n");
    CHECK(next_is("a"));
    give("\n\n");
    CHECK(next_is("") && next_is(""));
}

static void a_longer_line_is_told_once_and_skipped(void) {
    fresh(8);
    give("12345678");
    CHECK(next() == LINE_TOO_LONG);
    CHECK(next() == LINE_NONE && !linebuf_empty(&lb));
    give("90abcdef");
    CHECK(next() == LINE_NONE);
    give("xyz");
    CHECK(next() == LINE_NONE);
    give("z\nok\n");
    CHECK(next_is("ok") && next() == LINE_NONE && linebuf_empty(&lb));
}

static void the_newline_alone_ends_a_skipped_line(void) {
    fresh(8);
    give("12345678");
    CHECK(next() == LINE_TOO_LONG);
    give("\n");
    CHECK(next() == LINE_NONE && linebuf_empty(&lb));
    give("a\n");
    CHECK(next_is("a"));
}

static void overlong_lines_follow_each_other(void) {
    fresh(4);
    for (int i = 0; i < 3; i++) {
        give("abcd");
        CHECK(next() == LINE_TOO_LONG && next() == LINE_NONE);
        give("e\n");
        CHECK(next() == LINE_NONE);
    }
    give("abc\n");
    CHECK(next_is("abc"));
}

static void kept_bytes_move_to_the_front(void) {
    fresh(8);
    give("ab\ncdefg");
    CHECK(next_is("ab") && next() == LINE_NONE);
    size_t room = 0;
    (void)linebuf_space(&lb, &room);
    CHECK_INT(room, 3);
    give("hi\n");
    CHECK(next_is("cdefghi"));
    give("ab\ncdefg");
    CHECK(next_is("ab") && next() == LINE_NONE);
    give("hij"); /* eight bytes now */
    CHECK(next() == LINE_TOO_LONG);
    give("k\nz\n");
    CHECK(next_is("z"));
}

static void unread_lines_move_too(void) {
    fresh(8);
    give("a\nb\nc\nd\n");
    CHECK(next_is("a"));
    CHECK_INT(give_bytes("e\n", 2), 2); /* full: the rest makes room */
    CHECK(next_is("b") && next_is("c") && next_is("d") && next_is("e") && next() == LINE_NONE);
}

static void it_goes_on_in_another_buffer(void) {
    char other[8];
    fresh(8);
    give("ab\ncd\nef");
    CHECK(next_is("ab"));
    linebuf_move(&lb, other);
    memset(storage, '?', 8);
    CHECK(next_is("cd") && next() == LINE_NONE);
    linebuf_move(&lb, storage);
    give("g\n");
    CHECK(next_is("efg") && linebuf_empty(&lb));
    give("12345678");
    CHECK(next() == LINE_TOO_LONG);
    linebuf_move(&lb, other);
    give("9\nz\n");
    CHECK(next_is("z")); /* it goes on skipping there */
}

/* ---- random chunks ---- */

static uint64_t seed = 1;

static uint32_t rnd(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* What the bytes mean: lines, one to each line of `out`, "#" for one of more than cap bytes. */
static size_t plain(const char *s, size_t n, size_t cap, char *out) {
    size_t used = 0, start = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\n')
            continue;
        size_t len = i - start;
        if (len + 1 > cap) {
            out[used++] = '#';
        } else {
            if (len > 0 && s[i - 1] == '\r')
                len--;
            memcpy(out + used, s + start, len);
            used += len;
        }
        out[used++] = '\n';
        start = i + 1;
    }
    if (n - start >= cap) {
        out[used++] = '#';
        out[used++] = '\n';
    }
    return used;
}

static void drain(char *out, size_t *used) {
    char *line = NULL;
    size_t len = 0;
    for (enum line_result r; (r = linebuf_next(&lb, &line, &len)) != LINE_NONE;) {
        if (r == LINE_TOO_LONG)
            out[(*used)++] = '#';
        else
            memcpy(out + *used, line, len);
        *used += r == LINE_OK ? len : 0;
        out[(*used)++] = '\n';
    }
}

static void chunks_do_not_matter(void) {
    static char text[2000], expected[4000], got[4000];
    for (int round = 0; round < 3000 && test_ok; round++) {
        size_t cap = 2 + rnd(20), n = rnd(sizeof text), used = 0;
        uint32_t density = 2 + rnd(30);
        for (size_t i = 0; i < n; i++)
            text[i] = rnd(density) == 0 ? '\n' : rnd(8) == 0 ? '\r' : (char)('a' + rnd(3));
        fresh(cap);
        for (size_t at = 0; at < n;) {
            size_t want = 1 + rnd(10);
            at += give_bytes(text + at, want < n - at ? want : n - at);
            drain(got, &used);
            size_t room = 0;
            (void)linebuf_space(&lb, &room);
            CHECK(room > 0);
        }
        size_t m = plain(text, n, cap, expected);
        CHECK(used == m && memcmp(got, expected, m) == 0);
    }
}

/* Nothing more comes: what is left is a line, but for the rest of an overlong one. */
static void the_last_line_needs_no_newline(void) {
    char *line = NULL;
    size_t len = 0;
    fresh(8);
    linebuf_finish(&lb);
    CHECK_INT(linebuf_next(&lb, &line, &len), LINE_NONE);
    for (size_t n = 1; n < 8; n++) { /* as long as it may be */
        size_t room = 0;
        memset(linebuf_space(&lb, &room), 'x', n);
        linebuf_added(&lb, n);
        CHECK_INT(linebuf_next(&lb, &line, &len), LINE_NONE);
        linebuf_finish(&lb);
        CHECK_INT(linebuf_next(&lb, &line, &len), LINE_OK);
        CHECK_INT(len, n);
        CHECK(linebuf_empty(&lb));
    }
    size_t room = 0;
    memset(linebuf_space(&lb, &room), 'x', 8);
    linebuf_added(&lb, 8);
    CHECK_INT(linebuf_next(&lb, &line, &len), LINE_TOO_LONG);
    linebuf_finish(&lb);
    CHECK_INT(linebuf_next(&lb, &line, &len), LINE_NONE);
    CHECK(linebuf_empty(&lb));
}

int main(void) {
    RUN(lines_of_one_chunk);
    RUN(a_line_in_pieces);
    RUN(no_byte_is_looked_at_twice);
    RUN(empty_lines);
    RUN(one_carriage_return_before_the_newline_goes);
    RUN(bytes_are_taken_as_they_are);
    RUN(the_longest_line_fits);
    RUN(a_longer_line_is_told_once_and_skipped);
    RUN(the_newline_alone_ends_a_skipped_line);
    RUN(overlong_lines_follow_each_other);
    RUN(kept_bytes_move_to_the_front);
    RUN(unread_lines_move_too);
    RUN(it_goes_on_in_another_buffer);
    RUN(the_last_line_needs_no_newline);
    RUN(chunks_do_not_matter);
    free(storage);
    TEST_MAIN_END;
}
