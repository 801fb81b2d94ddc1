/*
 * device_pool.h - the device workers, and the orders that wait for one.
 *
 * A device that makes the kernel wait holds up one worker at most: no two orders about one device, or behind one root
 * port, are out at a time. A root port that was late, and every reset, never gets the last free worker: that one is
 * kept for others. Each order ends once, by its answer or by its deadline, which counts from the moment it was given.
 */
#ifndef VHOTPLUG_DEVICE_POOL_H
#define VHOTPLUG_DEVICE_POOL_H

#include "bus/device_order.h"

#include <stdbool.h>
#include <stdint.h>

/* The end of an order. a: its answer, checked; NULL if none came in time, or its worker ended. fd: the opened node, now
 * the callee's; else -1. token: as given with the order. */
typedef void device_done_fn(const struct device_order *o, uint64_t token, const union device_answer *a, int fd);

struct device_pool_stats {
    int workers, idle, late;               /* now: that run, have nothing to do, have an order that was written off */
    int ended;                             /* workers that ran */
    int waiting;                           /* orders */
    uint64_t orders, written_off, dropped; /* since start; dropped: answers that came too late */
};

/* Starts n workers (at most VH_DEVICE_WORKERS). 0: orders are done by device_pool_tick() itself, which then waits.
 * False after logging why. */
bool device_pool_start(int n, const struct worker_job *job, device_done_fn *done);
/* o->head.kind says what; the head is filled later. fd: a pidfd to go with a RELEASE, or -1; the pool takes it over. A
 * READ joins one of the same device that waits; their tokens are joined by `or`. Nothing is called back from within.
 * False if VH_MAX_ORDERS wait. */
bool device_pool_order(const struct device_order *o, uint64_t token, int fd);
void device_pool_stop(void);

void device_pool_fill(struct pollset *ps);
void device_pool_ready(const struct pollset *ps);
int64_t device_pool_deadline(void);
void device_pool_tick(int64_t now);
void device_pool_stats(struct device_pool_stats *s);

#endif
