/*
 * qemu_pci.c - see qemu_pci.h. Owns the order of the commands, and what QEMU's errors mean. One command is out at a
 * time: what comes next depends on its answer, and a device_add blocks the monitor while QEMU maps the VM's memory.
 *
 * A device is recognised by its property `host`, whoever plugged it in; a device that was given as a descriptor alone
 * has none, so ours are given both. A root port is free if its bus has no child. It may not be any more when device_add
 * comes, or its plugging may be off: then the next one is tried. addr 0 is said, because QEMU would choose a slot that
 * a port does not have if slot 0 is occupied.
 *
 * An input device is recognised by its property `evdev`. Whether it is grabbed is not tried: that would take what is
 * typed meanwhile from the host. Once the host's device has gone, QEMU keeps its own and spins until that is deleted.
 */
#include "vmm/qemu_pci.h"

#include "base/assert.h"
#include "codec/vm_input_id.h"
#include "codec/vm_pci_id.h"

#include <string.h>

#define PERIPHERAL "/machine/peripheral"
#define OUR_IOMMU "vhp-iommufd" /* the object of all our devices of a VM */

enum step {
    STEP_LIST = 1,
    STEP_LIST_ANON,
    STEP_HOST,
    STEP_PORT,
    STEP_OBJECTS,
    STEP_IOMMU_FD,
    STEP_OBJECT,
    STEP_FD,
    STEP_ADD,
    STEP_DEL
};

/* ---- commands ---- */

static void command(struct qemu_pci *q, struct qemu_pci_out *out, enum step step, const char *name,
                    const char *arguments) {
    q->step = step;
    q->count++;
    sb_fmt(&out->text, "{\"execute\": \"%s\", \"id\": \"%u.pci%u\", \"arguments\": {%s}}\n", name,
           (unsigned)q->op.serial, (unsigned)q->count, arguments);
}

static void list(struct qemu_pci *q, struct qemu_pci_out *out, enum step step, const char *path) {
    char args[VH_OPID_MAX * 2 + 64];
    bool ok = str_fmt(args, sizeof args, "\"path\": \"%s\"", path);
    VH_ASSERT(ok);
    command(q, out, step, "qom-list", args);
}

static void path_of(char path[VH_TEXT_MAX], const struct qemu_pci_found *f) {
    bool ok = str_fmt(path, VH_TEXT_MAX, PERIPHERAL "%s/%s", f->anonymous ? "-anon" : "", f->id);
    VH_ASSERT(ok);
}

static void get_fd(struct qemu_pci *q, struct qemu_pci_out *out, enum step step, const char *name) {
    char args[64];
    bool ok = str_fmt(args, sizeof args, "\"fdname\": \"%s\"", name);
    VH_ASSERT(ok);
    command(q, out, step, "getfd", args);
    out->fd = step == STEP_FD ? QEMU_PCI_DEVICE_FD : QEMU_PCI_IOMMU_FD;
}

/* QEMU 7.2 to 11.1 take no descriptor in place of the node. */
static void add_input(struct qemu_pci *q, struct qemu_pci_out *out) {
    char args[VH_TEXT_MAX * 2], id[VH_OPID_MAX], node[VH_NODE_MAX];
    vm_input_id_print(id, q->op.number);
    input_node_print(node, q->op.number);
    bool ok = str_fmt(args, sizeof args,
                      "\"driver\": \"virtio-input-host-pci\", \"evdev\": \"%s\", \"id\": \"%s\", \"bus\": \"%s\", "
                      "\"addr\": \"0\"",
                      node, id, q->ports[q->port]);
    VH_ASSERT(ok);
    command(q, out, STEP_ADD, "device_add", args);
}

static void add(struct qemu_pci *q, struct qemu_pci_out *out) {
    char args[VH_TEXT_MAX * 2], id[VH_OPID_MAX], host[PCI_ADDRESS_TEXT];
    vm_pci_id_print(id, &q->op.address);
    pci_address_text(host, &q->op.address);
    bool ok =
        str_fmt(args, sizeof args,
                "\"driver\": \"vfio-pci\", \"host\": \"%s\", \"id\": \"%s\", \"bus\": \"%s\", \"addr\": \"0\"%s", host,
                id, q->ports[q->port], q->op.by_fd ? ", \"iommufd\": \"" OUR_IOMMU "\", \"fd\": \"vhp-pci\"" : "");
    VH_ASSERT(ok);
    command(q, out, STEP_ADD, "device_add", args);
}

