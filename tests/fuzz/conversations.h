/*
 * conversations.h - the input of fuzzers of VMMs whose messages have an end of their own: a byte for each operation,
 * then its answers, each after its length in two bytes; length 0 begins the next operation.
 */
#ifndef VHOTPLUG_CONVERSATIONS_H
#define VHOTPLUG_CONVERSATIONS_H

#include <stdbool.h>
#include <stddef.h>

/* begin: another operation, on a connection of its own. hear: an answer to it; false: the connection ends, and what
 * follows is not heard. */
static void conversations(const unsigned char *data, size_t size, void (*begin)(unsigned how),
                          bool (*hear)(const unsigned char *answer, size_t len)) {
    size_t at = 0;
    while (at < size) {
        bool open = true;
        begin(data[at++]);
        while (at + 1 < size) {
            size_t len = (size_t)data[at] << 8 | data[at + 1];
            at += 2;
            if (len == 0)
                break;
            if (len > size - at)
                len = size - at;
            open = open && hear(data + at, len);
            at += len;
        }
    }
}

#endif
