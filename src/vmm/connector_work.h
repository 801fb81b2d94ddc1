/*
 * connector_work.h - the connector process: it alone connects to monitors, and it alone has CAP_DAC_OVERRIDE. A QEMU of
 * another user makes its monitor's socket with mode 0755, and to connect one needs the right to write.
 */
#ifndef VHOTPLUG_CONNECTOR_WORK_H
#define VHOTPLUG_CONNECTOR_WORK_H

#include "config/conf.h"
#include "os/sandbox.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads the configuration file again; what it returns holds the VMs of `old` as well, as retired rows. NULL: it cannot
 * be read, or has errors; `old` stays valid then. Logs nothing. */
typedef const struct conf *connector_reload_fn(const struct conf *old);

/* What the process inherits. */
struct connector_setup {
    const struct conf *conf;
    int inotify; /* the loop reads its events, the process adds the watches */
    connector_reload_fn *reload;
    const struct sandbox_path *paths; /* that it may read: those of the configuration */
    int npaths;
};

const struct worker_job *connector_work(const struct connector_setup *s);
/* The server of a VM's socket is handed opened devices. So its uid must be the configured one, or else root's or that
 * of the socket's owner. */
bool connector_accepts(const struct vm_conf *vm, uint32_t uid, uint32_t owner);

#endif
