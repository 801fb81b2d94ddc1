/*
 * device_order.c - the form of orders and answers. Owns nothing; pure.
 */
#include "bus/device_order.h"

#include "base/str.h"
#include "codec/stable_path.h"
#include "codec/usb_place.h"

#include <string.h>

#define ENDS(text) (memchr((text), '\0', sizeof(text)) != NULL)

bool device_name_valid(const char *name) {
    if (strnlen(name, VH_SYSNAME_MAX) >= VH_SYSNAME_MAX)
        return false;
    if (str_starts(name, "usb"))
        return name[3] != '\0' && strspn(name + 3, "0123456789") == strlen(name + 3);
    size_t n = strspn(name, "0123456789");
    const char *rest = name + n;
    if (n == 0 || *rest != '-')
        return false;
    for (char mark = '-'; *rest == mark; mark = '.') {
        n = strspn(rest + 1, "0123456789");
        if (n == 0)
            return false;
        rest += 1 + n;
    }
    return *rest == '\0';
}

bool device_same_port(const char *sys_name, const char *other) {
    size_t n = strcspn(sys_name, ".");
    return strcspn(other, ".") == n && memcmp(sys_name, other, n) == 0;
}

bool device_same_bus(const char *sys_name, const char *other) {
    size_t n = strcspn(sys_name, "-");
    return strcspn(other, "-") == n && memcmp(sys_name, other, n) == 0;
}

bool device_order_lists(uint32_t kind) {
    return kind == DEVICE_LIST || kind == DEVICE_USES || kind == DEVICE_PCI || kind == DEVICE_EVDEV;
}

bool device_order_valid(const struct device_order *o) {
    if (!ENDS(o->sys_name))
        return false;
    if (device_order_lists(o->head.kind))
        return o->sys_name[0] == '\0';
    return o->head.kind >= DEVICE_READ && o->head.kind < DEVICE_KINDS && device_name_valid(o->sys_name);
}

size_t device_answer_size(uint32_t kind, const union device_answer *a) {
    switch (kind) {
    case DEVICE_LIST:
        return offsetof(struct device_list, row) + a->list.n * sizeof a->list.row[0];
    case DEVICE_USES:
        return offsetof(struct device_uses, row) + a->uses.n * sizeof a->uses.row[0];
    case DEVICE_PCI:
        return offsetof(struct device_pci, row) + a->pci.n * sizeof a->pci.row[0];
    case DEVICE_EVDEV:
        return offsetof(struct device_evdev, row) + a->evdev.n * sizeof a->evdev.row[0];
    case DEVICE_READ:
        return sizeof a->read;
    default:
        return sizeof a->done;
    }
}

/* A string of a device, or a name in its place. Replies have room for one that USB allows, each unit escaped. */
static bool is_string(const char s[VH_STRING_MAX]) {
    char json[6 * VH_STRING_UNITS + 3]; /* with its quotes and NUL */
    struct sbuf sb;
    if (memchr(s, '\0', VH_STRING_MAX) == NULL || !utf8_valid(s))
        return false;
    sb_init(&sb, json, sizeof json);
    sb_json(&sb, s);
    return sb_ok(&sb);
}

static bool is_flag(uint8_t v) {
    return v <= 1;
}

static bool list_valid(const struct device_list *l) {
    if (!is_flag(l->whole))
        return false;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct device_row *r = &l->row[i];
        if (!ENDS(r->sys_name) || !device_name_valid(r->sys_name) || r->devnum > 127 || !is_flag(r->unauthorised))
            return false;
    }
    return true;
}

static bool uses_valid(const struct device_uses *u) {
    if (!is_flag(u->whole))
        return false;
    for (uint32_t i = 0; i < u->n; i++) {
        const struct device_use *r = &u->row[i];
        if (!ENDS(r->sys_name) || !device_name_valid(r->sys_name) || !ENDS(r->why) || r->why[0] == '\0' ||
            !is_flag(r->untold))
            return false;
    }
    return true;
}

