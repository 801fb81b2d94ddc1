/*
 * api_vms.c - the reply to `vmm_list`: the VMs, what they run, and their USB ports. Owns the wording; decides nothing.
 *
 * An observer may not know the names of VMs, so its list is empty. A guest's list has its own VM, without what the host
 * says of it in words.
 */
#include "api/api.h"
#include "api/api_internal.h"
#include "config/access.h"

static bool is_listed(const struct core *c, const struct request *r, int v) {
    return !c->conf->vms[v].retired && (access_sees_all(&r->who) || (r->who.role == ROLE_GUEST && r->who.vm == v));
}

static unsigned count(const struct vm_ports *p, bool used) {
    unsigned n = 0;
    for (int i = 0; i < p->nports; i++)
        n += p->port[i].used == used;
    return n;
}

static void put_port(struct sbuf *sb, const struct vm_port *port) {
    const char *separator = "";
    sb_str(sb, "{\"port\": ");
    sb_json(sb, port->path);
    member(sb, "speeds");
    sb_char(sb, '[');
    for (unsigned n = 0; n < USB_SPEEDS; n++) {
        if ((port->speeds >> n & 1) == 0)
            continue;
        sb_str(sb, separator);
        sb_json(sb, usb_speed_name(n));
        separator = ", ";
    }
    sb_char(sb, ']');
    member_bool(sb, "used", port->used);
    sb_char(sb, '}');
}

static void put_bus(struct sbuf *sb, const struct vm_ports *p, int bus) {
    const char *separator = "";
    sb_str(sb, "{\"name\": ");
    sb_json(sb, p->bus[bus].name);
    member_text(sb, "controller", vm_controller_name(p->bus[bus].controller));
    member(sb, "ports");
    sb_char(sb, '[');
    for (int i = 0; i < p->nports; i++) {
        if (p->port[i].bus != bus)
            continue;
        sb_str(sb, separator);
        put_port(sb, &p->port[i]);
        separator = ", ";
    }
    sb_str(sb, "]}");
}

static void put_ports(struct sbuf *sb, const struct vm_ports *p) {
    if (!p->known) {
        sb_str(sb, ", \"ports_used\": null, \"ports_free\": null, \"usb_buses\": null");
        return;
    }
    member_uint(sb, "ports_used", count(p, true));
    member_uint(sb, "ports_free", count(p, false));
    member(sb, "usb_buses");
    sb_char(sb, '[');
    for (int i = 0; i < p->nbuses; i++) {
        sb_str(sb, i > 0 ? ", " : "");
        put_bus(sb, p, i);
    }
    sb_char(sb, ']');
}

static void put_version(struct sbuf *sb, const struct vm *vm) {
    char text[VH_NAME_MAX] = "";
    if (vm->version[0] > 0)
        (void)str_fmt(text, sizeof text, "%d.%d.%d", vm->version[0], vm->version[1], vm->version[2]); /* fits */
    member_text_or_null(sb, "version", text);
}

static void put_vm(struct sbuf *sb, const struct core *c, const struct request *r, int v) {
    static const char states[VM_STATES][8] = {[VM_DOWN] = "down", [VM_UNKNOWN] = "unknown", [VM_UP] = "up"};
    const struct vm_conf *conf = &c->conf->vms[v];
    const struct vm *vm = &c->vm[v];
    unsigned devices = 0;
    for (int i = 0; i < c->used; i++)
        devices += c->slot[i].state == SLOT_PRESENT && c->slot[i].vm == v;
    sb_str(sb, "{\"name\": ");
    sb_json(sb, conf->name);
    member_text(sb, "type", conf->type);
    member_text(sb, "state", conf->supported ? states[vm->state] : "unsupported");
    if (access_sees_all(&r->who)) {
        put_version(sb, vm);
        member_text_or_null(sb, "reason", vm->reason);
    }
    member_uint(sb, "devices", devices);
    put_ports(sb, &c->ports[v]);
    sb_char(sb, '}');
}

/* The cursor is 1 and the row of the VM to look at next. */
bool api_vms_part(const struct core *c, const struct request *r, uint64_t *cursor, struct sbuf *sb) {
    bool first = *cursor == 0;
    int v = first ? 0 : (int)*cursor - 1;
    if (first)
        sb_str(sb, "{\"result\": \"ok\", \"vms\": [");
    while (v < c->conf->nvms && !is_listed(c, r, v))
        v++;
    if (v >= c->conf->nvms) {
        sb_char(sb, ']');
        reply_end(sb, r->id);
        return false;
    }
    sb_str(sb, first ? "" : ", ");
    put_vm(sb, c, r, v);
    *cursor = (uint64_t)v + 2;
    return true;
}
