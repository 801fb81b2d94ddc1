/*
 * cli_text.c - members of a reply as text. Writes streams of the C library, and decides nothing. A device's own strings
 * may hold anything: their control characters never reach a terminal.
 */
#include "cli/cli_text.h"

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

void text_safe(FILE *to, const char *s) {
    if (term_is(to)) {
        (void)term_print(to, s, INT_MAX);
        return;
    }
    for (size_t i = 0, n = strlen(s); i < n;) { /* scripts compare bytes: only control characters are left out */
        uint32_t cp = 0;
        size_t len = utf8_len(s + i, n - i, &cp);
        if (len == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            fputc('?', to);
        else
            fwrite(s + i, 1, len, to);
        i += len != 0 ? len : 1;
    }
}

void text_print(const char *s) {
    text_safe(stdout, s);
}

/* The text of a token: a string without its quotes, anything else as it stands, "" for null and for a missing token. */
const char *text_of(const struct json *j, int t, char *dst, size_t cap) {
    dst[0] = '\0';
    if (json_type(j, t) == JSON_STRING)
        return json_string(j, t, dst, cap) ? dst : "(too long)";
    if (t >= 0 && json_type(j, t) != JSON_NULL)
        (void)str_copyn(dst, cap, j->text + j->tok[t].start, (size_t)(j->tok[t].end - j->tok[t].start));
    return dst;
}

const char *text_get(const struct json *j, int object, const char *key, char *dst, size_t cap) {
    return text_of(j, json_get(j, object, key), dst, cap);
}

void text_value(const struct json *j, int t) {
    char text[VH_ERROR_MAX];
    const char *between = "";
    if (json_type(j, t) != JSON_ARRAY) {
        text_print(text_of(j, t, text, sizeof text));
        return;
    }
    for (int e = json_first(j, t); e >= 0; e = json_next(j, e)) {
        fputs(between, stdout);
        text_print(text_of(j, e, text, sizeof text));
        between = ", ";
    }
}

void text_field(const struct json *j, int object, const char *key) {
    text_value(j, json_get(j, object, key));
}

bool text_true(const struct json *j, int object, const char *key) {
    bool b = false;
    return json_bool(j, json_get(j, object, key), &b) && b;
}

bool text_null(const struct json *j, int object, const char *key) {
    enum json_type type = json_type(j, json_get(j, object, key));
    return type == JSON_NULL || type == JSON_NONE;
}

void text_names(const struct json *j, int device) {
    text_field(j, device, "vid");
    putchar(':');
    text_field(j, device, "pid");
    putchar(' ');
    text_field(j, device, "vendor_name");
    putchar(' ');
    text_field(j, device, "product_name");
    putchar('\n');
}

void text_pci_names(const struct json *j, int device) {
    static const char keys[][12] = {"address", "vid", "did", "vendor_name", "device_name"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        text_field(j, device, keys[i]);
        putchar(" :  \n"[i]);
    }
}

void text_line(const struct json *j, int object, const char *label, const char *key) {
    int t = json_get(j, object, key);
    if (t < 0 || json_type(j, t) == JSON_NULL || (json_type(j, t) == JSON_ARRAY && json_size(j, t) == 0))
        return;
    printf("%s", label);
    text_value(j, t);
    putchar('\n');
}

int text_failed(const char *why) {
    fputs("vhotplugcli: ", stderr);
    text_safe(stderr, why);
    fputc('\n', stderr);
    return CLI_FAILED;
}
