/*
 * dispatch.h - facts to the core, its actions to the rooms; the one place that holds the core's state.
 */
#ifndef VHOTPLUG_DISPATCH_H
#define VHOTPLUG_DISPATCH_H

#include "bus/bus.h"
#include "core/core.h"
#include "vmm/vmm.h"

#include <stdbool.h>
#include <stdint.h>

/* Opens links, helpers and watch, with the memories of an earlier run. False after logging why. Nothing is looked for
 * yet. The configuration lives until another is put in force by FACT_RELOAD. */
/* Whoever has the requests that are under way. */
struct dispatch_calls {
    void (*reply)(const struct action *a, const char *error); /* ACT_REPLY, ACT_REPLY_VERSION */
    void (*reply_parts)(const struct action *a);              /* ACT_REPLY_PARTS */
    const struct principal *(*asker)(struct client_ref c);
};

bool dispatch_start(const struct conf *conf, const struct bus *bus, const struct vmm *const *vmms,
                    const struct dispatch_calls *calls, bool attach_connected);

/* The time of the pass, in ns of clock_now(): what the core and the rooms take for now. */
void dispatch_time(int64_t now);
int64_t dispatch_now(void);

/* Everything that follows is done on return. From within an action the fact waits for the end of that step. */
void dispatch_fact(const struct fact *f);
void dispatch_vm(enum fact_kind kind, int vm);

const struct core *dispatch_core(void);
const struct device *dispatch_reported(const char *sys_name); /* for the bus: the device as it reported it, if there */

#endif
