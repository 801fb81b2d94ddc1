/*
 * vmm_qemu.c - turns operations into QMP commands, and QMP lines into results. Pure: owns nothing but scratch space,
 * and never makes a system call.
 *
 * An operation is sent as one batch. Without out-of-band execution QEMU handles pipelined commands in order, also those
 * with a descriptor. Replies are matched by their id "<serial>.<step>", and events are never taken for replies. A
 * DEVICE_DELETED event of a usb-host proves nothing, because it comes late with an id that may be in use again. Its
 * device_del is synchronous: the reply means that the device is out. A PCI device leaves when its guest lets go of it
 * (qemu_pci.h): there the event tells.
 */
#include "vmm/vmm_qemu.h"

#include "base/log.h"
#include "codec/json.h"
#include "codec/usb_place.h"
#include "codec/vm_id.h"
#include "codec/vm_pci_id.h"

#include <string.h>

enum step { /* of an operation; also its bit in conv->waiting */
            STEP_ADD_FD = 1,
            STEP_ADD,
            STEP_REMOVE_FD,
            STEP_DEL,
            STEP_LIST,
            STEP_LIST_ANON,
            STEP_PROPS,
            STEP_FDSETS,
            STEP_HOSTBUS, /* properties of one device that others attached, in the order of the table below */
            STEP_HOSTADDR,
            STEP_VENDORID,
            STEP_PRODUCTID,
            STEP_HOSTPORT,
            STEP_HOSTDEVICE,
            STEP_ATTACHED,
            STEP_PORTS, /* questions about ports, one after the other */
            STEP_END = STEP_PORTS + QEMU_ASKED
};
_Static_assert(STEP_END <= 32, "a step is a bit");
#define CAPS "caps"                              /* the id of the negotiation, which is no step */
enum { QUESTION_ROOM = QEMU_QUESTION_MAX + 80 }; /* with its command and its id */
_Static_assert(QEMU_ASKED *QUESTION_ROOM < VH_QMP_OUT_MAX, "a batch fits into the buffer");

static const char *const properties[STEP_PORTS - STEP_HOSTBUS] = {"hostbus",  "hostaddr",   "vendorid", "productid",
                                                                  "hostport", "hostdevice", "attached"};

/* FEATURE_PORTS: the questions about ports are under way. A connection that ends in the middle of them leaves it set:
 * this QEMU is not asked again, so that its devices can be listed without them. */
enum { FEATURE_PROBED = 1, FEATURE_HOSTDEVICE = 2, FEATURE_PORTS = 4 };

static jsmntok_t tokens[VH_QMP_TOKENS];

static void qemu_reset(struct vmm_conv *cv) {
    uint32_t features = cv->features;
    memset(cv, 0, offsetof(struct vmm_conv, found));
    cv->features = features;
    cv->pci.op.what = QEMU_PCI_NONE;
    cv->pci.nfound = 0;
}

static void fail(struct vmm_conv *cv, const char *text) {
    if (cv->failed)
        return; /* later failures follow from the first */
    cv->failed = true;
    cv->result.status = OP_FAILED;
    (void)str_copy(cv->result.text, sizeof cv->result.text, text); /* an explanation may be cut */
}

/* ---- commands ---- */

static void begin_command(struct vmm_conv *cv, struct vmm_out *out, enum step step, const char *name) {
    cv->waiting |= 1u << step;
    sb_fmt(&out->text, "{\"execute\": \"%s\", \"id\": \"%u.%d\"", name, (unsigned)cv->op.serial, (int)step);
}

static void end_command(struct vmm_out *out) {
    sb_str(&out->text, "}\n");
}

static void command(struct vmm_conv *cv, struct vmm_out *out, enum step step, const char *name, const char *arguments) {
    begin_command(cv, out, step, name);
    if (arguments[0] != '\0')
        sb_fmt(&out->text, ", \"arguments\": {%s}", arguments);
    end_command(out);
}

