/*
 * conf_slip.h - names the mistakes that people make when they write JSON by hand, inside the conf family only. Pure.
 */
#ifndef VHOTPLUG_CONF_SLIP_H
#define VHOTPLUG_CONF_SLIP_H

#include "codec/json.h"

#include <stddef.h>

/* Says in dst what is wrong with a text that json_parse() has refused with *err: by the mistake, if it is a usual one,
 * else in the parser's words. Returns the place that this is about. */
size_t conf_slip(const char *text, size_t len, const struct json_error *err, char *dst, size_t cap);

#endif
