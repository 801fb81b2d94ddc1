/*
 * assert.c - see assert.h. Owns the function that writes the last log line. Never includes the log: str.c asserts, and
 * log.c uses str.c.
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
