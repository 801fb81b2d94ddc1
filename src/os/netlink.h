/*
 * netlink.h - the source of uevents: the kernel's multicast group, or for tests a unix datagram socket.
 */
#ifndef VHOTPLUG_NETLINK_H
#define VHOTPLUG_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum netlink_result {
    NETLINK_GOT,     /* *msg, *len hold a message from the kernel; valid until the next read */
    NETLINK_IGNORED, /* a message was read and dropped: foreign sender, cut short */
    NETLINK_EMPTY,   /* nothing more to read */
    NETLINK_LOST,    /* the kernel dropped messages (ENOBUFS): read on until NETLINK_EMPTY, then rescan */
    NETLINK_DEAD,    /* the socket is unusable: open a new one */
};

struct netlink_stats {
    uint64_t got, ignored, lost;
};

int netlink_open(void);                  /* descriptor (non-blocking), or -1 with errno */
int netlink_open_fake(const char *path); /* unix datagram socket bound at path, for --uevents */
enum netlink_result netlink_read(int fd, char **msg, size_t *len);
bool netlink_pending(void); /* are messages left that were read already? poll() does not report them */
const struct netlink_stats *netlink_stats(void);

#endif
