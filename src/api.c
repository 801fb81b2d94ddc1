/*
 * api.c - the JSON API as text: request lines in, reply and event lines out.
 *
 * Owns the wording of the protocol (docs/api.md) and nothing else: what a request does is core_request.c's business,
 * where its bytes come from is server.c's.
 */
#include "api.h"

#include "access.h"
#include "api_parts.h"
#include "json.h"
#include "limits.h"
#include "str.h"

#include <string.h>

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

/* ---- requests ---- */

void parse_complain(struct parse *p, const char *field, int t, const char *expected) {
    if (p->error.len > 0)
        return;
    enum json_type type = json_type(p->j, t);
    char value[48];
    if (json_string(p->j, t, value, sizeof value))
        sb_fmt(&p->error, "\"%s\" is \"%s\": expected %s", field, value, expected);
    else
        sb_fmt(&p->error, "\"%s\" is %s: expected %s", field, json_type_name(type), expected);
}

/* The field's token, or -1 if it is absent or null. */
int parse_field(const struct parse *p, const char *name) {
    int t = json_get(p->j, p->object, name);
    return json_type(p->j, t) == JSON_NULL ? -1 : t;
}

bool parse_text(struct parse *p, const char *name, char *dst, size_t cap, const char *expected) {
    int t = parse_field(p, name);
    dst[0] = '\0';
    if (t < 0)
        return false;
    if (!json_string(p->j, t, dst, cap)) {
        parse_complain(p, name, t, expected);
        dst[0] = '\0';
        return false;
    }
    return dst[0] != '\0';
}

/* A number, or a decimal string as some clients send it. */
bool parse_uint(struct parse *p, const char *name, uint64_t max, uint64_t *out, const char *expected) {
    int t = parse_field(p, name);
    if (t < 0)
        return false;
    int64_t v = 0;
    char text[24];
    if (json_int(p->j, t, 0, (int64_t)max, &v)) {
        *out = (uint64_t)v;
        return true;
    }
    if (json_string(p->j, t, text, sizeof text) && str_uint(text, strlen(text), max, out))
        return true;
    parse_complain(p, name, t, expected);
    return false;
}

bool parse_hex4(struct parse *p, const char *name, uint16_t *out) {
    char text[8];
    uint32_t v = 0;
    static const char expected[] = "4 hexadecimal digits";
    if (!parse_text(p, name, text, sizeof text, expected)) {
        if (parse_field(p, name) >= 0)
            parse_complain(p, name, parse_field(p, name), expected);
        return false;
    }
    if (strlen(text) != 4 || !str_hex(text, 4, &v)) {
        parse_complain(p, name, parse_field(p, name), expected);
        return false;
    }
    *out = (uint16_t)v;
    return true;
}

/* "/dev/bus/usb/BBB/DDD" */
static bool parse_node(const char *s, struct selector *sel) {
    static const char prefix[] = "/dev/bus/usb/";
    uint64_t bus = 0, dev = 0;
    if (!str_starts(s, prefix))
        return false;
    s += sizeof prefix - 1;
    const char *slash = strchr(s, '/');
    if (slash == NULL || !str_uint(s, (size_t)(slash - s), 255, &bus) ||
        !str_uint(slash + 1, strlen(slash + 1), 255, &dev))
        return false;
    sel->node_bus = (uint8_t)bus;
    sel->node_dev = (uint8_t)dev;
    return true;
}

/* "2" or "2.3": numbers 1..255 with dots between them. */
bool parse_port_path(const char *s) {
    while (true) {
        size_t n = strspn(s, "0123456789");
        uint64_t v = 0;
        if (n == 0 || !str_uint(s, n, 255, &v) || v == 0)
            return false;
        if (s[n] == '\0')
            return true;
        if (s[n] != '.')
            return false;
        s += n + 1;
    }
}

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
        sel->by_port = parse_port_path(sel->port);
    if (!sel->by_port)
        parse_complain(p, "port", t, expected);
}

static void parse_selector(struct parse *p) {
    struct selector *sel = &p->r->sel;
    char node[VH_NODE_MAX];
    static const char node_expected[] = "a node such as \"/dev/bus/usb/003/078\"";
    if (parse_text(p, "device_node", node, sizeof node, node_expected)) {
        sel->by_node = parse_node(node, sel);
        if (!sel->by_node)
            parse_complain(p, "device_node", parse_field(p, "device_node"), node_expected);
    }
    uint64_t bus = 0;
    sel->by_bus = parse_uint(p, "bus", 255, &bus, "a bus number");
    sel->bus = (uint8_t)bus;
    parse_port(p);
    sel->by_vid = parse_hex4(p, "vid", &sel->vid);
    sel->by_pid = parse_hex4(p, "pid", &sel->pid);
    sel->by_tag = parse_text(p, "tag", sel->tag, sizeof sel->tag, "a tag of at most 63 bytes");
}

