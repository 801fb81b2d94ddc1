/*
 * exchange.h - a fuzzer's input as an order and its answer: a byte of flags, the order, the bytes of the answer.
 */
#ifndef VHOTPLUG_EXCHANGE_H
#define VHOTPLUG_EXCHANGE_H

#include <stddef.h>
#include <string.h>

struct exchange {
    void *order, *answer;
    size_t order_size, answer_size;
};

/* Fills the order, zero where the input ends, and the answer, 0xff where it ends. *n: bytes of the answer; more than
 * answer_size if it is longer, and then it is not filled: os/worker.c ends such a worker. The flags, or 0. */
static inline unsigned exchange_of(const struct exchange *e, const unsigned char *data, size_t size, size_t *n) {
    unsigned flags = size > 0 ? *data : 0;
    data += size > 0;
    size -= size > 0;
    size_t len = size < e->order_size ? size : e->order_size;
    memset(e->order, 0, e->order_size);
    memcpy(e->order, data, len);
    *n = size - len;
    memset(e->answer, 0xff, e->answer_size);
    if (*n <= e->answer_size)
        memcpy(e->answer, data + len, *n);
    return flags;
}

#endif
