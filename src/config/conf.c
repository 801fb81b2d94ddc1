/*
 * conf.c - the configuration as a whole: defaults, the top level, `general` and `vms`. conf_api.c reads general.api,
 * conf_clients.c its clients and limits, conf_rule.c usbPassthrough, conf_pci.c, conf_evdev.c and conf_acpi.c the
 * arrays of those names; conf_lint.c looks for what is valid but odd. Never opens a file.
 */
#include "config/conf.h"

#include "base/log.h"
#include "base/str.h"
#include "config/conf_read.h"
#include "config/conf_slip.h"
#include "config/policy.h"

#include <string.h>

#define DEFAULT_SOCKET "/var/lib/vhotplug/vhotplug.sock"
#define DEFAULT_STATE "/var/lib/vhotplug/vhotplug.state"
#define DEFAULT_RECORD "/run/vhotplug.record"

void conf_default(struct conf *c) {
    c->rule_match_any = false;
    c->persistency = true;
    VH_ASSERT(str_copy(c->state_path, sizeof c->state_path, DEFAULT_STATE) &&
              str_copy(c->record_path, sizeof c->record_path, DEFAULT_RECORD));
    c->closed_on_loss = false;
    c->lease_seconds = 0;
    c->release_on_exit = false;
    c->quarantine = QUARANTINE_OFF;
    c->authorization = (struct authorization){.enabled = false};
    c->protect_uplink = false;
    c->ovmf_code = c->ovmf_vars = "";
    c->npci_rules = c->npci_entries = 0;
    c->nrules = c->nentries = c->nclasses = c->nvms = 0;
    c->nconnectors = c->nconnector_ports = c->nplaces = 0;
    c->nevdev_rules = c->nevdev_entries = c->nacpi_rules = c->nacpi_tables = 0;
    c->nstrings = 0;
    regex_pool_reset(&c->regexes);
    /* 0660: root and the group, if one is given. A client that may connect is admin. */
    c->api = (struct api_conf){.enable = true,
                               .unix_on = true,
                               .tcp_port = 2000,
                               .vsock_port = 2000,
                               .unix_mode = 0660,
                               .cid_policy = CIDS_NOBODY,
                               .peer_clients = VH_PEER_CLIENTS,
                               .peer_rate = VH_PEER_RATE,
                               .line_seconds = VH_LINE_SECONDS};
    VH_ASSERT(str_copy(c->api.host, sizeof c->api.host, "127.0.0.1"));
    VH_ASSERT(str_copy(c->api.unix_path, sizeof c->api.unix_path, DEFAULT_SOCKET));
}

int conf_rules(const struct conf *c) {
    return c->nrules + c->npci_rules + c->nevdev_rules + c->nacpi_rules;
}

static struct conf_scratch conf_scratch_area;

void *conf_scratch(size_t *size) {
    *size = sizeof conf_scratch_area;
    return &conf_scratch_area;
}

/* "" if absent */
static const char *read_file(struct reader *r, int tok) {
    char path[VH_PATH_MAX];
    const char *kept = !rd_empty(r, tok) && rd_path(r, tok, path, sizeof path) ? rd_keep(r, tok) : NULL;
    return kept != NULL ? kept : "";
}

