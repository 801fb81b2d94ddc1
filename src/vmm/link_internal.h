/*
 * link_internal.h - what the files of a link share. link_connection.c connects and closes, link_operation.c sends
 * operations and takes their results, link_read.c reads messages in turns; link.c is the contract of link.h and the
 * timers.
 */
#ifndef VHOTPLUG_LINK_INTERNAL_H
#define VHOTPLUG_LINK_INTERNAL_H

#include "codec/linebuf.h"
#include "vmm/link.h"

struct pollset;

enum link_state {
    LINK_IDLE,       /* not connected; connect_at is the next attempt, if one is due */
    LINK_CONNECTING, /* a connector was asked */
    LINK_GREETING,   /* connected; the monitor has not greeted, because it may be serving another client. One that never
                        greets is ready at the next tick */
    LINK_READY,      /* greeted: operations may be sent */
};

struct link {
    int vm;
    const struct vm_conf *conf;
    const struct link_calls *calls;
    const struct vmm *vmm;                     /* NULL: a type without a driver */
    const struct vmm *either[VMM_PACKETS + 1]; /* VM_EITHER: the types that talk so, chosen from by each connection */
    enum link_state state;
    int fd, poll;
    uint32_t peer_uid, owner;   /* connected: who serves it, and whose socket it is */
    uint64_t socket;            /* connected: which socket it is */
    bool rechecking;            /* a connector was asked whether anybody listens */
    char down_why[VH_TEXT_MAX]; /* if nobody does */
    struct vmm_op op;           /* OP_NONE: none */
    bool node_wanted;           /* OP_ATTACH: link_node() has not answered yet */
    int node;                   /* OP_ATTACH: what it answered, until the link is ready; -1: none */
    bool sent;                  /* the first bytes of the operation went out */
    bool finished;              /* the result waits to be reported */
    bool wanted;                /* wait for the greeting although no operation is under way */
    bool was_busy;              /* the monitor has kept an operation waiting */
    int64_t deadline;           /* of the greeting or of the answer */
    int64_t connect_at;
    unsigned connect_failures; /* in a row, of the connection that is wanted now */
    int64_t give_up_at;        /* after this time a failed attempt ends the operation */
    bool strange;              /* it did not speak the protocol; until an operation succeeds or the VM is gone */
    bool worked;               /* an operation succeeded on this connection */
    int64_t connected_at;
    unsigned
        losses; /* connections lost in a row: each delays the next one. One that worked for a while breaks the row */
    int64_t linger_until;
    int64_t listen_until; /* a guest was asked for a device, and nothing was heard of it since; 0: none was */
    int64_t pause_until;  /* the turn ended before the lines did; 0: it did not */
    uint32_t features;
    size_t out_len; /* bytes not sent yet */
    struct op_result result;
    struct vmm_conv conv;
    struct linebuf in;
    size_t in_len; /* VMM_HTTP, instead of that: bytes of an answer that is not whole yet */
    char out[VH_QMP_OUT_MAX];
    char in_buf[VH_QMP_LINE_MAX];
};

/* link_connection.c */
void link_finish(struct link *l, enum op_status status, const char *text); /* ends the operation, if there is one */
void link_finish_about(struct link *l, enum op_status status, const char *before,
                       const char *after); /* with VM's name */
void link_report(struct link *l);          /* the result, if one waits */
void link_close(struct link *l);
void link_lost(struct link *l, const char *why); /* closes, ends the operation, and reports whether anybody listens */
void link_connect(struct link *l);
void link_attempt_ended(struct link *l, const struct connector_answer *a, int fd, int pidfd);
void link_ask_listening(struct link *l, const char *why);
void link_heard_listening(struct link *l, const struct connector_answer *a);
void link_end(struct link *l); /* the VM is gone */

/* link_operation.c */
bool link_flush(struct link *l, int pass_fd); /* false with errno if the connection is broken */
void link_ask_node(struct link *l);           /* for OP_ATTACH */
void link_begin(struct link *l);              /* sends the operation, or waits for its node; LINK_READY only */
void link_node_opened(struct link *l, uint32_t op_serial, int fd, const char *why);
void link_node_late(struct link *l);
void link_operation_done(struct link *l);
void link_heard_out(struct link *l, bool out); /* VMM_OUT, VMM_STAYS */
void link_greeted(struct link *l);

/* link_read.c: turns of all links */
void link_read_fill(struct link *links, int n, struct pollset *ps);
void link_read_ready(struct link *links, int n, const struct pollset *ps, int64_t now);
int64_t link_read_deadline(void);

#endif
