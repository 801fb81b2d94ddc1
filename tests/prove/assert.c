/*
 * assert.c - VH_ASSERT in a proof: a claim like any other. Stands in for base/assert.c.
 */
#include "base/assert.h"

#include "prove.h"

_Noreturn void vh_assert_failed(const char *expr, const char *file, int line) {
    (void)expr, (void)file, (void)line;
    __CPROVER_assert(false, "VH_ASSERT");
    ASSUME(false);
    abort();
}
