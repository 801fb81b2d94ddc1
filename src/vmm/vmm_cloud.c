/*
 * vmm_cloud.c - turns operations into HTTP requests of cloud-hypervisor's API, and its answers into results. Pure: owns
 * nothing but scratch space, and never makes a system call. Takes PCI devices alone, by their path: cloud-hypervisor
 * opens them itself.
 *
 * A device is known by its id. One that the VM's command line has for us ("vhp-pci-0") is told by its path, so a detach
 * looks for its id first. cloud-hypervisor forgets the path at once and asks the guest; until that lets go of the
 * device, the id stays in the tree of devices.
 */
#include "vmm/vmm_cloud.h"

#include "base/log.h"
#include "codec/http_reply.h"
#include "codec/json.h"
#include "codec/vm_pci_id.h"

#include <string.h>

enum step { /* what an answer is expected to; in conv->waiting */
            STEP_NONE,
            STEP_ATTACH,
            STEP_LIST,
            STEP_CHECK, /* the list before a detach */
            STEP_DETACH
};

enum { MAX_PATH = 128 };

static jsmntok_t tokens[VH_CLOUD_TOKENS];

static void cloud_reset(struct vmm_conv *cv) {
    memset(cv, 0, offsetof(struct vmm_conv, found));
}

static bool cloud_takes_fd(const struct vmm_conv *cv, uint32_t features) {
    (void)cv, (void)features;
    return false;
}

/* ---- requests ---- */

/* An action without a body has no length either: the server refuses one of 0. */
static void ask_for_info(struct vmm_conv *cv, enum step step, struct vmm_out *out) {
    cv->waiting = step;
    sb_str(&out->text, "GET /api/v1/vm.info HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n");
}

static void put(struct vmm_conv *cv, enum step step, const char *action, const struct sbuf *body, struct vmm_out *out) {
    VH_ASSERT(sb_ok(body)); /* of ids and addresses */
    cv->waiting = step;
    sb_fmt(&out->text,
           "PUT /api/v1/%s HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nContent-Type: application/json\r\n"
           "Content-Length: %zu\r\n\r\n",
           action, body->len);
    sb_mem(&out->text, body->p, body->len);
}

static void add_device(struct vmm_conv *cv, struct vmm_out *out) {
    char text[MAX_PATH + VH_OPID_MAX];
    struct pci_address a;
    struct sbuf body;
    bool ours = vm_pci_id_parse(cv->op.id, &a);
    VH_ASSERT(ours); /* the core has printed it */
    sb_init(&body, text, sizeof text);
    sb_str(&body, "{\"path\":\"/sys/bus/pci/devices/");
    pci_address_print(&body, &a);
    sb_fmt(&body, "/\",\"id\":\"%s\"}", cv->op.id);
    put(cv, STEP_ATTACH, "vm.add-device", &body, out);
}

static void remove_device(struct vmm_conv *cv, const char *id, struct vmm_out *out) {
    char text[6 * VH_OPID_MAX];
    struct sbuf body;
    sb_init(&body, text, sizeof text);
    sb_str(&body, "{\"id\":");
    sb_json(&body, id);
    sb_str(&body, "}");
    put(cv, STEP_DETACH, "vm.remove-device", &body, out);
}

static void cloud_begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    VH_ASSERT(op->kind == OP_LIST || op->pci); /* it takes no others */
    cv->op = *op;
    cv->result = (struct op_result){.serial = op->serial, .vm = op->vm, .status = OP_OK, .found = cv->found};
    switch (op->kind) {
    case OP_ATTACH:
        add_device(cv, out);
        break;
    case OP_DETACH:
        ask_for_info(cv, STEP_CHECK, out);
        break;
    case OP_LIST:
        ask_for_info(cv, STEP_LIST, out);
        break;
    case OP_NONE:
        VH_ASSERT(false);
    }
}

/* ---- answers ---- */

