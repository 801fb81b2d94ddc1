/*
 * conf_print.h - problems of a configuration as a compiler shows them: place, text, the line and a caret below it.
 */
#ifndef VHOTPLUG_CONF_PRINT_H
#define VHOTPLUG_CONF_PRINT_H

#include "config/conf.h"

#include <stddef.h>

struct source {
    const char *path, *text;
    size_t len;
};

void conf_print(const struct diag *d, void *source); /* to standard error */

#endif
