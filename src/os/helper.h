/*
 * helper.h - starts a helper process with a socket to the daemon. The caller owns the socket and gives the function
 * that the helper runs.
 */
#ifndef VHOTPLUG_HELPER_H
#define VHOTPLUG_HELPER_H

/* The whole run of the helper: it enters its sandbox, and serves fd until the other end is closed. */
typedef void helper_fn(int fd, const void *arg);

/* The daemon's end of the socket (whole messages, blocking), or -1 after logging why. The kernel shows 15 bytes of
 * name at most. The new process holds none of the ends that were returned before. */
int helper_start(const char *name, helper_fn *serve, const void *arg);
/* Stays open in the daemon; helpers that are started later do not have it. VH_MAX_HIDDEN times. */
void helper_hide(int fd);
void helper_close(int fd); /* the daemon's end: the process finishes the work it has, then ends */

#endif