static enum vmm_step ended(struct vmm_conv *cv, enum op_status status) {
    cv->result.status = status;
    cv->waiting = STEP_NONE;
    cv->op.kind = OP_NONE;
    if (status == OP_FAILED)
        cv->result.nfound = 0;
    return VMM_DONE;
}

static enum vmm_step failed(struct vmm_conv *cv, const char *text) {
    (void)str_copy(cv->result.text, sizeof cv->result.text, text); /* an explanation may be cut */
    return ended(cv, OP_FAILED);
}

/* ["Error from API", "The VM is not created"]: from the outermost to the cause. Plain text before v47. */
static bool put_reasons(const struct http_reply *r, struct sbuf *why) {
    struct json j;
    struct json_error err;
    char reason[VH_TEXT_MAX];
    if (!json_parse(&j, r->body, r->len, tokens, VH_CLOUD_TOKENS, &err) || json_type(&j, 0) != JSON_ARRAY)
        return false;
    for (int t = json_first(&j, 0); t >= 0; t = json_next(&j, t)) {
        if (json_type(&j, t) == JSON_STRING && json_string(&j, t, reason, sizeof reason))
            sb_fmt(why, "%s%s", why->len > 0 ? ": " : "", reason);
    }
    return why->len > 0;
}

static void put_plain(const struct http_reply *r, struct sbuf *why) {
    for (size_t i = 0; i < r->len && sb_ok(why); i++) {
        if (r->body[i] >= ' ' && r->body[i] <= '~')
            sb_char(why, r->body[i]);
    }
}

static enum vmm_step refused(struct vmm_conv *cv, const struct http_reply *r) {
    char text[2 * VH_TEXT_MAX];
    struct sbuf why; /* what does not fit is left out */
    sb_init(&why, text, sizeof text);
    if (!put_reasons(r, &why))
        put_plain(r, &why);
    if (why.len == 0)
        sb_fmt(&why, "cloud-hypervisor refused with status %d", r->status);
    return failed(cv, text);
}

/* The address at the end of "/sys/bus/pci/devices/0000:00:14.3/". */
static bool address_of(const char *path, struct pci_address *a) {
    char name[PCI_ADDRESS_TEXT];
    size_t n = strlen(path);
    while (n > 0 && path[n - 1] == '/')
        n--;
    size_t from = n;
    while (from > 0 && path[from - 1] != '/')
        from--;
    if (n - from >= sizeof name)
        return false;
    memcpy(name, path + from, n - from);
    name[n - from] = '\0';
    return pci_address_parse(name, a);
}

static bool text_of(const struct json *j, int t, char *dst, size_t cap) {
    return json_type(j, t) == JSON_STRING && json_string(j, t, dst, cap);
}

/* True if there is room. */
static bool take_found(struct vmm_conv *cv, const struct pci_address *a) {
    struct vmm_found f = {.ours = true};
    vm_pci_id_print(f.id, a);
    for (int i = 0; i < cv->result.nfound; i++) {
        if (str_eq(cv->found[i].id, f.id))
            return true;
    }
    if (cv->result.nfound == VH_MAX_FOUND)
        return false;
    cv->found[cv->result.nfound++] = f;
    return true;
}

/* Which device of the host it is, if its id has our prefix: by that id, or by its path. Others are never touched. */
static bool is_ours(const struct json *j, int device, char id[VH_OPID_MAX], struct pci_address *a) {
    char path[MAX_PATH];
    if (json_type(j, device) != JSON_OBJECT || !text_of(j, json_get(j, device, "id"), id, VH_OPID_MAX) ||
        !str_starts(id, "vhp-pci-"))
        return false;
    return vm_pci_id_parse(id, a) ||
           (text_of(j, json_get(j, device, "path"), path, sizeof path) && address_of(path, a));
}

