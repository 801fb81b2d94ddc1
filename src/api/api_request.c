/*
 * api_request.c - a line becomes a request, or an error that says what is wrong with the line. Never acts on the
 * request: the core does.
 */
#include "api/api.h"
#include "api/api_internal.h"
#include "base/limits.h"
#include "base/str.h"
#include "codec/json.h"
#include "codec/pci_address.h"
#include "codec/usb_place.h"

#include <ctype.h>
#include <string.h>

_Static_assert(VH_STABLE_PATH_MAX == 191 + 1, "the text below says so");

static void parse_port(struct parse *p) {
    struct selector *sel = &p->r->sel;
    static const char expected[] = "a port number or a path such as \"2.3\"";
    int t = parse_field(p, "port");
    if (t < 0)
        return;
    int64_t v = 0;
    if (json_int(p->j, t, 1, 255, &v))
        sel->by_port = str_fmt(sel->port, sizeof sel->port, "%d", (int)v);
    else if (json_string(p->j, t, sel->port, sizeof sel->port))
        sel->by_port = usb_port_path(sel->port, strlen(sel->port));
    if (!sel->by_port)
        parse_complain(p, "port", t, expected);
}

/* "1-2.3": bus and port in one. */
static void parse_sys_name(struct parse *p) {
    struct selector *sel = &p->r->sel;
    static const char expected[] = "a device's name such as \"1-2.3\", without \"bus\" and \"port\"";
    char name[VH_SYSNAME_MAX];
    const char *port = "";
    if (!parse_text(p, "sys_name", name, sizeof name, expected))
        return;
    if (sel->by_bus || sel->by_port || !usb_name_parse(name, &sel->bus, &port)) {
        parse_complain(p, "sys_name", parse_field(p, "sys_name"), expected);
        return;
    }
    sel->by_bus = sel->by_port = str_copy(sel->port, sizeof sel->port, port); /* usb_port_path() bounds it */
}

static void parse_connector(struct parse *p) {
    struct selector *sel = &p->r->sel;
    sel->by_connector = parse_text(p, "connector", sel->connector, sizeof sel->connector,
                                   "the name of a connector or a stable path, at most 191 bytes");
}

static void parse_selector(struct parse *p) {
    struct selector *sel = &p->r->sel;
    char node[VH_NODE_MAX];
    static const char node_expected[] = "a node such as \"/dev/bus/usb/003/078\"";
    if (parse_text(p, "device_node", node, sizeof node, node_expected)) {
        sel->by_node = usb_node_parse(node, &sel->node_bus, &sel->node_dev);
        if (!sel->by_node)
            parse_complain(p, "device_node", parse_field(p, "device_node"), node_expected);
    }
    uint64_t bus = 0;
    sel->by_bus = parse_uint(p, "bus", 255, &bus, "a bus number");
    sel->bus = (uint8_t)bus;
    parse_port(p);
    parse_sys_name(p);
    sel->by_vid = parse_hex4(p, "vid", &sel->vid);
    sel->by_pid = parse_hex4(p, "pid", &sel->pid);
    sel->by_tag = parse_text(p, "tag", sel->tag, sizeof sel->tag, "a tag of at most 63 bytes");
    parse_connector(p);
}

/* A request about devices must name them, and completely. */
static void require_selector(struct parse *p) {
    const struct selector *s = &p->r->sel;
    if (p->error.len > 0)
        return;
    if (!s->by_node && !s->by_bus && !s->by_port && !s->by_vid && !s->by_pid && !s->by_tag && !s->by_connector)
        sb_str(&p->error, "no device named: give \"device_node\", \"sys_name\", \"connector\", \"bus\" and \"port\", "
                          "\"vid\" and \"pid\", or \"tag\"");
    else if (!s->by_node && !s->by_tag && s->by_bus != s->by_port)
        sb_str(&p->error, s->by_bus ? "\"bus\" needs \"port\" as well" : "\"port\" needs \"bus\" as well");
    else if (!s->by_node && !s->by_tag && s->by_vid != s->by_pid)
        sb_str(&p->error, s->by_vid ? "\"vid\" needs \"pid\" as well" : "\"pid\" needs \"vid\" as well");
}

/* Without a device: all of them. */
static void parse_history(struct parse *p) {
    const struct selector *s = &p->r->sel;
    parse_selector(p);
    if (s->by_node || s->by_bus || s->by_port || s->by_vid || s->by_pid || s->by_tag || s->by_connector)
        require_selector(p);
}

static void parse_vm(struct parse *p) {
    (void)parse_text(p, "vm", p->r->vm, sizeof p->r->vm, "the name of a VM, at most 63 bytes");
}

