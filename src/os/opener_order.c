/*
 * opener_order.c - the form of the opener's orders and answers. Owns nothing; pure.
 */
#include "os/opener_order.h"

bool opener_order_valid(const struct opener_order *o, bool begun, bool with_fd) {
    return !with_fd && o->head.kind < OPEN_KINDS && begun == (o->head.kind != OPEN_MADE);
}

bool opener_reply_valid(uint32_t kind, const struct opener_reply *r, size_t n, const int fds[WORKER_FDS]) {
    bool opens = kind != OPEN_UNLINK && kind != OPEN_MADE && kind != OPEN_END;
    return n == sizeof *r && r->error >= 0 && r->error <= WORKER_ERRNO_MAX && fds[1] < 0 &&
           (fds[0] >= 0) == (opens && r->error == 0);
}
