/*
 * vmm_crosvm.c - turns operations into requests of crosvm's control socket, and its answers into results. Pure: owns
 * nothing but scratch space, and never makes a system call.
 *
 * A packet is one JSON value, as serde writes it. crosvm knows a device by the port of its own controller alone, 1 to
 * 16. The request to attach carries more than a crosvm of today reads: one before June 2022 needs the numbers, and each
 * ignores what it does not know. A detach asks first what the port has, and leaves another device where it is.
 */
#include "vmm/vmm_crosvm.h"

#include "base/log.h"
#include "codec/json.h"
#include "codec/vm_id.h"

#include <string.h>

enum { PORTS = 16 };

enum step { /* what an answer is expected to; in conv->waiting */
            STEP_NONE,
            STEP_ATTACH,
            STEP_LIST,
            STEP_CHECK, /* the list before a detach */
            STEP_DETACH
};

static jsmntok_t tokens[VH_CROSVM_TOKENS];

static void crosvm_reset(struct vmm_conv *cv) {
    memset(cv, 0, offsetof(struct vmm_conv, found));
}

static bool crosvm_takes_fd(const struct vmm_conv *cv, uint32_t features) {
    (void)cv, (void)features;
    return true;
}

/* ---- requests ---- */

/* All ports in one request. crosvm's own command asks for 0 to 15, and so never sees what is in the last one. */
static void ask_for_list(struct vmm_conv *cv, enum step step, struct vmm_out *out) {
    cv->waiting = step;
    sb_str(&out->text, "{\"UsbCommand\":{\"ListDevice\":{\"ports\":[");
    for (int port = 1; port <= PORTS; port++)
        sb_fmt(&out->text, "%s%d", port == 1 ? "" : ",", port);
    sb_str(&out->text, "]}}}");
}

static void crosvm_begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    cv->op = *op;
    cv->result =
        (struct op_result){.serial = op->serial, .vm = op->vm, .status = OP_OK, .unnamed = true, .found = cv->found};
    out->pass_fd = op->kind == OP_ATTACH;
    switch (op->kind) {
    case OP_ATTACH:
        cv->waiting = STEP_ATTACH;
        sb_fmt(&out->text,
               "{\"UsbCommand\":{\"AttachDevice\":{\"bus\":%u,\"addr\":%u,\"vid\":%u,\"pid\":%u,\"file\":0}}}",
               (unsigned)op->busnum, (unsigned)op->devnum, (unsigned)op->vid, (unsigned)op->pid);
        break;
    case OP_DETACH:
        ask_for_list(cv, STEP_CHECK, out);
        break;
    case OP_LIST:
        ask_for_list(cv, STEP_LIST, out);
        break;
    case OP_NONE:
        VH_ASSERT(false);
    }
}

/* ---- answers ---- */

static enum vmm_step ended(struct vmm_conv *cv) {
    cv->waiting = STEP_NONE;
    cv->op.kind = OP_NONE;
    return VMM_DONE;
}

static enum vmm_step failed(struct vmm_conv *cv, const char *text) {
    cv->result.status = OP_FAILED;
    cv->result.nfound = 0;
    (void)str_copy(cv->result.text, sizeof cv->result.text, text); /* an explanation may be cut */
    return ended(cv);
}

/* {"Err": 19}: the request as a whole was refused, with an errno. */
static enum vmm_step refused(struct vmm_conv *cv, const struct json *j, int value) {
    enum { NO_DEVICE = 19 };
    char text[VH_TEXT_MAX];
    int64_t error = 0;
    if (!json_int(j, value, INT32_MIN, INT32_MAX, &error))
        return VMM_BAD;
    if (error == NO_DEVICE)
        return failed(cv, "crosvm runs without a USB controller (--no-usb)");
    (void)str_fmt(text, sizeof text, "crosvm refused with error %d", (int)error); /* it fits */
    return failed(cv, text);
}

static enum vmm_step in_words(struct vmm_conv *cv, const struct json *j, int value) {
    static const struct {
        const char *name, *text;
    } words[] = {
        {"NoAvailablePort", "no port of the device's speed is free in the VM (8 are for USB 2, 8 for USB 3)"},
        {"NoSuchDevice", "crosvm knows no such device"},
        {"NoSuchPort", "crosvm knows no such port"},
        {"FailedToOpenDevice", "crosvm could not open the device"},
        {"FailedToInitHostDevice", "crosvm could not set the device up"},
    };
    bool gone = json_string_is(j, value, "NoSuchDevice") || json_string_is(j, value, "NoSuchPort");
    if (gone && cv->waiting == STEP_DETACH)
        return ended(cv); /* it is out */
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (json_string_is(j, value, words[i].name))
            return failed(cv, words[i].text);
    }
    return VMM_BAD;
}