static void read_general(struct reader *r, int object) {
    static const char *const matches[] = {"all", "any"}, *const losses[] = {"open", "closed"};
    static const char *const quarantines[] = {
        [QUARANTINE_OFF] = "off", [QUARANTINE_RULES] = "rules", [QUARANTINE_ALL] = "all"};
    int v[CONF_KEYS_MAX], match = 0, loss = 0, quarantine = 0;
    uint64_t lease = 0;
    if (!rd_object(r, object, OBJ_GENERAL, v))
        return;
    if (rd_choice(r, v[GEN_RULE_MATCH], matches, 2, "\"all\" or \"any\"", &match))
        r->c->rule_match_any = match == 1;
    r->foreign = r->foreign || v[GEN_RULE_MATCH] >= 0;
    (void)rd_bool(r, v[GEN_PERSISTENCY], &r->c->persistency);
    (void)rd_path(r, v[GEN_STATE_PATH], r->c->state_path, sizeof r->c->state_path);
    (void)rd_path(r, v[GEN_RECORD_PATH], r->c->record_path, sizeof r->c->record_path);
    if (rd_choice(r, v[GEN_ON_CORRUPT], losses, 2, "\"open\" or \"closed\"", &loss))
        r->c->closed_on_loss = loss == 1;
    if (rd_uint(r, v[GEN_LEASE], 0, 86400, "seconds from 0 to 86400", &lease))
        r->c->lease_seconds = (uint32_t)lease;
    (void)rd_bool(r, v[GEN_RELEASE], &r->c->release_on_exit);
    if (rd_choice(r, v[GEN_QUARANTINE], quarantines, 3, "\"off\", \"rules\" or \"all\"", &quarantine))
        r->c->quarantine = (enum quarantine)quarantine;
    (void)rd_bool(r, v[GEN_UPLINK], &r->c->protect_uplink);
    r->c->ovmf_code = read_file(r, v[GEN_OVMF_CODE]);
    r->c->ovmf_vars = read_file(r, v[GEN_OVMF_VARS]);
    conf_read_connectors(r, v[GEN_CONNECTORS]);
    if (v[GEN_API] >= 0)
        conf_read_api(r, v[GEN_API]);
}

/* ---- vms ---- */

const struct vm_type conf_vm_types[CONF_VM_TYPES] = {
    {"qemu", true, VM_KIND_USB | VM_KIND_PCI | VM_KIND_EVDEV, VM_KIND_USB | VM_KIND_PCI, VM_STREAM},
    {"crosvm", true, VM_KIND_USB | VM_KIND_PCI, VM_KIND_USB, VM_PACKETS},
    {"cloud-hypervisor", true, VM_KIND_PCI, 0, VM_API},
    {"auto", true, VM_KIND_USB | VM_KIND_PCI | VM_KIND_EVDEV, VM_KIND_USB, VM_EITHER},
};

static bool gets_devices(const struct vm_type *type) {
    return type->supported && type->given != 0;
}

/* "a", "b" or "c" */
static void list_types(char *dst, size_t cap) {
    struct sbuf sb;
    sb_init(&sb, dst, cap);
    for (int i = 0; i < CONF_VM_TYPES; i++) {
        const char *before = i == 0 ? "" : i == CONF_VM_TYPES - 1 ? " or " : ", ";
        sb_fmt(&sb, "%s\"%s\"", before, conf_vm_types[i].name);
    }
    VH_ASSERT(sb_ok(&sb)); /* short names of ours */
}

static void read_vm_type(struct reader *r, int object, int tok, struct vm_conf *vm) {
    const char *names[CONF_VM_TYPES];
    char what[96];
    int type = 0;
    if (tok < 0) {
        rd_error(r, object, "'type' is missing, for instance \"type\": \"qemu\"");
        return;
    }
    for (int i = 0; i < CONF_VM_TYPES; i++)
        names[i] = conf_vm_types[i].name;
    list_types(what, sizeof what);
    if (!rd_choice(r, tok, names, CONF_VM_TYPES, what, &type))
        return;
    VH_ASSERT(str_copy(vm->type, sizeof vm->type, names[type]));
    vm->supported = conf_vm_types[type].supported;
    vm->kinds = conf_vm_types[type].kinds;
    vm->given = conf_vm_types[type].given;
    vm->listens = conf_vm_types[type].listens;
    r->foreign = r->foreign || !gets_devices(&conf_vm_types[type]);
}

static void read_vm_socket(struct reader *r, int object, int tok, struct vm_conf *vm) {
    if (tok < 0) {
        rd_error(r, object, "'socket' is missing: the path of the VM's control socket");
        return;
    }
    if (!rd_path(r, tok, vm->socket, sizeof vm->socket))
        return;
    for (int i = 0; i < r->c->nvms; i++) {
        if (str_eq(r->c->vms[i].socket, vm->socket)) {
            rd_warn(r, tok, "the VM '%s' has the same socket", r->c->vms[i].name);
            return;
        }
    }
}

static void read_vm_cid(struct reader *r, int tok, struct vm_conf *vm) {
    uint64_t cid = 0;
    /* 0 to 2 are the hypervisor, the host itself and its loopback; the highest number means "any". */
    if (!rd_uint(r, tok, 3, UINT32_MAX - 1, "a guest's CID, 3 or more", &cid))
        return;
    for (int i = 0; i < r->c->nvms && cid != 0; i++) {
        if (r->c->vms[i].cid == cid) {
            rd_error(r, tok, "the VM '%s' has CID %u too", r->c->vms[i].name, (unsigned)cid);
            return;
        }
    }
    vm->cid = (uint32_t)cid;
}