static void del(struct qemu_pci *q, struct qemu_pci_out *out) {
    char args[VH_TEXT_MAX + 16], path[VH_TEXT_MAX];
    path_of(path, &q->found[q->asked]);
    bool ok = str_fmt(args, sizeof args, "\"id\": \"%s\"", path); /* a path is taken for an id, of unnamed ones, too */
    VH_ASSERT(ok);
    command(q, out, STEP_DEL, "device_del", args);
}

/* ---- ends ---- */

static bool finish(struct qemu_pci *q, enum qemu_pci_end end, const char *text) {
    q->op.what = QEMU_PCI_NONE;
    q->end = end;
    (void)str_copy(q->text, sizeof q->text, text); /* an explanation may be cut */
    return true;
}

/* What is in an error of device_add, of QEMU 7.2 to 11.1; the first that is there counts. */
static const struct meaning {
    const char *part;
    enum qemu_pci_end end;
    const char *text; /* NULL: QEMU's own */
} meanings[] = {
    {" is not viable", QEMU_PCI_GROUP, "another device of its IOMMU group has a driver of the host"},
    {" = -12 (", QEMU_PCI_MEMLOCK,
     "QEMU may lock too little memory (RLIMIT_MEMLOCK): it needs the VM's memory and 64 MB more"},
    {"No available IOMMU models", QEMU_PCI_MODULE, "the kernel module vfio_iommu_type1 is not loaded"},
    {"Permission denied", QEMU_PCI_DENIED, "QEMU may not open the node of the device's IOMMU group"},
    {"Device or resource busy", QEMU_PCI_BUSY, "another VM has a device of its IOMMU group"},
    {"error bind device fd", QEMU_PCI_BUSY, "another VM has a device of its IOMMU group"},
    {"is already attached", QEMU_PCI_BUSY, NULL},
};

static const struct meaning meanings_input[] = {
    {"failed to get exclusive access", QEMU_PCI_BUSY, "another program has grabbed it"},
    {"Permission denied", QEMU_PCI_DENIED, "QEMU may not open the node of the input device"},
};

/* The port is of no use now, and another one may be. */
static bool is_about_the_port(const char *text) {
    static const char *const parts[] = {
        ", in use by ", /* "PCI: slot 0 function 0 not available for vfio-pci, in use by e1000e,id=n0" */
        " already occupied by ",
        " all in use or reserved",
        ", reserved",
        " does not support hotplugging",
        "unsupported by the port device",
        "Unsupported bus.",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strstr(text, parts[i]) != NULL)
            return true;
    }
    return str_starts(text, "Bus '"); /* "... not found": it was plugged out */
}

static bool refused(struct qemu_pci *q, const char *text) {
    size_t n = q->op.input ? sizeof meanings_input / sizeof *meanings_input : sizeof meanings / sizeof *meanings;
    for (size_t i = 0; i < n; i++) {
        const struct meaning *m = q->op.input ? &meanings_input[i] : &meanings[i];
        if (q->step == STEP_ADD && strstr(text, m->part) != NULL)
            return finish(q, m->end, m->text != NULL ? m->text : text);
    }
    return finish(q, QEMU_PCI_FAILED, text);
}

/* ---- what the VM has ---- */

/* QEMU takes letters, digits and "-._" in an id, and makes "device[0]" itself. */
static bool safe_id(const char *id) {
    for (const char *s = id; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\' || *s == '/' || (unsigned char)*s < 0x20)
            return false;
    }
    return id[0] != '\0';
}

/* Of a device that the operation is about. */
static const char *type_of(const struct qemu_pci *q) {
    return q->op.input ? "child<virtio-input-host-pci>" : "child<vfio-pci>";
}

static bool is_ours(const struct qemu_pci *q, struct qemu_pci_found *f) {
    return q->op.input ? vm_input_id_parse(f->id, &f->number) : vm_pci_id_parse(f->id, &f->address);
}

static bool take_list(struct qemu_pci *q, const struct json *j, int array, bool anonymous) {
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        struct qemu_pci_found f = {.anonymous = anonymous};
        int type = json_get(j, t, "type");
        bool device = json_string_is(j, type, type_of(q));
        bool port = json_string_is(j, type, "child<pcie-root-port>") || json_string_is(j, type, "child<ioh3420>");
        if ((!device && (!port || anonymous)) || !json_string(j, json_get(j, t, "name"), f.id, sizeof f.id) ||
            !safe_id(f.id))
            continue;
        if ((device ? q->nfound : q->nports) == VH_MAX_VM_PCI)
            return false;
        f.ours = !anonymous && is_ours(q, &f);
        f.known = f.ours;
        if (device)
            q->found[q->nfound++] = f;
        else
            memcpy(q->ports[q->nports++], f.id, sizeof f.id);
    }
    return true;
}

