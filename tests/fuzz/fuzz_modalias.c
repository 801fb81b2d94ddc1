/*
 * fuzz_modalias.c - a module list of any bytes, and a pattern against a plain recursive reading of it. Input: the kind
 * of list, a pattern, a text, and the list.
 */
#include "bytes.h"
#include "codec/modalias.h"
#include "must.h"

#include <string.h>

enum { LIST = 512 }; /* a path is looked for through the whole list, for each of its records */

/* fnmatch as depmod's patterns need it, by trying everything. */
static bool plain(const char *p, size_t n, const char *t) {
    if (n == 0)
        return *t == '\0';
    if (*p == '*')
        return plain(p + 1, n - 1, t) || (*t != '\0' && plain(p, n, t + 1));
    if (*t == '\0')
        return false;
    if (*p != '[')
        return (*p == '?' || *p == *t) && plain(p + 1, n - 1, t + 1);
    bool not = n > 1 && p[1] == '!', in = false;
    size_t from = not ? 2 : 1, end = from + 1;
    while (end < n && p[end] != ']')
        end++;
    if (end >= n) /* it never ends: a bracket like any other character */
        return *t == '[' && plain(p + 1, n - 1, t + 1);
    for (size_t i = from; i < end; i++) {
        bool range = i + 2 < end && p[i + 1] == '-';
        in |= range ? p[i] <= *t && *t <= p[i + 2] : p[i] == *t;
        i += range ? 2 : 0;
    }
    return in != not &&plain(p + end + 1, n - end - 1, t + 1);
}

static unsigned stars(const char *p, size_t n) {
    unsigned found = 0;
    for (size_t i = 0; i < n; i++)
        found += p[i] == '*';
    return found;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct bytes in = {data, size};
    char end = (take(&in) & 1) != 0 ? '\n' : '\0';
    size_t np = 0, nt = 0;
    const unsigned char *p = piece(&in, 32, &np), *t = piece(&in, 32, &nt);
    size_t nl = in.left < LIST ? in.left : LIST;
    char *pattern = malloc(np + 1), *text = malloc(nt + 1), *list = malloc(nl + 1);
    memcpy(pattern, p, np);
    memcpy(text, t, nt);
    text[nt] = '\0';
    memcpy(list, in.p, nl);
    bool matched = modalias_matches(pattern, np, text);
    if (stars(pattern, np) <= 4) /* trying everything takes time */
        MUST(matched == plain(pattern, np, text));
    struct modalias_list l = {.text = list, .len = nl, .end = end};
    struct modalias_name alias, module, path;
    for (size_t at = 0, last = 0; modalias_next(&l, &at, &alias, &module); last = at) {
        MUST(at > last && at <= l.len + 1);
        MUST(alias.p >= list && alias.p + alias.n <= list + l.len && module.p >= list);
        MUST(module.p + module.n <= list + l.len && module.n > 0);
        (void)modalias_matches(alias.p, alias.n, text);
        if (modalias_path(&l, &module, &path))
            MUST(path.p >= list && path.p + path.n <= list + l.len && path.n >= module.n + 3);
    }
    free(pattern);
    free(text);
    free(list);
    return 0;
}
