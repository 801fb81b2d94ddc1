/*
 * pollset.c - see pollset.h. Owns nothing: the set is the loop's.
 */
#include "os/pollset.h"

#include "base/assert.h"

int pollset_add(struct pollset *ps, int fd, short events) {
    VH_ASSERT(ps->n < VH_MAX_POLL);
    ps->fd[ps->n] = (struct pollfd){.fd = fd, .events = events};
    return ps->n++;
}

short pollset_got(const struct pollset *ps, int index, int fd) {
    if (index < 0 || index >= ps->n || fd < 0 || ps->fd[index].fd != fd)
        return 0;
    return ps->fd[index].revents;
}
