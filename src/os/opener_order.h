/*
 * opener_order.h - what the loop asks the opener, and the form of the answers. Pure. No order holds a path, an address
 * or a port.
 */
#ifndef VHOTPLUG_OPENER_ORDER_H
#define VHOTPLUG_OPENER_ORDER_H

#include "os/opener.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Socket files; an inode 0 is none. */
enum opener_made { MADE_SOCKET, MADE_UEVENTS, MADE };
struct opener_inode {
    uint64_t dev, ino;
};

struct opener_order {
    struct worker_head head; /* kind: enum opener_what */
    uint32_t conf;           /* number of the OPEN_CONF whose configuration is in force; 0: the one of the start */
    struct opener_inode made[MADE]; /* OPEN_MADE */
};
struct opener_reply {
    struct worker_head head;
    int32_t error; /* 0 or an errno */
};

/* In the opener: is it one of its orders? begun: OPEN_MADE has come, which comes first and once. */
bool opener_order_valid(const struct opener_order *o, bool begun, bool with_fd);
/* In the loop: has the reply (n bytes) to an order of this kind its form? A descriptor comes with success and with
 * nothing else; some kinds open nothing. */
bool opener_reply_valid(uint32_t kind, const struct opener_reply *r, size_t n, const int fds[WORKER_FDS]);

#endif