/* One set for all devices, because only one operation at a time uses it. A set that was used stays in QEMU, empty,
 * until QEMU ends: usb-host closes its duplicate without removing it from the set. So a number for each device would
 * leave more and more sets. A QEMU before 9.1 whose VM does not run keeps the older descriptor in the set; it then
 * takes the newest. */
#define FDSET 760000u

static void begin_remove_fd(struct vmm_conv *cv, struct vmm_out *out) {
    char args[64];
    if (!str_fmt(args, sizeof args, "\"fdset-id\": %u", FDSET))
        VH_ASSERT(false);
    command(cv, out, STEP_REMOVE_FD, "remove-fd", args);
}

/* Without a port QEMU takes the first one that is free; the last one it makes a full-speed hub. */
static void begin_add(struct vmm_conv *cv, struct vmm_out *out) {
    const struct vmm_op *op = &cv->op;
    char args[384];
    struct sbuf sb;
    sb_init(&sb, args, sizeof args);
    sb_fmt(&sb, "\"driver\": \"usb-host\", \"id\": \"%s\"", op->id);
    if (op->bus[0] != '\0')
        sb_fmt(&sb, ", \"bus\": \"%s\"", op->bus);
    if (op->port[0] != '\0')
        sb_fmt(&sb, ", \"port\": \"%s\"", op->port);
    if (op->by_fd)
        sb_fmt(&sb, ", \"hostdevice\": \"/dev/fdset/%u\"", FDSET);
    else /* integers: strings are refused since 9.2 */
        sb_fmt(&sb, ", \"hostbus\": %u, \"hostaddr\": %u", (unsigned)op->busnum, (unsigned)op->devnum);
    VH_ASSERT(sb_ok(&sb));
    command(cv, out, STEP_ADD, "device_add", args);
}

static void begin_attach(struct vmm_conv *cv, struct vmm_out *out) {
    char args[64];
    if (!cv->op.by_fd) {
        begin_add(cv, out);
        return;
    }
    if (!str_fmt(args, sizeof args, "\"fdset-id\": %u, \"opaque\": \"vhotplug\"", FDSET))
        VH_ASSERT(false);
    command(cv, out, STEP_ADD_FD, "add-fd", args);
    begin_add(cv, out);
    /* QEMU has its own duplicate by now. A descriptor that stays in the set would keep the node open after an unplug.
     */
    begin_remove_fd(cv, out);
    out->pass_fd = true;
}

/* ---- PCI devices ---- */

static void begin_pci(struct vmm_conv *cv, enum qemu_pci_what what, struct vmm_out *out) {
    struct qemu_pci_op op = {.serial = cv->op.serial, .what = what};
    struct qemu_pci_out pci = {.text = out->text};
    bool known = what == QEMU_PCI_LIST || vm_pci_id_parse(cv->op.id, &op.address);
    VH_ASSERT(known); /* the core has printed it */
    qemu_pci_begin(&cv->pci, &op, &pci);
    out->text = pci.text;
}

/* Its id as we write it: devices of the VM's command line have numbers for names, and the host's address tells which
 * one it is. False: it is somebody else's. */
static bool our_id(const struct qemu_pci_found *f, char id[VH_OPID_MAX]) {
    if (!f->known || f->anonymous || !str_starts(f->id, "vhp-pci-"))
        return false;
    vm_pci_id_print(id, &f->address);
    return true;
}

/* What others have plugged in is not told: the kernel keeps whoever has a device from being overlooked. */
static void take_pci_list(struct vmm_conv *cv) {
    for (int i = 0; i < cv->pci.nfound; i++) {
        struct vmm_found f = {.ours = true};
        if (!our_id(&cv->pci.found[i], f.id))
            continue;
        if (cv->result.nfound == VH_MAX_FOUND) {
            fail(cv, "it reports more host devices than can be listed");
            return;
        }
        cv->found[cv->result.nfound++] = f;
    }
}

