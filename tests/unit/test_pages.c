/*
 * test_pages.c - pages.c: pages of zeros go back to the kernel, others stay; a call that fails costs memory and nothing
 * else.
 */
#include "base/log.h"
#include "fault.h"
#include "os/pages.h"
#include "test.h"

#include <stdint.h>

/* pages.c compares whole pages, with what the sanitizer lays between variables. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "intercept_memcmp=0";
}

enum { PAGES = 700, PAGE_MAX = 65536 };

static _Alignas(PAGE_MAX) char table[PAGES * 4096]; /* without an initializer: of the part that is looked at */

static size_t page(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static int resident(const char *p, size_t size) {
    static unsigned char map[PAGES];
    int n = 0;
    CHECK(__real_mincore((void *)(uintptr_t)p, size, map) == 0);
    for (size_t i = 0; i < size / page(); i++)
        n += map[i] & 1;
    return n;
}

static void what_is_zero_goes_back_and_the_rest_stays(void) {
    memset(table, 0, sizeof table);
    table[0] = 1; /* differs in its first byte */
    table[10 * page() + 5] = 2;
    table[sizeof table - 1] = 3;
    int before = resident(table, sizeof table);
    pages_keep_small();
    CHECK(resident(table, sizeof table) < before);
    CHECK(table[0] == 1 && table[10 * page() + 5] == 2 && table[sizeof table - 1] == 3 && table[page()] == 0);
}

static void a_call_that_fails_costs_memory_alone(void) {
    log_open("test", LOG_DEBUG);
    memset(table, 0, sizeof table);
    table[0] = 1;
    int before = resident(table, sizeof table);
    fail_call("prctl", 1, EINVAL); /* a kernel without huge pages */
    fail_call("mincore", 0, ENOMEM);
    pages_keep_small();
    CHECK(all_failed());
    CHECK(was_said("huge pages stay on"));
    CHECK_INT(resident(table, sizeof table), before);
    heal();
    fail_call("madvise", 0, EINVAL);
    pages_keep_small();
    pages_give_back(table, sizeof table);
    CHECK(all_failed());
    heal();
    CHECK_INT(table[0], 1);
}

static void only_whole_pages_are_given_back(void) {
    memset(table, 7, sizeof table);
    pages_give_back(table + 1, 2 * page()); /* one whole page is within */
    CHECK(table[page() - 1] == 7 && table[page()] == 0 && table[2 * page() - 1] == 0 && table[2 * page()] == 7);
    pages_give_back(table + 3 * page() + 1, page()); /* none */
    pages_give_back(table + 3 * page() + 1, 1);
    pages_give_back(table + 3 * page(), 0);
    CHECK(table[3 * page()] == 7 && table[4 * page() - 1] == 7 && table[4 * page()] == 7);
}

enum { DEEP = 16 }; /* pages */

static __attribute__((noinline)) void go_deep(uintptr_t *end) {
    volatile char deep[65536];
    for (size_t i = 0; i < sizeof deep; i += 64)
        deep[i] = 1;
    *end = (uintptr_t)deep;
}

/* The first `DEEP` pages that whoever calls this does not use. */
static int resident_below(uintptr_t frame) {
    uintptr_t end = frame / page() * page() - 2 * page();
    return resident((const char *)end - DEEP * page(), DEEP * page());
}

static void the_stack_of_deeper_calls_is_given_back(void) {
    char mine[64] = "kept";
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0), deep = 0;
    go_deep(&deep);
    if (deep < frame && frame - deep < (DEEP + 4) * 4096) /* else the sanitizer keeps such frames elsewhere */
        CHECK(resident_below(frame) > DEEP / 2);
    pages_give_back_stack();
    CHECK(resident_below(frame) < DEEP / 2);
    CHECK_STR(mine, "kept");
}

int main(void) {
    RUN(what_is_zero_goes_back_and_the_rest_stays);
    RUN(a_call_that_fails_costs_memory_alone);
    RUN(only_whole_pages_are_given_back);
    RUN(the_stack_of_deeper_calls_is_given_back);
    TEST_MAIN_END;
}
