/*
 * connector.h - the loop's side of the connectors: orders about VMs wait here, oldest first, until a connector is free.
 * There are several, so that a path of one VM that hangs does not delay the others; one VM has one order in hand at a
 * time. Each order ends once, after VH_T_CONNECT at the latest, unless it is cancelled.
 */
#ifndef VHOTPLUG_CONNECTOR_H
#define VHOTPLUG_CONNECTOR_H

#include "config/conf.h"
#include "vmm/connector_order.h"
#include "vmm/connector_work.h"

#include <stdbool.h>
#include <stdint.h>

struct pollset;

/* Called from connector_ready() and connector_tick() only. The answers are valid during the call. */
struct connector_calls {
    /* status CONNECTOR_OK: fd and, unless -1, pidfd are now the callee's. */
    void (*connected)(int vm, const struct connector_answer *a, int fd, int pidfd);
    void (*listening)(int vm, const struct connector_answer *a);
    void (*looked)(int vm, const struct connector_answer *a);
};

/* Forks. False after logging why. s->conf and calls must outlive the connectors. */
bool connector_start(const struct connector_setup *s, const struct connector_calls *calls);
/* The configuration was read anew: each connector reads it as well before it does anything else. `changed`: rows that
 * are another VM now; orders about the old ones end without an answer. */
void connector_reload(const struct conf *c, vm_set changed);
/* Asked again before the answer has come: the answer is to the last one. */
void connector_connect(int vm);
void connector_listening(int vm);
void connector_look(int vm);
void connector_cancel(int vm); /* nobody wants the connection any more */
void connector_stop(void);

void connector_count(struct worker_counts *n);
void connector_fill(struct pollset *ps);
void connector_ready(const struct pollset *ps, int64_t now);
int64_t connector_deadline(void);
void connector_tick(int64_t now);

#endif