static enum vmm_step pci_answer(struct vmm_conv *cv, const struct json *j, struct vmm_out *out) {
    struct qemu_pci_out pci = {.text = out->text};
    bool ended = qemu_pci_message(&cv->pci, j, &pci);
    out->text = pci.text;
    if (!ended)
        return VMM_WAIT;
    if (cv->pci.end != QEMU_PCI_DONE && cv->pci.end != QEMU_PCI_ACCEPTED)
        fail(cv, cv->pci.text);
    else if (cv->pci.end == QEMU_PCI_ACCEPTED)
        cv->result.status = OP_ACCEPTED;
    else if (cv->op.kind == OP_LIST)
        take_pci_list(cv);
    cv->op.kind = OP_NONE;
    return VMM_DONE;
}

/* Events about devices on USB, and about those of others, are for nobody. */
static enum vmm_step pci_event(struct vmm_conv *cv, const struct json *j) {
    char id[VH_OPID_MAX];
    struct pci_address a;
    enum qemu_pci_event event = qemu_pci_event(j, id);
    bool ours = event != QEMU_PCI_OTHER_EVENT && vm_pci_id_parse(id, &a);
    if (ours)
        memcpy(cv->out_id, id, sizeof cv->out_id);
    for (int i = 0; !ours && event != QEMU_PCI_OTHER_EVENT && i < cv->pci.nfound; i++)
        ours = str_eq(cv->pci.found[i].id, id) && our_id(&cv->pci.found[i], cv->out_id);
    if (!ours)
        return VMM_WAIT;
    return event == QEMU_PCI_DELETED ? VMM_OUT : VMM_STAYS;
}

static void begin_detach(struct vmm_conv *cv, struct vmm_out *out) {
    char args[VH_OPID_MAX + 16];
    if (cv->op.pci) {
        begin_pci(cv, QEMU_PCI_DEL, out);
        return;
    }
    if (!str_fmt(args, sizeof args, "\"id\": \"%s\"", cv->op.id))
        VH_ASSERT(false);
    command(cv, out, STEP_DEL, "device_del", args);
    begin_remove_fd(cv, out); /* a QEMU before 9.1 whose VM did not run at the attach kept it */
}

static void qemu_begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    cv->op = *op;
    cv->waiting = 0;
    cv->failed = false;
    cv->asked = -1;
    cv->result = (struct op_result){.serial = op->serial, .vm = op->vm, .status = OP_OK, .found = cv->found};
    memcpy(cv->result.version, cv->version, sizeof cv->version);
    out->pass_fd = false;
    switch (op->kind) {
    case OP_ATTACH:
        if (op->pci)
            begin_pci(cv, QEMU_PCI_ADD, out);
        else
            begin_attach(cv, out);
        break;
    case OP_DETACH:
        begin_detach(cv, out);
        break;
    case OP_LIST:
        qemu_ports_begin(&cv->ports);
        cv->ports.unknown = (cv->features & FEATURE_PORTS) != 0;
        command(cv, out, STEP_LIST, "qom-list", "\"path\": \"/machine/peripheral\"");
        command(cv, out, STEP_LIST_ANON, "qom-list", "\"path\": \"/machine/peripheral-anon\"");
        command(cv, out, STEP_FDSETS, "query-fdsets", "");
        if ((cv->features & FEATURE_PROBED) == 0)
            command(cv, out, STEP_PROPS, "device-list-properties", "\"typename\": \"usb-host\"");
        break;
    case OP_NONE:
        VH_ASSERT(false);
    }
}

static bool qemu_takes_fd(const struct vmm_conv *cv, uint32_t features) {
    (void)cv;
    return (features & FEATURE_PROBED) == 0 || (features & FEATURE_HOSTDEVICE) != 0;
}

/* ---- answers ---- */

