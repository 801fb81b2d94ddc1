/*
 * assert.c - the end of the program when an invariant is broken. Owns who says so.
 */
#include "base/assert.h"

#include <stddef.h>
#include <stdlib.h>

static assert_say_fn *say_it;

void vh_assert_say(assert_say_fn *say) {
    say_it = say;
}

_Noreturn void vh_assert_failed(const char *expr, const char *file, int line) {
    if (say_it != NULL)
        say_it(expr, file, line);
    abort();
}