/* "0000:01:00.0", all ones without one; "/dev/input/event4". */
static void take_host(struct qemu_pci *q, const struct json *j, int value) {
    struct qemu_pci_found *f = &q->found[q->asked];
    struct pci_address a = {0};
    char text[VH_NODE_MAX];
    if (!json_string(j, value, text, sizeof text))
        return;
    if (q->op.input) {
        f->known = input_node_parse(text, &f->number) || f->known;
    } else if (pci_address_parse(text, &a)) {
        f->address = a;
        f->known = true;
    }
}

static bool is_meant(const struct qemu_pci *q, const struct qemu_pci_found *f) {
    if (q->op.input)
        return f->known && f->number == q->op.number;
    return f->known && pci_address_order(&f->address) == pci_address_order(&q->op.address);
}

static bool has_child(const struct json *j, int array) {
    char name[VH_OPID_MAX];
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (json_string(j, json_get(j, t, "name"), name, sizeof name) && str_starts(name, "child["))
            return true;
    }
    return false;
}

static bool has_object(const struct json *j, int array) {
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (json_string_is(j, json_get(j, t, "name"), OUR_IOMMU))
            return true;
    }
    return false;
}

/* ---- what comes next ---- */

static bool next_port(struct qemu_pci *q, struct qemu_pci_out *out) {
    char path[VH_TEXT_MAX];
    q->port++;
    if (q->port >= q->nports)
        return finish(q, QEMU_PCI_NO_PORT,
                      q->nports == 0 ? "the VM has no PCIe root port with an id"
                                     : "no PCIe root port of the VM is free");
    bool ok = str_fmt(path, sizeof path, PERIPHERAL "/%s/%s", q->ports[q->port], q->ports[q->port]);
    VH_ASSERT(ok);
    list(q, out, STEP_PORT, path); /* a bus is named as its port is */
    return false;
}

/* All hosts are known. */
static bool decide(struct qemu_pci *q, struct qemu_pci_out *out) {
    q->asked = 0;
    while (q->asked < q->nfound && !is_meant(q, &q->found[q->asked]))
        q->asked++;
    bool has = q->asked < q->nfound;
    if (q->op.what == QEMU_PCI_LIST || has != (q->op.what == QEMU_PCI_DEL))
        return finish(q, QEMU_PCI_DONE, "");
    if (q->op.what == QEMU_PCI_ADD)
        return next_port(q, out);
    del(q, out);
    return false;
}

static bool next_host(struct qemu_pci *q, struct qemu_pci_out *out) {
    char args[VH_TEXT_MAX + 64], path[VH_TEXT_MAX];
    q->asked++;
    if (q->asked >= q->nfound)
        return decide(q, out);
    path_of(path, &q->found[q->asked]);
    bool ok =
        str_fmt(args, sizeof args, "\"path\": \"%s\", \"property\": \"%s\"", path, q->op.input ? "evdev" : "host");
    VH_ASSERT(ok);
    command(q, out, STEP_HOST, "qom-get", args);
    return false;
}

static bool take_port(struct qemu_pci *q, const struct json *j, int value, struct qemu_pci_out *out) {
    if (value < 0 || has_child(j, value))
        return next_port(q, out);
    if (q->op.input)
        add_input(q, out);
    else if (q->op.by_fd)
        list(q, out, STEP_OBJECTS, "/objects");
    else
        add(q, out);
    return false;
}