static void take_list(struct vmm_conv *cv, const struct json *j, int array, bool anonymous) {
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        struct vmm_found f = {.anonymous = anonymous};
        char type[VH_NAME_MAX];
        if (!json_string(j, json_get(j, t, "type"), type, sizeof type) ||
            !json_string(j, json_get(j, t, "name"), f.id, sizeof f.id))
            continue;
        qemu_ports_entry(&cv->ports, anonymous ? QEMU_ANONYMOUS : QEMU_NAMED, f.id, type);
        /* QEMU accepts letters, digits and "-._" in an id, and itself makes ids such as "device[0]". */
        if (!str_eq(type, "child<usb-host>") || !qemu_ports_name_is_safe(f.id))
            continue;
        /* With our prefix but other numbers: ours of another version, removed as stale. */
        f.ours = !anonymous && vm_id_parse(f.id, &f.busnum, &f.devnum);
        if (cv->result.nfound == VH_MAX_FOUND) {
            fail(cv, "it reports more host devices than can be listed");
            return;
        }
        cv->found[cv->result.nfound++] = f;
    }
}

/* ---- devices that others attached ---- */

static void take_property(struct vmm_conv *cv, const struct json *j, int value, int step) {
    struct vmm_found *f = &cv->found[cv->asked];
    char text[VH_NODE_MAX];
    int64_t n = 0;
    bool there = true;
    switch (step) {
    case STEP_HOSTBUS:
        f->busnum = json_int(j, value, 0, 255, &n) ? (uint8_t)n : 0;
        break;
    case STEP_HOSTADDR:
        f->devnum = json_int(j, value, 0, USB_DEVNUM_MAX, &n) ? (uint8_t)n : 0;
        break;
    case STEP_VENDORID:
        f->vid = json_int(j, value, 0, UINT16_MAX, &n) ? (uint16_t)n : 0;
        break;
    case STEP_PRODUCTID:
        f->pid = json_int(j, value, 0, UINT16_MAX, &n) ? (uint16_t)n : 0;
        break;
    case STEP_HOSTPORT:
        if (!json_string(j, value, f->port, sizeof f->port))
            f->port[0] = '\0';
        break;
    case STEP_HOSTDEVICE:
        if (json_string(j, value, text, sizeof text)) /* a set ("/dev/fdset/3") does not tell what it holds */
            (void)usb_node_parse_exact(text, &f->busnum, &f->devnum);
        break;
    default:
        cv->absent = json_bool(j, value, &there) && !there;
    }
}

/* QEMU opens a device named by bus and address alone at once; anything else is a filter that goes on looking. */
static void properties_known(struct vmm_conv *cv) {
    struct vmm_found *f = &cv->found[cv->asked];
    f->filter = f->vid != 0 || f->pid != 0 || f->port[0] != '\0' || (f->busnum == 0) != (f->devnum == 0);
    if (cv->absent && !f->filter)
        f->busnum = f->devnum = 0;
}

/* Asks for the properties of the next device that others attached: one at a time, because a batch must fit into the
 * buffer. False after the last. */
static bool ask_next(struct vmm_conv *cv, struct vmm_out *out) {
    char args[VH_OPID_MAX + 96];
    if (cv->asked >= (int)cv->result.nfound)
        return false; /* after the last one */
    if (cv->asked >= 0)
        properties_known(cv);
    cv->absent = false;
    cv->asked++;
    while (cv->asked < cv->result.nfound && cv->found[cv->asked].ours)
        cv->asked++;
    if (cv->asked >= cv->result.nfound)
        return false;
    for (int step = STEP_HOSTBUS; step < STEP_PORTS; step++) {
        const struct vmm_found *f = &cv->found[cv->asked];
        bool ok = str_fmt(args, sizeof args, "\"path\": \"/machine/peripheral%s/%s\", \"property\": \"%s\"",
                          f->anonymous ? "-anon" : "", f->id, properties[step - STEP_HOSTBUS]);
        VH_ASSERT(ok);
        command(cv, out, (enum step)step, "qom-get", args);
    }
    return true;
}

