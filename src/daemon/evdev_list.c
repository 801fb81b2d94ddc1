/*
 * evdev_list.c - owns the last list of input devices. The device workers read it (evdev_sysfs.c). Knows nothing of what
 * is asked about it.
 */
#include "daemon/evdev_list.h"

static struct device_evdev last;
static struct host_list list = {.kind = DEVICE_EVDEV, .last = &last};

void evdev_list_start(host_list_done_fn *done) {
    list.done = done;
}

void evdev_list_ask(struct client_ref c) {
    host_list_ask(&list, c);
}

void evdev_list_client_gone(struct client_ref c) {
    host_list_client_gone(&list, c);
}

void evdev_list_read(const union device_answer *a) {
    host_list_read(&list, a);
}

const struct device_evdev *evdev_list_last(void) {
    return &last;
}
