/*
 * test_regex_room.c - regex_compile.c at the bound of one pattern: for each construct, a pattern of the greatest size
 * is right, and one instruction more is refused and leaves nothing behind.
 */
#include "base/limits.h"
#include "codec/regex.h"
#include "test.h"

static struct regex_pool pool;

/* A pattern of n instructions before the last, OP_MATCH, and a tail. */
static bool compile(int n, const char *tail, struct regex *re, struct regex_error *err) {
    char pattern[VH_REGEX_PATTERN_MAX];
    int len = snprintf(pattern, sizeof pattern, "a{%d}%s", n, tail);
    return regex_compile(&pool, re, pattern, (size_t)len, err);
}

/* The tails, and what they add to the program. */
static const struct {
    const char *tail;
    int costs;
    const char *also; /* behind the a's: what it matches */
} tails[] = {
    {"", 0, ""},      {"b", 1, "b"},       {"b?", 2, ""},     {"b*", 3, "bb"},     {"b+", 2, "bb"},
    {"|b", 3, ""},    {"(?:b|c)", 4, "c"}, {"b{2}", 2, "bb"}, {"b{0,2}", 4, "b"},  {"b{1,3}", 5, "bbb"},
    {"[bc]", 1, "c"}, {"\\\\", 1, "\\"},   {".", 1, "x"},     {"b{2,}", 3, "bbb"}, {"$", 1, ""},
};

static void the_last_instruction_counts(void) {
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        int most = VH_REGEX_PROG_MAX - 1 - tails[i].costs;
        static char text[VH_REGEX_PROG_MAX + 16];
        struct regex re;
        struct regex_error err = {.why = ""};
        regex_pool_reset(&pool);
        CHECK(compile(most, tails[i].tail, &re, &err));
        CHECK_INT(re.count, VH_REGEX_PROG_MAX);
        memset(text, 'a', (size_t)most);
        strcpy(text + most, tails[i].also);
        CHECK(regex_match(&pool, &re, text, strlen(text)));
        CHECK(!regex_match(&pool, &re, text + strlen(tails[i].also) + 1, (size_t)most - 1));
        for (int over = 1; over <= tails[i].costs + 1; over++) { /* each of its instructions is the one too many */
            uint32_t used = pool.ninst;
            CHECK(!compile(most + over, tails[i].tail, &re, &err));
            CHECK_STR(err.why, "the pattern is too large once its {m,n} are written out");
            CHECK_INT(pool.ninst, used);
        }
    }
}

int main(void) {
    RUN(the_last_instruction_counts);
    TEST_MAIN_END;
}
