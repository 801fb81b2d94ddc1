/*
 * fuzz_qmp_stream.c - a monitor's bytes in pieces, through linebuf into a conversation in which operations are begun as
 * soon as that is allowed, one after the other: each ends at most once, what is sent is whole lines of JSON, and
 * a list holds nothing that could not be put into a command.
 *
 * Input: the size of the pieces, a byte for each of 15 operations, then the stream.
 */
#include "bytes.h"
#include "codec/json.h"
#include "codec/linebuf.h"
#include "must.h"
#include "vmm/vmm_qemu.h"

#include <string.h>

enum { OPS = 15 };

static struct vmm_conv cv;
static struct bytes ops;
static uint32_t serial;

static void check_sent(const struct sbuf *sb) {
    static jsmntok_t tok[256];
    size_t from = 0;
    MUST(sb->len == 0 || sb->p[sb->len - 1] == '\n');
    while (from < sb->len) {
        const char *newline = memchr(sb->p + from, '\n', sb->len - from);
        size_t len = (size_t)(newline - (sb->p + from));
        struct json j;
        struct json_error err;
        MUST(json_parse(&j, sb->p + from, len, tok, 256, &err) && json_get(&j, 0, "execute") > 0);
        from += len + 1;
    }
}

static void begin(void) {
    static char text[VH_QMP_OUT_MAX];
    struct vmm_out sent = {.pass_fd = false};
    unsigned how = take(&ops);
    static const enum op_kind kinds[] = {OP_LIST, OP_ATTACH, OP_DETACH, OP_LIST};
    struct vmm_op op = {.kind = kinds[how & 3], .serial = ++serial, .busnum = 1, .devnum = (uint8_t)(1 + (how >> 4))};
    op.by_fd = how & 4;
    (void)str_fmt(op.id, sizeof op.id, "vhp-usb-1-%u", (unsigned)op.devnum);
    sb_init(&sent.text, text, sizeof text);
    vmm_qemu.begin(&cv, &op, &sent);
    MUST(sb_ok(&sent.text) && sent.text.len > 0 && sent.pass_fd == (op.kind == OP_ATTACH && op.by_fd));
    check_sent(&sent.text);
    (void)vmm_qemu.takes_fd(&cv, cv.features);
}

static void check_result(void) {
    const struct op_result *r = &cv.result;
    MUST(cv.op.kind == OP_NONE && r->serial == serial && r->nfound <= VH_MAX_FOUND);
    MUST(r->status == OP_OK || r->status == OP_FAILED);
    MUST(memchr(r->text, 0, sizeof r->text) != NULL && (r->status != OP_FAILED || r->text[0] != '\0'));
    for (int i = 0; i < r->nfound; i++) {
        const struct vmm_found *f = &r->found[i];
        MUST(memchr(f->id, 0, sizeof f->id) && f->id[0] != '\0' && strpbrk(f->id, "\"\\/\n") == NULL);
        MUST(memchr(f->port, 0, sizeof f->port) != NULL && !(f->ours && f->filter));
    }
}

/* False if the connection is to be dropped. */
static bool line_came(const char *line, size_t len) {
    static char text[VH_QMP_OUT_MAX];
    struct vmm_out sent = {.pass_fd = false};
    bool greeted = cv.greeted, working = cv.op.kind != OP_NONE;
    char *copy = malloc(len + 1);
    memcpy(copy, line, len);
    sb_init(&sent.text, text, sizeof text);
    enum vmm_step step = vmm_qemu.message(&cv, copy, len, &sent);
    free(copy);
    if (step == VMM_BAD || !sb_ok(&sent.text))
        return false;
    check_sent(&sent.text);
    MUST((step == VMM_READY) == (cv.greeted && !greeted));
    MUST(step != VMM_DONE || working);
    if (step == VMM_DONE)
        check_result();
    if (step == VMM_READY || step == VMM_DONE)
        begin();
    return step != VMM_DOWN;
}

static bool taken(struct linebuf *lb) {
    enum line_result r;
    char *line = NULL;
    size_t len = 0;
    while ((r = linebuf_next(lb, &line, &len)) != LINE_NONE) {
        if (r == LINE_TOO_LONG || !line_came(line, len))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static char buf[VH_QMP_LINE_MAX];
    struct linebuf lb;
    if (size < 1 + OPS)
        return 0;
    ops = (struct bytes){data + 1, OPS};
    serial = 0;
    memset(&cv, 0, offsetof(struct vmm_conv, found));
    vmm_qemu.reset(&cv);
    linebuf_init(&lb, buf, sizeof buf);
    for (size_t at = 1 + OPS; at < size;) {
        size_t room = 0, n = data[0] + 1u;
        char *space = linebuf_space(&lb, &room);
        n = n < room ? n : room;
        n = n < size - at ? n : size - at;
        memcpy(space, data + at, n);
        linebuf_added(&lb, n);
        at += n;
        if (!taken(&lb))
            return 0;
    }
    return 0;
}
