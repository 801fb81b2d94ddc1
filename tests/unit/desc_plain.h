/*
 * desc_plain.h - a second reading of descriptors, for tests to hold usb_desc.c against: first the whole is cut into
 * descriptors, then they are judged. Slow and simple.
 */
#ifndef VHOTPLUG_DESC_PLAIN_H
#define VHOTPLUG_DESC_PLAIN_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct plain_desc {
    size_t at, length, type;
};

struct plain {
    bool sound;
    int nifaces;
    unsigned char ifaces[VH_MAX_IFACES][3];
    struct plain_desc d[32768]; /* of 64 KiB no more can be cut */
};

/* The descriptors of p[from..to), which must fill it exactly. Their number, -1 if they do not. */
static int plain_cut(struct plain *r, const unsigned char *p, size_t from, size_t to) {
    int n = 0;
    while (from < to) {
        if (to - from < 2 || p[from] < 2 || p[from] > to - from)
            return -1;
        r->d[n++] = (struct plain_desc){from, p[from], p[from + 1]};
        from += p[from];
    }
    return n;
}

static bool plain_interface(struct plain *r, const unsigned char *p, const struct plain_desc *d, bool *numbers) {
    if (d->length < 9)
        return false;
    numbers[p[d->at + 2]] = true;
    if (p[d->at + 3] != 0)
        return true;
    if (r->nifaces == VH_MAX_IFACES)
        return false;
    for (int i = 0; i < 3; i++)
        r->ifaces[r->nifaces][i] = p[d->at + 5 + (size_t)i];
    r->nifaces++;
    return true;
}

static bool plain_configuration(struct plain *r, const unsigned char *p, size_t from, size_t to) {
    bool numbers[256] = {false};
    int n = plain_cut(r, p, from, to), count = 0;
    if (n < 1 || r->d[0].type != 2 || r->d[0].length < 9)
        return false;
    for (int i = 1; i < n; i++) {
        if (r->d[i].type == 1 || r->d[i].type == 2)
            return false;
        if (r->d[i].type == 4 && !plain_interface(r, p, &r->d[i], numbers))
            return false;
    }
    for (int i = 0; i < 256; i++)
        count += numbers[i];
    return count == p[from + 4];
}

static bool plain_sound(struct plain *r, const unsigned char *p, size_t n) {
    size_t at = 18;
    if (n < 18 || p[0] != 18 || p[1] != 1 || p[17] == 0)
        return false;
    for (int i = 0; i < p[17]; i++) {
        size_t total = n - at >= 9 ? p[at + 2] + 256u * p[at + 3] : 0;
        if (total < 9 || total > n - at || !plain_configuration(r, p, at, at + total))
            return false;
        at += total;
    }
    return at == n;
}

static void plain_read(struct plain *r, const unsigned char *p, size_t n) {
    r->nifaces = 0;
    r->sound = plain_sound(r, p, n);
    if (!r->sound)
        r->nifaces = 0;
}

#endif
