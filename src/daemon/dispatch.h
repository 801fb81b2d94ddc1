/*
 * dispatch.h - facts go to the core, and the actions that come back are done. The one place that holds the core's
 * state.
 */
#ifndef VHOTPLUG_DISPATCH_H
#define VHOTPLUG_DISPATCH_H

#include "bus/bus.h"
#include "core/core.h"
#include "vmm/vmm.h"

#include <stdbool.h>
#include <stdint.h>

/* Provided by the owner of the requests under way. */
struct dispatch_calls {
    void (*reply)(const struct action *a, const char *error); /* ACT_REPLY, ACT_REPLY_VERSION */
    void (*reply_parts)(const struct action *a);              /* ACT_REPLY_PARTS */
    void (*serve)(const struct action *a);                    /* ACT_SERVE */
    const struct principal *(*asker)(struct client_ref c);    /* of the request under way */
};

/* Starts the bus and its workers, the links and the watch for VMs, and loads the state file. False after logging why.
 * Looks for no device and no VM yet. conf must stay valid until FACT_RELOAD puts another one in force. */
bool dispatch_start(const struct conf *conf, const struct bus *bus, const struct vmm *const *vmms,
                    const struct dispatch_calls *calls, bool attach_connected);

/* The time of the pass, in ns of clock_now(): the core's `now`. */
void dispatch_time(int64_t now);
int64_t dispatch_now(void);

/* Everything that follows from the fact is done on return. Given from within an action, it waits until that step is
 * done. */
void dispatch_fact(const struct fact *f);
void dispatch_vm(enum fact_kind kind, int vm);

const struct core *dispatch_core(void);
const struct bus *dispatch_bus(void);
const struct device *dispatch_reported(const char *sys_name); /* for the bus: the device as it reported it, if there */

#endif
