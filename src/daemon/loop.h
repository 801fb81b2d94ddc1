/*
 * loop.h - the one loop: poll set, deadlines, signals, reload of the configuration. Knows no protocol.
 */
#ifndef VHOTPLUG_LOOP_H
#define VHOTPLUG_LOOP_H

#include "bus/bus.h"
#include "config/conf.h"
#include "vmm/vmm.h"

#include <stdbool.h>

struct loop_options {
    const struct conf *conf;
    /* Reads what the opener has read (fd, or -1 and an errno), into other memory than that of the configuration in
     * force (`old`), and aligns it with `old` (conf_align). NULL, all problems logged, if it is not usable. */
    const struct conf *(*reload)(int fd, int error, const struct conf *old, vm_set busy);
    const struct bus *bus;
    const struct vmm *const *vmms; /* ends with NULL */
    bool attach_connected;
    bool (*started)(void); /* called once, when all is open; after false (with a log line) loop_run() ends */
};

/* Opens everything, says "ready", runs until SIGTERM or SIGINT. False (after logging why) if it could not start. */
bool loop_run(const struct loop_options *options);

#endif
