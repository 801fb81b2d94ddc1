/*
 * host_list.h - the clients that wait for a list of the host's devices, which a device worker reads when it is asked
 * for. One reading of a kind at a time; whoever asks while one is under way is served by the next one.
 */
#ifndef VHOTPLUG_HOST_LIST_H
#define VHOTPLUG_HOST_LIST_H

#include "base/limits.h"
#include "base/model.h"
#include "bus/device_order.h"

#include <stdbool.h>
#include <stdint.h>

/* The list that this client asked for was read; false: not in time, or no worker is left. */
typedef void host_list_done_fn(struct client_ref c, bool ok);

/* Owned by whoever has the kind; first all zero but for `kind`, `last` and `taken`. */
struct host_list {
    uint32_t kind;       /* of the order: DEVICE_PCI ... */
    void *last;          /* the answer read last, of that kind */
    void (*taken)(void); /* NULL, or when `last` has become another one, before anybody is answered */
    host_list_done_fn *done;
    bool reading, again; /* again: its owner wants it read once more */
    int n;
    struct host_list_waiter {
        struct client_ref client;
        bool served; /* by the reading under way, else by the next one */
    } waiter[VH_MAX_CLIENTS];
};

void host_list_ask(struct host_list *l, struct client_ref c); /* done follows, unless the client goes */
void host_list_again(struct host_list *l); /* read anew, from now on: `taken` follows if that can be done */
void host_list_client_gone(struct host_list *l, struct client_ref c);
void host_list_read(struct host_list *l, const union device_answer *a); /* the end of the order, as device_done_fn */

#endif
