/*
 * vfio_order.c - the form of orders and answers about devices that VFIO gives away. Owns nothing; pure.
 */
#include "bus/vfio_order.h"

#include "base/str.h"

#include <string.h>

static bool named_before(const struct vfio_order *o, uint32_t i) {
    for (uint32_t k = 0; k < i; k++) {
        if (pci_address_order(&o->member[k].address) == pci_address_order(&o->member[i].address))
            return true;
    }
    return false;
}

bool vfio_order_valid(const struct vfio_order *o, bool with_fd) {
    bool prepare = o->head.kind == VFIO_PREPARE;
    if (with_fd || o->head.kind < VFIO_PREPARE || o->head.kind >= VFIO_KINDS || o->n == 0 || o->by_fd > 1 ||
        o->joins > 1)
        return false;
    if (o->n > (prepare ? VH_MAX_GROUP : 1) || (!prepare && (o->uid != VFIO_ROOT || o->by_fd != 0 || o->joins != 0)))
        return false;
    for (uint32_t i = 0; i < o->n; i++) {
        if ((o->member[i].despite & ~(unsigned)(prepare ? VFIO_DESPITE : 0)) != 0 || named_before(o, i))
            return false;
    }
    return true;
}

static bool flags_valid(const struct vfio_order *o, const struct vfio_answer *a) {
    bool done = a->result == VFIO_DONE;
    if (a->opened > (done && o->head.kind == VFIO_PREPARE ? o->by_fd : 0))
        return false;
    if (a->wanted > (a->result == VFIO_BUSY && o->head.kind == VFIO_LOOK ? 1 : 0))
        return false;
    return a->undriven <= (done && o->head.kind == VFIO_RESTORE ? VH_MAX_GROUP : 0);
}

bool vfio_answer_valid(const struct vfio_order *o, const struct vfio_answer *a, size_t n, const int fds[WORKER_FDS]) {
    if (n != sizeof *a || a->result < VFIO_DONE || a->result >= VFIO_RESULTS || !flags_valid(o, a))
        return false;
    if (memchr(a->why, '\0', sizeof a->why) == NULL || !utf8_valid(a->why))
        return false;
    if ((a->result == VFIO_DONE) != (a->why[0] == '\0') || (a->result != VFIO_DONE && a->group != 0))
        return false;
    for (int i = 0; i < WORKER_FDS; i++) {
        if ((fds[i] >= 0) != (a->opened != 0))
            return false;
    }
    return true;
}
