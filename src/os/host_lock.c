/*
 * host_lock.c - the lock that makes a daemon the only one of its host. Owns the lock's file and keeps it open; never
 * writes to it, reads from it or removes it.
 *
 * The file is in /dev, because a kernel has one devtmpfs: whatever its mount namespace, a daemon finds the same file,
 * in an initramfs and after switch_root as well. /run may be another tmpfs in each of them, and an abstract unix socket
 * is another one in each network namespace.
 *
 * No user but root can hold up root's daemon: a lock needs an open file, only root may make one in /dev or open this
 * one, and a link in its place is not followed. The name of an abstract socket belongs to whoever binds it first, and
 * flock() on a directory needs no more than the right to read it.
 *
 * A record lock (F_SETLK) belongs to the process, and the kernel ends it with the process. Locks of the other two kinds
 * belong to the open file: a helper that hangs at a device would keep them for a daemon that was killed. The kernel
 * also says who holds it, so the file is empty, and one that is left over means nothing.
 */
#include "os/host_lock.h"

#include "base/log.h"
#include "os/helper.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TRIES = 3 }; /* a holder may end between two calls, and another one come */

static enum host_lock holder_of(int fd, int *pid) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &l) != 0)
        return HOST_LOCK_UNKNOWN;
    *pid = l.l_pid > 0 ? l.l_pid : 0;
    return l.l_type == F_UNLCK ? HOST_LOCK_FREE : HOST_LOCK_HELD;
}

/* *pid: whoever has it instead, 0 if that is not known. */
static enum host_lock lock(int fd, int *pid) {
    for (int i = 0; i < TRIES; i++) {
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        if (fcntl(fd, F_SETLK, &l) == 0)
            return HOST_LOCK_FREE;
        if (errno != EAGAIN && errno != EACCES)
            return HOST_LOCK_UNKNOWN;
        *pid = 0;
        if (holder_of(fd, pid) != HOST_LOCK_FREE)
            break;
    }
    return HOST_LOCK_HELD;
}

static void say_held(int pid) {
    if (pid > 0)
        log_error("another vhotplug runs on this host: pid=%d lock=%s", pid, HOST_LOCK_PATH);
    else
        log_error("another vhotplug runs on this host: pid=unknown (in another PID namespace) lock=%s", HOST_LOCK_PATH);
}

bool host_lock_take(void) {
    int pid = 0, fd = sysfs_open(HOST_LOCK_PATH, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
    enum host_lock got = fd >= 0 ? lock(fd, &pid) : HOST_LOCK_UNKNOWN;
    if (got == HOST_LOCK_FREE) {
        helper_hide(fd);
        return true;
    }
    if (got == HOST_LOCK_HELD)
        say_held(pid);
    else
        log_warn("whether another vhotplug runs on this host cannot be told, and none is kept from starting: %s: %s",
                 HOST_LOCK_PATH, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return got != HOST_LOCK_HELD;
}

enum host_lock host_lock_look(int *pid) {
    int fd = sysfs_open(HOST_LOCK_PATH, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    *pid = 0;
    if (fd < 0)
        return errno == ENOENT ? HOST_LOCK_FREE : HOST_LOCK_UNKNOWN;
    enum host_lock got = holder_of(fd, pid);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return got;
}

int host_lock_obstacle(void) {
    int fd = sysfs_open(HOST_LOCK_PATH, O_RDWR | O_NOFOLLOW | O_NONBLOCK), error = fd < 0 ? errno : 0;
    if (fd >= 0)
        (void)close(fd);
    if (error != ENOENT)
        return error;
    int dir = sysfs_open("/dev", O_RDONLY | O_DIRECTORY);
    error = dir < 0 || faccessat(dir, ".", W_OK, 0) != 0 ? errno : 0;
    if (dir >= 0)
        (void)close(dir);
    return error;
}
