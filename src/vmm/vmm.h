/*
 * vmm.h - the contract between a link and a VMM's protocol: one const table for each type in main.c's vmms[].
 * Implementations are pure: they turn operations into bytes and lines into results; the link moves the bytes.
 */
#ifndef VHOTPLUG_VMM_H
#define VHOTPLUG_VMM_H

#include "base/limits.h"
#include "base/model.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum vmm_step {
    VMM_WAIT,  /* go on reading */
    VMM_READY, /* the monitor greeted: operations may begin */
    VMM_DONE,  /* the operation has ended; conv->result says how */
    VMM_DOWN,  /* the VMM says that it is ending */
    VMM_BAD,   /* this is not the protocol: drop the connection */
};

/* One connection's conversation. Owned by the link, reset for each connection. */
struct vmm_conv {
    bool greeted, negotiated;
    int version[3];          /* as greeted */
    struct vmm_op op;        /* op.kind is OP_NONE between operations */
    uint32_t waiting;        /* replies still expected, one bit a step */
    bool failed;             /* a step failed; result.text holds the first reason */
    uint32_t features;       /* learned by OP_LIST, e.g. whether descriptors can be passed; see vmm_*.c */
    int asked;               /* OP_LIST: found[asked] is the device whose properties are being asked for */
    bool absent;             /* the VMM says that found[asked] is not attached to the guest */
    struct op_result result; /* result.found points at found[] */
    /* One for each conversation, because a listing comes in several lines, with those of other VMs in between. Last,
     * and not cleared by reset: only the rows that are used take memory. */
    struct vmm_found found[VH_MAX_FOUND];
};

struct vmm_out {
    struct sbuf text; /* bytes to send */
    bool pass_fd;     /* the opened node goes with the first byte */
};

struct vmm {
    const char *type; /* "qemu" */
    void (*reset)(struct vmm_conv *cv);
    /* One line from the VMM. May append to out (to be sent at once). */
    enum vmm_step (*line)(struct vmm_conv *cv, const char *line, size_t len, struct vmm_out *out);
    /* Begins an operation: op->by_fd tells whether an opened node goes along. One at a time; only after VMM_READY. */
    void (*begin)(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out);
    /* Can this VMM take a descriptor, as far as known? Asked before OP_ATTACH to choose by_fd for PASS_AUTO. */
    bool (*takes_fd)(const struct vmm_conv *cv, uint32_t features);
};

#endif
