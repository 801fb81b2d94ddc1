/*
 * vfio_worker.c - what a VFIO worker may do, and the memory of its orders and answers. Owns both; the orders are
 * carried out by vfio_work.c.
 */
#include "daemon/vfio_worker.h"

#include "base/duration.h"
#include "base/log.h"
#include "bus/vfio_node.h"
#include "bus/vfio_work.h"
#include "daemon/sandbox_paths.h"
#include "os/outlive.h"
#include "os/sandbox.h"

#include <unistd.h>

static struct vfio_order order;
static struct vfio_answer answer;

static bool enter(void) {
    struct sandbox box = {.role = SANDBOX_VFIO};
    outlive_watch();
    vfio_node_start();
    box.paths = sandbox_paths_vfio(&box.npaths);
    return sandbox_enter(&box);
}

static const struct worker_job job = {
    .name = "vhotplug-vfio",
    .order_size = sizeof order,
    .answer_max = sizeof answer,
    .order = &order,
    .answer = &answer,
    .enter = enter,
    .handle = vfio_work,
    .leave = vfio_work_leave,
};

bool vfio_worker_start(struct worker *w) {
    return worker_start(w, &job);
}

bool vfio_worker_order(struct worker *w, struct vfio_order *o, int64_t now) {
    return worker_order(w, o, o->head.kind, -1, now + VH_T_VFIO * VH_NSEC_PER_MSEC);
}

const struct vfio_answer *vfio_worker_answer(struct worker *w, const struct vfio_order *o, size_t n,
                                             int fds[WORKER_FDS]) {
    if (vfio_answer_valid(o, &answer, n, fds))
        return &answer;
    for (int i = 0; i < WORKER_FDS; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
    log_error("worker ended: name=%s reason=\"an answer has not its form\"", job.name);
    worker_stop(w);
    return NULL;
}
