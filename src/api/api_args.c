/*
 * api_args.c - see api_args.h. Owns the arguments of each type of VMM, word for word as the older daemons give them,
 * since start scripts and the names of ports depend on them. Never says that a device is ready: the caller has prepared
 * it.
 */
#include "api/api_args.h"

#include "api/api_internal.h"
#include "base/assert.h"
#include "base/limits.h"
#include "config/policy_evdev.h"

#include <string.h>

enum type { TYPE_QEMU, TYPE_CROSVM, TYPE_CLOUD };

struct args {
    const struct args_host *h;
    const struct request *r;
    const struct conf *c;
    int vm;
    enum type type;
    struct sbuf *sb, error;
    const char *separator; /* before the next element of the array that is written */
};

/* ---- words ---- */

static void word(struct args *a, const char *text) {
    sb_str(a->sb, a->separator);
    sb_json(a->sb, text);
    a->separator = ", ";
}

static void fail(struct args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The first reason stays. */
static void fail(struct args *a, const char *fmt, ...) {
    va_list ap;
    if (a->error.len > 0)
        return;
    va_start(ap, fmt);
    sb_vfmt(&a->error, fmt, ap);
    va_end(ap);
    VH_ASSERT(sb_ok(&a->error)); /* names of VMs, keys and numbers: VH_ERROR_MAX has room for several */
}

/* QEMU's options end at a comma; two of them are one in a value. */
static void put_value(struct sbuf *sb, const char *path) {
    for (; *path != '\0'; path++)
        sb_str(sb, *path == ',' ? ",," : (char[2]){*path});
}

/* An option, and its value with a path at its end. */
static void file(struct args *a, const char *option, const char *before, const char *path) {
    char text[2 * VH_PATH_MAX + 64];
    struct sbuf value;
    sb_init(&value, text, sizeof text);
    sb_str(&value, before);
    put_value(&value, path);
    VH_ASSERT(sb_ok(&value)); /* paths of the configuration are shorter */
    word(a, option);
    word(a, text);
}

/* ---- PCI devices ---- */

/* The first device for the VM from this place on, -1 after the last. */
static int next_pci(const struct args *a, uint64_t from) {
    const struct pci_host *h = a->h->pci;
    int best = -1;
    for (int i = 0; i < h->n; i++) {
        uint64_t place = policy_pci_place(h, i);
        if (place >= from && (best < 0 || place < policy_pci_place(h, best)) && policy_pci_vm(a->c, h, i) == a->vm)
            best = i;
    }
    return best;
}

static bool is_kept(const struct args *a, int i, char why[VH_TEXT_MAX]) {
    struct sbuf sb;
    sb_init(&sb, why, VH_TEXT_MAX);
    return policy_pci_kept(a->c, a->h->pci, i, &sb);
}

/* -1 after the last of those that the VM is started with. *place: of the one before, 0 at first. */
static int next_passed(const struct args *a, uint64_t *place) {
    char why[VH_TEXT_MAX];
    int i = next_pci(a, *place + 1);
    while (i >= 0 && is_kept(a, i, why))
        i = next_pci(a, policy_pci_place(a->h->pci, i) + 1);
    *place = i >= 0 ? policy_pci_place(a->h->pci, i) : UINT64_MAX - 1;
    return i;
}

static const struct pci_rule *rule_of(const struct args *a, int i) {
    return &a->c->pci_rules[a->h->pci->fate[i].rule];
}

static void one_pci(struct args *a, int i, unsigned n) {
    char address[PCI_ADDRESS_TEXT], text[VH_TEXT_MAX];
    struct sbuf value;
    pci_address_text(address, &a->h->pci->row[i].address);
    sb_init(&value, text, sizeof text);
    if (a->type == TYPE_QEMU) {
        sb_fmt(&value, "vfio-pci,host=%s,multifunction=on,id=vhp-pci-%u", address, n);
        if (a->r->bus_prefix[0] != '\0' && !rule_of(a, i)->qemu_root_bus)
            sb_fmt(&value, ",bus=%s%u", a->r->bus_prefix, n);
    } else if (a->type == TYPE_CROSVM) {
        sb_fmt(&value, "/sys/bus/pci/devices/%s,iommu=viommu%s", address,
               rule_of(a, i)->crosvm_root_bus ? "" : ",removable=true");
    } else {
        sb_fmt(&value, "path=/sys/bus/pci/devices/%s", address);
    }
    VH_ASSERT(sb_ok(&value)); /* an address, a prefix and a number */
    word(a, (const char *[]){"-device", "--vfio", "--device"}[a->type]);
    word(a, text);
}

/* NVIDIA's GPUs need it. */
static bool wants_ovmf(const struct args *a, int i) {
    const struct pci_device *d = &a->h->pci->row[i];
    return a->type == TYPE_QEMU && rule_of(a, i)->auto_ovmf && d->vendor == 0x10de && d->cls == 3;
}

static void put_ovmf(struct args *a) {
    if (a->c->ovmf_code[0] == '\0' || a->c->ovmf_vars[0] == '\0') {
        fail(a, "general.%s is not given, and 'autoOvmf' of a rule needs it",
             a->c->ovmf_code[0] == '\0' ? "ovmfCode" : "ovmfVars");
        return;
    }
    file(a, "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=", a->c->ovmf_code);
    file(a, "-drive", "if=pflash,format=raw,unit=1,readonly=on,file=", a->c->ovmf_vars);
}

static void put_pci(struct args *a) {
    uint64_t place = 0;
    bool ovmf = false;
    unsigned n = a->r->first_index;
    int passed = 0, i;
    while ((i = next_passed(a, &place)) >= 0) {
        char address[PCI_ADDRESS_TEXT];
        pci_address_text(address, &a->h->pci->row[i].address);
        if (a->h->prepared == NULL || !a->h->prepared[i])
            fail(a, "not supported yet: the PCI device %s is for VM '%s', and none is prepared for a start", address,
                 a->r->vm);
        ovmf = ovmf || wants_ovmf(a, i);
        passed++;
    }
    if (passed == 0 && a->r->require_pci)
        fail(a, "no PCI device of this host goes to VM '%s' by the rules of pciPassthrough", a->r->vm);
    if (ovmf)
        put_ovmf(a);
    if (a->type == TYPE_CROSVM && (conf_other_rules(a->c, a->vm) & OTHER_PCI) != 0)
        word(a, "--vfio-isolate-hotplug");
    for (place = 0; (i = next_passed(a, &place)) >= 0;)
        one_pci(a, i, n++);
}

/* ---- ACPI tables ---- */

/* The table of the configuration at or after t that is for the VM, -1 after the last. */
static int next_table(const struct args *a, int t) {
    for (int i = 0; i < a->c->nacpi_rules; i++) {
        const struct acpi_rule *rule = &a->c->acpi_rules[i];
        bool applies = rule->enabled && rule->vm == a->vm;
        for (int k = rule->tables; applies && k < rule->tables + rule->ntables; k++) {
            if (k >= t && a->c->acpi_tables[k].enabled && a->c->acpi_tables[k].path[0] != '\0')
                return k;
        }
    }
    return -1;
}

static void put_tables(struct args *a) {
    for (int t = next_table(a, 0); t >= 0; t = next_table(a, t + 1)) {
        const char *path = a->c->acpi_tables[t].path;
        if (a->type == TYPE_CLOUD) {
            fail(a, "cloud-hypervisor takes no ACPI table, and acpiPassthrough has one for VM '%s'", a->r->vm);
        } else if (a->h->tables[t][0] == '\0' && a->type == TYPE_QEMU) {
            file(a, "-acpitable", "file=", path);
        } else if (a->h->tables[t][0] == '\0') {
            word(a, "--acpi-table");
            word(a, path);
        }
    }
}

/* ---- input devices ---- */

enum { INPUT_PLACES = UINT16_MAX + 1 }; /* one for each number of a node */

/* Where it stands: by entries, then by nodes. 0: it is not for the VM. */
static uint64_t input_place(const struct args *a, const struct input_device *d) {
    int entry = -1, rule = policy_evdev_rule(a->c, d, &entry);
    bool meant = rule >= 0 && a->c->evdev_rules[rule].vm == a->vm;
    return meant ? (uint64_t)entry * INPUT_PLACES + d->number + 1 : 0;
}

/* The one with the lowest place above *place, which becomes that; NULL after the last. */
static const struct input_device *next_input(const struct args *a, uint64_t *place) {
    const struct device_evdev *l = a->h->evdev;
    const struct input_device *best = NULL;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t i = 0; l != NULL && i < l->n; i++) {
        uint64_t p = input_place(a, &l->row[i]);
        if (p > *place && p < lowest) {
            lowest = p;
            best = &l->row[i];
        }
    }
    *place = lowest;
    return best;
}

