/*
 * device_worker.c - what a device worker may do, and the memory of its orders and answers. Owns both; the orders are
 * carried out by usb_work.c.
 */
#include "daemon/device_worker.h"

#include "base/assert.h"
#include "base/limits.h"
#include "bus/device_pool.h"
#include "bus/usb/bus_usb.h"
#include "bus/usb/usb_work.h"
#include "daemon/sandbox_paths.h"
#include "os/pages.h"
#include "os/sandbox.h"

static struct device_order order;
static union device_answer answer;

static bool enter(void) {
    struct sandbox box = {.role = SANDBOX_DEVICE};
    box.paths = sandbox_paths_device(&box.npaths);
    return sandbox_enter(&box);
}

static void idle(void) {
    usb_work_idle();
    pages_give_back(&answer, sizeof answer);
}

static const struct worker_job job = {
    .name = "vhotplug-device",
    .order_size = sizeof order,
    .answer_max = sizeof answer,
    .order = &order,
    .answer = &answer,
    .enter = enter,
    .handle = usb_work,
    .idle = idle,
};

bool device_workers_start(void) {
    return device_pool_start(VH_DEVICE_WORKERS, &job, bus_usb_done);
}

void device_workers_none(void) {
    bool ok = device_pool_start(0, &job, bus_usb_done);
    VH_ASSERT(ok);
}
