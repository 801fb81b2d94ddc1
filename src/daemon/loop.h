/*
 * loop.h - the one loop: poll set, deadlines, signals. Knows no protocol.
 */
#ifndef VHOTPLUG_LOOP_H
#define VHOTPLUG_LOOP_H

#include "bus/bus.h"
#include "config/conf.h"
#include "daemon/reload.h"
#include "vmm/vmm.h"

#include <stdbool.h>

struct loop_options {
    const struct conf *conf;
    /* As reload_calls.read: another configuration. */
    const struct conf *(*reload)(int fd, int error, const struct conf *old, vm_set busy, reload_tell *tell);
    const struct bus *bus;
    const struct vmm *const *vmms; /* ends with NULL */
    bool attach_connected;
    bool (*started)(void); /* called once, when all is open; after false (with a log line) loop_run() ends */
};

/* Opens everything, says "ready", runs until SIGTERM or SIGINT. False (after logging why) if it could not start. */
bool loop_run(const struct loop_options *options);

#endif
