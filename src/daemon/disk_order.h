/*
 * disk_order.h - what the loop asks the disk worker, and the form of the answers. Pure. The text to be written is in
 * the memory that both share.
 */
#ifndef VHOTPLUG_DISK_ORDER_H
#define VHOTPLUG_DISK_ORDER_H

#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_kind { DISK_SAVE = 1 };

struct disk_order {
    struct worker_head head; /* kind: enum disk_kind */
    uint32_t len;            /* of the text */
};
struct disk_answer {
    struct worker_head head;
    int32_t error;  /* 0 or an errno */
    uint32_t place; /* enum state_file_place: where the error came up */
};

/* In the worker: is it an order, about text that is there? */
bool disk_order_valid(const struct disk_order *o);
/* In the loop: has the answer (n bytes) its form? It comes without a descriptor. */
bool disk_answer_valid(const struct disk_answer *a, size_t n, const int fds[WORKER_FDS]);

#endif
