/*
 * fuzz_qemu_pci.c - any answers to the commands about PCI devices: an operation ends once, each command is a line of
 * JSON, and ids that are kept can be sent.
 *
 * The first byte chooses the operation. A line that begins with 'r' is what the command under way returns, with 'e' its
 * error; any other is a line as it is.
 */
#include "base/limits.h"
#include "must.h"
#include "vmm/qemu_pci.h"

#include <string.h>

static jsmntok_t tokens[VH_QMP_TOKENS];
static char sent[VH_QMP_OUT_MAX];

static void check(const struct qemu_pci_out *out) {
    static jsmntok_t own[256];
    struct json j;
    struct json_error err;
    MUST(sb_ok(&out->text));
    MUST(out->text.len == 0 ? out->fd == QEMU_PCI_NO_FD : sent[out->text.len - 1] == '\n');
    MUST(out->text.len == 0 || json_parse(&j, sent, out->text.len, own, 256, &err));
}

static void check_end(const struct qemu_pci *q) {
    MUST(q->op.what == QEMU_PCI_NONE && q->end < QEMU_PCI_ENDS && q->nfound <= VH_MAX_VM_PCI);
    MUST(memchr(q->text, 0, sizeof q->text) != NULL);
    MUST((q->end == QEMU_PCI_DONE || q->end == QEMU_PCI_ACCEPTED) == (q->text[0] == '\0'));
    for (int i = 0; i < q->nfound; i++)
        MUST(memchr(q->found[i].id, 0, VH_OPID_MAX) != NULL && strpbrk(q->found[i].id, "\"\\/\n") == NULL);
}

/* Its length, in `text`. */
static size_t frame(const struct qemu_pci *q, char *text, size_t cap, const char *line, size_t len) {
    struct sbuf sb;
    sb_init(&sb, text, cap);
    bool answer = len > 0 && (line[0] == 'r' || line[0] == 'e');
    if (answer)
        sb_fmt(&sb, "{\"id\": \"1.pci%u\", \"%s\": ", (unsigned)q->count, line[0] == 'r' ? "return" : "error");
    sb_mem(&sb, line + answer, len - answer);
    sb_str(&sb, answer ? "}" : "");
    return sb_ok(&sb) ? sb.len : 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct qemu_pci q;
    static char text[1 << 16];
    struct qemu_pci_out out;
    struct json j;
    struct json_error err;
    char id[VH_OPID_MAX];
    if (size < 1)
        return 0;
    struct qemu_pci_op op = {.serial = 1,
                             .what = (enum qemu_pci_what)(QEMU_PCI_LIST + data[0] % 3),
                             .address = {.bus = 1},
                             .by_fd = (data[0] & 64) != 0,
                             .input = (data[0] & 128) != 0,
                             .number = 4};
    memset(&q, 0xff, sizeof q);
    sb_init(&out.text, sent, sizeof sent);
    qemu_pci_begin(&q, &op, &out);
    check(&out);
    bool ended = false;
    for (size_t at = 1; at < size;) {
        const unsigned char *newline = memchr(data + at, '\n', size - at);
        size_t len = newline != NULL ? (size_t)(newline - data) - at : size - at;
        size_t n = frame(&q, text, sizeof text, (const char *)data + at, len);
        at += len + 1;
        if (n == 0 || !json_parse(&j, text, n, tokens, VH_QMP_TOKENS, &err))
            continue;
        (void)qemu_pci_event(&j, id);
        MUST(memchr(id, 0, sizeof id) != NULL);
        sb_init(&out.text, sent, sizeof sent);
        bool end = qemu_pci_message(&q, &j, &out);
        MUST(!end || !ended);
        check(&out);
        if (end)
            check_end(&q);
        ended = ended || end;
        MUST(ended == (q.op.what == QEMU_PCI_NONE));
    }
    return 0;
}
