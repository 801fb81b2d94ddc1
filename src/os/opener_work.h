/*
 * opener_work.h - the opener process: what opener.h asks for is opened here, and before opener_seal() in the loop's
 * process. Only opener.c uses it.
 */
#ifndef VHOTPLUG_OPENER_WORK_H
#define VHOTPLUG_OPENER_WORK_H

#include "os/opener.h"
#include "os/opener_order.h"
#include "os/worker.h"

extern const struct worker_job opener_work_job; /* its answer is a struct opener_reply */

void opener_work_at(const struct opener_places *p);
void opener_work_listen_at(const struct opener_listeners *l);
/* A descriptor, or -1 with errno; errno 0: done, and there is no descriptor. */
int opener_work_open(enum opener_what what);
struct opener_inode opener_work_made(enum opener_made what);

#endif