static void parse_list(struct parse *p) {
    bool b = false;
    int t = parse_field(p, "disconnected");
    if (t >= 0 && !json_bool(p->j, t, &b))
        parse_complain(p, "disconnected", t, "true, false or null");
    else if (t >= 0)
        p->r->disconnected = b ? TRI_YES : TRI_NO;
    t = parse_field(p, "all");
    if (t >= 0 && !json_bool(p->j, t, &p->r->all))
        parse_complain(p, "all", t, "true or false");
    t = parse_field(p, "verify");
    if (t >= 0 && !json_bool(p->j, t, &p->r->verify))
        parse_complain(p, "verify", t, "true or false");
    p->r->sel.by_tag = parse_text(p, "tag", p->r->sel.tag, sizeof p->r->sel.tag, "a tag of at most 63 bytes");
    parse_connector(p);
}

/* What may be asked about devices of a kind. */
#define LISTS(kind, name) \
    { name "_list", REQ_LIST, kind }
#define MOVES(kind, name)                                                                                           \
    {name "_attach", REQ_ATTACH, kind}, {name "_detach", REQ_DETACH, kind}, {name "_suspend", REQ_SUSPEND, kind}, { \
        name "_resume", REQ_RESUME, kind                                                                            \
    }

static const struct {
    const char *name;
    enum request_kind kind;
    enum device_kind about;
} requests[] = {
    {"enable_notifications", REQ_SUBSCRIBE, KIND_USB},
    {"disable_notifications", REQ_UNSUBSCRIBE, KIND_USB},
    LISTS(KIND_USB, "usb"),
    MOVES(KIND_USB, "usb"),
    LISTS(KIND_PCI, "pci"),
    MOVES(KIND_PCI, "pci"),
    LISTS(KIND_EVDEV, "evdev"),
    {"explain", REQ_EXPLAIN, KIND_USB},
    {"stats", REQ_STATS, KIND_USB},
    {"history", REQ_HISTORY, KIND_USB},
    {"rules", REQ_RULES, KIND_USB},
    {"vmm_args", REQ_VMM_ARGS, KIND_USB},
    {"vmm_list", REQ_VMM_LIST, KIND_USB},
    {"state_acknowledge", REQ_ACKNOWLEDGE, KIND_USB},
    {"reload", REQ_RELOAD, KIND_USB},
    {"version", REQ_VERSION, KIND_USB},
};

const char *api_request_name(const struct request *r) {
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].kind == r->kind && requests[i].about == r->about)
            return requests[i].name;
    }
    return requests[0].name; /* REQ_AUDIT has no name of its own: it subscribes */
}

static bool parse_action(struct parse *p) {
    char name[32];
    int t = parse_field(p, "action");
    if (t < 0) {
        sb_str(&p->error, "\"action\" is missing");
        return false;
    }
    if (json_string(p->j, t, name, sizeof name)) {
        for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
            if (str_eq(requests[i].name, name)) {
                p->r->kind = requests[i].kind;
                p->r->about = requests[i].about;
                return true;
            }
        }
    }
    parse_complain(p, "action", t,
                   "usb_list, usb_attach, usb_detach, usb_suspend, usb_resume, the same of pci, evdev_list, vmm_list, "
                   "enable_notifications, history, rules, "
                   "explain, stats, state_acknowledge, reload or version");
    return false;
}

/* The reply repeats the id as it came: a string or a number, of bounded length. */
static void parse_id(struct parse *p) {
    int t = parse_field(p, "id");
    if (t < 0)
        return;
    enum json_type type = json_type(p->j, t);
    size_t from = json_offset(p->j, t);
    size_t n = (size_t)(p->j->tok[t].end - p->j->tok[t].start) + (type == JSON_STRING ? 2 : 0);
    if (type != JSON_STRING && type != JSON_NUMBER)
        parse_complain(p, "id", t, "a string or a number");
    else if (!str_copyn(p->r->id, sizeof p->r->id, p->j->text + from, n)) {
        p->r->id[0] = '\0';
        sb_fmt(&p->error, "\"id\" is longer than %d bytes", VH_ID_MAX - 1);
    }
}

/* Audit events need a right of their own, so "audit": true makes another kind of request. */
static void parse_subscribe(struct parse *p) {
    bool audit = false;
    int t = parse_field(p, "audit");
    if (t >= 0 && !json_bool(p->j, t, &audit))
        parse_complain(p, "audit", t, "true or false");
    if (audit)
        p->r->kind = REQ_AUDIT;
}

