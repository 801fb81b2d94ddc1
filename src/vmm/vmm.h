/*
 * vmm.h - the contract between a link and a VMM's protocol: one const table for each type in main.c's vmms[].
 * Implementations are pure: they turn operations into bytes and messages into results; the link moves the bytes, and
 * knows no protocol.
 */
#ifndef VHOTPLUG_VMM_H
#define VHOTPLUG_VMM_H

#include "base/limits.h"
#include "base/model.h"
#include "base/str.h"
#include "config/conf.h"
#include "vmm/qemu_pci.h"
#include "vmm/qemu_ports.h"

#include <stdbool.h>
#include <stddef.h>

enum vmm_step {
    VMM_WAIT,  /* go on reading */
    VMM_READY, /* the monitor greeted: operations may begin */
    VMM_DONE,  /* the operation has ended; conv->result says how */
    VMM_OUT,   /* by itself the VMM says that conv->out_id is out of the VM */
    VMM_STAYS, /* likewise that the guest keeps it, which was to let go of it */
    VMM_DOWN,  /* the VMM says that it is ending */
    VMM_BAD,   /* this is not the protocol: drop the connection */
};

/* One connection's conversation. Owned by the link, reset for each connection. */
struct vmm_conv {
    bool greeted;
    int version[3];           /* as greeted */
    struct vmm_op op;         /* op.kind is OP_NONE between operations */
    uint32_t waiting;         /* replies still expected, one bit a step; some may come after the operation's end */
    bool failed;              /* a step failed; result.text holds the first reason */
    uint32_t features;        /* learned by OP_LIST, e.g. whether descriptors can be passed; see vmm_*.c */
    int asked;                /* OP_LIST: found[asked] is the device whose properties are being asked for */
    bool absent;              /* the VMM says that found[asked] is not attached to the guest */
    char out_id[VH_OPID_MAX]; /* VMM_OUT, VMM_STAYS */
    struct op_result result;  /* result.found points at found[] */
    /* One for each conversation, because a listing comes in several lines, with those of other VMs in between. Last,
     * and not cleared by reset: only the rows that are used take memory. */
    struct vmm_found found[VH_MAX_FOUND];
    struct qemu_ports ports; /* cleared by OP_LIST; result.ports points into it */
    struct qemu_pci pci;     /* begun by each operation that needs it */
};

struct vmm_out {
    struct sbuf text; /* bytes to send; with VMM_PACKETS one packet */
    bool pass_fd;     /* the opened node goes with the first byte */
};

/* What a message is, and who speaks first. */
enum vmm_talk {
    VMM_LINES,   /* SOCK_STREAM: a message is a line, and the VMM's first one is its greeting */
    VMM_PACKETS, /* SOCK_SEQPACKET: a message is a packet, and the VMM only answers */
    VMM_HTTP,    /* SOCK_STREAM: a message is an HTTP answer, head and body, and the VMM only answers */
};

struct vmm {
    const char *type; /* of conf_vm_types[]: "qemu" */
    enum vmm_talk talk;
    unsigned kinds;     /* of devices that it takes: a union of enum vm_kind */
    unsigned most_fds;  /* descriptors that one operation may pass */
    uint32_t answer_ms; /* from an operation's first byte to its end */
    /* Its monitor serves one client at a time, and others want it, too: the link lets go of it soon. */
    bool one_client;
    /* An answer does not say which request it is to, so each operation has a connection of its own: a late or second
     * answer never reaches the next one. */
    bool one_operation;
    const char *strange; /* what the user may have mistaken, if it does not speak the protocol */
    void (*reset)(struct vmm_conv *cv);
    /* One message from the VMM, without its end. May append to out: one message more, to be sent at once. */
    enum vmm_step (*message)(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out);
    /* Begins an operation: op->by_fd tells whether an opened node goes along. One at a time; only after VMM_READY, or,
     * with VMM_PACKETS and VMM_HTTP, once it is connected. */
    void (*begin)(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out);
    /* Can this VMM take a descriptor, as far as known? Asked before OP_ATTACH to choose by_fd for PASS_AUTO. */
    bool (*takes_fd)(const struct vmm_conv *cv, uint32_t features);
};

#endif
