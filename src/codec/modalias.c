/*
 * modalias.c - modaliases of interfaces, patterns of modules, and paths of modules. Owns no state and reads no file.
 *
 * The kernel makes modaliases in drivers/usb/core/sysfs.c. The lists are depmod's modules.alias, modules.dep and
 * modules.builtin, and modules.builtin.modinfo of the kernel's build. The host owns these files; a list that is cut or
 * damaged yields fewer matches and nothing worse.
 */
#include "codec/modalias.h"

#include "base/assert.h"
#include "base/str.h"

#include <string.h>

static bool is_bound_in(const struct device *d, int iface, int config) {
    return d->usb.nconfigs == 0 || (d->usb.bound_in[iface] >> config & 1) != 0;
}

static bool by_ids_only_in(const struct device *d, int config) {
    for (int i = 0; i < d->usb.nifaces; i++) {
        if (is_bound_in(d, i, config) && d->usb.ifaces[i].cls != 0 && d->usb.ifaces[i].cls != 255)
            return false;
    }
    return true;
}

/* The configuration that drivers see. The kernel chooses the first one with the value. -1: none of those is active. */
static int active(const struct device *d) {
    for (int n = 0; n < d->usb.nconfigs && d->usb.config != 0; n++) {
        if (d->usb.config_value[n] == d->usb.config)
            return n;
    }
    return -1;
}

/* The configurations where no interface names its driver by a class, as bits: of the active one, or of all of them.
 * A device without configurations is described by hand: its interfaces are of one. */
static unsigned without_class(const struct device *d) {
    int one = active(d), end = one >= 0 ? one + 1 : d->usb.nconfigs > 0 ? d->usb.nconfigs : 1;
    unsigned found = 0;
    for (int n = one >= 0 ? one : 0; n < end; n++)
        found |= by_ids_only_in(d, n) ? 1u << n : 0;
    return found;
}

bool modalias_by_ids_only(const struct device *d) {
    return without_class(d) != 0;
}

bool modalias_counts(const struct device *d, int iface) {
    return d->usb.nconfigs == 0 || (d->usb.bound_in[iface] & without_class(d)) != 0;
}

void modalias_of(const struct device *d, int iface, char dst[VH_MODALIAS_MAX]) {
    const struct usb_iface *f = &d->usb.ifaces[iface];
    VH_ASSERT(str_fmt(dst, VH_MODALIAS_MAX, "usb:v%04Xp%04Xd%04Xdc%02Xdsc%02Xdp%02Xic%02Xisc%02Xip%02Xin%02X",
                      (unsigned)d->vid, (unsigned)d->pid, (unsigned)d->usb.bcd_device, (unsigned)d->cls,
                      (unsigned)d->sub, (unsigned)d->proto, (unsigned)f->cls, (unsigned)f->sub, (unsigned)f->proto,
                      (unsigned)f->number));
}

/* ---- patterns ---- */

/* The length of the set at p ("[a-z]"), 0 if there is none. A bracket right after the opening one is a member. */
static size_t set_length(const char *p, size_t n) {
    size_t i = 1;
    if (i < n && p[i] == '!')
        i++;
    for (i++; i < n; i++) {
        if (p[i] == ']')
            return i + 1;
    }
    return 0;
}

static bool in_set(const char *p, size_t n, char c) {
    bool rest = p[1] == '!', in = false;
    for (size_t i = rest ? 2 : 1; i < n - 1; i++) {
        if (i + 2 < n - 1 && p[i + 1] == '-') {
            in |= p[i] <= c && c <= p[i + 2];
            i += 2;
        } else {
            in |= p[i] == c;
        }
    }
    return in != rest;
}

/* The number of bytes of the pattern that match this character; 0 if they do not. */
static size_t take(const char *p, size_t n, char c) {
    size_t set = p[0] == '[' ? set_length(p, n) : 0;
    if (set > 0)
        return in_set(p, set, c) ? set : 0;
    return p[0] == '?' || p[0] == c;
}

