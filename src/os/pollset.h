/*
 * pollset.h - the descriptors of one poll(). The loop makes the set anew for each pass: each module adds its
 * descriptors and remembers the index of each, so a result goes to a slot of the module, never to a bare descriptor.
 * Never calls poll() itself and never closes a descriptor.
 */
#ifndef VHOTPLUG_POLLSET_H
#define VHOTPLUG_POLLSET_H

#include "base/limits.h"

#include <poll.h>

struct pollset {
    int n;
    struct pollfd fd[VH_MAX_POLL];
};

int pollset_add(struct pollset *ps, int fd, short events); /* the index; asserts that the set has space */
/* The events that poll() reported for fd at this index. 0 if the index is -1, or if the slot has got another descriptor
 * since. */
short pollset_got(const struct pollset *ps, int index, int fd);

#endif