/* The name stands in an option of QEMU, where a comma begins the next one; and a start script splits it into words. */
static void parse_bus_prefix(struct parse *p) {
    static const char expected[] = "letters, digits and \"-._\", at most 63 of them";
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    char *prefix = p->r->bus_prefix;
    if (parse_text(p, "qemu_bus_prefix", prefix, sizeof p->r->bus_prefix, expected) &&
        prefix[strspn(prefix, allowed)] != '\0')
        parse_complain(p, "qemu_bus_prefix", parse_field(p, "qemu_bus_prefix"), expected);
}

static void parse_vmm_args(struct parse *p) {
    uint64_t first = 0;
    int t = parse_field(p, "require_pci");
    parse_bus_prefix(p);
    (void)parse_uint(p, "qemu_bus_start_index", UINT16_MAX, &first, "a number from 0 to 65535");
    p->r->first_index = (uint16_t)first;
    if (t >= 0 && !json_bool(p->j, t, &p->r->require_pci))
        parse_complain(p, "require_pci", t, "true or false");
    parse_vm(p);
    if (p->r->vm[0] == '\0' && p->error.len == 0)
        sb_str(&p->error, "no VM named: give \"vm\"");
}

/* Of a PCI device. False if none was given. */
static bool parse_address(struct parse *p) {
    static const char expected[] = "the address of a PCI device, such as \"0000:00:14.3\"";
    struct pci_address a;
    if (!parse_text(p, "address", p->r->sel.address, sizeof p->r->sel.address, expected))
        return false;
    for (char *c = p->r->sel.address; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!pci_address_parse(p->r->sel.address, &a))
        parse_complain(p, "address", parse_field(p, "address"), expected);
    return true;
}

/* A PCI device is named by its address and nothing else. */
static void parse_explain(struct parse *p) {
    if (!parse_address(p)) {
        parse_selector(p);
        parse_described(p);
        if (!p->r->by_hand)
            require_selector(p);
    }
}

static void parse_pci_selector(struct parse *p) {
    struct selector *sel = &p->r->sel;
    sel->by_address = parse_address(p);
    sel->by_vid = parse_hex4(p, "vid", &sel->vid);
    sel->by_pid = parse_hex4(p, "did", &sel->pid);
    sel->by_tag = parse_text(p, "tag", sel->tag, sizeof sel->tag, "a tag of at most 63 bytes");
    if (p->error.len > 0)
        return;
    if (!sel->by_address && !sel->by_vid && !sel->by_pid && !sel->by_tag)
        sb_str(&p->error, "no device named: give \"address\", \"vid\" and \"did\", or \"tag\"");
    else if (!sel->by_address && !sel->by_tag && sel->by_vid != sel->by_pid)
        sb_str(&p->error, sel->by_vid ? "\"vid\" needs \"did\" as well" : "\"did\" needs \"vid\" as well");
}

static void parse_move(struct parse *p) {
    if (p->r->about == KIND_PCI) {
        parse_pci_selector(p);
        parse_vm(p);
        return;
    }
    parse_selector(p);
    parse_vm(p);
    require_selector(p);
}

static void parse_fields(struct parse *p) {
    parse_id(p);
    if (!parse_action(p))
        return;
    switch (p->r->kind) {
    case REQ_LIST:
        parse_list(p);
        break;
    case REQ_ATTACH:
    case REQ_DETACH:
        parse_move(p);
        break;
    case REQ_SUSPEND:
    case REQ_RESUME:
        parse_vm(p);
        break;
    case REQ_VMM_ARGS:
        parse_vmm_args(p);
        break;
    case REQ_HISTORY:
        parse_history(p);
        break;
    case REQ_EXPLAIN:
        parse_explain(p);
        break;
    case REQ_SUBSCRIBE:
        parse_subscribe(p);
        break;
    case REQ_VMM_LIST:
    case REQ_STATS:
    case REQ_RULES:
    case REQ_ACKNOWLEDGE:
    case REQ_RELOAD:
    case REQ_AUDIT:
    case REQ_UNSUBSCRIBE:
    case REQ_VERSION:
        break;
    }
}

bool api_parse(struct request *r, const char *line, size_t len, char *error, size_t cap) {
    static jsmntok_t tokens[VH_LINE_TOKENS];
    struct json j;
    struct json_error je;
    struct parse p = {.j = &j, .r = r};
    sb_init(&p.error, error, cap);
    memset(r, 0, sizeof *r);
    if (!json_parse(&j, line, len, tokens, VH_LINE_TOKENS, &je)) {
        sb_fmt(&p.error, "not JSON: %s at byte %zu", je.why, je.at);
        return false;
    }
    if (json_type(&j, 0) != JSON_OBJECT) {
        sb_fmt(&p.error, "a request is a JSON object, this is %s", json_type_name(json_type(&j, 0)));
        return false;
    }
    parse_fields(&p);
    return p.error.len == 0;
}
