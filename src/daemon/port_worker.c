/*
 * port_worker.c - what a port worker may do: no path at all, and three ioctls on what it was given. Owns the memory of
 * its orders and answers; the orders are carried out by port_work.c.
 */
#include "daemon/port_worker.h"

#include "base/limits.h"
#include "bus/usb/bus_usb.h"
#include "bus/usb/port_pool.h"
#include "bus/usb/port_work.h"
#include "os/outlive.h"
#include "os/sandbox.h"

static struct port_order order;
static struct port_answer answer;

static bool enter(void) {
    outlive_hold();
    const struct sandbox box = {.role = SANDBOX_PORT};
    return sandbox_enter(&box);
}

static const struct worker_job job = {
    .name = "vhotplug-port",
    .order_size = sizeof order,
    .answer_max = sizeof answer,
    .order = &order,
    .answer = &answer,
    .enter = enter,
    .handle = port_work,
    .leave = port_work_leave,
};

bool port_workers_start(void) {
    return port_pool_start(VH_PORT_WORKERS, &job, &bus_usb_port_calls);
}
