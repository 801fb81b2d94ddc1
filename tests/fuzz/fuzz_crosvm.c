/*
 * fuzz_crosvm.c - any packets from crosvm's control socket, in the middle of every kind of operation: an operation ends
 * at most once, what it found are ports that crosvm has, each once, and what is sent in return is one request.
 *
 * Input: conversations.h; the byte of an operation says which one.
 */
#include "codec/json.h"
#include "conversations.h"
#include "must.h"
#include "vmm/vmm_crosvm.h"

#include <string.h>

static struct vmm_conv cv;
static char sent[VH_QMP_OUT_MAX];

static void check_request(const struct vmm_out *out) {
    static jsmntok_t tok[64];
    struct json j;
    struct json_error err;
    MUST(sb_ok(&out->text));
    if (out->text.len > 0)
        MUST(json_parse(&j, sent, out->text.len, tok, 64, &err) && json_get(&j, 0, "UsbCommand") > 0);
}

static void begin(unsigned how) {
    static const enum op_kind kinds[] = {OP_LIST, OP_ATTACH, OP_DETACH, OP_LIST};
    struct vmm_out out = {.pass_fd = false};
    struct vmm_op op = {
        .kind = kinds[how & 3], .serial = 1, .vid = 0x1234, .pid = 0x5678, .vm_port = (uint8_t)(how >> 3)};
    vmm_crosvm.reset(&cv);
    sb_init(&out.text, sent, sizeof sent);
    vmm_crosvm.begin(&cv, &op, &out);
    MUST(out.text.len > 0 && out.pass_fd == (op.kind == OP_ATTACH));
    check_request(&out);
}

static void check_result(enum op_kind kind) {
    const struct op_result *r = &cv.result;
    uint32_t ports = 0;
    MUST(cv.op.kind == OP_NONE && r->unnamed && r->serial == 1 && r->nfound <= VH_MAX_FOUND && r->port <= 16);
    MUST(r->status == OP_OK || (r->status == OP_FAILED && r->text[0] != '\0'));
    MUST((r->port != 0) == (kind == OP_ATTACH && r->status == OP_OK));
    MUST(r->nfound == 0 || kind == OP_LIST);
    for (int i = 0; i < r->nfound; i++) {
        MUST(r->found[i].port_in_vm >= 1 && r->found[i].port_in_vm <= 16 && !r->found[i].ours && !r->found[i].filter);
        MUST((ports >> r->found[i].port_in_vm & 1) == 0);
        ports |= 1u << r->found[i].port_in_vm;
    }
}

/* False: the connection ends. */
static bool hear(const unsigned char *packet, size_t len) {
    struct vmm_out out = {.pass_fd = false};
    enum op_kind kind = cv.op.kind;
    char *copy = malloc(len + 1);
    memcpy(copy, packet, len);
    sb_init(&out.text, sent, sizeof sent);
    enum vmm_step step = vmm_crosvm.message(&cv, copy, len, &out);
    free(copy);
    MUST(step == VMM_WAIT || step == VMM_DONE || step == VMM_BAD);
    MUST(kind != OP_NONE || step == VMM_BAD);
    MUST(!out.pass_fd && (out.text.len == 0 || step == VMM_WAIT));
    check_request(&out);
    if (step == VMM_DONE)
        check_result(kind);
    return step == VMM_WAIT;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    memset(&cv, 0, sizeof cv);
    conversations(data, size, begin, hear);
    return 0;
}
