/*
 * fuzz_json.c - any bytes as JSON: no crash, errors at a place that exists, and what was accepted can be walked whole.
 */
#include "json.h"
#include "must.h"

#include <string.h>

static jsmntok_t tok[4096];

/* Every token is reached once from the root. */
static int walk(const struct json *j) {
    int stack[64], depth = 0, seen = 0;
    stack[depth++] = 0;
    while (depth > 0) {
        int t = stack[--depth];
        char text[256];
        bool object = json_type(j, t) == JSON_OBJECT;
        seen++;
        MUST(json_type(j, t) != JSON_NONE && json_offset(j, t) < j->len);
        (void)json_string(j, t, text, sizeof text);
        int n = 0;
        for (int c = json_first(j, t); c >= 0; c = json_next(j, c), n++) {
            int value = object ? json_value(j, c) : c;
            seen += object;
            MUST(value > t && value < j->ntok);
            enum json_type type = json_type(j, value);
            if (type == JSON_OBJECT || type == JSON_ARRAY) {
                if (depth < 64)
                    stack[depth++] = value;
                else
                    return -1;
            } else {
                seen++;
            }
        }
        MUST(n == json_size(j, t));
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct json j;
    struct json_error err = {.why = NULL};
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    if (json_parse(&j, text, size, tok, sizeof tok / sizeof tok[0], &err)) {
        int seen = walk(&j);
        MUST(seen < 0 || seen == j.ntok);
    } else {
        unsigned line = 0, column = 0;
        MUST(err.at <= size && err.why != NULL && err.why[0] != '\0');
        json_position(text, size, err.at, &line, &column);
        MUST(line >= 1 && column >= 1);
    }
    free(text);
    return 0;
}
