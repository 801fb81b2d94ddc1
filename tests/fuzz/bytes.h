/*
 * bytes.h - a fuzzer's input as a supply of small numbers and pieces. At its end everything is 0: inputs can be cut.
 */
#ifndef VHOTPLUG_BYTES_H
#define VHOTPLUG_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const unsigned char *p;
    size_t left;
};

static inline unsigned take(struct bytes *b) {
    if (b->left == 0)
        return 0;
    b->left--;
    return *b->p++;
}

static inline unsigned below(struct bytes *b, unsigned n) {
    return take(b) % n;
}

/* A piece of at most max bytes, its length before it. */
static inline const unsigned char *piece(struct bytes *b, size_t max, size_t *len) {
    size_t want = take(b);
    want |= (size_t)(want >= 0xc0 ? take(b) : 0) << 6; /* longer ones take a second byte */
    want = want < max ? want : max;
    *len = want < b->left ? want : b->left;
    const unsigned char *p = b->p;
    b->p += *len;
    b->left -= *len;
    return p;
}

#endif
