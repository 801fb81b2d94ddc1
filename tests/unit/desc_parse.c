/*
 * desc_parse.c - owns the copy while it is parsed, and the note of the last one; judges nothing.
 */
#include "desc_parse.h"

#include "codec/usb_desc.h"

#include <stdlib.h>
#include <string.h>

static char note[VH_NOTE_MAX];

bool desc_parse(const unsigned char *p, size_t n, struct device *d, const char **why) {
    unsigned char *copy = malloc(n > 0 ? n : 1);
    if (copy == NULL)
        exit(1);
    memcpy(copy, p, n);
    memset(d, 0xa5, sizeof *d);
    *why = NULL;
    memset(note, 0xa5, sizeof note);
    bool ok = usb_desc_parse(copy, n, d, note, why);
    d->note = note;
    free(copy);
    return ok;
}