static void read_vm_uid(struct reader *r, int tok, struct vm_conf *vm) {
    uint64_t uid = 0;
    vm->uid_given = tok >= 0 && rd_uint(r, tok, 0, UINT32_MAX - 1, "a user's number from 0 to 4294967294", &uid);
    vm->uid = (uint32_t)uid;
}

/* As QEMU names buses: its name stands in commands as it is. */
static void read_vm_usb_bus(struct reader *r, int tok, struct vm_conf *vm) {
    static const char what[] = "the name of a USB bus of the VM, such as \"xhci.0\"";
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    if (rd_empty(r, tok) || !rd_copy(r, tok, vm->usb_bus, sizeof vm->usb_bus, what))
        return;
    if (vm->usb_bus[strspn(vm->usb_bus, allowed)] != '\0')
        rd_error(r, tok, "expected %s: letters, digits and \"-._\"", what);
}

static bool read_vm_name(struct reader *r, int object, int tok, struct vm_conf *vm) {
    if (tok < 0) {
        rd_error(r, object, "'name' is missing");
        return false;
    }
    if (!rd_copy(r, tok, vm->name, sizeof vm->name, "the name of a VM"))
        return false;
    int other = conf_vm(r->c, vm->name);
    if (other >= 0) {
        rd_error(r, tok, "a second VM named '%s'; the first is on line %u", vm->name, r->c->vms[other].line);
        return false;
    }
    return true;
}

static void read_vm(struct reader *r, int object) {
    static const char *const monitors[] = {"share", "keep"};
    static const char *const passings[] = {[PASS_AUTO] = "auto", [PASS_FD] = "fd", [PASS_PATH] = "path"};
    int v[CONF_KEYS_MAX], monitor = 0, passing = PASS_AUTO;
    if (r->c->nvms == VH_MAX_VMS) {
        rd_error(r, object, "more than %d VMs (VH_MAX_VMS)", VH_MAX_VMS);
        r->vms_unread = true;
        return;
    }
    struct vm_conf *vm = &r->c->vms[r->c->nvms];
    memset(vm, 0, sizeof *vm);
    vm->line = rd_line(r, object);
    if (!rd_object(r, object, OBJ_VM, v)) {
        r->vms_unread = true;
        return;
    }
    bool named = read_vm_name(r, object, v[VMK_NAME], vm);
    read_vm_type(r, object, v[VMK_TYPE], vm);
    read_vm_socket(r, object, v[VMK_SOCKET], vm);
    read_vm_cid(r, v[VMK_CID], vm);
    read_vm_uid(r, v[VMK_UID], vm);
    if (rd_choice(r, v[VMK_QMP], monitors, 2, "\"share\" or \"keep\"", &monitor))
        vm->keep_monitor = monitor == 1;
    if (rd_choice(r, v[VMK_PASSING], passings, 3, "\"auto\", \"fd\" or \"path\"", &passing))
        vm->passing = (enum usb_passing)passing;
    read_vm_usb_bus(r, v[VMK_USB_BUS], vm);
    vm->revoke = true;
    (void)rd_bool(r, v[VMK_REVOKE], &vm->revoke);
    if ((vm->listens == VM_PACKETS || vm->listens == VM_EITHER) && vm->passing == PASS_PATH)
        rd_error(r, v[VMK_PASSING], "a VM of type '%s' %s descriptors only", vm->type,
                 vm->listens == VM_EITHER ? "may take" : "takes");
    r->vms_unread = r->vms_unread || !named;
    if (named) /* even with errors: else every rule that names the VM would be reported as well */
        r->scratch->vm_tok[r->c->nvms++] = object;
}

