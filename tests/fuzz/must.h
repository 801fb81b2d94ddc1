/*
 * must.h - what a fuzz target asserts: a broken promise is a crash.
 */
#ifndef VHOTPLUG_MUST_H
#define VHOTPLUG_MUST_H

#include <stdlib.h>

#define MUST(e)      \
    do {             \
        if (!(e))    \
            abort(); \
    } while (0)

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#endif
