/*
 * core_select.c - which devices a request means, and the refusals if it means none or too many. Never changes a slot.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/usb_place.h"
#include "config/access.h"
#include "config/connectors.h"
#include "core/core_internal.h"

#include <string.h>

/* The request names a tag only, so it decides about the tag rather than about single devices. */
bool request_is_tag(const struct request *r) {
    const struct selector *s = &r->sel;
    return s->by_tag && !s->by_node && !s->by_bus && !s->by_port && !s->by_vid && !s->by_pid && !s->by_connector &&
           !s->by_address;
}

/* A decision by a higher role keeps the device: of two devices of one kind, an attach means the other. */
static bool is_out_of_reach(const struct request *r, const struct slot *s) {
    return r->kind == REQ_ATTACH && !r->sel.by_tag && s->disconnected && s->disconnected_by > r->who.role;
}

static bool fits(const struct core *c, const struct request *r, const struct slot *s) {
    bool itself = r->sel.by_connector && str_eq(r->sel.connector, s->dev.stable_path);
    bool place = r->sel.by_node || r->sel.by_port || itself;
    bool may = !s->hub || (place && (r->kind == REQ_ATTACH || r->kind == REQ_EXPLAIN));
    return s->state == SLOT_PRESENT && s->dev.kind == r->about && may && core_selects(c, &r->sel, s);
}

bool request_means(const struct core *c, const struct request *r, int i) {
    const struct slot *s = &c->slot[i];
    if (s->state == SLOT_PRESENT && r->who.role == ROLE_GUEST && !guest_may(c, r, s))
        return false; /* first, so that a hidden device takes the same time as one that does not match */
    return fits(c, r, s) && !is_out_of_reach(r, s);
}

/* Behind a hub, `portnum` of a list is the last number of the port's path only. */
static bool ends_in_port(const struct device *d, const char *port) {
    const char *last = strrchr(d->usb.port_path, '.');
    return last != NULL && str_eq(last + 1, port);
}

static bool may_name(const struct core *c, const struct request *r, const struct slot *s) {
    return s->state == SLOT_PRESENT && s->dev.kind == KIND_USB && s->dev.usb.busnum == r->sel.bus && !s->hub &&
           (r->who.role != ROLE_GUEST || core_guest_sees(c, s, r->who.vm));
}

void request_find_port(const struct core *c, struct request *r) {
    const struct slot *found = NULL;
    int n = 0;
    if (!r->sel.by_bus || !r->sel.by_port || strchr(r->sel.port, '.') != NULL)
        return;
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_PRESENT && s->dev.kind == KIND_USB && s->dev.usb.busnum == r->sel.bus &&
            str_eq(s->dev.usb.port_path, r->sel.port))
            return; /* it is the root port that it says */
        if (!may_name(c, r, s) || !ends_in_port(&s->dev, r->sel.port))
            continue;
        found = s;
        n++;
    }
    if (n == 1)
        (void)str_copy(r->sel.port, sizeof r->sel.port, found->dev.usb.port_path); /* same bound */
}

void core_describe(struct sbuf *sb, const struct selector *sel) {
    if (sel->by_node) {
        char node[VH_NODE_MAX];
        usb_node_print(node, sel->node_bus, sel->node_dev);
        sb_fmt(sb, " %s", node);
    }
    if (sel->by_bus)
        sb_fmt(sb, " bus %u", (unsigned)sel->bus);
    if (sel->by_port)
        sb_fmt(sb, " port %s", sel->port);
    if (sel->by_address)
        sb_fmt(sb, " address %s", sel->address);
    if (sel->by_connector)
        sb_fmt(sb, " connector %s", sel->connector);
    if (sel->by_vid)
        sb_fmt(sb, " vid %04x", (unsigned)sel->vid);
    if (sel->by_pid)
        sb_fmt(sb, " pid %04x", (unsigned)sel->pid);
    if (sel->by_tag)
        sb_fmt(sb, " tag '%s'", sel->tag);
}

void request_refuse_ambiguous(struct step *st, const struct request *r) {
    struct core *c = st->c;
    struct sbuf sb;
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    sb_str(&sb, "ambiguous:");
    int left = 0;
    for (int i = 0; i < c->used; i++) {
        if (!request_means(c, r, i))
            continue;
        const struct device *d = &c->slot[i].dev;
        if (sb.len + 120 >= sb.cap) {
            left++;
            continue;
        }
        sb_char(&sb, ' ');
        core_kind(d)->describe(&sb, d);
    }
    if (left > 0)
        sb_fmt(&sb, " and %d more", left);
    VH_ASSERT(sb_ok(&sb));
}

/* No device matches, or a higher role keeps those that do. */
static void refuse_none(struct step *st, const struct request *r) {
    struct core *c = st->c;
    struct sbuf sb;
    sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (!fits(c, r, s))
            continue;
        sb_fmt(&sb, "%s was taken away by an %s", s->dev.node, role_name(s->disconnected_by));
        return;
    }
    if (r->sel.by_connector && !connector_is_known(c->conf, r->sel.connector)) {
        sb_fmt(&sb, "no connector '%s' is configured, and it is no stable path", r->sel.connector);
        return;
    }
    sb_fmt(&sb, "no such %s:", r->about == KIND_PCI ? "PCI device that a rule decides for" : "USB device");
    core_describe(&sb, &r->sel);
}

bool request_select(struct step *st, const struct request *r, int *count) {
    int n = 0;
    for (int i = 0; i < st->c->used; i++)
        n += request_means(st->c, r, i);
    *count = n;
    bool whole_tag = request_is_tag(r);
    if (whole_tag && !core_tag_known(st->c, r->about, r->sel.tag)) {
        struct sbuf sb;
        sb_init(&sb, reply_failed(st, r), VH_ERROR_MAX);
        sb_fmt(&sb, "no rule has the tag '%s'", r->sel.tag);
        return false;
    }
    if (n == 0 && !whole_tag) {
        refuse_none(st, r);
        return false;
    }
    if (n > 1 && !r->sel.by_tag) {
        request_refuse_ambiguous(st, r);
        return false;
    }
    return true;
}
