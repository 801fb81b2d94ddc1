/*
 * api_explain.c - which rule decides for a device, and why: holds every rule and entry against the device, in JSON,
 * part by part. Owns the wording. Never decides: policy.c says what matches, the core says where the device should be.
 */
#include "api/api_internal.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/stable_path.h"
#include "codec/usb_names.h"
#include "codec/usb_place.h"
#include "config/connectors.h"
#include "config/policy.h"

#include <string.h>

/* ---- a device described by hand ---- */

static uint8_t parse_byte(struct parse *p, const char *name) {
    uint64_t v = 0;
    (void)parse_uint(p, name, 255, &v, "a number from 0 to 255");
    return (uint8_t)v;
}

/* ":030101:0e0100:", as in lists */
static void parse_interfaces(struct parse *p, struct device *d) {
    static const char expected[] = "classes such as \":030101:0e0100:\"";
    char text[VH_MAX_IFACES * 7 + 2];
    uint32_t v = 0;
    if (!parse_text(p, "interfaces", text, sizeof text, expected))
        return;
    const char *s = text + (text[0] == ':');
    for (; *s != '\0' && d->usb.nifaces < VH_MAX_IFACES && strlen(s) >= 6 && str_hex(s, 6, &v); s += s[0] == ':') {
        d->usb.ifaces[d->usb.nifaces] =
            (struct usb_iface){(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v, (uint8_t)d->usb.nifaces};
        d->usb.nifaces++;
        s += 6;
        if (*s != ':' && *s != '\0')
            break;
    }
    if (*s != '\0')
        parse_complain(p, "interfaces", parse_field(p, "interfaces"), expected);
}

static void parse_removable(struct parse *p, struct device *d) {
    char text[16];
    if (!parse_text(p, "removable", text, sizeof text, "fixed, removable or unknown"))
        return;
    if (str_eq(text, "removable"))
        d->usb.removable = REMOVABLE_REMOVABLE;
    else if (str_eq(text, "fixed"))
        d->usb.removable = REMOVABLE_FIXED;
    else if (!str_eq(text, "unknown"))
        parse_complain(p, "removable", parse_field(p, "removable"), "fixed, removable or unknown");
}

static const char name_expected[] = "a name of at most 378 bytes",
                  serial_expected[] = "a serial number of at most 378 bytes";
_Static_assert(VH_STRING_MAX == 378 + 1, "the texts above say so");

/* The names that the daemon would give to such a device. */
static void name(struct parse *p, const struct device *d, struct device_texts *t) {
    const char *vendor = usb_names_vendor(d->vid), *product = usb_names_product(d->vid, d->pid);
    if (!parse_text(p, "vendor_name", t->vendor_name, sizeof t->vendor_name, name_expected))
        (void)str_copy(t->vendor_name, sizeof t->vendor_name, vendor[0] != '\0' ? vendor : "Unknown vendor");
    if (parse_text(p, "product_name", t->product_name, sizeof t->product_name, name_expected))
        return;
    if (product[0] != '\0')
        (void)str_copy(t->product_name, sizeof t->product_name, product); /* the table's names are shorter */
    else
        (void)str_fmt(t->product_name, sizeof t->product_name, "USB device %04x:%04x", (unsigned)d->vid,
                      (unsigned)d->pid);
}

static void parse_port(struct parse *p, struct device *d) {
    static const char expected[] = "a port path such as \"2.3\"";
    uint64_t port = 0;
    int t = parse_field(p, "port");
    if (t >= 0 && json_type(p->j, t) == JSON_NUMBER) {
        if (parse_uint(p, "port", 255, &port, expected))
            (void)str_fmt(d->usb.port_path, sizeof d->usb.port_path, "%u", (unsigned)port);
    } else if (parse_text(p, "port", d->usb.port_path, sizeof d->usb.port_path, expected) &&
               !usb_port_path(d->usb.port_path, strlen(d->usb.port_path))) {
        parse_complain(p, "port", t, expected);
    }
    d->usb.root_port = usb_root_port(d->usb.port_path);
}

/* By its name, or by the stable path of a port. */
static void parse_connector(struct parse *p, struct explained *e) {
    static const char expected[] = "the name of a connector, or the stable path of a port";
    struct device *d = &e->dev;
    if (!parse_text(p, "connector", e->connector, sizeof e->connector, expected) || !stable_path_valid(e->connector))
        return;
    memcpy(e->texts.stable_path, e->connector, sizeof e->texts.stable_path);
    if (d->usb.port_path[0] == '\0')
        (void)str_copy(d->usb.port_path, sizeof d->usb.port_path, stable_path_ports(e->connector)); /* of that bound */
}

static void describe(struct parse *p, struct explained *e) {
    struct device *d = &e->dev;
    (void)parse_hex4(p, "vid", &d->vid);
    (void)parse_hex4(p, "pid", &d->pid);
    d->usb.busnum = parse_byte(p, "bus");
    parse_port(p, d);
    parse_connector(p, e);
    d->cls = parse_byte(p, "device_class");
    d->sub = parse_byte(p, "device_subclass");
    d->proto = parse_byte(p, "device_protocol");
    parse_interfaces(p, d);
    parse_removable(p, d);
    (void)parse_text(p, "serial", e->texts.serial, sizeof e->texts.serial, serial_expected);
    (void)parse_text(p, "driver_path", e->driver, sizeof e->driver, "the path of a module, at most 255 bytes");
    name(p, d, &e->texts);
    if (device_is_hub(d))
        (void)str_copy(e->texts.protect, sizeof e->texts.protect, "is a hub");
}

void parse_described(struct parse *p) {
    static struct explained e;
    struct request *r = p->r;
    int t = parse_field(p, "device");
    memset(&e, 0, sizeof e);
    e.slot = -1;
    r->by_hand = t >= 0;
    if (r->by_hand && json_type(p->j, t) != JSON_OBJECT) {
        parse_complain(p, "device", t, "an object that describes a device");
        return;
    }
    bool ids = r->sel.by_vid && r->sel.by_pid && !r->sel.by_node && !r->sel.by_bus && !r->sel.by_port &&
               !r->sel.by_tag && !r->sel.by_connector;
    if (!r->by_hand && !ids)
        return;
    p->object = r->by_hand ? t : 0;
    describe(p, &e);
    p->object = 0;
    r->described = &e;
}

/* At a named connector it is at its first port. */
static void place_described(struct explained *e, const struct conf *c) {
    int named = connector_find(c, e->connector);
    if (named >= 0)
        (void)str_copy(e->texts.stable_path, sizeof e->texts.stable_path,
                       c->connector_ports[c->connectors[named].ports]); /* of that bound */
    e->dev.connector = connector_of(c, &e->dev);
}

void api_explained(struct explained *e, const struct core *c, const struct request *r, int slot) {
    if (slot < 0) {
        VH_ASSERT(r->described != NULL);
        *e = *r->described;
        device_take_texts(&e->dev, &e->texts);
        if (e->driver[0] != '\0')
            e->dev.driver_path[0] = e->driver;
        place_described(e, c->conf);
        return;
    }
    e->dev = c->slot[slot].dev;
    device_copy_texts(&e->texts, &e->dev); /* the slot's own ones move */
    device_take_texts(&e->dev, &e->texts);
    e->slot = slot;
    e->plug = c->slot[slot].plug;
    e->driver[0] = '\0';
}

/* ---- rules and entries ---- */

static void begin(struct sbuf *sb, const struct core *c, const struct explained *e) {
    sb_str(sb, "{\"result\": \"ok\"");
    member_bool(sb, "present", e->slot >= 0);
    member_text(sb, "rule_match", c->conf->rule_match_any ? "any" : "all");
    member(sb, "usb_device");
    device_identity(sb, c->conf, &e->dev, true);
    member(sb, "drivers");
    sb_char(sb, '[');
    for (int i = 0; i < VH_MAX_DRIVERS && e->dev.driver_path[i] != NULL; i++) {
        sb_str(sb, i > 0 ? ", " : "");
        json_cut(sb, e->dev.driver_path[i]);
    }
    sb_char(sb, ']');
    if (e->dev.note[0] != '\0')
        member_text(sb, "note", e->dev.note);
    sb_str(sb, "}, \"rules\": [");
}

static bool any_matches(const struct conf *c, const struct device *d, uint16_t first, uint16_t n) {
    for (unsigned i = first; i < (unsigned)first + n; i++) {
        if (policy_entry_matches(c, &c->entries[i], d))
            return true;
    }
    return false;
}

static const char *verdict(const struct conf *c, int rule, const struct device *d) {
    const struct rule *r = &c->rules[rule];
    if (!r->enabled)
        return "disabled";
    if (d->malformed[0] != '\0')
        return "the device is unclassifiable";
    if (!any_matches(c, d, r->allow, r->nallow))
        return "no allow entry matches";
    if (any_matches(c, d, r->deny, r->ndeny))
        return "a deny entry matches";
    return policy_rule(c, d) == rule ? "decides" : "applies, but an earlier rule decides";
}

static void rule(struct sbuf *sb, const struct core *c, int i, const struct device *d) {
    const struct rule *r = &c->conf->rules[i];
    sb_str(sb, i > 0 ? ", {" : "{");
    sb_fmt(sb, "\"rule\": %d", i);
    member_uint(sb, "line", r->line);
    member(sb, "description");
    json_cut(sb, r->description);
    member_text_or_null(sb, "tag", r->tag);
    member(sb, "vms");
    for (int v = 0; v < r->nvms; v++) {
        sb_str(sb, v > 0 ? ", " : "[");
        sb_json(sb, c->conf->vms[r->vms[v]].name);
    }
    sb_str(sb, r->nvms > 0 ? "]" : "[]");
    member_text(sb, "verdict", verdict(c->conf, i, d));
    sb_str(sb, ", \"entries\": [");
}

static void entry(struct sbuf *sb, const struct conf *c, const struct rule *r, int k, const struct device *d) {
    VH_ASSERT(r != NULL);
    bool allow = k < r->nallow;
    const struct entry *e = &c->entries[allow ? r->allow + k : r->deny + k - r->nallow];
    bool matches = policy_entry_matches(c, e, d);
    unsigned misses = !matches ? policy_entry_misses(c, e, d) : 0;
    const char *between = "";
    sb_str(sb, k > 0 ? ", {" : "{");
    sb_fmt(sb, "\"entry\": \"%s[%d]\"", allow ? "allow" : "deny", allow ? k : k - r->nallow);
    member_uint(sb, "line", e->line);
    member_bool(sb, "matches", matches);
    if (!e->enabled)
        member_bool(sb, "enabled", false);
    sb_str(sb, ", \"misses\": [");
    for (int bit = 0; misses >> bit != 0; bit++) {
        if (!(misses >> bit & 1))
            continue;
        sb_fmt(sb, "%s\"%s\"", between, conf_field_name(bit));
        between = ", ";
    }
    sb_char(sb, ']');
    int stray = (misses & F_ALL_IFACES) != 0 ? policy_stray_iface(c, e, d) : -1;
    if (stray >= 0)
        sb_fmt(sb, ", \"interface\": \"%02x%02x%02x\"", d->usb.ifaces[stray].cls, d->usb.ifaces[stray].sub,
               d->usb.ifaces[stray].proto);
    sb_char(sb, '}');
}

/* ---- the end ---- */

static void member_index(struct sbuf *sb, const char *member_name, int i) {
    member(sb, member_name);
    if (i >= 0)
        sb_uint(sb, (uint64_t)i);
    else
        sb_str(sb, "null");
}

static void present(struct sbuf *sb, const struct core *c, const struct slot *s) {
    char text[VH_ERROR_MAX];
    struct sbuf reason;
    int target = core_target(c, s), vm = s->vm >= 0 ? s->vm : s->foreign;
    sb_init(&reason, text, sizeof text);
    core_reason(c, s, &reason);
    member_text_or_null(sb, "target", target >= 0 ? c->conf->vms[target].name : "");
    member_bool(sb, "asks", core_asks(c, s));
    member_text_or_null(sb, "vm", vm >= 0 ? c->conf->vms[vm].name : "");
    member_text(sb, "state", core_state_name(c, s));
    member_text_or_null(sb, "reason", text);
}

/* Where a described device would be. It is never malformed, and the only use by the host that a description can show is
 * that of a hub. */
static void absent(struct sbuf *sb, const struct core *c, const struct device *d, int decides) {
    const struct rule *r = decides >= 0 ? &c->conf->rules[decides] : NULL;
    const char *reason = d->protect[0] != '\0'                              ? "stays with the host: it is a hub"
                         : r == NULL                                        ? "no rule applies"
                         : r->nvms == 0                                     ? "its rule names no VM that is configured"
                         : core_tag_taken(c, KIND_USB, r->tag) != ROLE_NONE ? "devices with its tag are disconnected"
                                                                            : "";
    bool goes = r != NULL && reason[0] == '\0';
    member_text_or_null(sb, "target", goes && r->single ? c->conf->vms[r->vms[0]].name : "");
    member_bool(sb, "asks", goes && !r->single);
    member_text_or_null(sb, "reason", reason);
}

static void end(struct sbuf *sb, const struct core *c, const struct request *r, const struct explained *e) {
    const struct slot *s = e->slot >= 0 ? &c->slot[e->slot] : NULL;
    bool there = s != NULL && s->state == SLOT_PRESENT && s->plug == e->plug;
    int decides = policy_rule(c->conf, &e->dev);
    sb_char(sb, ']');
    member_index(sb, "decides", decides);
    if (there)
        present(sb, c, s);
    else if (s != NULL)
        member_text(sb, "reason", "it was unplugged meanwhile");
    else
        absent(sb, c, &e->dev, decides);
    reply_end(sb, r->id);
}

/* ---- the parts ---- */

/* The next part. Row 0 of a rule is the rule itself, row 1 + k its entry k. */
struct place {
    int rule; /* after the last rule: the end of the reply */
    int row;
};

/* As cursors, places are numbered from 1, rule after rule; 0 is the beginning of the reply. */
enum { RULE_ROWS = 1 << 14 };
_Static_assert(VH_MAX_ENTRIES + 1 < RULE_ROWS, "a rule has room for its rows");
_Static_assert((VH_MAX_RULES + 1) * (long)RULE_ROWS < INT32_MAX, "a cursor has room for every rule");

static uint64_t cursor_of(int rule, int row) {
    return 1 + (uint64_t)(rule * RULE_ROWS + row);
}

static struct place place_of(uint64_t cursor) {
    int number = (int)cursor - 1;
    return (struct place){.rule = number / RULE_ROWS, .row = number % RULE_ROWS};
}

bool api_explain_part(const struct core *c, const struct request *r, const struct explained *e, uint64_t *cursor,
                      struct sbuf *sb) {
    if (*cursor == 0) { /* a part of its own: together with a rule it might be too long */
        begin(sb, c, e);
        *cursor = cursor_of(0, 0);
        return true;
    }
    struct place at = place_of(*cursor);
    const struct rule *current = at.rule < c->conf->nrules ? &c->conf->rules[at.rule] : NULL;
    if (at.row == 0 && current == NULL) {
        end(sb, c, r, e);
        return false;
    }
    /* NULL in the middle of a rule: a reload has removed that rule. */
    int entries = current != NULL ? current->nallow + current->ndeny : 0;
    if (at.row == 0)
        rule(sb, c, at.rule, &e->dev);
    else if (at.row <= entries)
        entry(sb, c->conf, current, at.row - 1, &e->dev);
    if (at.row < entries) {
        *cursor = cursor_of(at.rule, at.row + 1);
    } else {
        sb_str(sb, "]}");
        *cursor = cursor_of(at.rule + 1, 0);
    }
    return true;
}