/* ---- ports ---- */

/* False after the last question. */
static bool ask_ports(struct vmm_conv *cv, struct vmm_out *out) {
    const char *name = NULL;
    char args[QEMU_QUESTION_MAX];
    int n = 0;
    qemu_ports_batch_done(&cv->ports);
    if (out->text.cap - out->text.len < (size_t)QEMU_ASKED * QUESTION_ROOM)
        cv->ports.unknown = true; /* what is removed in the same batch leaves no room: the next listing tells */
    while (qemu_ports_ask(&cv->ports, &name, args))
        command(cv, out, (enum step)(STEP_PORTS + n++), name, args);
    if (n > 0) {
        cv->features |= FEATURE_PORTS;
        return true;
    }
    if (cv->ports.phase != QEMU_MACHINE)
        cv->features &= ~(uint32_t)FEATURE_PORTS;
    if (cv->ports.ports.known)
        cv->result.ports = &cv->ports.ports;
    return false;
}

/* ---- answers about the VMM itself ---- */

static void take_properties(struct vmm_conv *cv, const struct json *j, int array) {
    cv->features |= FEATURE_PROBED;
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (json_string_is(j, json_get(j, t, "name"), "hostdevice"))
            cv->features |= FEATURE_HOSTDEVICE;
    }
}

/* Removes descriptors that an earlier daemon left in a set, because they hold a node open. The answers do not matter.
 */
static void take_fdsets(struct vmm_conv *cv, const struct json *j, int array, struct vmm_out *out) {
    int removed = 0;
    for (int t = json_first(j, array); t >= 0 && removed < 16; t = json_next(j, t)) {
        int64_t id = 0;
        int fds = json_get(j, t, "fds");
        if (!json_int(j, json_get(j, t, "fdset-id"), 0, INT64_MAX, &id) || json_size(j, fds) == 0 ||
            !json_string_is(j, json_get(j, json_first(j, fds), "opaque"), "vhotplug"))
            continue;
        sb_fmt(&out->text, "{\"execute\": \"remove-fd\", \"arguments\": {\"fdset-id\": %lld}, \"id\": \"%u.clean\"}\n",
               (long long)id, (unsigned)cv->op.serial);
        removed++;
    }
}

static void fail_step(struct vmm_conv *cv, const struct json *j, int error, enum step step) {
    char text[VH_TEXT_MAX];
    if (step == STEP_REMOVE_FD || step == STEP_LIST_ANON || step >= STEP_PROPS)
        return; /* does not decide the operation */
    if (step == STEP_DEL && json_string_is(j, json_get(j, error, "class"), "DeviceNotFound"))
        return; /* it is out */
    if (!json_string(j, json_get(j, error, "desc"), text, sizeof text) || text[0] == '\0')
        (void)str_copy(text, sizeof text, "QEMU refused without a readable reason");
    fail(cv, text);
}

/* "<serial>.<step>" of the operation under way; -1 for anything else. */
static int step_of(const struct vmm_conv *cv, const struct json *j) {
    char id[32];
    uint64_t serial = 0, step = 0;
    if (!json_string(j, json_get(j, 0, "id"), id, sizeof id))
        return -1;
    const char *dot = strchr(id, '.');
    if (dot == NULL || !str_uint(id, (size_t)(dot - id), UINT32_MAX, &serial) ||
        !str_uint(dot + 1, strlen(dot + 1), STEP_END - 1, &step) || serial != cv->op.serial)
        return -1;
    return (cv->waiting >> step & 1) != 0 ? (int)step : -1;
}

/* The device is in, or is not, before the set is emptied. */
static bool is_over(const struct vmm_conv *cv) {
    uint32_t counts = cv->op.kind == OP_ATTACH ? ~(1u << STEP_REMOVE_FD) : ~0u;
    return cv->op.kind != OP_NONE && (cv->waiting & counts) == 0;
}

