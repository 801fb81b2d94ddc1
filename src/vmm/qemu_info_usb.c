/*
 * qemu_info_usb.c - reads `info usb` of a QEMU and joins it with what QOM has said: which bus has which number there,
 * and which ports it has. Owns the lines that were read.
 *
 * The text is for people, and a device writes a part of it: what does not agree with QOM leaves the ports unknown.
 */
#include "vmm/qemu_info_usb.h"

#include "base/str.h"
#include "codec/vm_id.h"

#include <string.h>

enum {
    EHCI_PORTS = 6, /* as QEMU makes them */
    UHCI_PORTS = 2,
    MOST_PORTS = 15,
};

/* ---- the text ---- */

/* "  Device 0.2, Port 4.1, Speed 12 Mb/s, Product QEMU USB Keyboard, ID: k4" */
struct usb_line {
    uint8_t busnr;
    bool hub;
    char path[VH_VM_PORT_PATH];
    char id[VH_OPID_MAX]; /* "" none */
};

static bool skip(const char **s, const char *word) {
    size_t n = strlen(word);
    if (strncmp(*s, word, n) != 0)
        return false;
    *s += n;
    return true;
}

static size_t run_of(const char *s, const char *set) {
    return strspn(s, set);
}

/* A device of the host writes the product; it has at most 31 bytes, so it cannot be a line by itself. */
static bool read_line(const char *s, struct usb_line *l) {
    static const char digits[] = "0123456789";
    uint64_t busnr = 0;
    size_t n;
    memset(l, 0, sizeof *l);
    if (!skip(&s, "  Device "))
        return false;
    n = run_of(s, digits);
    if (!str_uint(s, n, UINT8_MAX, &busnr))
        return false;
    l->busnr = (uint8_t)busnr;
    s += n;
    if (!skip(&s, "."))
        return false;
    s += run_of(s, digits);
    if (!skip(&s, ", Port "))
        return false;
    n = run_of(s, "0123456789.");
    if (n == 0 || !str_copyn(l->path, sizeof l->path, s, n))
        return false;
    s += n;
    if (!skip(&s, ", Speed "))
        return false;
    s += run_of(s, "0123456789.?");
    if (!skip(&s, " Mb/s, Product "))
        return false;
    l->hub = strncmp(s, "QEMU USB Hub", 12) == 0;
    const char *id = NULL;
    for (const char *at = strstr(s, ", ID: "); at != NULL; at = strstr(at + 1, ", ID: "))
        id = at + 6; /* the last one is QEMU's */
    if (id != NULL && !str_copy(l->id, sizeof l->id, id))
        l->id[0] = '\0';
    return true;
}

static struct usb_line lines[VH_VM_PORTS];

/* Returns the number of lines[], or -1: more than there is room for. */
static int read_text(char *text) {
    int n = 0;
    for (char *s = text; s != NULL && *s != '\0';) {
        char *end = s + strcspn(s, "\r\n");
        bool last = *end == '\0';
        *end = '\0';
        struct usb_line l;
        if (read_line(s, &l)) {
            if (n == VH_VM_PORTS)
                return -1;
            lines[n++] = l;
        }
        s = last ? NULL : end + 1;
    }
    return n;
}

/* ---- which bus is which ---- */

static int on_bus(int n, int busnr) {
    int count = 0;
    for (int i = 0; i < n; i++)
        count += lines[i].busnr == busnr;
    return count;
}

static bool is_taken(const struct qemu_ports *p, int busnr) {
    for (int i = 0; i < p->ncontrollers; i++) {
        if (p->controller[i].busnr == busnr)
            return true;
    }
    return false;
}

/* The number of the bus that this device is on; -1: not known, or said of two. */
static int number_by_id(int n, const char *id) {
    int busnr = -1;
    for (int i = 0; i < n; i++) {
        if (!str_eq(lines[i].id, id))
            continue;
        if (busnr >= 0)
            return -1;
        busnr = lines[i].busnr;
    }
    return busnr;
}

/* The only number with so many devices; -1: none, or several. */
static int number_by_count(const struct qemu_ports *p, int n, int devices) {
    int found = -1;
    for (int i = 0; i < n; i++) {
        int busnr = lines[i].busnr;
        if (busnr == found || is_taken(p, busnr) || on_bus(n, busnr) != devices)
            continue;
        if (found >= 0)
            return -1;
        found = busnr;
    }
    return found;
}

/* False if it cannot be told which bus is which, or the two sources do not agree. */
static bool number_buses(struct qemu_ports *p, int n) {
    int left = n;
    for (int i = 0; i < p->ncontrollers; i++) {
        struct qemu_controller *c = &p->controller[i];
        int busnr = c->devices > 0 && c->device[0] != '\0' ? number_by_id(n, c->device) : -1;
        if (busnr >= 0 && is_taken(p, busnr))
            return false;
        c->busnr = (int16_t)busnr;
    }
    for (int i = 0; i < p->ncontrollers; i++) {
        struct qemu_controller *c = &p->controller[i];
        if (c->devices == 0)
            continue;
        if (c->busnr < 0)
            c->busnr = (int16_t)number_by_count(p, n, c->devices);
        if (c->busnr < 0 || on_bus(n, c->busnr) != c->devices)
            return false;
        left -= c->devices;
    }
    return left == 0;
}

