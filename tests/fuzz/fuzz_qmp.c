/*
 * fuzz_qmp.c - any lines from a monitor, in the middle of every kind of operation: an operation ends at most once, its
 * text and list stay within bounds, and what is sent in return is a whole line.
 */
#include "must.h"
#include "vmm/vmm_qemu.h"

#include <string.h>

static const char greeting[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, "
                               "\"capabilities\": [\"oob\"]}}";

static void begin(struct vmm_conv *cv, unsigned kind) {
    static char text[VH_QMP_OUT_MAX];
    struct vmm_out out = {.pass_fd = false};
    struct vmm_op op = {.kind = kind % 3 == 0   ? OP_LIST
                                : kind % 3 == 1 ? OP_ATTACH
                                                : OP_DETACH,
                        .serial = 1,
                        .busnum = 1,
                        .devnum = 2,
                        .id = "vhp-usb-1-2",
                        .by_fd = kind & 64};
    sb_init(&out.text, text, sizeof text);
    vmm_qemu.begin(cv, &op, &out);
    MUST(sb_ok(&out.text) && out.text.len > 0 && out.pass_fd == (op.kind == OP_ATTACH && op.by_fd));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct vmm_conv cv;
    static char extra[VH_QMP_OUT_MAX];
    struct vmm_out out = {.pass_fd = false};
    bool done = false;
    if (size < 1)
        return 0;
    memset(&cv, 0, sizeof cv);
    vmm_qemu.reset(&cv);
    sb_init(&out.text, extra, sizeof extra);
    if ((data[0] & 128) == 0) {
        MUST(vmm_qemu.message(&cv, greeting, sizeof greeting - 1, &out) == VMM_READY);
        begin(&cv, data[0]);
    }
    for (size_t at = 1; at < size;) {
        const unsigned char *newline = memchr(data + at, '\n', size - at);
        size_t len = newline != NULL ? (size_t)(newline - data) - at : size - at;
        char *line = malloc(len + 1);
        memcpy(line, data + at, len);
        enum vmm_step step = vmm_qemu.message(&cv, line, len, &out);
        free(line);
        if (step == VMM_BAD)
            return 0;
        if (step == VMM_DONE) {
            MUST(!done && cv.result.nfound <= VH_MAX_FOUND && cv.op.kind == OP_NONE);
            MUST(memchr(cv.result.text, 0, sizeof cv.result.text) != NULL);
            for (int i = 0; i < cv.result.nfound; i++)
                MUST(memchr(cv.result.found[i].id, 0, VH_OPID_MAX) &&
                     strpbrk(cv.result.found[i].id, "\"\\/\n") == NULL);
            const struct vm_ports *ports = cv.result.ports;
            for (int i = 0; ports != NULL && i < ports->nports; i++)
                MUST(ports->nports <= VH_VM_PORTS && ports->port[i].bus < ports->nbuses && ports->port[i].speeds != 0 &&
                     memchr(ports->port[i].path, 0, VH_VM_PORT_PATH) && ports->port[i].path[0] != '\0');
            done = true;
        }
        MUST(step != VMM_READY || (data[0] & 128) != 0);
        MUST(!sb_ok(&out.text) || out.text.len == 0 || extra[out.text.len - 1] == '\n');
        at += len + 1;
    }
    return 0;
}
