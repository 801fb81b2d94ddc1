/*
 * core_ports.c - the USB ports of VMs: where a device would go, why it cannot go anywhere, and what our own operations
 * change between two listings. Never begins an operation.
 *
 * A device gets a port of its speed. QEMU by itself makes the last free port of a bus a full-speed hub, and lets fast
 * devices run behind it or on a slower port, each with success. What is not known of the ports keeps no device back:
 * QEMU chooses then.
 */
#include "base/str.h"
#include "core/core_internal.h"

enum usb_speed ports_speed(const struct device *d) {
    static const struct {
        char text[6];
        enum usb_speed speed;
    } speeds[] = {{"1.5", USB_SPEED_LOW},    {"12", USB_SPEED_FULL},     {"480", USB_SPEED_HIGH},
                  {"5000", USB_SPEED_SUPER}, {"10000", USB_SPEED_SUPER}, {"20000", USB_SPEED_SUPER}};
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
        if (d->kind == KIND_USB && str_eq(d->usb.speed, speeds[i].text))
            return speeds[i].speed;
    }
    return 0;
}

/* What a device wants of a port. */
struct wish {
    unsigned own, least; /* speeds: its own one, and the slowest that it may get */
    bool hub;            /* it may be behind one */
    const char *bus;     /* the name of the only bus that it may be on, "" any */
};

/* One with isochronous endpoints cannot use a slower port, and one for SuperSpeed is ten times slower there: only its
 * rule may say that this will do. */
static struct wish wish_of(const struct core *c, const struct slot *s, int vm) {
    unsigned said = slot_terms(c, s).min_speed, own = ports_speed(&s->dev);
    struct wish w = {.own = own, .least = own, .bus = c->conf->vms[vm].usb_bus};
    if (s->dev.usb.isochronous || own <= USB_SPEED_FULL)
        w.least = own;
    else if (said != 0)
        w.least = said < own ? said : own;
    else if (own == USB_SPEED_HIGH)
        w.least = USB_SPEED_FULL;
    w.hub = own <= USB_SPEED_FULL || (said != 0 && w.least <= USB_SPEED_FULL);
    return w;
}

static unsigned free_on_bus(const struct vm_ports *p, int bus) {
    unsigned n = 0;
    for (int i = 0; i < p->nports; i++)
        n += p->port[i].bus == bus && !p->port[i].used;
    return n;
}

static unsigned count_speeds(const struct vm_port *port) {
    unsigned n = 0;
    for (unsigned k = 0; k < USB_SPEEDS; k++)
        n += port->speeds >> k & 1;
    return n;
}

/* The lower, the better. A slow device goes behind a hub that is there, and does not take the last port of a bus while
 * another one has more; it takes no port of a fast one if it need not. xHCI costs the host the least. */
static unsigned cost(const struct vm_ports *p, const struct vm_port *port, bool slow) {
    unsigned last = slow && !port->behind_hub && free_on_bus(p, port->bus) == 1;
    unsigned direct = slow && !port->behind_hub;
    unsigned rank = VM_XHCI - p->bus[port->bus].controller;
    return (last << 16) + (direct << 12) + (rank << 4) + count_speeds(port);
}

static bool is_on(const struct vm_ports *p, int bus, const char *name) {
    return name[0] == '\0' || str_eq(p->bus[bus].name, name);
}

static int best_port(const struct vm_ports *p, unsigned speed, const struct wish *w) {
    bool slow = w->own <= USB_SPEED_FULL;
    int best = -1;
    for (int i = 0; i < p->nports; i++) {
        const struct vm_port *port = &p->port[i];
        if (port->used || (port->speeds & speed) == 0 || (port->behind_hub && !w->hub) || !is_on(p, port->bus, w->bus))
            continue;
        if (best < 0 || cost(p, port, slow) < cost(p, &p->port[best], slow))
            best = i;
    }
    return best;
}

static int port_for(const struct vm_ports *p, const struct wish *w) {
    for (unsigned speed = w->own; speed >= w->least; speed >>= 1) {
        int i = best_port(p, speed, w);
        if (i >= 0)
            return i;
    }
    return -1;
}

bool ports_place(const struct core *c, const struct slot *s, int vm, struct place *to) {
    const struct vm_ports *p = &c->ports[vm];
    *to = (struct place){.bus = -1, .port = -1};
    if (!p->known || ports_speed(&s->dev) == 0)
        return true;
    struct wish w = wish_of(c, s, vm);
    int i = port_for(p, &w);
    if (i < 0)
        return false;
    if (s->unplaced)
        return true;
    to->bus = p->port[i].bus;
    /* Of the last port of a bus QEMU makes a hub: slow devices have room behind it. */
    if (ports_speed(&s->dev) > USB_SPEED_FULL || p->port[i].behind_hub || free_on_bus(p, to->bus) > 1)
        to->port = i;
    return true;
}

bool ports_full(const struct core *c, const struct slot *s, int vm) {
    struct place to;
    return c->vm[vm].state == VM_UP && !ports_place(c, s, vm, &to);
}

static bool list_ports(struct sbuf *sb, const struct vm_ports *p, int bus, bool used, const char *before) {
    int n = 0;
    for (int i = 0; i < p->nports; i++) {
        if (p->port[i].bus == bus && p->port[i].used == used)
            sb_fmt(sb, "%s%s", n++ == 0 ? before : ", ", p->port[i].path);
    }
    if (n > 0)
        sb_str(sb, used ? " in use" : " too slow");
    return n > 0;
}

void ports_why_full(const struct core *c, const struct slot *s, int vm, char why[VH_TEXT_MAX]) {
    const struct vm_ports *p = &c->ports[vm];
    char text[2 * VH_ERROR_MAX];
    struct sbuf sb; /* what does not fit is cut below in any case */
    sb_init(&sb, text, sizeof text);
    sb_fmt(&sb, "VM '%s' has no free USB port for %s Mb/s", c->conf->vms[vm].name, s->dev.usb.speed);
    const char *only = c->conf->vms[vm].usb_bus, *between = ": ";
    for (int b = 0; b < p->nbuses; b++) {
        if (!is_on(p, b, only))
            continue;
        sb_fmt(&sb, "%s%s", between, p->bus[b].name);
        between = "; ";
        bool any = list_ports(&sb, p, b, true, " ");
        (void)list_ports(&sb, p, b, false, any ? ", " : " ");
    }
    if (between[0] == ':')
        sb_fmt(&sb, ": it has no bus '%s'", only);
    str_shorten(why, VH_TEXT_MAX, text);
}

void ports_taken(struct core *c, int vm, const struct slot *s, int port) {
    struct vm_port *taken = &c->ports[vm].port[port];
    taken->used = true;
    taken->busnum = s->vm_busnum;
    taken->devnum = s->vm_devnum;
}

void ports_given_back(struct core *c, int vm, const struct slot *s) {
    struct vm_ports *p = &c->ports[vm];
    for (int i = 0; i < p->nports && p->known; i++) {
        struct vm_port *port = &p->port[i];
        if (port->busnum == 0 || port->busnum != s->vm_busnum || port->devnum != s->vm_devnum)
            continue;
        port->used = false;
        port->busnum = port->devnum = 0;
    }
}
