/*
 * desc_parse.h - usb_desc_parse() for tests: of a copy of exactly the given size, so that a read past its end is found.
 */
#ifndef VHOTPLUG_DESC_PARSE_H
#define VHOTPLUG_DESC_PARSE_H

#include "base/model.h"

#include <stddef.h>

/* NULL in *why if nothing was said. *d is filled with 0xa5 before; d->note is valid until the next call. */
bool desc_parse(const unsigned char *p, size_t n, struct device *d, const char **why);

#endif
