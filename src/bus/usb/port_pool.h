/*
 * port_pool.h - the port workers, and the orders that wait for one.
 *
 * A hub belongs to the worker that was given its node; its orders are done in the order in which they were given. An
 * order that waits has all the time; one that a worker has not answered within VH_T_PORT, or a worker that ends, is the
 * end of all of it: half of the ports held is worse than none.
 */
#ifndef VHOTPLUG_PORT_POOL_H
#define VHOTPLUG_PORT_POOL_H

#include "bus/usb/port_order.h"
#include "os/pollset.h"

#include <stdbool.h>
#include <stdint.h>

struct port_pool_calls {
    /* The end of an order. a: its answer, checked; NULL if there is none, because the pool has ended. */
    void (*done)(const struct port_order *o, uint64_t token, const struct port_answer *a);
    void (*lost)(const char *why); /* the pool has ended; the orders that were left end after this */
};

/* Starts n workers (at most VH_PORT_WORKERS). 0: orders are done by port_pool_tick() itself. False after logging why.
 */
bool port_pool_start(int n, const struct worker_job *job, const struct port_pool_calls *calls);
bool port_pool_runs(void);
/* The head is filled later. fd: the node to go with a HOLD, or -1; the pool takes it over. Nothing is called back from
 * within. False if the pool does not run, if VH_MAX_PORT_ORDERS wait, or if no worker has the hub. */
bool port_pool_order(const struct port_order *o, uint64_t token, int fd);
void port_pool_stop(void);
void port_pool_lose(const char *why); /* ends all of it, as above */
void port_pool_count(struct worker_counts *n);

void port_pool_fill(struct pollset *ps);
void port_pool_ready(const struct pollset *ps);
int64_t port_pool_deadline(void);
void port_pool_tick(int64_t now);

#endif
