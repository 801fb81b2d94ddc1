/*
 * mount_watch.c - polls the mount table of /proc. Owns that descriptor; never reads the table, host_use.c does.
 */
#include "bus/mount_watch.h"

#include "os/sysfs.h"

#include <fcntl.h>
#include <unistd.h>

static int table = -1, table_poll = -1;

void mount_watch_start(void) {
    table = sysfs_open("/proc/self/mountinfo", O_RDONLY);
}

void mount_watch_stop(void) {
    if (table >= 0)
        (void)close(table);
    table = -1;
}

void mount_watch_fill(struct pollset *ps) {
    table_poll = table >= 0 ? pollset_add(ps, table, POLLPRI) : -1;
}

/* The kernel reports a change of mountinfo as POLLERR, and poll() itself rearms that. A regular file, as tests have, is
 * never ready in this way. */
bool mount_watch_ready(const struct pollset *ps) {
    return (pollset_got(ps, table_poll, table) & (POLLERR | POLLPRI)) != 0;
}