static void put_inputs(struct args *a) {
    char text[VH_TEXT_MAX];
    const struct input_device *d;
    uint64_t place = 0;
    unsigned n = a->r->first_index;
    while ((d = next_input(a, &place)) != NULL) {
        unsigned node = d->number;
        bool fits = true;
        if (a->type == TYPE_CLOUD)
            fail(a, "cloud-hypervisor takes no input device, and evdevPassthrough sends VM '%s' /dev/input/event%u",
                 a->r->vm, node);
        else if (a->type == TYPE_CROSVM)
            fits = str_fmt(text, sizeof text, "evdev[path=/dev/input/event%u]", node);
        else
            fits =
                str_fmt(text, sizeof text, "virtio-input-host-pci,evdev=/dev/input/event%u,id=vhp-evdev-%u", node, n++);
        VH_ASSERT(fits); /* two numbers */
        if (a->type == TYPE_CLOUD)
            continue;
        word(a, a->type == TYPE_CROSVM ? "--input" : "-device");
        word(a, text);
    }
}

/* ---- what is left out ---- */

static void left_out(struct args *a, const char *what, const char *why) {
    sb_str(a->sb, a->separator[0] == '\0' ? ", \"left_out\": [{\"device\": " : ", {\"device\": ");
    sb_json(a->sb, what);
    member_text(a->sb, "reason", why);
    sb_char(a->sb, '}');
    a->separator = ", ";
}