static enum vmm_step answer(struct vmm_conv *cv, const struct json *j, struct vmm_out *out) {
    int step = step_of(cv, j);
    if (step < 0 && json_string_is(j, json_get(j, 0, "id"), CAPS)) /* of the negotiation */
        return json_get(j, 0, "error") >= 0 ? VMM_BAD : VMM_WAIT;
    if (step < 0) /* about PCI devices, of an operation that was given up, or an error without an id */
        return cv->pci.op.what != QEMU_PCI_NONE ? pci_answer(cv, j, out) : VMM_WAIT;
    int value = json_get(j, 0, "return"), error = json_get(j, 0, "error");
    if (value < 0 && error < 0)
        return VMM_BAD;
    cv->waiting &= ~(1u << step);
    if (step >= STEP_PORTS)
        qemu_ports_answer(&cv->ports, (unsigned)step - STEP_PORTS, j, value);
    else if (error >= 0)
        fail_step(cv, j, error, (enum step)step);
    else if (step == STEP_LIST || step == STEP_LIST_ANON)
        take_list(cv, j, value, step == STEP_LIST_ANON);
    else if (step == STEP_PROPS)
        take_properties(cv, j, value);
    else if (step == STEP_FDSETS)
        take_fdsets(cv, j, value, out);
    else if (step >= STEP_HOSTBUS)
        take_property(cv, j, value, step);
    if (!is_over(cv) || cv->pci.op.what != QEMU_PCI_NONE)
        return VMM_WAIT;
    if (cv->op.kind == OP_LIST && !cv->failed && (ask_next(cv, out) || ask_ports(cv, out)))
        return VMM_WAIT;
    if (cv->op.kind == OP_LIST && !cv->failed && cv->op.pci) {
        begin_pci(cv, QEMU_PCI_LIST, out);
        return VMM_WAIT;
    }
    cv->op.kind = OP_NONE;
    return VMM_DONE;
}

/* Negotiates at once, and not with the first operation, because that may still wait for its node. */
static enum vmm_step greeting(struct vmm_conv *cv, const struct json *j, struct vmm_out *out) {
    int version = json_get(j, json_get(j, json_get(j, 0, "QMP"), "version"), "qemu");
    static const char parts[][6] = {"major", "minor", "micro"};
    if (json_type(j, json_get(j, 0, "QMP")) != JSON_OBJECT)
        return VMM_BAD;
    for (int i = 0; i < 3; i++) {
        int64_t v = 0;
        if (json_int(j, json_get(j, version, parts[i]), 0, 100000, &v))
            cv->version[i] = (int)v;
    }
    cv->greeted = true;
    sb_str(&out->text, "{\"execute\": \"qmp_capabilities\", \"id\": \"" CAPS "\"}\n");
    return VMM_READY;
}

static enum vmm_step qemu_message(struct vmm_conv *cv, const char *line, size_t len, struct vmm_out *out) {
    struct json j;
    struct json_error err;
    if (len == 0)
        return VMM_WAIT;
    if (!json_parse(&j, line, len, tokens, VH_QMP_TOKENS, &err) || json_type(&j, 0) != JSON_OBJECT)
        return VMM_BAD;
    if (!cv->greeted)
        return greeting(cv, &j, out);
    int event = json_get(&j, 0, "event");
    if (event >= 0)
        return json_string_is(&j, event, "SHUTDOWN") ? VMM_DOWN : pci_event(cv, &j);
    return answer(cv, &j, out);
}

const struct vmm vmm_qemu = {
    .type = "qemu",
    .talk = VMM_LINES,
    .kinds = VM_KIND_USB | VM_KIND_PCI,
    .most_fds = 1,
    .answer_ms = VH_T_COMMAND,
    .one_client = true,
    .strange = "-monitor or -qmp-pretty in place of -qmp?",
    .reset = qemu_reset,
    .message = qemu_message,
    .begin = qemu_begin,
    .takes_fd = qemu_takes_fd,
};
