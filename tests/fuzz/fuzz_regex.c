/*
 * fuzz_regex.c - a pattern and a text, split at the first NUL: compiling ends, errors are within the pattern and change
 * nothing, and matching is the same twice.
 */
#include "codec/regex.h"
#include "must.h"

#include <string.h>

static struct regex_pool pool;

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct regex re = {0};
    struct regex_error err = {0};
    const unsigned char *nul = memchr(data, 0, size);
    size_t len = nul != NULL ? (size_t)(nul - data) : size;
    size_t from = nul != NULL ? len + 1 : len, n = size - from;
    char *pattern = malloc(len + 1), *text = malloc(n + 1);
    memcpy(pattern, data, len);
    memcpy(text, data + from, n);
    regex_pool_reset(&pool);
    if (regex_compile(&pool, &re, pattern, len, &err)) {
        MUST(re.count > 0 && re.count <= VH_REGEX_PROG_MAX && pool.ninst == re.count);
        bool first = regex_match(&pool, &re, text, n);
        MUST(first == regex_match(&pool, &re, text, n));
        if (regex_match(&pool, &re, "", 0) && memchr(pattern, '$', len) == NULL && memchr(pattern, '\\', len) == NULL)
            MUST(first); /* re.match takes a prefix: what matches nothing matches before anything */
    } else {
        MUST(err.at <= len && err.why != NULL && pool.ninst == 0 && pool.nsets == 0);
    }
    free(pattern);
    free(text);
    return 0;
}
