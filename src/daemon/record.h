/*
 * record.h - the record of assignments: which VM has which device, for the daemon that comes after this one. A file in
 * memory (general.recordPath, in /run), gone with the host's next start.
 */
#ifndef VHOTPLUG_RECORD_H
#define VHOTPLUG_RECORD_H

#include "core/core.h"

/* Before the first step: reads what an earlier daemon has noted, tells the core, and begins a record of its own. Logs
 * what cannot be done: then the core knows less, and the next daemon, too. */
void record_start(const struct conf *conf, struct core *core);
/* After each step and before its actions: a VM gets no device that is not noted. No system call. */
void record_sync(const struct core *core);
void record_names(const struct conf *conf); /* the VMs of a configuration that was loaded again */

#endif