static enum vmm_step take_port(struct vmm_conv *cv, const struct json *j, int value) {
    int64_t port = 0;
    if (!json_int(j, json_get(j, value, "port"), 1, PORTS, &port))
        return VMM_BAD;
    if (cv->waiting == STEP_DETACH)
        return ended(cv);
    if (cv->waiting != STEP_ATTACH)
        return VMM_BAD;
    cv->result.port = (uint8_t)port;
    return ended(cv);
}

/* One entry of a list. Port 0: nothing is there. False: it is none, or names a port twice. */
static bool take_entry(struct vmm_conv *cv, const struct json *j, int t, uint32_t *seen) {
    int64_t port = 0, vid = 0, pid = 0;
    if (!json_int(j, json_get(j, t, "port"), 0, PORTS, &port) ||
        !json_int(j, json_get(j, t, "vendor_id"), 0, UINT16_MAX, &vid) ||
        !json_int(j, json_get(j, t, "product_id"), 0, UINT16_MAX, &pid))
        return false;
    if (port == 0)
        return true;
    if ((*seen >> port & 1) != 0 || cv->result.nfound == VH_MAX_FOUND)
        return false;
    *seen |= 1u << port;
    struct vmm_found *f = &cv->found[cv->result.nfound++];
    *f = (struct vmm_found){.port_in_vm = (uint8_t)port, .vid = (uint16_t)vid, .pid = (uint16_t)pid};
    vm_id_print_port(f->id, f->port_in_vm);
    return true;
}

static const struct vmm_found *at_port(const struct vmm_conv *cv, uint8_t port) {
    for (int i = 0; i < cv->result.nfound; i++) {
        if (cv->found[i].port_in_vm == port)
            return &cv->found[i];
    }
    return NULL;
}

/* The list before a detach: what is in the port now? */
static enum vmm_step checked(struct vmm_conv *cv, struct vmm_out *out) {
    const struct vmm_op *op = &cv->op;
    const struct vmm_found *f = at_port(cv, op->vm_port);
    cv->result.nfound = 0;
    if (f == NULL || f->vid != op->vid || f->pid != op->pid)
        return ended(cv); /* it is out: the port is empty, or somebody else's */
    cv->waiting = STEP_DETACH;
    sb_fmt(&out->text, "{\"UsbCommand\":{\"DetachDevice\":{\"port\":%u}}}", (unsigned)op->vm_port);
    return VMM_WAIT;
}

static enum vmm_step take_devices(struct vmm_conv *cv, const struct json *j, int array, struct vmm_out *out) {
    uint32_t seen = 0;
    if ((cv->waiting != STEP_LIST && cv->waiting != STEP_CHECK) || json_type(j, array) != JSON_ARRAY)
        return VMM_BAD;
    cv->result.nfound = 0;
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (!take_entry(cv, j, t, &seen))
            return VMM_BAD;
    }
    return cv->waiting == STEP_CHECK ? checked(cv, out) : ended(cv);
}

static enum vmm_step usb_response(struct vmm_conv *cv, const struct json *j, int value, struct vmm_out *out) {
    if (json_type(j, value) == JSON_STRING)
        return in_words(cv, j, value);
    if (json_type(j, value) != JSON_OBJECT || json_size(j, value) != 1)
        return VMM_BAD;
    int ok = json_get(j, value, "Ok"), devices = json_get(j, value, "Devices");
    if (ok >= 0)
        return take_port(cv, j, ok);
    return devices >= 0 ? take_devices(cv, j, devices, out) : VMM_BAD;
}

static enum vmm_step crosvm_message(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    struct json j;
    struct json_error err;
    if (cv->op.kind == OP_NONE || !json_parse(&j, text, len, tokens, VH_CROSVM_TOKENS, &err) ||
        json_type(&j, 0) != JSON_OBJECT || json_size(&j, 0) != 1)
        return VMM_BAD;
    int usb = json_get(&j, 0, "UsbResponse"), error = json_get(&j, 0, "Err");
    if (usb >= 0)
        return usb_response(cv, &j, usb, out);
    return error >= 0 ? refused(cv, &j, error) : VMM_BAD;
}

const struct vmm vmm_crosvm = {
    .type = "crosvm",
    .talk = VMM_PACKETS,
    .kinds = VM_KIND_USB,
    .most_fds = 1,
    .answer_ms = VH_T_CROSVM,
    .one_operation = true,
    .strange = "is it crosvm's control socket, and a crosvm of 2021 or later?",
    .reset = crosvm_reset,
    .message = crosvm_message,
    .begin = crosvm_begin,
    .takes_fd = crosvm_takes_fd,
};
