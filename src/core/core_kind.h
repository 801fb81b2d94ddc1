/*
 * core_kind.h - what differs between kinds of devices in the core: one constant table for each kind. Pure.
 */
#ifndef VHOTPLUG_CORE_KIND_H
#define VHOTPLUG_CORE_KIND_H

#include "core/core.h"

/* What a rule says of the devices that it decides for. */
struct terms {
    const char *tag; /* "" none */
    vm_set vms;      /* that they may be in */
    int first;       /* of these VMs, in the order written; -1 none */
    bool single;     /* nobody has to choose */
    bool host;       /* they are the host's: no VM is named */
    bool skip_on_suspend, reset_on_release;
    unsigned min_speed; /* enum usb_speed, of ports in a VM; 0: not given */
};

struct kind {
    const char *device;                                        /* "USB device" */
    int (*rule)(const struct conf *c, const struct device *d); /* that decides for it, -1 none */
    struct terms (*terms)(const struct conf *c, int rule);
    /* The fields of a selector that only this kind has. */
    bool (*selects)(const struct selector *sel, const struct device *d);
    void (*describe)(struct sbuf *sb, const struct device *d); /* one of several in a refusal */
    uint64_t (*place)(const struct device *d);                 /* grows in the order of lists */
    /* Its id in a VM: it is made from what the device is now, and kept in the slot while a VM has the device. */
    void (*take_id)(struct slot *s);
    void (*put_id)(const struct slot *s, struct vmm_op *op);
    bool (*has_id)(const struct slot *s, const struct vmm_found *f);       /* the one that is kept */
    bool (*would_have)(const struct device *d, const struct vmm_found *f); /* the one that it would get now */
    bool revocable; /* the kernel can end what a VM has of it while the VM has it */
    bool (*same_id)(const struct slot *s, const struct device *d); /* the one kept is what d would get */
};

const struct kind *core_kind(const struct device *d);
/* Of the rule that decides for it. Without a rule: no VM, no tag. */
struct terms slot_terms(const struct core *c, const struct slot *s);
struct terms terms_by(const struct conf *c, const struct slot *s); /* the same by another configuration */

#endif
