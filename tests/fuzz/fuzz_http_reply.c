/*
 * fuzz_http_reply.c - any bytes of an HTTP server: an answer is the same however its bytes come, never has more than
 * came, and what ended in BAD stays so with more bytes.
 */
#include "base/limits.h"
#include "codec/http_reply.h"
#include "must.h"

#include <string.h>

/* What the first n bytes are; the copy ends where they do. */
static enum http_step first(const unsigned char *data, size_t n, struct http_reply *r, size_t *body) {
    char *copy = malloc(n + 1);
    memcpy(copy, data, n);
    enum http_step step = http_reply_read(copy, n, r);
    if (step == HTTP_OK) {
        MUST(r->status >= 200 && r->status <= 599 && r->len <= VH_HTTP_BODY_MAX && r->end <= n && r->end > r->len);
        MUST(r->body == copy + r->end - r->len && r->end - r->len <= VH_HTTP_HEAD_MAX);
        *body = (size_t)(r->body - copy);
    }
    free(copy);
    return step;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct http_reply whole, part;
    size_t at = 0, other = 0;
    enum http_step all = first(data, size, &whole, &at);
    for (size_t n = 0; n <= size; n += 1 + n / 64) {
        enum http_step step = first(data, n, &part, &other);
        MUST(step != HTTP_BAD || all == HTTP_BAD);
        MUST(step != HTTP_OK || all == HTTP_OK);
        if (step != HTTP_OK)
            continue;
        MUST(part.end == whole.end && part.len == whole.len && part.status == whole.status && other == at);
        MUST(part.closes == whole.closes);
    }
    return 0;
}