bool modalias_matches(const char *p, size_t n, const char *t) {
    size_t i = 0, star = SIZE_MAX; /* the index after the last star; the pattern before has matched */
    const char *again = t;         /* the text that this star has not matched yet */
    while (*t != '\0') {
        if (i < n && p[i] == '*') {
            star = ++i;
            again = t;
            continue;
        }
        size_t taken = i < n ? take(p + i, n - i, *t) : 0;
        if (taken > 0) {
            i += taken;
            t++;
        } else if (star != SIZE_MAX) {
            i = star;
            t = ++again;
        } else {
            return false;
        }
    }
    while (i < n && p[i] == '*')
        i++;
    return i == n;
}

/* ---- lists ---- */

/* "alias usb:... module" */
static bool alias_line(const char *s, size_t n, struct modalias_name *pattern, struct modalias_name *module) {
    static const char word[] = "alias ";
    size_t skip = sizeof word - 1;
    if (n < skip + 4 || memcmp(s, "alias usb:", skip + 4) != 0)
        return false;
    const char *space = memchr(s + skip, ' ', n - skip);
    if (space == NULL)
        return false;
    *pattern = (struct modalias_name){s + skip, (size_t)(space - s) - skip};
    *module = (struct modalias_name){space + 1, n - (size_t)(space + 1 - s)};
    return module->n > 0;
}

/* "module.alias=usb:..." */
static bool modinfo_string(const char *s, size_t n, struct modalias_name *pattern, struct modalias_name *module) {
    static const char key[] = ".alias=usb:";
    const char *dot = memchr(s, '.', n);
    size_t at = dot != NULL ? (size_t)(dot - s) : n;
    if (at == 0 || n - at < sizeof key - 1 || memcmp(dot, key, sizeof key - 1) != 0)
        return false;
    *module = (struct modalias_name){s, at};
    *pattern = (struct modalias_name){dot + sizeof key - 5, n - at - (sizeof key - 5)};
    return true;
}

/* The next record, ended by its byte or by the end of the list. */
static bool next_record(const struct modalias_list *l, size_t *at, struct modalias_name *out) {
    if (l->text == NULL || *at >= l->len)
        return false;
    const char *s = l->text + *at, *stop = memchr(s, l->end, l->len - *at);
    out->p = s;
    out->n = stop != NULL ? (size_t)(stop - s) : l->len - *at;
    *at += out->n + 1;
    return true;
}

bool modalias_next(const struct modalias_list *l, size_t *at, struct modalias_name *pattern,
                   struct modalias_name *module) {
    struct modalias_name r;
    while (next_record(l, at, &r)) {
        if (l->end == '\n' ? alias_line(r.p, r.n, pattern, module) : modinfo_string(r.p, r.n, pattern, module))
            return true;
    }
    return false;
}

static bool same_name(const char *a, const char *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char x = a[i] == '-' ? '_' : a[i], y = b[i] == '-' ? '_' : b[i];
        if (x != y)
            return false;
    }
    return true;
}

/* Is this the path of that module? "kernel/drivers/net/usb/asix.ko", ".ko.xz", ".ko.gz", ".ko.zst" */
static bool is_module(const struct modalias_name *path, const struct modalias_name *module) {
    const char *slash = memrchr(path->p, '/', path->n);
    const char *base = slash != NULL ? slash + 1 : path->p;
    size_t n = path->n - (size_t)(base - path->p);
    return n >= module->n + 3 && memcmp(base + module->n, ".ko", 3) == 0 &&
           (n == module->n + 3 || base[module->n + 3] == '.') && same_name(base, module->p, module->n);
}

bool modalias_path(const struct modalias_list *l, const struct modalias_name *module, struct modalias_name *path) {
    for (size_t at = 0; next_record(l, &at, path);) {
        const char *colon = memchr(path->p, ':', path->n); /* the modules that this one needs follow */
        if (colon != NULL)
            path->n = (size_t)(colon - path->p);
        if (is_module(path, module))
            return true;
    }
    return false;
}
