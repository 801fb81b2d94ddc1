/*
 * test.h - the unit tests' harness: one program a file, TAP on stdout, exit 1 if anything failed.
 */
#ifndef VHOTPLUG_TEST_H
#define VHOTPLUG_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

extern int test_count, test_failures;
extern bool test_ok; /* of the test that runs */

#define CHECK(e)                                             \
    do {                                                     \
        if (!(e)) {                                          \
            test_ok = false;                                 \
            printf("# %s:%d: %s\n", __FILE__, __LINE__, #e); \
        }                                                    \
    } while (0)

#define CHECK_STR(a, b)                                                            \
    do {                                                                           \
        const char *a_ = (a), *b_ = (b);                                           \
        if (strcmp(a_, b_) != 0) {                                                 \
            test_ok = false;                                                       \
            printf("# %s:%d: \"%s\" is not \"%s\"\n", __FILE__, __LINE__, a_, b_); \
        }                                                                          \
    } while (0)

#define CHECK_INT(a, b)                                                                \
    do {                                                                               \
        long long a_ = (long long)(a), b_ = (long long)(b);                            \
        if (a_ != b_) {                                                                \
            test_ok = false;                                                           \
            printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, a_, b_); \
        }                                                                              \
    } while (0)

/* RUN(function): void function(void) */
#define RUN(fn)                                                             \
    do {                                                                    \
        test_ok = true;                                                     \
        fn();                                                               \
        test_count++;                                                       \
        test_failures += !test_ok;                                          \
        printf("%s %d - %s\n", test_ok ? "ok" : "not ok", test_count, #fn); \
    } while (0)

#define TEST_MAIN_END                  \
    do {                               \
        printf("1..%d\n", test_count); \
        return test_failures ? 1 : 0;  \
    } while (0)

#endif
