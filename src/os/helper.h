/*
 * helper.h - starts a process beside the daemon, with a socket between the two. What it does there is its owner's.
 */
#ifndef VHOTPLUG_HELPER_H
#define VHOTPLUG_HELPER_H

/* The other process, from begin to end: it shuts itself in, and serves fd until that ends. */
typedef void helper_fn(int fd, const void *arg);

/* The daemon's end of the socket (whole messages, blocking), or -1 after logging why. name: at most 15 bytes show. */
int helper_start(const char *name, helper_fn *serve, const void *arg);

#endif
