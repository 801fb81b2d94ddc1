/*
 * api_evdev.c - input devices that have an event node. Owns the wording; no VM is given any of them yet.
 */
#include "api/api_evdev.h"

#include "api/api_internal.h"
#include "base/limits.h"
#include "config/access.h"
#include "config/policy_evdev.h"

#include <string.h>

static const struct evdev_rule *rule_of(const struct conf *c, const struct input_device *d) {
    int entry = -1, rule = policy_evdev_rule(c, d, &entry);
    return rule >= 0 ? &c->evdev_rules[rule] : NULL;
}

/* A guest is told of what its VM may get. None was taken away by anybody. */
static bool is_listed(const struct conf *c, const struct request *r, const struct input_device *d) {
    const struct evdev_rule *rule = rule_of(c, d);
    if (r->disconnected == TRI_YES || (!r->all && d->bus == INPUT_USB))
        return false;
    if (r->sel.by_tag && (rule == NULL || !str_eq(rule->tag, r->sel.tag)))
        return false;
    return r->who.role != ROLE_GUEST || (rule != NULL && rule->vm >= 0 && rule->vm == r->who.vm);
}

static const struct input_device *next_listed(const struct device_evdev *l, const struct conf *c,
                                              const struct request *r, uint64_t cursor) {
    const struct input_device *best = NULL;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct input_device *d = &l->row[i];
        if (d->number + UINT64_C(1) >= cursor && (best == NULL || d->number < best->number) && is_listed(c, r, d))
            best = d;
    }
    return best;
}

static void properties(struct sbuf *sb, const struct input_device *d) {
    char room[VH_INPUT_PATH];
    const char *separator = "";
    member(sb, "properties");
    sb_char(sb, '{');
    for (int i = 0; i < INPUT_PROPERTIES; i++) {
        const char *value = input_property_value(d, i, room);
        if (value[0] == '\0')
            continue;
        sb_fmt(sb, "%s\"%s\": ", separator, input_property_name(i));
        sb_json(sb, value);
        separator = ", ";
    }
    sb_char(sb, '}');
}

static void device(struct sbuf *sb, const struct conf *c, const struct request *r, const struct input_device *d) {
    const struct evdev_rule *rule = rule_of(c, d);
    char tag[VH_INPUT_PATH];
    bool told = access_sees_all(&r->who) || r->who.role == ROLE_GUEST; /* is_listed() has chosen what a guest sees */
    input_path_tag(d->path, tag);
    sb_fmt(sb, "{\"device_node\": \"/dev/input/event%u\"", (unsigned)d->number);
    member_text_or_null(sb, "name", d->name);
    member_text_or_null(sb, "phys", d->phys);
    member_text_or_null(sb, "bus", input_bus_name((enum input_bus)d->bus));
    member_text_or_null(sb, "path_tag", tag);
    properties(sb, d);
    member(sb, "allowed_vms");
    sb_char(sb, '[');
    if (rule != NULL && rule->vm >= 0 && told)
        sb_json(sb, c->vms[rule->vm].name);
    sb_str(sb, "], \"vm\": null}");
}

/* The cursor is 1 and the place after that of the last device. */
bool api_evdev_part(const struct device_evdev *l, const struct conf *c, const struct request *r, uint64_t *cursor,
                    struct sbuf *sb) {
    bool first = *cursor == 0;
    const struct input_device *d = next_listed(l, c, r, *cursor);
    if (first)
        sb_str(sb, "{\"result\": \"ok\", \"evdev_devices\": [");
    if (d == NULL) {
        sb_char(sb, ']');
        if (l->whole == 0)
            member_bool(sb, "incomplete", true);
        reply_end(sb, r->id);
        return false;
    }
    sb_str(sb, first ? "" : ", ");
    device(sb, c, r, d);
    *cursor = d->number + UINT64_C(2);
    return true;
}
