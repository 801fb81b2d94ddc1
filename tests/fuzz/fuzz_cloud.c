/*
 * fuzz_cloud.c - any answers of cloud-hypervisor's API, in the middle of every kind of operation: an operation ends at
 * most once, what it found are ids of ours, each once, and what is sent in return is one request with a body of JSON.
 *
 * Input: conversations.h; the byte of an operation says which one.
 */
#include "codec/json.h"
#include "codec/vm_pci_id.h"
#include "conversations.h"
#include "must.h"
#include "vmm/vmm_cloud.h"

#include <string.h>

static struct vmm_conv cv;
static char sent[VH_QMP_OUT_MAX];

static void check_request(const struct vmm_out *out) {
    static jsmntok_t tok[16];
    struct json j;
    struct json_error err;
    MUST(sb_ok(&out->text) && !out->pass_fd);
    if (out->text.len == 0)
        return;
    const char *body = strstr(sent, "\r\n\r\n");
    MUST(body != NULL);
    body += 4;
    bool put = strncmp(sent, "PUT /api/v1/vm.", 15) == 0;
    MUST(put || strncmp(sent, "GET /api/v1/vm.info HTTP/1.1\r\n", 30) == 0);
    MUST(put == (body[0] != '\0'));
    MUST(!put || (json_parse(&j, body, strlen(body), tok, 16, &err) && json_get(&j, 0, "id") > 0));
}

static void begin(unsigned how) {
    static const enum op_kind kinds[] = {OP_LIST, OP_ATTACH, OP_DETACH, OP_LIST};
    struct vmm_out out = {.pass_fd = false};
    struct vmm_op op = {.kind = kinds[how & 3], .serial = 1, .pci = (how & 3) != 3};
    struct pci_address a = {.devfn = (uint8_t)(how >> 2)};
    vm_pci_id_print(op.id, &a);
    vmm_cloud.reset(&cv);
    sb_init(&out.text, sent, sizeof sent);
    vmm_cloud.begin(&cv, &op, &out);
    MUST(out.text.len > 0);
    check_request(&out);
}

static void check_result(enum op_kind kind, bool pci) {
    const struct op_result *r = &cv.result;
    struct pci_address a;
    MUST(cv.op.kind == OP_NONE && !r->unnamed && r->serial == 1 && r->nfound <= VH_MAX_FOUND);
    MUST(r->status == OP_OK || (r->status == OP_FAILED && r->text[0] != '\0') ||
         (r->status == OP_ACCEPTED && kind == OP_DETACH));
    MUST(r->nfound == 0 || (kind == OP_LIST && pci && r->status == OP_OK));
    for (int i = 0; i < r->nfound; i++) {
        MUST(r->found[i].ours && vm_pci_id_parse(r->found[i].id, &a));
        for (int k = 0; k < i; k++)
            MUST(strcmp(r->found[i].id, r->found[k].id) != 0);
    }
}

/* False: the connection ends. */
static bool hear(const unsigned char *answer, size_t len) {
    struct vmm_out out = {.pass_fd = false};
    enum op_kind kind = cv.op.kind;
    bool pci = cv.op.pci;
    char *copy = malloc(len + 1);
    memcpy(copy, answer, len);
    sb_init(&out.text, sent, sizeof sent);
    enum vmm_step step = vmm_cloud.message(&cv, copy, len, &out);
    free(copy);
    MUST(step == VMM_WAIT || step == VMM_DONE || step == VMM_BAD);
    MUST(kind != OP_NONE || step == VMM_BAD);
    MUST((step == VMM_WAIT) == (out.text.len > 0));
    check_request(&out);
    if (step == VMM_DONE)
        check_result(kind, pci);
    return step == VMM_WAIT;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    memset(&cv, 0, sizeof cv);
    conversations(data, size, begin, hear);
    return 0;
}
