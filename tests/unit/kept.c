/*
 * kept.c - the USB bus without a daemon, see kept.h. Owns the devices kept, and the one order and its answer; checks
 * nothing.
 */
#include "kept.h"

#include "bus/usb/bus_usb.h"
#include "bus/usb/usb_work.h"

#include <string.h>

struct kept kept;

struct device *kept_device(const char *name) {
    for (int i = 0; i < kept.n; i++) {
        if (strcmp(kept.dev[i].sys_name, name) == 0)
            return &kept.dev[i];
    }
    return NULL;
}

void kept_fact(const struct fact *f) {
    if (f->kind != FACT_DEVICE)
        return;
    struct device *d = kept_device(f->device->sys_name);
    if (d == NULL && kept.n < VH_MAX_DEVICES)
        d = &kept.dev[kept.n++];
    if (d == NULL)
        return;
    struct device_texts texts; /* the new ones may be the old ones */
    device_copy_texts(&texts, f->device);
    kept.texts[d - kept.dev] = texts;
    *d = *f->device;
    device_take_texts(d, &kept.texts[d - kept.dev]);
}

static bool none_given(const char *name) {
    (void)name;
    return false;
}

static bool none_wanted(const struct device *dev) {
    (void)dev;
    return false;
}

bool kept_start(const struct bus_calls *calls, device_done_fn *done) {
    static struct device_order order;
    static union device_answer answer;
    static struct bus_calls all;
    static const struct worker_job job = {.name = "test",
                                          .order_size = sizeof order,
                                          .answer_max = sizeof answer,
                                          .order = &order,
                                          .answer = &answer,
                                          .handle = usb_work};
    all = *calls;
    if (all.given == NULL)
        all.given = none_given;
    if (all.wanted == NULL)
        all.wanted = none_wanted;
    return bus_usb.start(&all) && device_pool_start(0, &job, done);
}
