/*
 * fuzz_api.c - any line as a request: either an error text or a request within its bounds, with an id that can be
 * echoed.
 */
#include "api/api.h"
#include "codec/json.h"
#include "must.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct request r;
    static char reply[VH_REPLY_MAX];
    static jsmntok_t tok[64];
    char error[VH_ERROR_MAX] = "";
    struct json j;
    struct json_error err;
    struct sbuf sb;
    if (size >= VH_LINE_MAX)
        return 0;
    char *line = malloc(size + 1);
    memcpy(line, data, size);
    memset(&r, 0, sizeof r);
    bool ok = api_parse(&r, line, size, error, sizeof error);
    MUST(ok == (error[0] == '\0'));
    MUST(memchr(r.vm, 0, sizeof r.vm) && memchr(r.id, 0, sizeof r.id) && memchr(r.sel.tag, 0, sizeof r.sel.tag));
    sb_init(&sb, reply, sizeof reply);
    if (ok)
        api_ok(&sb, r.id);
    else
        api_failed(&sb, r.id, error);
    MUST(sb_ok(&sb) && reply[sb.len - 1] == '\n' && memchr(reply, '\n', sb.len) == reply + sb.len - 1);
    MUST(json_parse(&j, reply, sb.len, tok, 64, &err)); /* our own reader takes what we say */
    free(line);
    return 0;
}
