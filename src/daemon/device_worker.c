/*
 * device_worker.c - what a device worker may do, and the memory of its orders and answers. Owns both; the orders are
 * carried out by usb_work.c, pci_sysfs.c and evdev_sysfs.c, and what it does last by usb_leave.c.
 */
#include "daemon/device_worker.h"

#include "base/assert.h"
#include "base/limits.h"
#include "bus/device_pool.h"
#include "bus/evdev_sysfs.h"
#include "bus/pci_sysfs.h"
#include "bus/usb/auth_default.h"
#include "bus/usb/bus_usb.h"
#include "bus/usb/usb_leave.h"
#include "bus/usb/usb_work.h"
#include "daemon/evdev_list.h"
#include "daemon/pci_list.h"
#include "daemon/sandbox_paths.h"
#include "os/outlive.h"
#include "os/pages.h"
#include "os/sandbox.h"

static struct device_order order;
static _Alignas(4096) union device_answer answer;     /* whole pages, which are given back */
static struct sandbox box = {.role = SANDBOX_DEVICE}; /* made before they start, so that all share the memory */

static bool enter(void) {
    outlive_watch();
    return sandbox_enter(&box);
}

/* All buses have the same orders' form and the same workers. */
static size_t handle(const void *message, int fd, void *reply, int out[WORKER_FDS]) {
    const struct device_order *o = message;
    union device_answer *a = reply;
    if ((o->head.kind != DEVICE_PCI && o->head.kind != DEVICE_EVDEV) || !device_order_valid(o))
        return usb_work(message, fd, reply, out);
    if (o->head.kind == DEVICE_PCI)
        pci_sysfs_list(&a->pci);
    else
        evdev_sysfs_list(&a->evdev);
    return device_answer_size(o->head.kind, a);
}

static void done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    if (o->head.kind == DEVICE_PCI)
        pci_list_read(a);
    else if (o->head.kind == DEVICE_EVDEV)
        evdev_list_read(a);
    else
        bus_usb_done(o, token, a, fd);
}

static void idle(void) {
    usb_work_idle();
    pages_give_back(&answer, sizeof answer);
    pages_give_back_stack();
}

static void leave(void) {
    usb_leave(box.configures);
}

static const struct worker_job job = {
    .name = "vhotplug-device",
    .order_size = sizeof order,
    .answer_max = sizeof answer,
    .order = &order,
    .answer = &answer,
    .enter = enter,
    .handle = handle,
    .idle = idle,
    .leave = leave,
};

bool device_workers_start(bool configures) {
    box.configures = configures;
    box.paths = sandbox_paths_device(auth_default_on(), &box.npaths);
    return device_pool_start(VH_DEVICE_WORKERS, &job, done);
}

void device_workers_none(void) {
    bool ok = device_pool_start(0, &job, done);
    VH_ASSERT(ok);
}