/* ---- the ports ---- */

static bool add_port(struct vm_ports *v, int bus, const char *path, unsigned speeds, bool behind_hub) {
    if (v->nports == VH_VM_PORTS)
        return false;
    struct vm_port *port = &v->port[v->nports];
    memset(port, 0, sizeof *port);
    if (!str_copy(port->path, sizeof port->path, path))
        return false;
    port->bus = (uint8_t)bus;
    port->speeds = (uint8_t)speeds;
    port->behind_hub = behind_hub;
    v->nports++;
    return true;
}

static bool add_below(struct vm_ports *v, int bus, const char *above, int n, unsigned speeds) {
    char path[2 * VH_VM_PORT_PATH];
    (void)str_fmt(path, sizeof path, "%s%s%d", above, above[0] != '\0' ? "." : "", n);
    return add_port(v, bus, path, speeds, above[0] != '\0');
}

/* The speeds that a companion takes at this port of its master. */
static unsigned companion_speeds(const struct qemu_ports *p, const char *bus, int number) {
    for (int i = 0; i < p->ncontrollers; i++) {
        const struct qemu_controller *c = &p->controller[i];
        int first = c->number[0] + 1;
        if (c->type == VM_UHCI && str_eq(c->master, bus) && number >= first && number < first + UHCI_PORTS)
            return USB_SPEED_LOW | USB_SPEED_FULL;
    }
    return 0;
}

static unsigned speeds_of(const struct qemu_ports *p, const struct qemu_controller *c, int number) {
    const unsigned slow = USB_SPEED_LOW | USB_SPEED_FULL;
    switch ((enum vm_controller)c->type) {
    case VM_XHCI:
        return (number <= c->number[0] ? slow | USB_SPEED_HIGH : 0) | (number <= c->number[1] ? USB_SPEED_SUPER : 0);
    case VM_EHCI:
        return USB_SPEED_HIGH | companion_speeds(p, c->bus, number);
    case VM_UHCI:
    case VM_OHCI:
    case VM_CONTROLLERS:
        break;
    }
    return slow;
}

static int ports_of(const struct qemu_controller *c) {
    switch ((enum vm_controller)c->type) {
    case VM_XHCI:
        return c->number[0] > c->number[1] ? c->number[0] : c->number[1];
    case VM_EHCI:
        return EHCI_PORTS;
    case VM_OHCI:
        return c->number[0];
    case VM_UHCI:
    case VM_CONTROLLERS:
        break;
    }
    return UHCI_PORTS;
}

static bool add_bus(struct qemu_ports *p, const struct qemu_controller *c) {
    struct vm_ports *v = &p->ports;
    int most = ports_of(c);
    if (most == 0 || most > MOST_PORTS)
        return false;
    (void)str_copy(v->bus[v->nbuses].name, sizeof v->bus[0].name, c->bus); /* same bound */
    v->bus[v->nbuses].controller = c->type;
    for (int n = 1; n <= most; n++) {
        if (!add_below(v, v->nbuses, "", n, speeds_of(p, c, n)))
            return false;
    }
    v->nbuses++;
    return true;
}

/* What the line is about is on the bus. A hub comes before what is behind it. */
static bool take_port(struct qemu_ports *p, int bus, const struct usb_line *l) {
    struct vm_ports *v = &p->ports;
    for (int i = 0; i < v->nports; i++) {
        struct vm_port *port = &v->port[i];
        if (port->bus != bus || !str_eq(port->path, l->path) || port->used)
            continue;
        port->used = true;
        if (!vm_id_parse(l->id, &port->busnum, &port->devnum))
            port->busnum = port->devnum = 0;
        for (int n = 1; l->hub && n <= p->hub_ports; n++) {
            if (!add_below(v, bus, l->path, n, USB_SPEED_LOW | USB_SPEED_FULL))
                return false;
        }
        return true;
    }
    return false;
}

static bool join_bus(struct qemu_ports *p, const struct qemu_controller *c, int n) {
    int hubs = 0, bus = p->ports.nbuses;
    if (!add_bus(p, c))
        return false;
    for (int i = 0; i < n; i++) {
        if (c->busnr < 0 || lines[i].busnr != c->busnr)
            continue;
        hubs += lines[i].hub;
        if (!take_port(p, bus, &lines[i]))
            return false;
    }
    return hubs == c->hubs; /* else a device calls itself one */
}

bool qemu_info_usb_join(struct qemu_ports *p, char *text) {
    int n = read_text(text);
    if (n < 0 || !number_buses(p, n))
        return false;
    for (int i = 0; i < p->ncontrollers; i++) {
        if (p->controller[i].bus[0] != '\0' && !join_bus(p, &p->controller[i], n))
            return false;
    }
    return true;
}
