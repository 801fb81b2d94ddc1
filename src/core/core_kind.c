/*
 * core_kind.c - the tables of kinds. Owns nothing, decides nothing. The first file of the core: all others may call it.
 */
#include "core/core_kind.h"

#include "base/assert.h"
#include "base/str.h"
#include "codec/pci_address.h"
#include "codec/usb_place.h"
#include "codec/vm_id.h"
#include "codec/vm_pci_id.h"
#include "config/policy.h"

/* ---- USB ---- */

static struct terms usb_terms(const struct conf *c, int rule) {
    const struct rule *r = &c->rules[rule];
    return (struct terms){.tag = r->tag,
                          .vms = r->vm_mask,
                          .first = r->nvms > 0 ? r->vms[0] : -1,
                          .single = r->single,
                          .host = r->host,
                          .skip_on_suspend = r->skip_on_suspend,
                          .min_speed = r->min_speed,
                          .reset_on_release = r->reset_on_release};
}

static bool usb_selects(const struct selector *sel, const struct device *d) {
    if (sel->by_node && (d->usb.busnum != sel->node_bus || d->usb.devnum != sel->node_dev))
        return false;
    if (sel->by_bus && d->usb.busnum != sel->bus)
        return false;
    return !sel->by_port || str_eq(d->usb.port_path, sel->port);
}

static void usb_describe(struct sbuf *sb, const struct device *d) {
    sb_fmt(sb, "%s (%s, %04x:%04x)", d->node, d->sys_name, (unsigned)d->vid, (unsigned)d->pid);
}

static uint64_t usb_place(const struct device *d) {
    return usb_place_order(d->usb.busnum, d->usb.port_path);
}

static void usb_take_id(struct slot *s) {
    s->vm_busnum = s->dev.usb.busnum;
    s->vm_devnum = s->dev.usb.devnum;
}

static void usb_put_id(const struct slot *s, struct vmm_op *op) {
    op->busnum = s->vm_busnum;
    op->devnum = s->vm_devnum;
    vm_id_print(op->id, s->vm_busnum, s->vm_devnum);
}

static bool usb_has_id(const struct slot *s, const struct vmm_found *f) {
    if (f->busnum == 0)
        return false; /* an id of another version, or of another kind */
    return s->vm_busnum == f->busnum && s->vm_devnum == f->devnum;
}

static bool usb_would_have(const struct device *d, const struct vmm_found *f) {
    if (f->busnum == 0)
        return false;
    return d->usb.busnum == f->busnum && d->usb.devnum == f->devnum;
}

static bool usb_same_id(const struct slot *s, const struct device *d) {
    return d->kind == KIND_USB && s->vm_busnum == d->usb.busnum && s->vm_devnum == d->usb.devnum;
}

/* ---- PCI ---- */

/* A group is judged as a whole: whoever reports a device has done that. */
static int pci_rule(const struct conf *c, const struct device *d) {
    (void)c;
    return d->pci.rule;
}

static struct terms pci_terms(const struct conf *c, int rule) {
    const struct pci_rule *r = &c->pci_rules[rule];
    return (struct terms){.tag = r->tag,
                          .vms = r->vm >= 0 ? (vm_set)1 << r->vm : 0,
                          .first = r->vm,
                          .single = true,
                          .skip_on_suspend = r->skip_on_suspend};
}

static bool pci_selects(const struct selector *sel, const struct device *d) {
    return !sel->by_address || str_eq(sel->address, d->sys_name);
}

static void pci_describe(struct sbuf *sb, const struct device *d) {
    sb_fmt(sb, "%s (%04x:%04x)", d->sys_name, (unsigned)d->vid, (unsigned)d->pid);
}

static uint64_t pci_place(const struct device *d) {
    struct pci_address a;
    return pci_address_parse(d->sys_name, &a) ? pci_address_order(&a) : 0;
}

/* The id is the address, which stays. */
static void pci_id(const struct device *d, char id[VH_OPID_MAX]) {
    struct pci_address a;
    bool parsed = pci_address_parse(d->sys_name, &a);
    VH_ASSERT(parsed); /* it was printed from one */
    vm_pci_id_print(id, &a);
}

static void pci_take_id(struct slot *s) {
    (void)s;
}

static void pci_put_id(const struct slot *s, struct vmm_op *op) {
    op->pci = true;
    pci_id(&s->dev, op->id);
}

static bool pci_would_have(const struct device *d, const struct vmm_found *f) {
    char id[VH_OPID_MAX];
    pci_id(d, id);
    return str_eq(id, f->id);
}

static bool pci_has_id(const struct slot *s, const struct vmm_found *f) {
    return pci_would_have(&s->dev, f);
}

static bool pci_same_id(const struct slot *s, const struct device *d) {
    return str_eq(s->dev.sys_name, d->sys_name);
}

/* ---- all ---- */

static const struct kind kinds[] = {
    [KIND_PCI] = {.device = "PCI device",
                  .rule = pci_rule,
                  .terms = pci_terms,
                  .selects = pci_selects,
                  .describe = pci_describe,
                  .place = pci_place,
                  .take_id = pci_take_id,
                  .put_id = pci_put_id,
                  .has_id = pci_has_id,
                  .would_have = pci_would_have,
                  .same_id = pci_same_id},
    [KIND_USB] = {.device = "USB device",
                  .revocable = true,
                  .rule = policy_rule,
                  .terms = usb_terms,
                  .selects = usb_selects,
                  .describe = usb_describe,
                  .place = usb_place,
                  .take_id = usb_take_id,
                  .put_id = usb_put_id,
                  .has_id = usb_has_id,
                  .would_have = usb_would_have,
                  .same_id = usb_same_id},
};

const struct kind *core_kind(const struct device *d) {
    VH_ASSERT((size_t)d->kind < sizeof kinds / sizeof *kinds);
    return &kinds[d->kind];
}

struct terms terms_by(const struct conf *c, const struct slot *s) {
    static const struct terms none = {.tag = "", .first = -1};
    return s->rule >= 0 ? core_kind(&s->dev)->terms(c, s->rule) : none;
}

struct terms slot_terms(const struct core *c, const struct slot *s) {
    return terms_by(c->conf, s);
}