/* The list before a detach: its id there. */
static enum vmm_step checked(struct vmm_conv *cv, const struct json *j, int devices, bool in_tree,
                             struct vmm_out *out) {
    char id[VH_OPID_MAX];
    struct pci_address a, wanted;
    bool ours = vm_pci_id_parse(cv->op.id, &wanted);
    VH_ASSERT(ours); /* the core has printed it */
    for (int t = devices >= 0 ? json_first(j, devices) : -1; t >= 0; t = json_next(j, t)) {
        if (is_ours(j, t, id, &a) && pci_address_order(&a) == pci_address_order(&wanted)) {
            remove_device(cv, id, out);
            return VMM_WAIT;
        }
    }
    return ended(cv, in_tree ? OP_ACCEPTED : OP_OK); /* asked for before: its guest has not let go of it */
}

/* A member of that type, or -1: null where there is nothing. */
static int member(const struct json *j, int object, const char *name, enum json_type type) {
    int t = json_type(j, object) == JSON_OBJECT ? json_get(j, object, name) : -1;
    return json_type(j, t) == type ? t : -1;
}

static enum vmm_step take_info(struct vmm_conv *cv, const struct json *j, struct vmm_out *out) {
    char id[VH_OPID_MAX];
    struct pci_address a;
    int conf = member(j, 0, "config", JSON_OBJECT), tree = member(j, 0, "device_tree", JSON_OBJECT);
    int devices = member(j, conf, "devices", JSON_ARRAY);
    bool in_tree = false, room = true, lists = cv->waiting == STEP_LIST && cv->op.pci;
    if (conf < 0)
        return VMM_BAD;
    for (int t = tree >= 0 ? json_first(j, tree) : -1; t >= 0; t = json_next(j, t)) {
        if (!text_of(j, t, id, sizeof id) || !vm_pci_id_parse(id, &a))
            continue;
        in_tree = in_tree || str_eq(id, cv->op.id);
        room = room && (!lists || take_found(cv, &a));
    }
    if (cv->waiting == STEP_CHECK)
        return checked(cv, j, devices, in_tree, out);
    for (int t = devices >= 0 && lists ? json_first(j, devices) : -1; t >= 0; t = json_next(j, t))
        room = room && (!is_ours(j, t, id, &a) || take_found(cv, &a));
    return room ? ended(cv, OP_OK) : failed(cv, "it reports more host devices than can be listed");
}

static enum vmm_step info(struct vmm_conv *cv, const struct http_reply *r, struct vmm_out *out) {
    struct json j;
    struct json_error err;
    if (r->status != 200)
        return refused(cv, r);
    if (!json_parse(&j, r->body, r->len, tokens, VH_CLOUD_TOKENS, &err) || json_type(&j, 0) != JSON_OBJECT)
        return VMM_BAD;
    cv->result.nfound = 0;
    return take_info(cv, &j, out);
}

static enum vmm_step cloud_message(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    struct http_reply r;
    if (cv->op.kind == OP_NONE || http_reply_read(text, len, &r) != HTTP_OK)
        return VMM_BAD;
    bool ok = r.status == 200 || r.status == 204;
    switch ((enum step)cv->waiting) {
    case STEP_LIST:
    case STEP_CHECK:
        return info(cv, &r, out);
    case STEP_ATTACH:
        return ok ? ended(cv, OP_OK) : refused(cv, &r);
    case STEP_DETACH:
        if (r.status == 404) /* since v53: it has no such device any more */
            return ended(cv, OP_OK);
        return ok ? ended(cv, OP_ACCEPTED) : refused(cv, &r);
    case STEP_NONE:
        break;
    }
    return VMM_BAD;
}

const struct vmm vmm_cloud = {
    .type = "cloud-hypervisor",
    .talk = VMM_HTTP,
    .kinds = VM_KIND_PCI,
    .most_fds = 0,
    .answer_ms = VH_T_COMMAND,
    .one_operation = true,
    .strange = "is it cloud-hypervisor's API socket (--api-socket)?",
    .reset = cloud_reset,
    .message = cloud_message,
    .begin = cloud_begin,
    .takes_fd = cloud_takes_fd,
};
