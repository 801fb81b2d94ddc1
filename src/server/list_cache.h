/*
 * list_cache.h - the parts of a long reply, rendered many at once and shared by clients that ask for the same list.
 * client.c uses it; server.c drops it.
 */
#ifndef VHOTPLUG_LIST_CACHE_H
#define VHOTPLUG_LIST_CACHE_H

#include "base/model.h"
#include "server/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parts that follow each other, from a cursor on. At least one; maybe not up to the last of the list. */
struct list_run {
    int first; /* index of its first part in the cache */
    const char *text;
    size_t len; /* of all its parts */
};

/* What is left of a run after some of its bytes were sent. */
struct list_rest {
    const char *text; /* unsent bytes of the part that the next byte belongs to */
    size_t len;       /* 0: the whole run was sent */
    uint64_t cursor;  /* where the part after that one begins */
    bool more;        /* is there such a part? */
};

/* The run at this cursor of the client's reply: from the cache, or rendered by calls->part. Valid until the next call.
 */
struct list_run list_cache_run(uint64_t cursor, struct client_ref ref, const struct server_calls *calls);
/* Nothing is in the cache any more; its memory goes back to the kernel. */
void list_cache_drop(void);
/* After the first `sent` bytes of the run returned last. */
struct list_rest list_cache_rest(const struct list_run *run, size_t sent);

#endif
