/*
 * port_order.h - what the loop asks of a port worker, and the form of the answers. Pure: made and checked here; carried
 * out by port_work.c.
 *
 * A program that has a hub's node open can claim the hub's ports (USBDEVFS_CLAIM_PORT). What is plugged into a claimed
 * port is read by the kernel, but stays unconfigured, and no driver of the host can bind to it. The claim is the open
 * file's: all processes that hold that file have it, and it ends with the last of them, however they end.
 */
#ifndef VHOTPLUG_PORT_ORDER_H
#define VHOTPLUG_PORT_ORDER_H

#include "base/limits.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PORT_BYTES = 32 }; /* a bit for each number of a port, 0 unused */

enum port_order_kind {
    PORT_KEEP = 1, /* the hub's node comes along: keep it open. Takes no lock of the kernel */
    PORT_HOLD,     /* claim the ports of a hub that is kept, but those in `held` */
    PORT_CLAIM,    /* one port of it */
    PORT_RELEASE,  /* likewise */
    PORT_DROP,     /* the hub is gone: close its node */
};

struct port_order {
    struct worker_head head;
    char hub[VH_SYSNAME_MAX]; /* "usb1", "1-2.3" */
    uint8_t ports;            /* KEEP, HOLD: how many the hub has */
    uint8_t port;             /* CLAIM, RELEASE: from 1 */
    uint8_t again;            /* 0 or 1: a worker that has ended since may have done it, or a part of it */
    uint8_t held[PORT_BYTES]; /* HOLD: claimed already */
};

struct port_answer {
    struct worker_head head;
    int32_t error;            /* an errno: of the first port that could not be had; 0: all is done */
    uint8_t held[PORT_BYTES]; /* HOLD: the ports that are claimed now, those of the order among them */
};

/* In the worker: is it one of the orders above, with a hub's name, ports where they belong, and a node with KEEP alone?
 */
bool port_order_valid(const struct port_order *o, bool with_fd);
/* In the loop: have these n bytes the form of an answer to that order? */
bool port_answer_valid(const struct port_order *o, const struct port_answer *a, size_t n);

bool port_is_set(const uint8_t held[PORT_BYTES], uint8_t port);
void port_set(uint8_t held[PORT_BYTES], uint8_t port, bool on);

/* The hub that a device is plugged into, and the port there. False for a root hub. */
bool port_above(const char *sys_name, char hub[VH_SYSNAME_MAX], uint8_t *port);

#endif