static bool answered(struct qemu_pci *q, const struct json *j, int value, struct qemu_pci_out *out) {
    switch ((enum step)q->step) {
    case STEP_LIST:
    case STEP_LIST_ANON:
        if (!take_list(q, j, value, q->step == STEP_LIST_ANON))
            return finish(q, QEMU_PCI_FAILED,
                          q->op.input ? "the VM has more input devices than can be listed"
                                      : "the VM has more PCI devices than can be listed");
        if (q->step == STEP_LIST_ANON)
            return next_host(q, out);
        list(q, out, STEP_LIST_ANON, PERIPHERAL "-anon");
        return false;
    case STEP_HOST:
        take_host(q, j, value);
        return next_host(q, out);
    case STEP_PORT:
        return take_port(q, j, value, out);
    case STEP_OBJECTS:
        if (has_object(j, value))
            get_fd(q, out, STEP_FD, "vhp-pci");
        else
            get_fd(q, out, STEP_IOMMU_FD, "vhp-iommu");
        return false;
    case STEP_IOMMU_FD:
        command(q, out, STEP_OBJECT, "object-add",
                "\"qom-type\": \"iommufd\", \"id\": \"" OUR_IOMMU "\", \"fd\": \"vhp-iommu\"");
        return false;
    case STEP_OBJECT:
        get_fd(q, out, STEP_FD, "vhp-pci");
        return false;
    case STEP_FD:
        add(q, out);
        return false;
    case STEP_ADD:
        return finish(q, QEMU_PCI_DONE, "");
    case STEP_DEL:
        return finish(q, QEMU_PCI_ACCEPTED, "");
    }
    return finish(q, QEMU_PCI_FAILED, "no command is under way");
}

/* A device may go, and a port, between two commands. */
static bool failed(struct qemu_pci *q, const struct json *j, int error, struct qemu_pci_out *out) {
    char text[VH_TEXT_MAX];
    bool gone = json_string_is(j, json_get(j, error, "class"), "DeviceNotFound");
    if (!json_string(j, json_get(j, error, "desc"), text, sizeof text) || text[0] == '\0')
        (void)str_copy(text, sizeof text, "QEMU refused without a readable reason");
    if (q->step == STEP_DEL && gone)
        return finish(q, QEMU_PCI_DONE, "");
    if (q->step == STEP_DEL && strstr(text, "already in the process of unplug") != NULL)
        return finish(q, QEMU_PCI_ACCEPTED, "");
    if (q->step == STEP_HOST)
        return next_host(q, out);
    if (q->step == STEP_PORT || (q->step == STEP_ADD && is_about_the_port(text)))
        return next_port(q, out);
    return refused(q, text);
}

void qemu_pci_begin(struct qemu_pci *q, const struct qemu_pci_op *op, struct qemu_pci_out *out) {
    VH_ASSERT(op->what != QEMU_PCI_NONE);
    q->op = *op;
    q->count = 0;
    q->nfound = q->nports = 0;
    q->asked = q->port = -1;
    q->text[0] = '\0';
    out->fd = QEMU_PCI_NO_FD;
    list(q, out, STEP_LIST, PERIPHERAL);
}

bool qemu_pci_message(struct qemu_pci *q, const struct json *j, struct qemu_pci_out *out) {
    char id[32], expected[32];
    int value = json_get(j, 0, "return"), error = json_get(j, 0, "error");
    bool fits = str_fmt(expected, sizeof expected, "%u.pci%u", (unsigned)q->op.serial, (unsigned)q->count);
    VH_ASSERT(fits);
    out->fd = QEMU_PCI_NO_FD;
    if (q->op.what == QEMU_PCI_NONE || (value < 0) == (error < 0) ||
        !json_string(j, json_get(j, 0, "id"), id, sizeof id) || !str_eq(id, expected))
        return false; /* an event, or of another operation */
    return error >= 0 ? failed(q, j, error, out) : answered(q, j, value, out);
}

/* ---- events ---- */

enum qemu_pci_event qemu_pci_event(const struct json *j, char id[VH_OPID_MAX]) {
    char path[VH_TEXT_MAX];
    int event = json_get(j, 0, "event"), data = json_get(j, 0, "data");
    bool deleted = json_string_is(j, event, "DEVICE_DELETED");
    id[0] = '\0';
    if (!deleted && !json_string_is(j, event, "DEVICE_UNPLUG_GUEST_ERROR"))
        return QEMU_PCI_OTHER_EVENT;
    if (json_string(j, json_get(j, data, "path"), path, sizeof path) && str_starts(path, PERIPHERAL)) {
        const char *name = strchr(path + strlen(PERIPHERAL), '/');
        if (name == NULL || strchr(name + 1, '/') != NULL || !str_copy(id, VH_OPID_MAX, name + 1))
            id[0] = '\0'; /* a part of a device: its own event comes, too */
    }
    if (id[0] == '\0')
        return QEMU_PCI_OTHER_EVENT;
    return deleted ? QEMU_PCI_DELETED : QEMU_PCI_GUEST_REFUSED;
}