/* A name is the kernel's, and no address comes twice: a list goes by it. */
static bool pci_valid(const struct device_pci *l) {
    if (!is_flag(l->whole))
        return false;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct pci_device *r = &l->row[i];
        if (!ENDS(r->driver) || !utf8_valid(r->driver) || !is_flag(r->grouped) || !is_flag(r->behind) ||
            !ENDS(r->why) || r->uses >= PCI_USES || (r->uses != 0) != (r->why[0] != '\0'))
            return false;
        for (uint32_t k = 0; k < i; k++) {
            if (pci_address_order(&l->row[k].address) == pci_address_order(&r->address))
                return false;
        }
    }
    return true;
}

/* No node comes twice. */
static bool evdev_valid(const struct device_evdev *l) {
    if (!is_flag(l->whole))
        return false;
    for (uint32_t i = 0; i < l->n; i++) {
        if (!input_device_valid(&l->row[i]))
            return false;
        for (uint32_t k = 0; k < i; k++) {
            if (l->row[k].number == l->row[i].number)
                return false;
        }
    }
    return true;
}

/* A bool that is neither 0 nor 1 must not be read as one. */
static bool is_bool(const bool *b) {
    unsigned char byte;
    memcpy(&byte, b, sizeof byte);
    return byte <= 1;
}

static bool names_valid(const struct device_texts *t) {
    return is_string(t->vendor_name) && is_string(t->product_name) && is_string(t->serial) &&
           t->vendor_name[0] != '\0' && t->product_name[0] != '\0' && ENDS(t->note) && utf8_valid(t->note);
}

/* An address that comes from another process must never be read. */
static bool has_pointer(const struct device *d) {
    bool any = d->serial != NULL || d->vendor_name != NULL || d->product_name != NULL || d->protect != NULL ||
               d->malformed != NULL || d->note != NULL || d->stable_path != NULL || d->twin != NULL;
    for (int i = 0; i < VH_MAX_DRIVERS; i++)
        any = any || d->driver_path[i] != NULL;
    return any;
}

static bool descriptors_valid(const struct device *d) {
    if (d->usb.nifaces > VH_MAX_IFACES || d->usb.nconfigs > VH_MAX_CONFIGS)
        return false;
    for (int i = 0; i < d->usb.nifaces; i++) {
        if (d->usb.bound_in[i] >> d->usb.nconfigs != 0)
            return false;
    }
    return true;
}

static bool device_valid(const struct device *d, const char *sys_name) {
    char node[VH_NODE_MAX];
    if (!ENDS(d->sys_name) || !ENDS(d->node) || !ENDS(d->usb.port_path) || !ENDS(d->usb.speed) ||
        !is_bool(&d->settled) || !is_bool(&d->unresponsive) || !is_bool(&d->usb.isochronous) ||
        !is_bool(&d->unauthorised))
        return false;
    if ((unsigned)d->kind != KIND_USB || !str_eq(d->sys_name, sys_name) || d->usb.devnum == 0 || d->usb.devnum > 127 ||
        d->usb.busnum == 0 || (unsigned)d->usb.removable > REMOVABLE_REMOVABLE || (unsigned)d->binding > BINDING_DRIVER)
        return false;
    usb_node_print(node, d->usb.busnum, d->usb.devnum);
    return str_eq(node, d->node) && utf8_valid(d->usb.speed) && utf8_valid(d->usb.port_path) && descriptors_valid(d);
}

/* Paths come into the state file and into comparisons with the configuration: only what is one. */
static bool paths_valid(const struct device_texts *t, const struct device *d) {
    if (!ENDS(t->stable_path) || !ENDS(t->twin))
        return false;
    if (t->stable_path[0] == '\0')
        return t->twin[0] == '\0';
    return stable_path_valid(t->stable_path) && str_eq(stable_path_ports(t->stable_path), d->usb.port_path) &&
           (t->twin[0] == '\0' || usb_port_path_exact(t->twin, strlen(t->twin)));
}

