/*
 * desc_plain.h - a second reading of descriptors, for tests to hold usb_desc.c against: first the whole is cut into
 * descriptors, then configurations are cut off at each one of type 2, then each of them is judged, with the rules of
 * the kernel's config.c written once more. Slow and simple.
 */
#ifndef VHOTPLUG_DESC_PLAIN_H
#define VHOTPLUG_DESC_PLAIN_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct plain_desc {
    size_t at, length, type;
};

struct plain {
    bool sound;
    bool total, number, first; /* what is odd: wTotalLength, bNumInterfaces, no alternate setting 0 */
    int nifaces, nconfigs;
    unsigned char ifaces[VH_MAX_IFACES][4]; /* class, subclass, protocol, number */
    unsigned bound[VH_MAX_IFACES];          /* bit n: drivers are bound to it in configuration n */
    unsigned char value[VH_MAX_CONFIGS];
    int ndescs;
    struct plain_desc d[32768]; /* of 64 KiB no more can be cut */
};

/* The descriptors of p[18..n), which must fill it exactly. */
static bool plain_cut(struct plain *r, const unsigned char *p, size_t n) {
    r->ndescs = 0;
    for (size_t at = 18; at < n; at += p[at]) {
        if (n - at < 2 || p[at] < 2 || p[at] > n - at)
            return false;
        r->d[r->ndescs++] = (struct plain_desc){at, p[at], p[at + 1]};
    }
    return true;
}

/* The entry of an interface descriptor; -1 if there is no room for one. */
static int plain_entry(struct plain *r, const unsigned char *p) {
    const unsigned char e[4] = {p[5], p[6], p[7], p[2]};
    for (int i = 0; i < r->nifaces; i++) {
        if (memcmp(r->ifaces[i], e, 4) == 0)
            return i;
    }
    if (r->nifaces == VH_MAX_IFACES)
        return -1;
    memcpy(r->ifaces[r->nifaces], e, 4);
    r->bound[r->nifaces] = 0;
    return r->nifaces++;
}

/* What the kernel binds a driver to: alternate setting 0 of the number, else what comes first. */
static void plain_bind(struct plain *r, const unsigned char *p, int from, int to, int number) {
    int chosen = -1;
    for (int pass = 0; pass < 2 && chosen < 0; pass++) {
        for (int i = to - 1; i >= from; i--) {
            const unsigned char *q = p + r->d[i].at;
            if (r->d[i].type == 4 && q[2] == number && (pass == 1 || q[3] == 0))
                chosen = i;
        }
        r->first |= pass == 0 && chosen < 0;
    }
    r->bound[plain_entry(r, p + r->d[chosen].at)] |= 1u << r->nconfigs;
}

/* The configuration of the descriptors [from..to): its own is the first. */
static bool plain_configuration(struct plain *r, const unsigned char *p, int from, int to) {
    const unsigned char *c = p + r->d[from].at;
    size_t total = r->d[from].length >= 9 ? c[2] + 256u * c[3] : 0, bytes = 0;
    bool numbers[256] = {false};
    int count = 0;
    if (r->d[from].length < 9)
        return false;
    for (int i = from; i < to; i++) {
        bytes += r->d[i].length;
        if (r->d[i].type == 1)
            return false;
        if (r->d[i].type != 4)
            continue;
        if (r->d[i].length < 9 || plain_entry(r, p + r->d[i].at) < 0)
            return false;
        numbers[p[r->d[i].at + 2]] = true;
    }
    for (int i = 0; i < 256; i++) {
        count += numbers[i];
        if (numbers[i])
            plain_bind(r, p, from, to, i);
    }
    r->number |= count != c[4];
    r->total |= bytes != total;
    r->value[r->nconfigs++] = c[5];
    return bytes <= (total > 9 ? total : 9);
}

static bool plain_sound(struct plain *r, const unsigned char *p, size_t n) {
    int begins = 0;
    if (n < 18 || p[0] != 18 || p[1] != 1 || p[17] == 0 || !plain_cut(r, p, n))
        return false;
    for (int i = 0; i < r->ndescs; i++)
        begins += r->d[i].type == 2;
    if (begins != p[17] || begins > VH_MAX_CONFIGS || r->d[0].type != 2)
        return false;
    for (int from = 0, to; from < r->ndescs; from = to) {
        for (to = from + 1; to < r->ndescs && r->d[to].type != 2; to++) {
        }
        if (!plain_configuration(r, p, from, to))
            return false;
    }
    return true;
}

static void plain_read(struct plain *r, const unsigned char *p, size_t n) {
    r->nifaces = r->nconfigs = 0;
    r->total = r->number = r->first = false;
    r->sound = plain_sound(r, p, n);
    if (!r->sound) {
        r->nifaces = r->nconfigs = 0;
        r->total = r->number = r->first = false;
    }
}

/* Does usb_desc_parse() say the same? */
static bool plain_agrees(const struct plain *r, const struct device *d, bool parsed) {
    if (parsed != r->sound || d->usb.nifaces != r->nifaces || d->usb.nconfigs != r->nconfigs ||
        memcmp(d->usb.config_value, r->value, (size_t)r->nconfigs) != 0)
        return false;
    for (int i = 0; i < r->nifaces; i++) {
        const struct usb_iface *f = &d->usb.ifaces[i];
        const unsigned char *e = r->ifaces[i];
        if (f->cls != e[0] || f->sub != e[1] || f->proto != e[2] || f->number != e[3] ||
            d->usb.bound_in[i] != r->bound[i])
            return false;
    }
    return memchr(d->note, '\0', VH_NOTE_MAX) != NULL && (strstr(d->note, "wTotalLength") != NULL) == r->total &&
           (strstr(d->note, "bNumInterfaces") != NULL) == r->number &&
           (strstr(d->note, "alternate setting 0") != NULL) == r->first &&
           (d->note[0] != '\0') == (r->total || r->number || r->first);
}

#endif
