/*
 * prove_modalias.c - patterns of modules against a plain definition, paths of modules, and which interfaces
 * decide about a driver.
 */
#include "codec/modalias.c"
#include "prove.h"

enum { PART = 6, PATTERN = 3, TEXT = 2, PATHS = 7, MODULE = 2 };

/* ---- patterns ---- */

/* What one character may be at p: the length of that part of the pattern, 0: not this character. */
static size_t fits(const char *p, size_t n, char c) {
    size_t end = p[0] != '[' ? 0 : n > 1 && p[1] == '!' ? 3 : 2;
    while (end != 0 && end < n && p[end] != ']')
        end++;
    if (end == 0 || end >= n)
        return p[0] == '?' || p[0] == c;
    bool in = false, rest = p[1] == '!';
    for (size_t i = rest ? 2 : 1; i < end; i++) {
        bool range = i + 2 < end && p[i + 1] == '-';
        in = in || (range ? p[i] <= c && c <= p[i + 2] : p[i] == c);
        i += range ? 2 : 0;
    }
    return in != rest ? end + 1 : 0;
}

PROOF(take) {
    static char room[PART];
    __CPROVER_havoc_object(room);
    size_t n = nondet_size();
    char c = nondet_char();
    ASSUME(n >= 1 && n <= PART);
    const char *p = room + PART - n;
    size_t taken = take(p, n, c);
    CLAIM(taken == fits(p, n, c) && taken <= n);
}

/* By a table: does the pattern from i on match the text from k on? */
static bool plainly(const char *p, size_t n, const char *t, size_t m) {
    bool says[PATTERN + 1][TEXT + 1];
    for (size_t i = n + 1; i-- > 0;) {
        for (size_t k = m + 1; k-- > 0;) {
            if (i == n) {
                says[i][k] = k == m;
            } else if (p[i] == '*') {
                says[i][k] = says[i + 1][k] || (k < m && says[i][k + 1]);
            } else {
                size_t step = k < m ? fits(p + i, n - i, t[k]) : 0;
                says[i][k] = step > 0 && says[i + step][k + 1];
            }
        }
    }
    return says[0][0];
}

PROOF(matches) {
    static char p[PATTERN], t[TEXT + 1];
    __CPROVER_havoc_object(p);
    __CPROVER_havoc_object(t);
    size_t n = nondet_size(), m = 0;
    ASSUME(n <= PATTERN && t[TEXT] == '\0');
    while (t[m] != '\0')
        m++;
    const char *pattern = p + PATTERN - n;
    CLAIM(modalias_matches(pattern, n, t) == plainly(pattern, n, t, m));
}

/* ---- lists ---- */

static bool within(const struct modalias_name *part, const struct modalias_list *l) {
    return part->p >= l->text && part->n <= l->len && (size_t)(part->p - l->text) <= l->len - part->n;
}

PROOF(path) {
    static char room[PATHS], name[MODULE];
    __CPROVER_havoc_object(room);
    __CPROVER_havoc_object(name);
    struct modalias_list l = {.len = nondet_size(), .end = '\n'};
    struct modalias_name module = {name, nondet_size()}, path = {0};
    ASSUME(l.len <= PATHS && module.n <= MODULE);
    module.p = name + MODULE - module.n;
    l.text = room + PATHS - l.len;
    if (!modalias_path(&l, &module, &path))
        return;
    CLAIM(within(&path, &l) && path.n >= module.n + 3);
}

/* ---- interfaces ---- */

/* The configuration that decides: the first one with the value of the active one. With none, each of them does. */
PROOF(counts) {
    struct device d;
    int iface = nondet_int(), first = -1, left_to_ids = 0;
    ASSUME(d.usb.nifaces <= VH_MAX_IFACES && d.usb.nconfigs >= 1 && d.usb.nconfigs <= 3 && iface >= 0 &&
           iface < d.usb.nifaces);
    for (int n = d.usb.nconfigs; n-- > 0 && d.usb.config != 0;)
        first = d.usb.config_value[n] == d.usb.config ? n : first;
    bool counts = false;
    for (int n = 0; n < d.usb.nconfigs; n++) {
        bool ids_only = first < 0 || first == n;
        for (int i = 0; i < d.usb.nifaces; i++)
            ids_only = ids_only &&
                       ((d.usb.bound_in[i] >> n & 1) == 0 || d.usb.ifaces[i].cls == 0 || d.usb.ifaces[i].cls == 255);
        left_to_ids += ids_only;
        counts = counts || (ids_only && (d.usb.bound_in[iface] >> n & 1) != 0);
    }
    CLAIM(modalias_by_ids_only(&d) == (left_to_ids > 0));
    CLAIM(modalias_counts(&d, iface) == counts);
}