static void put_left_out(struct args *a) {
    char address[PCI_ADDRESS_TEXT], why[VH_TEXT_MAX];
    const struct pci_host *h = a->h->pci;
    a->separator = "";
    for (int i = next_pci(a, 1); i >= 0; i = next_pci(a, policy_pci_place(h, i) + 1)) {
        pci_address_text(address, &h->row[i].address);
        if (is_kept(a, i, why))
            left_out(a, address, why);
    }
    for (int t = next_table(a, 0); t >= 0; t = next_table(a, t + 1)) {
        if (a->h->tables[t][0] != '\0')
            left_out(a, a->c->acpi_tables[t].path, a->h->tables[t]);
    }
    if (a->separator[0] != '\0')
        sb_char(a->sb, ']');
}

/* ---- all of it ---- */

/* False if each start of the VM finds out its type. */
static bool find_type(const struct vm_conf *vm, enum type *type) {
    static const char *const names[] = {
        [TYPE_QEMU] = "qemu", [TYPE_CROSVM] = "crosvm", [TYPE_CLOUD] = "cloud-hypervisor"};
    for (int i = 0; i <= TYPE_CLOUD; i++) {
        *type = (enum type)i;
        if (str_eq(vm->type, names[i]))
            return true;
    }
    return false;
}

bool api_args(const struct args_host *h, const struct request *r, struct sbuf *sb, char *error, size_t cap) {
    struct args a = {.h = h, .r = r, .c = h->conf, .vm = conf_vm(h->conf, r->vm), .sb = sb, .separator = ""};
    sb_init(&a.error, error, cap);
    if (a.vm < 0) {
        fail(&a, "unknown VM '%s'", r->vm);
        return false;
    }
    if (!find_type(&h->conf->vms[a.vm], &a.type)) {
        fail(&a, "VM '%s' has the type \"%s\": which arguments it takes is not known before it runs", r->vm,
             h->conf->vms[a.vm].type);
        return false;
    }
    sb_str(sb, "{\"result\": \"ok\", \"vmm_args\": [");
    put_pci(&a);
    put_tables(&a);
    put_inputs(&a);
    sb_char(sb, ']');
    put_left_out(&a);
    reply_end(sb, r->id);
    if (!sb_ok(sb))
        fail(&a, "the arguments of VM '%s' do not fit into an answer of %d bytes", r->vm, VH_REPLY_MAX);
    return a.error.len == 0;
}
