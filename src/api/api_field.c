/*
 * api_field.c - reads single fields of a request. Keeps the first error; knows no field by name.
 */
#include "api/api_internal.h"
#include "base/limits.h"
#include "base/str.h"

#include <string.h>

void parse_complain(struct parse *p, const char *field, int t, const char *expected) {
    if (p->error.len > 0)
        return;
    enum json_type type = json_type(p->j, t);
    char value[48];
    if (json_string(p->j, t, value, sizeof value))
        sb_fmt(&p->error, "\"%s\" is \"%s\": expected %s", field, value, expected);
    else
        sb_fmt(&p->error, "\"%s\" is %s: expected %s", field, json_type_name(type), expected);
}

int parse_field(const struct parse *p, const char *name) {
    int t = json_get(p->j, p->object, name);
    return json_type(p->j, t) == JSON_NULL ? -1 : t;
}

bool parse_text(struct parse *p, const char *name, char *dst, size_t cap, const char *expected) {
    int t = parse_field(p, name);
    dst[0] = '\0';
    if (t < 0)
        return false;
    if (!json_string(p->j, t, dst, cap)) {
        parse_complain(p, name, t, expected);
        dst[0] = '\0';
        return false;
    }
    return dst[0] != '\0';
}

/* A number, or a decimal string as some clients send it. */
bool parse_uint(struct parse *p, const char *name, uint64_t max, uint64_t *out, const char *expected) {
    int t = parse_field(p, name);
    if (t < 0)
        return false;
    int64_t v = 0;
    char text[24];
    if (json_int(p->j, t, 0, (int64_t)max, &v)) {
        *out = (uint64_t)v;
        return true;
    }
    if (json_string(p->j, t, text, sizeof text) && str_uint(text, strlen(text), max, out))
        return true;
    parse_complain(p, name, t, expected);
    return false;
}

bool parse_hex4(struct parse *p, const char *name, uint16_t *out) {
    char text[8];
    uint32_t v = 0;
    static const char expected[] = "4 hexadecimal digits";
    if (!parse_text(p, name, text, sizeof text, expected)) {
        if (parse_field(p, name) >= 0)
            parse_complain(p, name, parse_field(p, name), expected);
        return false;
    }
    if (strlen(text) != 4 || !str_hex(text, 4, &v)) {
        parse_complain(p, name, parse_field(p, name), expected);
        return false;
    }
    *out = (uint16_t)v;
    return true;
}
