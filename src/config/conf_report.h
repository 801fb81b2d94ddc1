/*
 * conf_report.h - the problems found in one configuration, inside the conf family only.
 */
#ifndef VHOTPLUG_CONF_REPORT_H
#define VHOTPLUG_CONF_REPORT_H

#include "codec/json.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONF_MAX_PROBLEMS 128                 /* of each level; the rest is counted */
#define CONF_PROBLEMS (3 * CONF_MAX_PROBLEMS) /* of all levels */

struct problem {
    uint32_t at, seq; /* byte in the text; order of discovery */
    uint8_t level;
    char path[160];
    char text[416];
};

/* Memory for a report. */
struct problems {
    struct problem p[CONF_PROBLEMS];
    uint16_t order[CONF_PROBLEMS];
};

struct report {
    const struct json *j;
    struct problems *problems;
    unsigned stored, count[3]; /* problems kept; found of each level */
};

/* Records a problem at a token (path and place are the token's). */
void report_say(struct report *r, enum diag_level level, int tok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, `within` bytes into the token. */
void report_say_within(struct report *r, enum diag_level level, int tok, size_t within, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void report_expected(struct report *r, int tok, const char *what);   /* error: expected `what`, found this */
bool report_has_room(const struct report *r, enum diag_level level); /* would a further problem be kept? */
/* The raw text of a token, shortened at a character. */
void report_quote(const struct json *j, int tok, char *dst, size_t cap);
/* Hands all problems to `report` (NULL: nobody), in the order of the file. */
void report_emit(struct report *r, conf_diag_fn *report, void *arg);

#endif
