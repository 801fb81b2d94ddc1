/*
 * disk_order.c - the form of the disk worker's orders and answers. Owns nothing; pure.
 */
#include "daemon/disk_order.h"

#include "base/limits.h"
#include "daemon/state_file.h"

bool disk_order_valid(const struct disk_order *o) {
    return o->head.kind == DISK_SAVE && o->len > 0 && o->len <= VH_STATE_MAX;
}

bool disk_answer_valid(const struct disk_answer *a, size_t n, const int fds[WORKER_FDS]) {
    return n == sizeof *a && a->error >= 0 && a->error <= WORKER_ERRNO_MAX && a->place < STATE_FILE_PLACES &&
           fds[0] < 0 && fds[1] < 0;
}