/* A request that moves devices must say which, and not half of it. */
static void require_selector(struct parse *p) {
    const struct selector *s = &p->r->sel;
    if (p->error.len > 0)
        return;
    if (!s->by_node && !s->by_bus && !s->by_port && !s->by_vid && !s->by_pid && !s->by_tag)
        sb_str(&p->error,
               "no device named: give \"device_node\", or \"bus\" and \"port\", or \"vid\" and \"pid\", or \"tag\"");
    else if (!s->by_node && !s->by_tag && s->by_bus != s->by_port)
        sb_str(&p->error, s->by_bus ? "\"bus\" needs \"port\" as well" : "\"port\" needs \"bus\" as well");
    else if (!s->by_node && !s->by_tag && s->by_vid != s->by_pid)
        sb_str(&p->error, s->by_vid ? "\"vid\" needs \"pid\" as well" : "\"pid\" needs \"vid\" as well");
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
    p->r->sel.by_tag = parse_text(p, "tag", p->r->sel.tag, sizeof p->r->sel.tag, "a tag of at most 63 bytes");
}

static const struct {
    const char *name;
    enum request_kind kind;
} requests[] = {
    {"enable_notifications", REQ_SUBSCRIBE},
    {"disable_notifications", REQ_UNSUBSCRIBE},
    {"usb_list", REQ_LIST},
    {"usb_attach", REQ_ATTACH},
    {"usb_detach", REQ_DETACH},
    {"usb_suspend", REQ_SUSPEND},
    {"usb_resume", REQ_RESUME},
    {"explain", REQ_EXPLAIN},
    {"stats", REQ_STATS},
    {"version", REQ_VERSION},
};

const char *api_request_name(enum request_kind kind) {
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].kind == kind)
            return requests[i].name;
    }
    return requests[0].name; /* REQ_AUDIT is a way to subscribe */
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
                return true;
            }
        }
    }
    parse_complain(
        p, "action", t,
        "usb_list, usb_attach, usb_detach, usb_suspend, usb_resume, enable_notifications, explain, stats or version");
    return false;
}

/* The id is echoed as it came: a string or a number, bounded. */
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