/* One line for all VMs of a type. */
static void unsupported_types(struct reader *r) {
    for (int t = 0; t < CONF_VM_TYPES; t++) {
        int n = 0, first = 0;
        for (int v = r->c->nvms - 1; v >= 0 && !gets_devices(&conf_vm_types[t]); v--) {
            bool is = str_eq(r->c->vms[v].type, conf_vm_types[t].name);
            n += is;
            first = is ? v : first;
        }
        int tok = n > 0 ? json_get(&r->j, r->scratch->vm_tok[first], keys_name(OBJ_VM, VMK_TYPE)) : -1;
        if (n == 1)
            rd_warn(r, tok, "VMs of type '%s' are accepted but get no devices yet", conf_vm_types[t].name);
        else if (n > 1)
            rd_warn(r, tok, "VMs of type '%s' are accepted but get no devices yet: %d of them", conf_vm_types[t].name,
                    n);
    }
}

static void read_vms(struct reader *r, int array) {
    r->vms_unread = !rd_array(r, array, "an array of VMs");
    if (r->vms_unread)
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        bool full = r->c->nvms == VH_MAX_VMS;
        read_vm(r, t);
        if (full)
            break;
    }
    unsupported_types(r);
}

/* ---- the whole ---- */

static void whole_file(conf_diag_fn *report, void *arg, const char *text) {
    struct diag d = {.level = DIAG_ERROR, .path = "", .text = text, .count = 1};
    if (report)
        report(&d, arg);
}

static bool read_json(struct reader *r, const char *text, size_t len, conf_diag_fn *report, void *arg) {
    struct json_error err = {0};
    struct diag d = {.level = DIAG_ERROR, .path = "", .count = 1};
    char too_long[96], slip[VH_TEXT_MAX];
    if (len > VH_CONF_MAX) {
        VH_ASSERT(str_fmt(too_long, sizeof too_long, "the file has more than %d bytes (VH_CONF_MAX)", VH_CONF_MAX));
        whole_file(report, arg, too_long);
        return false;
    }
    if (json_parse(&r->j, text, len, r->scratch->tok, VH_CONF_TOKENS, &err))
        return true;
    size_t at = conf_slip(text, len, &err, slip, sizeof slip);
    json_position(text, len, at, &d.line, &d.column);
    d.text = slip;
    if (report)
        report(&d, arg);
    return false;
}

bool conf_parse(struct conf *c, const char *text, size_t len, conf_diag_fn *report, void *arg) {
    return conf_parse_again(c, NULL, text, len, report, arg);
}

bool conf_parse_again(struct conf *c, const struct conf *old, const char *text, size_t len, conf_diag_fn *report,
                      void *arg) {
    struct reader r = {.c = c, .scratch = &conf_scratch_area, .line = 1, .api_object = -1};
    r.report = (struct report){.j = &r.j, .problems = &r.scratch->problems};
    int v[CONF_KEYS_MAX];
    conf_default(c);
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte order mark, as some editors write it */
        text += 3;
        len -= 3;
    }
    if (!read_json(&r, text, len, report, arg))
        return false;
    if (rd_object(&r, 0, OBJ_ROOT, v)) {
        r.vms_unread = r.misspelt && v[ROOT_VMS] < 0;
        if (v[ROOT_GENERAL] >= 0)
            read_general(&r, v[ROOT_GENERAL]);
        if (v[ROOT_VMS] >= 0)
            read_vms(&r, v[ROOT_VMS]);
        conf_read_clients(&r, r.api_object); /* after the VMs: clients and rules name them */
        if (v[ROOT_USB] >= 0)
            conf_read_rules(&r, v[ROOT_USB]);
        r.foreign = r.foreign || json_get(&r.j, 0, keys_name(OBJ_ROOT, ROOT_AUTHORIZATION)) >= 0;
        if (v[ROOT_AUTHORIZATION] >= 0)
            conf_read_authorization(&r, v[ROOT_AUTHORIZATION]);
        if (v[ROOT_PCI] >= 0)
            conf_read_pci(&r, v[ROOT_PCI]);
        if (v[ROOT_EVDEV] >= 0)
            conf_read_evdev(&r, v[ROOT_EVDEV]);
        if (v[ROOT_ACPI] >= 0)
            conf_read_acpi(&r, v[ROOT_ACPI]);
        conf_lint(&r);
        conf_lint_pci(&r);
        conf_lint_evdev(&r);
        if (old != NULL && r.report.count[DIAG_ERROR] == 0)
            conf_lost(&r, old);
        policy_index(c);
    }
    report_emit(&r.report, report, arg);
    return r.report.count[DIAG_ERROR] == 0;
}