static bool drivers_valid(const char drivers[VH_DRIVERS_TEXT]) {
    size_t at = 0;
    int n = 0;
    while (at < VH_DRIVERS_TEXT && drivers[at] != '\0') {
        const char *end = memchr(drivers + at, '\0', VH_DRIVERS_TEXT - at);
        if (end == NULL || ++n > VH_MAX_DRIVERS)
            return false;
        at = (size_t)(end - drivers) + 1;
    }
    return at < VH_DRIVERS_TEXT;
}

static bool read_valid(const struct device_read *r, const struct device_order *o) {
    const struct device_texts *t = &r->texts;
    if (!is_flag(r->complete) || !is_flag(r->strings) || !is_flag(r->troubled) || !is_flag(r->unauthorised) ||
        !is_flag(r->claimed) || !is_flag(r->driven) || r->binding > BINDING_DRIVER || !ENDS(r->driver) ||
        has_pointer(&r->dev))
        return false;
    switch (r->result) {
    case DEVICE_FULL:
        return r->incarnation != 0 && device_valid(&r->dev, o->sys_name) && names_valid(t) && t->protect[0] == '\0' &&
               ENDS(t->malformed) && utf8_valid(t->malformed) && drivers_valid(r->drivers) && paths_valid(t, &r->dev);
    case DEVICE_NAMES:
        return r->incarnation == o->incarnation && o->complete == 1 && names_valid(t);
    case DEVICE_SAME:
        return r->incarnation == o->incarnation && o->complete == 1;
    default:
        return r->result == DEVICE_GONE || r->result == DEVICE_FLUX;
    }
}

static bool may_bring_fd(const struct device_order *o, const union device_answer *a) {
    if (o->head.kind == DEVICE_OPEN || o->head.kind == DEVICE_HUB)
        return a->done.result == DEVICE_SAME;
    return o->head.kind == DEVICE_READ && o->open != 0 && a->read.result >= DEVICE_FULL &&
           a->read.result <= DEVICE_SAME;
}

/* Are its n bytes as many as the rows that it says it has? */
static bool size_valid(uint32_t kind, const union device_answer *a, size_t n) {
    static const struct {
        size_t head, rows;
    } lists[DEVICE_KINDS] = {
        [DEVICE_LIST] = {offsetof(struct device_list, row), VH_MAX_DEVICES},
        [DEVICE_USES] = {offsetof(struct device_uses, row), VH_MAX_DEVICES},
        [DEVICE_PCI] = {offsetof(struct device_pci, row), VH_MAX_PCI},
        [DEVICE_EVDEV] = {offsetof(struct device_evdev, row), VH_MAX_EVDEV},
    };
    uint32_t rows = kind == DEVICE_LIST   ? a->list.n
                    : kind == DEVICE_USES ? a->uses.n
                    : kind == DEVICE_PCI  ? a->pci.n
                                          : a->evdev.n;
    if (lists[kind].rows > 0 && (n < lists[kind].head || rows > lists[kind].rows))
        return false;
    return n == device_answer_size(kind, a);
}

bool device_answer_valid(const struct device_order *o, const union device_answer *a, size_t n, bool with_fd) {
    uint32_t kind = o->head.kind;
    if (!size_valid(kind, a, n))
        return false;
    if (with_fd ? !may_bring_fd(o, a) : kind != DEVICE_READ && may_bring_fd(o, a))
        return false;
    switch (kind) {
    case DEVICE_LIST:
        return list_valid(&a->list);
    case DEVICE_USES:
        return uses_valid(&a->uses);
    case DEVICE_PCI:
        return pci_valid(&a->pci);
    case DEVICE_EVDEV:
        return evdev_valid(&a->evdev);
    case DEVICE_READ:
        return read_valid(&a->read, o);
    default:
        return ENDS(a->done.why) && utf8_valid(a->done.why) && a->done.result >= DEVICE_SAME &&
               a->done.result <= DEVICE_REFUSED && (a->done.ports > 0) == (kind == DEVICE_HUB && with_fd);
    }
}
