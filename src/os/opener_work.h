/*
 * opener_work.h - the opener process: what opener.h asks for is opened here, and before opener_seal() in the loop's
 * process. Only opener.c uses it.
 */
#ifndef VHOTPLUG_OPENER_WORK_H
#define VHOTPLUG_OPENER_WORK_H

#include "os/opener.h"
#include "os/worker.h"

#include <stdint.h>

/* Socket files; an inode 0 is none. */
enum opener_made { MADE_SOCKET, MADE_UEVENTS, MADE };
struct opener_inode {
    uint64_t dev, ino;
};

struct opener_order {
    struct worker_head head;
    uint32_t conf; /* number of the OPEN_CONF whose configuration is in force; 0: the one of the start */
    struct opener_inode made[MADE]; /* OPEN_MADE */
};
struct opener_reply {
    struct worker_head head;
    int32_t error;
};

extern const struct worker_job opener_work_job; /* its answer is a struct opener_reply */

void opener_work_at(const struct opener_places *p);
void opener_work_listen_at(const struct opener_listeners *l);
/* A descriptor, or -1 with errno; errno 0: done, and there is no descriptor. */
int opener_work_open(enum opener_what what);
struct opener_inode opener_work_made(enum opener_made what);

#endif