/* "audit": true is a right of its own, so it is another request. */
static void parse_subscribe(struct parse *p) {
    bool audit = false;
    int t = parse_field(p, "audit");
    if (t >= 0 && !json_bool(p->j, t, &audit))
        parse_complain(p, "audit", t, "true or false");
    if (audit)
        p->r->kind = REQ_AUDIT;
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
        parse_selector(p);
        parse_vm(p);
        require_selector(p);
        break;
    case REQ_SUSPEND:
    case REQ_RESUME:
        parse_vm(p);
        break;
    case REQ_EXPLAIN:
        parse_selector(p);
        parse_described(p);
        if (!p->r->by_hand)
            require_selector(p);
        break;
    case REQ_SUBSCRIBE:
        parse_subscribe(p);
        break;
    case REQ_STATS:
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

/* ---- replies ---- */

void reply_end(struct sbuf *sb, const char *id) {
    if (id[0] != '\0') {
        sb_str(sb, ", \"id\": ");
        sb_str(sb, id);
    }
    sb_str(sb, "}\n");
}

void api_ok(struct sbuf *sb, const char *id) {
    sb_str(sb, "{\"result\": \"ok\"");
    reply_end(sb, id);
}

void api_failed(struct sbuf *sb, const char *id, const char *error) {
    sb_str(sb, "{\"result\": \"failed\", \"error\": ");
    sb_json(sb, error);
    reply_end(sb, id);
}

void api_version(struct sbuf *sb, const char *id) {
    sb_str(sb, "{\"result\": \"ok\", \"version\": ");
    sb_json(sb, VH_VERSION);
    reply_end(sb, id);
}

/* ---- devices ---- */

void member(struct sbuf *sb, const char *name) {
    sb_str(sb, ", \"");
    sb_str(sb, name);
    sb_str(sb, "\": ");
}

void member_text(struct sbuf *sb, const char *name, const char *value) {
    member(sb, name);
    sb_json(sb, value);
}

/* Unknown is null, never an empty string. */
void member_text_or_null(struct sbuf *sb, const char *name, const char *value) {
    if (value[0] != '\0') {
        member_text(sb, name, value);
        return;
    }
    member(sb, name);
    sb_str(sb, "null");
}

void member_uint(struct sbuf *sb, const char *name, uint64_t value) {
    member(sb, name);
    sb_uint(sb, value);
}

void member_bool(struct sbuf *sb, const char *name, bool value) {
    member(sb, name);
    sb_str(sb, value ? "true" : "false");
}

void member_hex4(struct sbuf *sb, const char *name, uint16_t value) {
    member(sb, name);
    sb_char(sb, '"');
    sb_hex(sb, value, 4);
    sb_char(sb, '"');
}

static void member_interfaces(struct sbuf *sb, const struct device *d) {
    member(sb, "interfaces");
    if (d->nifaces == 0) {
        sb_str(sb, "null");
        return;
    }
    sb_str(sb, "\":");
    for (int i = 0; i < d->nifaces; i++) {
        sb_hex(sb, d->ifaces[i].cls, 2);
        sb_hex(sb, d->ifaces[i].sub, 2);
        sb_hex(sb, d->ifaces[i].proto, 2);
        sb_char(sb, ':');
    }
    sb_char(sb, '"');
}

/* The name of a VM, or null if there is none or this one may not know it. */
static void member_vm(struct sbuf *sb, const char *name, const struct core *c, const struct principal *who, int vm) {
    bool known = vm >= 0 && (access_sees_all(who) || (who->role == ROLE_GUEST && who->vm == vm));
    member_text_or_null(sb, name, known ? c->conf->vms[vm].name : "");
}

static void allowed_vms(struct sbuf *sb, const struct core *c, const struct principal *who, const struct slot *s) {
    const struct rule *r = s->rule >= 0 ? &c->conf->rules[s->rule] : NULL;
    int n = r != NULL ? r->nvms : s->lease >= 0, shown = 0;
    sb_char(sb, '[');
    for (int i = 0; i < n; i++) {
        int vm = r != NULL ? r->vms[i] : s->lease;
        if (!access_sees_all(who) && (who->role != ROLE_GUEST || who->vm != vm))
            continue;
        if (shown++ > 0)
            sb_str(sb, ", ");
        sb_json(sb, c->conf->vms[vm].name);
    }
    sb_char(sb, ']');
}

void device_identity(struct sbuf *sb, const struct device *d, bool serial) {
    static const char removable[][10] = {"unknown", "fixed", "removable"};
    sb_str(sb, "{\"device_node\": ");
    if (d->node[0] != '\0')
        sb_json(sb, d->node);
    else
        sb_str(sb, "null"); /* described by hand */
    member_hex4(sb, "vid", d->vid);
    member_hex4(sb, "pid", d->pid);
    member_text(sb, "vendor_name", d->vendor_name);
    member_text(sb, "product_name", d->product_name);
    member_text_or_null(sb, "serial", serial ? d->serial : "");
    member_interfaces(sb, d);
    member_uint(sb, "device_class", d->cls);
    member_uint(sb, "device_subclass", d->sub);
    member_uint(sb, "device_protocol", d->proto);
    member_uint(sb, "busnum", d->busnum);
    member_uint(sb, "devnum", d->devnum);
    member_uint(sb, "portnum", d->root_port);
    member_text_or_null(sb, "port_path", d->port_path);
    member_text_or_null(sb, "speed", d->speed);
    member_text_or_null(sb, "sys_name", d->sys_name);
    member_text(sb, "removable", removable[d->removable]);
}

/* Why it is where it is. A reason may name VMs and the host's paths: only who sees all reads it; a guest has words of
 * its own. */
static void situation_reason(struct sbuf *sb, const struct core *c, const struct principal *who, const struct slot *s) {
    char text[VH_ERROR_MAX];
    struct sbuf reason;
    sb_init(&reason, text, sizeof text);
    if (who->role == ROLE_GUEST)
        sb_str(&reason, core_guest_reason(c, s, who->vm));
    else if (access_sees_all(who))
        core_reason(c, s, &reason);
    member_text_or_null(sb, "reason", text);
}

static void device_situation(struct sbuf *sb, const struct core *c, const struct principal *who, const struct slot *s) {
    bool guest = who->role == ROLE_GUEST;
    int vm = s->vm >= 0 ? s->vm : s->foreign;
    bool foreign = s->vm < 0 && s->foreign >= 0 && (!guest || s->foreign == who->vm);
    member(sb, "allowed_vms");
    allowed_vms(sb, c, who, s);
    member_vm(sb, "vm", c, who, vm);
    member_bool(sb, "foreign", foreign);
    member_bool(sb, "disconnected", s->disconnected);
    member_text_or_null(sb, "tag", s->rule >= 0 ? c->conf->rules[s->rule].tag : "");
    member_text(sb, "state", guest ? core_guest_state(c, s, who->vm) : core_state_name(c, s));
    situation_reason(sb, c, who, s);
}

void api_device(struct sbuf *sb, const struct core *c, const struct principal *who, int slot, bool in_list) {
    const struct slot *s = &c->slot[slot];
    device_identity(sb, &s->dev, access_sees_all(who));
    if (in_list)
        device_situation(sb, c, who, s);
    sb_char(sb, '}');
}

/* Devices of the tag that are plugged in later: will they be kept away? null: no rule has this tag. */
static void tag_situation(struct sbuf *sb, const struct core *c, const char *tag) {
    member(sb, "tag_disconnected");
    sb_str(sb, !core_tag_known(c, tag) ? "null" : core_tag_taken(c, tag) != ROLE_NONE ? "true" : "false");
}

/* The cursor: 0 at the start, then 1 + the next slot to look at; the top bit remembers that an object was written. */
#define CURSOR_WROTE (UINT32_C(1) << 31)

bool api_list_part(const struct core *c, const struct request *r, uint32_t *cursor, struct sbuf *sb) {
    uint32_t wrote = *cursor & CURSOR_WROTE;
    uint32_t next = *cursor & ~CURSOR_WROTE;
    if (next == 0) {
        sb_str(sb, "{\"result\": \"ok\", \"usb_devices\": [");
        next = 1;
    }
    while (next <= (uint32_t)c->used && !core_visible(c, &c->slot[next - 1], r))
        next++;
    if (next > (uint32_t)c->used) {
        sb_char(sb, ']');
        if (r->sel.by_tag)
            tag_situation(sb, c, r->sel.tag);
        reply_end(sb, r->id);
        return false;
    }
    if (wrote)
        sb_str(sb, ", ");
    api_device(sb, c, &r->who, (int)next - 1, true);
    *cursor = (next + 1) | CURSOR_WROTE;
    return true;
}

/* By what the words depend on: all that is visible to whom, and whose names and reasons may be read. */
unsigned api_list_view(const struct request *r) {
    unsigned eye = 0;
    if (r->id[0] != '\0' || r->sel.by_tag || r->disconnected != TRI_ANY)
        return 0;
    if (!access_sees_all(&r->who))
        eye = r->who.role == ROLE_GUEST ? 2 + (unsigned)r->who.vm : 1;
    return 1 + 2 * eye + r->all;
}

/* ---- events ---- */

const char *api_event_name(enum event_kind kind) {
    static const char names[][17] = {
        [EV_CONNECTED] = "usb_connected", [EV_DISCONNECTED] = "usb_disconnected", [EV_ATTACHED] = "usb_attached",
        [EV_DETACHED] = "usb_detached",   [EV_SELECT_VM] = "usb_select_vm",
    };
    return names[kind];
}

bool api_event_concerns(const struct core *c, const struct principal *who, enum event_kind kind, int slot, int vm) {
    const struct slot *s = &c->slot[slot];
    switch (who->role) {
    case ROLE_ADMIN:
    case ROLE_OPERATOR:
        return true;
    case ROLE_OBSERVER:
        return kind != EV_SELECT_VM; /* it cannot answer */
    case ROLE_GUEST:
        if (kind == EV_ATTACHED || kind == EV_DETACHED)
            return vm == who->vm; /* where else it goes is not a guest's business */
        return core_guest_sees(c, s, who->vm);
    case ROLE_NONE:
        break;
    }
    return false;
}

void api_event(struct sbuf *sb, const struct core *c, const struct principal *who, enum event_kind kind, int slot,
               int vm) {
    sb_str(sb, "{\"event\": \"");
    sb_str(sb, api_event_name(kind));
    sb_str(sb, "\", \"usb_device\": ");
    api_device(sb, c, who, slot, false);
    if (kind == EV_ATTACHED || kind == EV_DETACHED)
        member_vm(sb, "vm", c, who, vm);
    if (kind == EV_SELECT_VM) {
        member(sb, "allowed_vms");
        allowed_vms(sb, c, who, &c->slot[slot]);
    }
    sb_str(sb, "}\n");
}
