/*
 * port_pool.h - the port workers, and the orders that wait for one.
 *
 * Every worker is given every hub's node, the same open file: so any of them can do any order, and what is held stays
 * held for as long as one of them lives. One order about a hub, or about one behind the same root port, is out at a
 * time, in the order in which they were given. An order that is not answered within VH_T_PORT has its worker wait, for
 * the kernel is busy with that hub; the others go on with the other hubs, and one of them is kept from hubs that were
 * late. What a worker had in hand that ends, another one does. Without any worker the pool has ended.
 */
#ifndef VHOTPLUG_PORT_POOL_H
#define VHOTPLUG_PORT_POOL_H

#include "bus/usb/port_order.h"
#include "os/pollset.h"

#include <stdbool.h>
#include <stdint.h>

struct port_pool_calls {
    /* The end of an order. a: its answer, checked; NULL if there is none: nobody has the hub any more. */
    void (*done)(const struct port_order *o, uint64_t token, const struct port_answer *a);
    void (*late)(const struct port_order *o, uint64_t token); /* its end follows, perhaps much later */
    void (*unheld)(const char *hub); /* the workers that had its node have ended, and its claims with them */
    void (*lost)(const char *why);   /* the pool has ended; the orders that were left end after this */
};

/* Starts n workers (at most VH_PORT_WORKERS). 0: orders are done by port_pool_tick() itself. False after logging why.
 */
bool port_pool_start(int n, const struct worker_job *job, const struct port_pool_calls *calls);
bool port_pool_runs(void);
/* The head is filled later. fd: with a HOLD, the node of a hub that was plugged in, which the pool takes over; else -1.
 * Nothing is called back from within, and no end follows of a DROP. False if the pool does not run, if too many orders
 * wait (VH_MAX_PORT_ORDERS), or if no worker has the hub. */
bool port_pool_order(const struct port_order *o, uint64_t token, int fd);
void port_pool_stop(void);
void port_pool_lose(const char *why); /* ends all of it */
void port_pool_count(struct worker_counts *n);

void port_pool_fill(struct pollset *ps);
void port_pool_ready(const struct pollset *ps);
int64_t port_pool_deadline(void);
void port_pool_tick(int64_t now);

#endif
