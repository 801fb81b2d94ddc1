/*
 * vfio_pool.h - carries out what the core wants done to PCI devices on the host (ACT_PREPARE, ACT_RESTORE), by the VFIO
 * workers. Each order ends once, by its answer or by its deadline, as FACT_PREPARED or FACT_RESTORED.
 */
#ifndef VHOTPLUG_VFIO_POOL_H
#define VHOTPLUG_VFIO_POOL_H

#include "core/core.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct pollset;

/* Before anything is opened that the workers should not hold; the core lives elsewhere. False after logging why. */
bool vfio_pool_start(const struct core *core, void (*fact)(const struct fact *f));
bool vfio_pool_runs(void); /* was it started? */
void vfio_pool_order(const struct action *a);
void vfio_pool_stop(void);

void vfio_pool_count(struct worker_counts *n);
void vfio_pool_fill(struct pollset *ps);
void vfio_pool_ready(const struct pollset *ps);
int64_t vfio_pool_deadline(void);
void vfio_pool_tick(int64_t now);

#endif
